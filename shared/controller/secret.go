package controller

import (
	"encoding/base64"
	"fmt"
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
	secret := corev1ac.Secret(namesOf(instance).rootSecret, instance.Namespace).WithLabels(selectorLabels(instance))
	if instance.Spec.DeletionPolicy == v1.DeletionDelete {
		secret.WithOwnerReferences(ownerReference(instance))
	}
	return secret
}

// newRootSecret draws a password. The Secret is created and not applied: a creation fails where one exists already.
func newRootSecret(instance *v1.MySQLInstance, random io.Reader) (*corev1.Secret, error) {
	password := make([]byte, passwordBytes)
	if _, err := io.ReadFull(random, password); err != nil {
		return nil, fmt.Errorf("could not draw a root password: %w", err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:      namesOf(instance).rootSecret,
			Namespace: instance.Namespace,
			Labels:    selectorLabels(instance),
		},
		Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{generatedKey: []byte(base64.RawURLEncoding.EncodeToString(password))},
	}, nil
}
