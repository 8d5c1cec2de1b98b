package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/names"
)

// ensureFinalizer marks the instance before anything is made for it, so that no volume can outlive a policy that says
// otherwise.
func (r *Reconciler) ensureFinalizer(ctx context.Context, instance *v1.MySQLInstance) error {
	return r.patchFinalizer(ctx, instance, controllerutil.AddFinalizer)
}

// patchFinalizer sends nothing but the list of finalizers, and only if nobody changed the object since it was read: a
// merge patch replaces the whole list.
func (r *Reconciler) patchFinalizer(
	ctx context.Context, instance *v1.MySQLInstance, change func(client.Object, string) bool,
) error {
	// A patch that starts from metadata alone cannot carry anything else, defaults included.
	before := &v1.MySQLInstance{ObjectMeta: *instance.ObjectMeta.DeepCopy()}
	after := before.DeepCopy()
	if !change(after, VolumesFinalizer) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, after, patch, client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("could not change the finalizers: %w", err)
	}
	instance.SetFinalizers(after.GetFinalizers())
	instance.SetResourceVersion(after.GetResourceVersion())
	return nil
}

// finalize obeys the deletionPolicy of a deleted instance and then lets it go. It reads from the API server and not
// from the caches: what a cache does not show yet would be left behind. The message says what the deletion waits for;
// it is empty once the instance is free.
func (r *Reconciler) finalize(ctx context.Context, instance *v1.MySQLInstance) (message string, err error) {
	if !controllerutil.ContainsFinalizer(instance, VolumesFinalizer) {
		return "", nil
	}
	set, err := r.liveSet(ctx, instance)
	if err != nil {
		return "", err
	}
	if message, err := r.deleteOrphans(ctx, instance, set); err != nil || message != "" {
		return message, err
	}
	if instance.Spec.DeletionPolicy == v1.DeletionDelete {
		message, err = r.deleteVolumes(ctx, instance, set)
	} else {
		err = r.releaseVolumes(ctx, instance, set)
	}
	if err != nil || message != "" {
		return message, err
	}
	if err := r.patchFinalizer(ctx, instance, controllerutil.RemoveFinalizer); err != nil {
		return "", client.IgnoreNotFound(err)
	}
	note := "the volumes were kept"
	if instance.Spec.DeletionPolicy == v1.DeletionDelete {
		note = "the volumes were deleted"
	}
	r.Recorder.Eventf(instance, nil, corev1.EventTypeNormal, "Finalized", "Finalize", "%s", note)
	return "", nil
}

// liveSet is the instance's StatefulSet, as the API server has it; nil if there is none, or if it is somebody else's.
func (r *Reconciler) liveSet(ctx context.Context, instance *v1.MySQLInstance) (*appsv1.StatefulSet, error) {
	var set appsv1.StatefulSet
	key := client.ObjectKey{Namespace: instance.Namespace, Name: namesOf(instance).statefulSet}
	switch err := r.Reader.Get(ctx, key, &set); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("could not read StatefulSet %s: %w", key.Name, err)
	case !metav1.IsControlledBy(&set, instance):
		return nil, nil
	}
	return &set, nil
}

// deleteOrphans deletes the servers that a StatefulSet left behind, if the instance was deleted while that was being
// made anew for larger volumes. Nobody else would: an orphan has no owner that goes.
func (r *Reconciler) deleteOrphans(
	ctx context.Context, instance *v1.MySQLInstance, set *appsv1.StatefulSet,
) (message string, err error) {
	if set != nil {
		if set.DeletionTimestamp != nil && slices.Contains(set.Finalizers, metav1.FinalizerOrphanDependents) {
			return fmt.Sprintf("waiting for StatefulSet %s to be deleted", set.Name), nil
		}
		return "", nil
	}
	var pods corev1.PodList
	if err := r.Reader.List(ctx, &pods, ofInstance(instance)...); err != nil {
		return "", fmt.Errorf("could not list the servers' pods: %w", err)
	}
	var waiting []string
	for i := range pods.Items {
		pod := &pods.Items[i]
		if _, ours := podOrdinal(instance, pod.Name); !ours || metav1.GetControllerOf(pod) != nil {
			continue
		}
		if pod.DeletionTimestamp == nil {
			err := r.Client.Delete(ctx, pod, client.Preconditions{UID: &pod.UID})
			if client.IgnoreNotFound(err) != nil {
				return "", fmt.Errorf("could not delete pod %s: %w", pod.Name, err)
			}
		}
		waiting = append(waiting, pod.Name)
	}
	if len(waiting) > 0 {
		return "waiting for the servers to be deleted: " + strings.Join(waiting, ", "), nil
	}
	return "", nil
}

