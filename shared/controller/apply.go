package controller

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// blocked is why the controller does not go on with an instance until somebody does something. It is reported in the
// conditions and tried again with growing pauses.
type blocked struct {
	reason, message string
	cause           error
}

func (b *blocked) Error() string { return b.message }
func (b *blocked) Unwrap() error { return b.cause }

// refusal makes an answer of the API server that a repetition will not change into a blocked error; any other error
// stays what it is and is only tried again.
func refusal(err error) error {
	if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) {
		return &blocked{reason: ReasonChildRefused, message: err.Error(), cause: err}
	}
	return err
}

// applyConfiguration is what the generated apply configurations have in common.
type applyConfiguration interface {
	runtime.ApplyConfiguration
	GetName() *string
}

// apply makes one child as desired. It writes only if the fields that the controller owns in the live object are not
// the desired ones, and reports whether they were not. An object that is being deleted is left alone until it is gone,
// and then made anew. extract is the generated function that reads those fields.
func apply[O client.Object, C applyConfiguration](
	ctx context.Context, r *Reconciler, instance *v1.MySQLInstance, live O, desired C, extract func(O, string) (C, error),
) (bool, error) {
	gvk, err := apiutil.GVKForObject(live, r.Client.Scheme())
	if err != nil {
		return false, fmt.Errorf("could not tell the kind of a child: %w", err)
	}
	key := client.ObjectKey{Namespace: instance.Namespace, Name: *desired.GetName()}
	exists := true
	err = r.Client.Get(ctx, key, live)
	switch {
	case apierrors.IsNotFound(err):
		exists = false
		// The cache shows only what carries the controller's label. Before something is made, look at what is there.
		found := &metav1.PartialObjectMetadata{}
		found.SetGroupVersionKind(gvk)
		if err := r.Reader.Get(ctx, key, found); err == nil {
			if err := checkOwnership(instance, gvk.Kind, found); err != nil {
				return false, err
			}
			if found.DeletionTimestamp != nil {
				return false, &blocked{reason: ReasonWaitingForGarbageCollection, message: fmt.Sprintf(
					"%s %s is being deleted, and is made anew once it is gone", gvk.Kind, key.Name)}
			}
		} else if !apierrors.IsNotFound(err) {
			return false, fmt.Errorf("could not read %s %s: %w", gvk.Kind, key.Name, err)
		}
	case err != nil:
		return false, fmt.Errorf("could not read %s %s: %w", gvk.Kind, key.Name, err)
	default:
		if err := checkOwnership(instance, gvk.Kind, live); err != nil {
			return false, err
		}
		if live.GetDeletionTimestamp() != nil {
			return true, nil
		}
		owned, err := extract(live, FieldManager)
		if err != nil {
			return false, fmt.Errorf("could not read the owned fields of %s %s: %w", gvk.Kind, key.Name, err)
		}
		if equality.Semantic.DeepEqual(owned, desired) {
			r.Metrics.childUnchanged(gvk.Kind)
			return false, nil
		}
	}
	err = r.Client.Apply(ctx, desired, client.FieldOwner(FieldManager), client.ForceOwnership)
	if apierrors.IsInvalid(err) && exists {
		err = r.replaceLists(ctx, live, desired)
	}
	if err != nil {
		r.Metrics.childFailed(gvk.Kind)
		return false, refusal(fmt.Errorf("could not apply %s %s: %w", gvk.Kind, key.Name, err))
	}
	r.Metrics.childApplied(gvk.Kind)
	log.FromContext(ctx).V(1).Info("applied", "kind", gvk.Kind, "child", key.Name)
	return true, nil
}

// replaceLists applies a child to which somebody added what cannot be beside the controller's fields: a Service's port of
// the same name, say. An apply merges lists, so it cannot take such an entry away; a merge patch puts the desired lists
// in the place of the live ones. If the desired fields are what is invalid, the answer is the same error again.
func (r *Reconciler) replaceLists(ctx context.Context, live client.Object, desired applyConfiguration) error {
	content, err := json.Marshal(desired)
	if err != nil {
		return fmt.Errorf("could not write as JSON: %w", err)
	}
	patch := client.RawPatch(types.MergePatchType, content)
	if err := r.Client.Patch(ctx, live, patch, client.FieldOwner(FieldManager)); err != nil {
		return err
	}
	return r.Client.Apply(ctx, desired, client.FieldOwner(FieldManager), client.ForceOwnership)
}

// applying is apply for later.
func applying[O client.Object, C applyConfiguration](
	r *Reconciler, instance *v1.MySQLInstance, live O, desired C, extract func(O, string) (C, error),
) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) { return apply(ctx, r, instance, live, desired, extract) }
}

// namespaceIsTerminating says whether a write failed because everything around it is being deleted.
func namespaceIsTerminating(err error) bool {
	return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}
