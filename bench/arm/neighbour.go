package arm

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Neighbour is a target on whose control plane somebody else can write as well.
type Neighbour interface {
	// Heartbeat returns what renews a Lease in a namespace of the benchmark's, as every node and every controller of a
	// cluster does all the time. That is a write of another resource to the etcd of kube-apiserver: no watch on the arm's
	// own resource tells of it.
	Heartbeat(ctx context.Context, namespace string) (renew func(context.Context) error, err error)
}

// Heartbeat implements Neighbour, as an administrator and over a connection of its own. Calls of renew may not overlap.
func (k Kubernetes) Heartbeat(ctx context.Context, namespace string) (renew func(context.Context) error, err error) {
	client, err := clientset(k.Admin)
	if err != nil {
		return nil, err
	}
	leases := client.CoordinationV1().Leases(namespace)
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: owner}}
	lease, err = leases.Create(ctx, lease, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		lease, err = leases.Get(ctx, owner, metav1.GetOptions{})
	}
	if err != nil {
		return nil, fmt.Errorf("could not make a lease in namespace %s: %w", namespace, err)
	}
	return func(ctx context.Context) error {
		now := metav1.NewMicroTime(time.Now())
		lease.Spec.RenewTime = &now
		renewed, err := leases.Update(ctx, lease, metav1.UpdateOptions{})
		if err != nil {
			return fmt.Errorf("could not renew a lease in namespace %s: %w", namespace, err)
		}
		lease = renewed
		return nil
	}, nil
}
