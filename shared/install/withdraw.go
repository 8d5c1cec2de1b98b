package install

import (
	"context"
	"fmt"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// withdrawInterval is how long kube-apiserver gets to forget a document, which takes it milliseconds, before it is asked
// once more.
const withdrawInterval = time.Second

// Withdraw has every kube-apiserver forget the OpenAPI v3 documents of CustomResourceDefinitions that are parked, and
// returns once they are gone, as withdrawn says.
//
// By itself kube-apiserver goes on answering with the documents of versions that are not served any more, until it is
// started again: also when an aggregated server is registered for them, and then with either document. It forgets them
// when the CustomResourceDefinition is deleted, which must not be, or when it is not established. So the condition is
// lowered. kube-apiserver raises it again at once, and documents only what is served. One that has then looked too late
// has seen nothing, and so it is lowered again.
func (i *Installer) Withdraw(ctx context.Context, parked []*unstructured.Unstructured, withdrawn func(context.Context) error) error {
	var last time.Time
	return poll(ctx, time.Minute, "OpenAPI v3 to be without the CustomResourceDefinition", func(ctx context.Context) error {
		if time.Since(last) >= withdrawInterval {
			for _, definition := range parked {
				if err := lowerEstablished(ctx, i.client, definition); err != nil {
					return worthAnother(err)
				}
			}
			last = time.Now()
		}
		return withdrawn(ctx)
	})
}

// worthAnother is an error as poll takes it: one that trying again will not change is final.
func worthAnother(err error) error {
	if transient(err) || apierrors.IsConflict(err) {
		return err
	}
	return final{err}
}

// lowerEstablished says of a CustomResourceDefinition that it is not established.
func lowerEstablished(ctx context.Context, c client.Client, definition *unstructured.Unstructured) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		current := &unstructured.Unstructured{}
		current.SetGroupVersionKind(crdGVK)
		if err := c.Get(ctx, client.ObjectKeyFromObject(definition), current); err != nil {
			return err
		}
		conditions, _, err := unstructured.NestedSlice(current.Object, "status", "conditions")
		if err != nil {
			return err
		}
		established := false
		for _, condition := range conditions {
			condition, ok := condition.(map[string]any)
			if !ok || condition["type"] != string(apiextensionsv1.Established) ||
				condition["status"] != string(apiextensionsv1.ConditionTrue) {
				continue
			}
			established = true
			condition["status"] = string(apiextensionsv1.ConditionFalse)
			condition["reason"], condition["message"] = "Parked", "it serves nothing, and its OpenAPI documents are withdrawn"
			condition["lastTransitionTime"] = metav1.Now().UTC().Format(time.RFC3339)
		}
		if !established {
			return nil
		}
		if err := unstructured.SetNestedSlice(current.Object, conditions, "status", "conditions"); err != nil {
			return err
		}
		return c.Status().Update(ctx, current)
	})
	if err != nil {
		return fmt.Errorf("could not withdraw the OpenAPI documents of %s: %w", describe(definition), err)
	}
	return nil
}
