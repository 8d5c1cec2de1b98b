package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	apiextensionshelpers "k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// EstablishTimeout is how long kube-apiserver may take to establish a CustomResourceDefinition. It does so within
// milliseconds, or after five seconds where it was told that there are several (--apiserver-count).
const EstablishTimeout = 10 * time.Second

// ErrNotEstablished says that kube-apiserver has not established a CustomResourceDefinition, or not again.
var ErrNotEstablished = errors.New("it is not established")

// Established says since when a CustomResourceDefinition is established, with a precision of a second.
func Established(definition *unstructured.Unstructured) (time.Time, error) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(definition.Object, crd); err != nil {
		return time.Time{}, err
	}
	condition := apiextensionshelpers.FindCRDCondition(crd, apiextensionsv1.Established)
	if condition == nil || condition.Status != apiextensionsv1.ConditionTrue {
		return time.Time{}, ErrNotEstablished
	}
	return condition.LastTransitionTime.Time, nil
}

// EstablishAnew has kube-apiserver establish a CustomResourceDefinition once more, by saying that it is not. Without that it
// does not look again for five minutes at one that a kube-apiserver left so that died.
func (i *Installer) EstablishAnew(ctx context.Context, definition *unstructured.Unstructured) error {
	return establishAnew(ctx, i.client, definition)
}

func establishAnew(ctx context.Context, c client.Client, definition *unstructured.Unstructured) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		current := definition.DeepCopy()
		if err := c.Get(ctx, client.ObjectKeyFromObject(definition), current); err != nil {
			return err
		}
		conditions, _, err := unstructured.NestedSlice(current.Object, "status", "conditions")
		if err != nil {
			return err
		}
		for _, condition := range conditions {
			if condition, ok := condition.(map[string]any); ok && condition["type"] == string(apiextensionsv1.Established) {
				condition["status"] = string(apiextensionsv1.ConditionFalse)
				condition["reason"], condition["message"] = "Anew", "kube-apiserver is to look at it again"
				condition["lastTransitionTime"] = metav1.Now().UTC().Format(time.RFC3339)
			}
		}
		if err := unstructured.SetNestedSlice(current.Object, conditions, "status", "conditions"); err != nil {
			return err
		}
		return c.Status().Update(ctx, current)
	})
	if err != nil {
		return fmt.Errorf("could not have %s established anew: %w", describe(definition), err)
	}
	return nil
}

// forgetTimeout is how long a kube-apiserver may take to forget an OpenAPI document, which it does within milliseconds if
// it has learned that it should.
const forgetTimeout = time.Second

// Withdraw has every kube-apiserver forget the OpenAPI v3 documents of a CustomResourceDefinition that is parked, and
// returns once they are gone, as withdrawn says.
//
// By itself kube-apiserver goes on answering with the documents of versions that are not served any more, until it is
// started again: also when an aggregated server is registered for them, and then with either document. It forgets them
// when the CustomResourceDefinition is deleted, which must not be, or when it is not established. Once it is again, only
// what is served is documented. A kube-apiserver that looks too late has seen nothing of that, and so it is done again.
func (i *Installer) Withdraw(ctx context.Context, parked *unstructured.Unstructured, withdrawn func(context.Context) error) error {
	var asked time.Time
	current := parked.DeepCopy()
	return poll(ctx, 2*time.Minute, "OpenAPI v3 to be without the CustomResourceDefinition", func(ctx context.Context) error {
		if err := i.client.Get(ctx, client.ObjectKeyFromObject(parked), current); err != nil {
			return forGood(err)
		}
		limit := forgetTimeout
		_, err := Established(current)
		switch {
		case err != nil:
			limit = EstablishTimeout
		case !asked.IsZero():
			if err = withdrawn(ctx); err == nil {
				return nil
			}
		}
		if time.Since(asked) >= limit {
			asked = time.Now()
			err = cmp.Or(forGood(i.EstablishAnew(ctx, parked)), err, ErrNotEstablished)
		}
		return err
	})
}

// forGood makes an error final that trying again will not change.
func forGood(err error) error {
	if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
		return final{err}
	}
	return err
}
