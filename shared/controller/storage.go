package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// Volumes grow while the servers run:
//
//  1. the request of each server's claim is raised; the claims are the StatefulSet controller's, so nothing else of them
//     is touched;
//  2. the StatefulSet, whose claim templates nobody can change, is deleted without its pods and made anew, so that the
//     volumes of servers to come have the new size too;
//  3. the storage driver does the rest, and the condition StorageResized says what it waits for.
//
// Each step follows from what is there, so a controller that stops between any two goes on where it was. The new
// StatefulSet is made of the roll-out that is in force (rollout.go): it adopts the pods and restarts none.

// growth is what a pass found out about growing the volumes.
type growth struct {
	// refused is why they do not grow; empty if nothing is in the way.
	refused string
}

// growClaims raises the requests of the servers' claims. Claims of servers that were scaled away grow when they are
// used again. A claim that is not bound yet cannot be changed, and grows once it is.
func (r *Reconciler) growClaims(ctx context.Context, instance *v1.MySQLInstance, f facts) (g growth, wrote bool, err error) {
	size := instance.Spec.Storage.VolumeSize
	for ordinal := range int(*instance.Spec.Replicas) {
		claim := f.claims[ordinal]
		if claim == nil || claim.DeletionTimestamp != nil || claim.Status.Phase != corev1.ClaimBound ||
			claim.Spec.Resources.Requests.Storage().Cmp(size) >= 0 {
			continue
		}
		if g.refused, err = r.expansionRefused(ctx, claim); err != nil || g.refused != "" {
			return g, wrote, err
		}
		err := r.Client.Patch(ctx, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
			Namespace: claim.Namespace, Name: claim.Name,
		}}, growthPatch(claim, size), client.FieldOwner(FieldManager))
		switch {
		case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
			g.refused = fmt.Sprintf("volume %s cannot grow: %v", claim.Name, err)
			return g, wrote, nil
		case client.IgnoreNotFound(err) != nil:
			return g, wrote, fmt.Errorf("could not grow volume %s: %w", claim.Name, err)
		}
		r.Metrics.volumeGrown()
		wrote = true
	}
	return g, wrote, nil
}

// growthPatch raises the request of this claim, and of no later one of its name.
func growthPatch(claim *corev1.PersistentVolumeClaim, size resource.Quantity) client.Patch {
	content, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": claim.UID},
		"spec":     map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": size.String()}}},
	})
	if err != nil {
		panic(fmt.Sprintf("a size cannot be written as JSON: %v", err))
	}
	return client.RawPatch(types.MergePatchType, content)
}

// expansionRefused asks the claim's class before the API server is asked, which would refuse the same write again and
// again: only volumes of a class that is there and allows it can grow. It is empty if this one can.
func (r *Reconciler) expansionRefused(ctx context.Context, claim *corev1.PersistentVolumeClaim) (string, error) {
	name := ptr.Deref(claim.Spec.StorageClassName, "")
	if name == "" {
		return fmt.Sprintf("volume %s has no StorageClass, and only those of a class can grow", claim.Name), nil
	}
	var class storagev1.StorageClass
	switch err := r.Reader.Get(ctx, client.ObjectKey{Name: name}, &class); {
	case apierrors.IsNotFound(err):
		return fmt.Sprintf("StorageClass %s does not exist any more, and only volumes of one that does can grow", name), nil
	case err != nil:
		return "", fmt.Errorf("could not read StorageClass %s: %w", name, err)
	case !ptr.Deref(class.AllowVolumeExpansion, false):
		return fmt.Sprintf("StorageClass %s does not allow volumes to grow: set its allowVolumeExpansion", name), nil
	}
	return "", nil
}

// claimTemplateSize is what a StatefulSet makes new volumes with; nil if it makes none.
func claimTemplateSize(set *appsv1.StatefulSet) *resource.Quantity {
	if set == nil {
		return nil
	}
	for i := range set.Spec.VolumeClaimTemplates {
		if template := &set.Spec.VolumeClaimTemplates[i]; template.Name == dataVolume {
			return template.Spec.Resources.Requests.Storage()
		}
	}
	return nil
}

