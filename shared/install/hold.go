package install

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// holdName names the policy that keeps a parked CustomResourceDefinition from being deleted, and its binding.
const holdName = "duet-hold-crd"

// hold is the policy that protects what is stored below a CustomResourceDefinition that serves nothing. Deleting it
// deletes every object below its keys, straight in etcd, even while an aggregated server serves the same keys.
func hold() []*unstructured.Unstructured {
	return Policy(holdName,
		[]any{map[string]any{
			"apiGroups": []any{crdGVK.Group}, "apiVersions": []any{"*"},
			"operations": []any{"DELETE"}, "resources": []any{"customresourcedefinitions"},
		}},
		// Not by resourceNames: a request that deletes a collection has no name, and would be let through.
		nil, fmt.Sprintf("oldObject.metadata.name != '%s'", Resource.GroupResource()),
		"deleting this CustomResourceDefinition deletes every MySQLInstance that is stored; "+
			"`duet uninstall --delete-data` is the way to mean it")
}

// raiseHold applies the hold and waits until it is enforced: a policy takes effect some moments after it is written. While
// there is no CustomResourceDefinition, nobody can tell.
func (i *Installer) raiseHold(ctx context.Context, crd *unstructured.Unstructured) error {
	if err := apply(ctx, i.client, hold()); err != nil {
		return fmt.Errorf("could not raise the hold on stored objects: %w", err)
	}
	return poll(ctx, time.Minute, "the hold on stored objects to be enforced", func(ctx context.Context) error {
		return i.Env.AtEachAPIServer(func(config *rest.Config) error {
			c, err := i.ClientFor(config)
			if err != nil {
				return final{err}
			}
			err = c.Delete(ctx, crd.DeepCopy(), client.DryRunAll)
			if apierrors.IsNotFound(err) {
				return nil
			}
			return RefusedBy(holdName, err)
		})
	})
}

// lowerHold lets the CustomResourceDefinition be deleted again.
func (i *Installer) lowerHold(ctx context.Context) error {
	return remove(ctx, i.client, hold())
}