// deleteVolumes takes away first what uses the volumes, a running backup included: a volume in use is not deleted, and
// the StatefulSet would make it anew.
func (r *Reconciler) deleteVolumes(
	ctx context.Context, instance *v1.MySQLInstance, set *appsv1.StatefulSet,
) (string, error) {
	var using []string
	if set != nil {
		if err := r.deleteWithPods(ctx, "StatefulSet", set); err != nil {
			return "", err
		}
		using = append(using, "StatefulSet "+set.Name)
	}
	cronJob, err := r.liveCronJob(ctx, r.Reader, instance)
	if err != nil {
		return "", err
	}
	if cronJob != nil {
		if err := r.deleteWithPods(ctx, "CronJob", cronJob); err != nil {
			return "", err
		}
		using = append(using, "CronJob "+cronJob.Name)
	}
	if len(using) > 0 {
		return fmt.Sprintf("waiting for %s to be deleted, with the pods", strings.Join(using, " and ")), nil
	}

	claims, err := r.liveClaims(ctx, instance)
	if err != nil {
		return "", err
	}
	var waiting []string
	for i := range claims {
		claim := &claims[i]
		if claim.DeletionTimestamp == nil {
			err := r.Client.Delete(ctx, claim, client.Preconditions{UID: &claim.UID})
			if apierrors.IsNotFound(err) {
				continue
			}
			if err != nil {
				return "", fmt.Errorf("could not delete volume %s: %w", claim.Name, err)
			}
			r.Metrics.volumeDeleted()
		}
		waiting = append(waiting, claim.Name)
	}
	if len(waiting) > 0 {
		return "waiting for the volumes to be deleted: " + strings.Join(waiting, ", "), nil
	}
	return "", nil
}

// deleteWithPods deletes a child in the foreground: it stays until its pods are gone.
func (r *Reconciler) deleteWithPods(ctx context.Context, kind string, child client.Object) error {
	if child.GetDeletionTimestamp() != nil {
		return nil
	}
	err := r.Client.Delete(ctx, child, client.PropagationPolicy(metav1.DeletePropagationForeground),
		client.Preconditions{UID: new(child.GetUID())})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("could not delete %s %s: %w", kind, child.GetName(), err)
	}
	return nil
}

// releaseVolumes takes away every owner that would pull a volume, or the password that its data opens with, along.
// The controller gives volumes no owner; somebody who changed the StatefulSet's retention policy did.
func (r *Reconciler) releaseVolumes(ctx context.Context, instance *v1.MySQLInstance, set *appsv1.StatefulSet) error {
	owners := []types.UID{instance.UID}
	if set != nil {
		owners = append(owners, set.UID)
	}
	claims, err := r.liveClaims(ctx, instance)
	if err != nil {
		return err
	}
	for i := range claims {
		claim := &claims[i]
		before := claim.DeepCopy()
		claim.OwnerReferences = slices.DeleteFunc(claim.OwnerReferences, func(o metav1.OwnerReference) bool {
			return slices.Contains(owners, o.UID)
		})
		if len(claim.OwnerReferences) == len(before.OwnerReferences) {
			continue
		}
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		if err := r.Client.Patch(ctx, claim, patch, client.FieldOwner(FieldManager)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("could not release volume %s: %w", claim.Name, err)
		}
		r.Metrics.volumeReleased()
	}
	if instance.Spec.Credentials == nil {
		if err := r.releaseSecret(ctx, instance, rootSecret(instance)); err != nil {
			return err
		}
	}
	return r.releaseSecret(ctx, instance, accountsSecret(instance))
}

// releaseSecret takes the owner away from a Secret that is to outlive it.
func (r *Reconciler) releaseSecret(
	ctx context.Context, instance *v1.MySQLInstance, desired *corev1ac.SecretApplyConfiguration,
) error {
	var secret corev1.Secret
	key := client.ObjectKey{Namespace: instance.Namespace, Name: *desired.Name}
	if err := r.Reader.Get(ctx, key, &secret); err != nil {
		// An instance that was deleted before it got a password has none to keep.
		return client.IgnoreNotFound(err)
	}
	if !metav1.IsControlledBy(&secret, instance) {
		return nil
	}
	_, err := apply(ctx, r, instance, &corev1.Secret{}, desired, corev1ac.ExtractSecret)
	return err
}

// liveClaims are the claims of the volumes of the instance, with its data and with its backups, as the API server has
// them.
func (r *Reconciler) liveClaims(ctx context.Context, instance *v1.MySQLInstance) ([]corev1.PersistentVolumeClaim, error) {
	var list corev1.PersistentVolumeClaimList
	if err := r.Reader.List(ctx, &list, ofInstance(instance)...); err != nil {
		return nil, fmt.Errorf("could not list the volumes: %w", err)
	}
	claims := slices.DeleteFunc(list.Items, func(claim corev1.PersistentVolumeClaim) bool {
		_, ours := claimOrdinal(instance, claim.Name)
		return !ours
	})
	var backups corev1.PersistentVolumeClaim
	name := names.Backup(instance.Name)
	err := r.Reader.Get(ctx, client.ObjectKey{Namespace: instance.Namespace, Name: name}, &backups)
	switch {
	case err == nil && checkOwnership(instance, "PersistentVolumeClaim", &backups) == nil:
		claims = append(claims, backups)
	case client.IgnoreNotFound(err) != nil:
		return nil, fmt.Errorf("could not read PersistentVolumeClaim %s: %w", name, err)
	}
	return claims, nil
}