// templateIsSmall says whether the StatefulSet would give a new server a volume that is too small.
func templateIsSmall(instance *v1.MySQLInstance, set *appsv1.StatefulSet) bool {
	size := claimTemplateSize(set)
	return size != nil && size.Cmp(instance.Spec.Storage.VolumeSize) < 0
}

// orphanPods deletes a StatefulSet and leaves its pods as they are.
func (r *Reconciler) orphanPods(ctx context.Context, set *appsv1.StatefulSet) (bool, error) {
	err := r.Client.Delete(ctx, set, client.PropagationPolicy(metav1.DeletePropagationOrphan),
		client.Preconditions{UID: &set.UID})
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("could not delete StatefulSet %s to make it anew: %w", set.Name, err)
	}
	log.FromContext(ctx).Info("making a StatefulSet anew, so that it makes larger volumes", "statefulSet", set.Name)
	return true, nil
}

// resizedCondition says how far the servers' volumes are from the size asked for.
func resizedCondition(instance *v1.MySQLInstance, o observation) metav1.Condition {
	size := instance.Spec.Storage.VolumeSize
	not := func(reason, message string) metav1.Condition {
		return condition(v1.ConditionStorageResized, false, reason, message)
	}
	var waiting []string
	count, reason := 0, ReasonVolumesPending
	for ordinal := range int(*instance.Spec.Replicas) {
		claim := o.claims[ordinal]
		if claim == nil {
			continue
		}
		count++
		if capacity, ok := claim.Status.Capacity[corev1.ResourceStorage]; !ok || capacity.Cmp(size) < 0 {
			waiting = append(waiting, fmt.Sprintf("%s (%s)", claim.Name, awaited(claim, size)))
			if ok {
				reason = ReasonResizing
			}
		}
	}
	switch {
	case o.growth.refused != "":
		return not(ReasonExpansionRefused, fmt.Sprintf("spec.storage.size is %s, but %s", size.String(), o.growth.refused))
	case count == 0:
		c := not(ReasonNoVolumes, "no volume exists yet")
		c.Status = metav1.ConditionUnknown
		return c
	case len(waiting) > 0:
		return not(reason, fmt.Sprintf("%d of %d volumes do not have %s yet: %s",
			len(waiting), count, size.String(), strings.Join(waiting, ", ")))
	case templateIsSmall(instance, o.statefulSet):
		return not(ReasonResizing, fmt.Sprintf("StatefulSet %s is to be made anew, for volumes of %s", o.statefulSet.Name, size.String()))
	}
	return condition(v1.ConditionStorageResized, true, ReasonSizeReached,
		fmt.Sprintf("every volume has at least %s", size.String()))
}

// awaited is what a volume that is too small waits for.
func awaited(claim *corev1.PersistentVolumeClaim, size resource.Quantity) string {
	is := func(kind corev1.PersistentVolumeClaimConditionType) (string, bool) {
		i := slices.IndexFunc(claim.Status.Conditions, func(c corev1.PersistentVolumeClaimCondition) bool {
			return c.Type == kind && c.Status == corev1.ConditionTrue
		})
		if i < 0 {
			return "", false
		}
		return because(claim.Status.Conditions[i].Reason, claim.Status.Conditions[i].Message), true
	}
	if claim.Status.Phase != corev1.ClaimBound {
		return "not bound to a volume"
	}
	if claim.Spec.Resources.Requests.Storage().Cmp(size) < 0 {
		return "about to be asked for"
	}
	for _, kind := range []corev1.PersistentVolumeClaimConditionType{
		corev1.PersistentVolumeClaimControllerResizeError, corev1.PersistentVolumeClaimNodeResizeError,
	} {
		if why, failed := is(kind); failed {
			return fmt.Sprintf("%s %s", kind, why)
		}
	}
	switch status := claim.Status.AllocatedResourceStatuses[corev1.ResourceStorage]; status {
	case corev1.PersistentVolumeClaimControllerResizeInfeasible, corev1.PersistentVolumeClaimNodeResizeInfeasible:
		return "the storage driver says " + string(status)
	}
	if _, pending := is(corev1.PersistentVolumeClaimFileSystemResizePending); pending {
		return "the file system grows while a server has it mounted"
	}
	if _, under := is(corev1.PersistentVolumeClaimResizing); under {
		return "the storage driver is at it"
	}
	return "the storage driver has not begun"
}
