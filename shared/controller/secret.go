package controller

import (
	"io"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/names"
)

const (
	// generatedKey is the key of the password in the generated Secret.
	generatedKey = names.RootSecretKey
	// passwordBytes of randomness in a generated password: 32 characters once encoded.
	passwordBytes = 24
)

// rootSecretRef is where the root password is: in the Secret that the spec names, or in the generated one.
func rootSecretRef(instance *v1.MySQLInstance) v1.SecretKeyReference {
	return names.RootSecretRef(instance)
}

// rootSecret is what the controller keeps of the generated Secret: its labels and its owner, not its data. The password
// is in no apply configuration at all, so it cannot be rewritten by one.
//
// With deletionPolicy Retain the Secret has no owner and so outlives the instance with the volumes: their data opens
// with this password only. That it has none all along, and does not merely lose it in the end, is because a foreground
// deletion lets the garbage collector start before any finalizer of ours is heard.
func rootSecret(instance *v1.MySQLInstance) *corev1ac.SecretApplyConfiguration {
	return ownSecret(instance, namesOf(instance).rootSecret)
}

// ownSecret is a Secret of the controller that outlives an instance whose volumes do.
func ownSecret(instance *v1.MySQLInstance, name string) *corev1ac.SecretApplyConfiguration {
	secret := corev1ac.Secret(name, instance.Namespace).WithLabels(selectorLabels(instance))
	if instance.Spec.DeletionPolicy == v1.DeletionDelete {
		secret.WithOwnerReferences(ownerReference(instance))
	}
	return secret
}

// newRootSecret draws a password. The Secret is created and not applied: a creation fails where one exists already.
func newRootSecret(instance *v1.MySQLInstance, random io.Reader) (*corev1.Secret, error) {
	password, err := drawPassword(random)
	if err != nil {
		return nil, err
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:      namesOf(instance).rootSecret,
			Namespace: instance.Namespace,
			Labels:    selectorLabels(instance),
		},
		Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{generatedKey: []byte(password)},
	}, nil
}
