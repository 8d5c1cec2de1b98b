package admission

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	storagev1client "k8s.io/client-go/kubernetes/typed/storage/v1"
)

// SecretGetter reads one Secret. A Secret that does not exist is an error for which apierrors.IsNotFound is true; every
// other error means that nobody knows.
type SecretGetter interface {
	GetSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error)
}

// StorageClassGetter reads StorageClasses. A class that does not exist is an error for which apierrors.IsNotFound is
// true. The list is needed to find the cluster's default class.
type StorageClassGetter interface {
	GetStorageClass(ctx context.Context, name string) (*storagev1.StorageClass, error)
	ListStorageClasses(ctx context.Context) ([]storagev1.StorageClass, error)
}

// Lookups is what NewLookups returns: both getters in one.
type Lookups interface {
	SecretGetter
	StorageClassGetter
}

// NewLookups reads through a client: kubernetes.Interface's CoreV1() and StorageV1() serve, as do the two typed clients
// alone. Each look-up is a live request, for two reasons. A cache would answer from before the user created the Secret
// that the instance names, one command earlier. And a cache of Secrets would need the right to list every Secret of the
// cluster, and keep them all in memory.
func NewLookups(core corev1client.SecretsGetter, storage storagev1client.StorageClassesGetter) Lookups {
	return lookups{core: core, storage: storage}
}

type lookups struct {
	core    corev1client.SecretsGetter
	storage storagev1client.StorageClassesGetter
}

func (l lookups) GetSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	return l.core.Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
}

func (l lookups) GetStorageClass(ctx context.Context, name string) (*storagev1.StorageClass, error) {
	return l.storage.StorageClasses().Get(ctx, name, metav1.GetOptions{})
}

func (l lookups) ListStorageClasses(ctx context.Context) ([]storagev1.StorageClass, error) {
	list, err := l.storage.StorageClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}
