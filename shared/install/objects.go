package install

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/csaupgrade"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fieldManager owns what an installation writes.
const fieldManager = "duet-install"

// Labels on everything an installation writes, so that an operator can find it with one selector.
const (
	managedByLabel = "app.kubernetes.io/managed-by"
	partOfLabel    = "app.kubernetes.io/part-of"
)

// apply writes objects in order by server-side apply. It tries again while the API that an object needs is only just
// appearing; any other refusal ends it.
func apply(ctx context.Context, c client.Client, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		object = object.DeepCopy()
		labels := object.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[managedByLabel], labels[partOfLabel] = "duet", "duet"
		object.SetLabels(labels)

		err := poll(ctx, time.Minute, "", func(ctx context.Context) error {
			err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(object.DeepCopy()),
				client.FieldOwner(fieldManager), client.ForceOwnership)
			if err != nil && !transient(err) {
				return final{err}
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("could not apply %s: %w", describe(object), err)
		}
	}
	return nil
}

// Apply writes objects that are no form's as the installer writes those of a form: for what is put beside it.
func (i *Installer) Apply(ctx context.Context, objects []*unstructured.Unstructured) error {
	return apply(ctx, i.client, objects)
}

// takeOver makes this installation the only manager of the fields of objects that are there: what it then does not apply
// is gone. Without it a caBundle that a certificate manager has written, or an edit by hand, would stay for ever, and make
// an object invalid that may not have one.
func takeOver(ctx context.Context, c client.Client, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			current := &unstructured.Unstructured{}
			current.SetGroupVersionKind(object.GroupVersionKind())
			if err := c.Get(ctx, client.ObjectKeyFromObject(object), current); err != nil {
				return client.IgnoreNotFound(err)
			}
			others := sets.New[string]()
			for _, entry := range current.GetManagedFields() {
				if entry.Operation == metav1.ManagedFieldsOperationUpdate && entry.Subresource == "" {
					others.Insert(entry.Manager)
				}
			}
			patch, err := csaupgrade.UpgradeManagedFieldsPatch(current, others, fieldManager)
			if err != nil || patch == nil {
				return err
			}
			return c.Patch(ctx, current, client.RawPatch(types.JSONPatchType, patch))
		})
		if err != nil {
			return fmt.Errorf("could not take over the fields of %s: %w", describe(object), err)
		}
	}
	return nil
}

// remove deletes objects, the last one first, and waits until each is gone. Objects that are not there are fine.
func remove(ctx context.Context, c client.Client, objects []*unstructured.Unstructured) error {
	for _, object := range slices.Backward(objects) {
		err := poll(ctx, time.Minute, "", func(ctx context.Context) error {
			err := c.Delete(ctx, object.DeepCopy())
			switch {
			case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
				return nil
			case err == nil:
				return errors.New("it is still there")
			case transient(err), apierrors.IsConflict(err):
				return err
			default:
				return final{err}
			}
		})
		if err != nil {
			return fmt.Errorf("could not delete %s: %w", describe(object), err)
		}
	}
	return nil
}

// transient tells an API that is only just appearing, or a server that is only just starting, from a refusal.
func transient(err error) bool {
	return meta.IsNoMatchError(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsInternalError(err)
}

// final is an error that trying again will not change.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// tries are soon after each other at first, for most of what is waited for is there at once.
var tries = wait.Backoff{Duration: 10 * time.Millisecond, Factor: 1.5, Cap: 200 * time.Millisecond, Steps: math.MaxInt}

// poll tries until a try succeeds, fails for good or the time is over; then it says what it waited for and what the
// last try said.
func poll(ctx context.Context, timeout time.Duration, what string, try func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var last error
	err := tries.DelayFunc().Until(limited, true, true, func(ctx context.Context) (bool, error) {
		err := try(ctx)
		if fatal := (final{}); errors.As(err, &fatal) {
			return false, fatal.error
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		return err == nil, nil
	})
	switch {
	case err == nil:
		return nil
	case !wait.Interrupted(err), last == nil:
		return err
	case what == "":
		return last
	default:
		return fmt.Errorf("gave up waiting for %s: %w", what, last)
	}
}

func describe(object *unstructured.Unstructured) string {
	if object.GetNamespace() != "" {
		return fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName())
	}
	return fmt.Sprintf("%s %s", object.GetKind(), object.GetName())
}
