package controller

import (
	"context"
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// facts are what the desired children depend on besides the spec.
type facts struct {
	// rootSecretIdentity of the Secret with the root password, as name/key/uid.
	rootSecretIdentity string
	// accounts are the passwords that the servers have or may still have.
	accounts    accounts
	certificate certificateFacts
	// set is the live StatefulSet; nil before there is one.
	set *appsv1.StatefulSet
	// claimTemplates of the live StatefulSet; empty before there is one, and while it goes: the next one is free to have
	// others.
	claimTemplates []*corev1ac.PersistentVolumeClaimApplyConfiguration
	// pods by ordinal.
	pods map[int]*corev1.Pod
	// claims by ordinal.
	claims map[int]*corev1.PersistentVolumeClaim
	// recorded is the roll-out that was in force when the children were last written; nil if there is no record.
	recorded *rollout
}

// certificateFacts about the Secret in spec.tls; zero without one.
type certificateFacts struct {
	// hash of the certificate, which is public, and of the authority; not of the key.
	hash         string
	hasAuthority bool
	// authority in PEM; empty without one.
	authority []byte
}

// gatherFacts reads what the world has to say before the children are written. It makes the generated Secret if there
// is none, because no other fact can be drawn from a password that does not exist.
func (r *Reconciler) gatherFacts(ctx context.Context, instance *v1.MySQLInstance) (facts, error) {
	var f facts
	var err error
	if f.set, err = r.cachedSet(ctx, instance); err != nil {
		return f, err
	}
	if f.claimTemplates, err = liveClaimTemplates(f.set); err != nil {
		return f, err
	}
	if f.pods, err = r.cachedPods(ctx, instance); err != nil {
		return f, err
	}
	if f.claims, err = r.cachedClaims(ctx, instance); err != nil {
		return f, err
	}
	if f.recorded, err = r.recordedRollout(ctx, instance, f.set); err != nil {
		return f, err
	}
	var root string
	if f.rootSecretIdentity, root, err = r.rootPassword(ctx, instance); err != nil {
		return f, err
	}
	if f.accounts, err = r.rememberAccounts(ctx, instance, root); err != nil {
		return f, err
	}
	if servesCertificate(instance) {
		f.certificate, err = r.certificateFacts(ctx, instance)
	}
	return f, err
}

// liveClaimTemplates are none of a StatefulSet that is being deleted. It may be gone when the children are written, and
// one made of its templates would have to be deleted again at once, before the garbage collector knows the pods that it
// adopted: it would delete them.
func liveClaimTemplates(set *appsv1.StatefulSet) ([]*corev1ac.PersistentVolumeClaimApplyConfiguration, error) {
	if set == nil || set.DeletionTimestamp != nil {
		return nil, nil
	}
	templates := make([]*corev1ac.PersistentVolumeClaimApplyConfiguration, 0, len(set.Spec.VolumeClaimTemplates))
	for i := range set.Spec.VolumeClaimTemplates {
		content, err := json.Marshal(&set.Spec.VolumeClaimTemplates[i])
		if err != nil {
			return nil, fmt.Errorf("could not read the claim templates of StatefulSet %s: %w", set.Name, err)
		}
		template := &corev1ac.PersistentVolumeClaimApplyConfiguration{}
		if err := json.Unmarshal(content, template); err != nil {
			return nil, fmt.Errorf("could not read the claim templates of StatefulSet %s: %w", set.Name, err)
		}
		templates = append(templates, template)
	}
	return templates, nil
}

// recordedRollout reads the record in the ConfigMap. One that the StatefulSet was not made of is read from the API
// server: either the cache is behind, or the controller was stopped between the two writes.
func (r *Reconciler) recordedRollout(
	ctx context.Context, instance *v1.MySQLInstance, set *appsv1.StatefulSet,
) (*rollout, error) {
	key := client.ObjectKey{Namespace: instance.Namespace, Name: namesOf(instance).configMap}
	for _, reader := range []client.Reader{r.Client, r.Reader} {
		var live corev1.ConfigMap
		if err := reader.Get(ctx, key, &live); apierrors.IsNotFound(err) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("could not read ConfigMap %s: %w", key.Name, err)
		}
		found, err := rolloutOfConfigMap(instance, &live)
		if err != nil {
			return nil, err
		}
		if found != nil && (reader == r.Reader || set != nil && set.Annotations[annotationRollout] == found.hash()) {
			return found, nil
		}
	}
	return nil, nil
}

// rootPassword finds the Secret with the root password, and reads it. Only the Secrets with the controller's label are cached,
// so one that a user made is read from the API server, and so is a generated one that the cache does not show: a stale
// cache must not lead to a second password.
func (r *Reconciler) rootPassword(
	ctx context.Context, instance *v1.MySQLInstance,
) (identity, password string, err error) {
	ref := rootSecretRef(instance)
	key := client.ObjectKey{Namespace: instance.Namespace, Name: ref.Name}
	var secret corev1.Secret
	cached := instance.Spec.Credentials == nil && r.Client.Get(ctx, key, &secret) == nil
	if !cached {
		err = r.Reader.Get(ctx, key, &secret)
	}
	switch {
	case apierrors.IsNotFound(err) && instance.Spec.Credentials == nil:
		made, err := newRootSecret(instance, r.Random)
		if err != nil {
			return "", "", err
		}
		if err := r.Client.Create(ctx, made, client.FieldOwner(FieldManager)); err != nil {
			return "", "", refusal(fmt.Errorf("could not create Secret %s: %w", ref.Name, err))
		}
		secret = *made
	case apierrors.IsNotFound(err):
		return "", "", &blocked{reason: ReasonSecretNotFound, message: fmt.Sprintf(
			"Secret %s, which spec.credentials names, does not exist", ref.Name)}
	case err != nil:
		return "", "", fmt.Errorf("could not read Secret %s: %w", ref.Name, err)
	}
	if instance.Spec.Credentials == nil {
		if err := checkOwnership(instance, "Secret", &secret); err != nil {
			return "", "", err
		}
	}
	if len(secret.Data[ref.Key]) == 0 {
		return "", "", &blocked{reason: ReasonSecretKeyNotFound, message: fmt.Sprintf(
			"Secret %s has no root password under the key %s", ref.Name, ref.Key)}
	}
	return fmt.Sprintf("%s/%s/%s", ref.Name, ref.Key, secret.UID), string(secret.Data[ref.Key]), nil
}

func (r *Reconciler) certificateFacts(ctx context.Context, instance *v1.MySQLInstance) (certificateFacts, error) {
	name := *instance.Spec.TLS.SecretName
	var secret corev1.Secret
	err := r.Reader.Get(ctx, client.ObjectKey{Namespace: instance.Namespace, Name: name}, &secret)
	switch {
	case apierrors.IsNotFound(err):
		return certificateFacts{}, &blocked{reason: ReasonSecretNotFound, message: fmt.Sprintf(
			"Secret %s, which spec.tls names, does not exist", name)}
	case err != nil:
		return certificateFacts{}, fmt.Errorf("could not read Secret %s: %w", name, err)
	}
	for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		if len(secret.Data[key]) == 0 {
			return certificateFacts{}, &blocked{reason: ReasonSecretKeyNotFound, message: fmt.Sprintf(
				"Secret %s, which spec.tls names, has no %s", name, key)}
		}
	}
	authority := secret.Data[corev1.ServiceAccountRootCAKey]
	return certificateFacts{
		hash:         shortHash(string(secret.Data[corev1.TLSCertKey]) + "\n" + string(authority)),
		hasAuthority: len(authority) > 0,
		authority:    authority,
	}, nil
}
