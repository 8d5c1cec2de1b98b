package controller

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	batchv1ac "k8s.io/client-go/applyconfigurations/batch/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/names"
)

// reconcileBackup writes the children that make backups, after all others: what is in their way, which is the blocked
// error, is no reason to keep the servers from being looked after.
func (r *Reconciler) reconcileBackup(
	ctx context.Context, instance *v1.MySQLInstance, now rollout,
) (wrote bool, err error) {
	if instance.Spec.Backup == nil {
		return r.removeBackup(ctx, instance)
	}
	claim, err := r.liveBackupClaim(ctx, instance)
	if err != nil {
		return false, err
	}
	for _, child := range []func(context.Context) (bool, error){
		applying(r, instance, &corev1.ConfigMap{}, backupScripts(instance), corev1ac.ExtractConfigMap),
		applying(r, instance, &batchv1.CronJob{}, backupCronJob(instance, now), batchv1ac.ExtractCronJob),
		// Last, since all the others work with the claim as it is, should it not grow.
		applying(r, instance, &corev1.PersistentVolumeClaim{}, backupClaim(instance, claim),
			corev1ac.ExtractPersistentVolumeClaim),
	} {
		changed, err := child(ctx)
		wrote = wrote || changed
		if err != nil {
			return wrote, err
		}
	}
	return wrote, nil
}

// removeBackup ends the backups of an instance that does not ask for them any more, a running one included. The volume
// stays with what is in it, and the scripts with which to restore it; both go when the instance goes, as far as its
// deletionPolicy lets them.
func (r *Reconciler) removeBackup(ctx context.Context, instance *v1.MySQLInstance) (bool, error) {
	live, err := r.liveCronJob(ctx, r.Client, instance)
	if err != nil || live == nil || live.DeletionTimestamp != nil {
		return false, err
	}
	err = r.Client.Delete(ctx, live, client.PropagationPolicy(metav1.DeletePropagationBackground),
		client.Preconditions{UID: &live.UID})
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("could not delete CronJob %s: %w", live.Name, err)
	}
	return err == nil, nil
}

// liveCronJob is the instance's CronJob as the cache or the API server has it; nil if there is none, or if it is
// somebody else's.
func (r *Reconciler) liveCronJob(
	ctx context.Context, reader client.Reader, instance *v1.MySQLInstance,
) (*batchv1.CronJob, error) {
	var live batchv1.CronJob
	key := client.ObjectKey{Namespace: instance.Namespace, Name: names.Backup(instance.Name)}
	switch err := reader.Get(ctx, key, &live); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("could not read CronJob %s: %w", key.Name, err)
	case !metav1.IsControlledBy(&live, instance):
		return nil, nil
	}
	return &live, nil
}

// liveBackupClaim is what the claim of the backups' volume cannot take back.
type liveBackupClaim struct {
	// size that was asked for last.
	size resource.Quantity
	// class that this controller asked for; nil if it left that to the cluster.
	class *string
	// grows says whether the volume can become larger.
	grows bool
}

// liveBackupClaim is nil before there is a claim.
func (r *Reconciler) liveBackupClaim(ctx context.Context, instance *v1.MySQLInstance) (*liveBackupClaim, error) {
	var claim corev1.PersistentVolumeClaim
	key := client.ObjectKey{Namespace: instance.Namespace, Name: names.Backup(instance.Name)}
	err := r.Client.Get(ctx, key, &claim)
	if apierrors.IsNotFound(err) {
		// Kept by an earlier instance of the name and not in the cache yet, or somebody else's.
		err = r.Reader.Get(ctx, key, &claim)
	}
	if err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("could not read PersistentVolumeClaim %s: %w", key.Name, err)
	}
	if err := checkOwnership(instance, "PersistentVolumeClaim", &claim); err != nil {
		return nil, err
	}
	if claim.DeletionTimestamp != nil {
		return nil, &blocked{reason: ReasonVolumesPending, message: fmt.Sprintf(
			"PersistentVolumeClaim %s is being deleted: it is made anew once it is gone", key.Name)}
	}
	owned, err := corev1ac.ExtractPersistentVolumeClaim(&claim, FieldManager)
	if err != nil {
		return nil, fmt.Errorf("could not read the owned fields of PersistentVolumeClaim %s: %w", key.Name, err)
	}
	live := &liveBackupClaim{size: *claim.Spec.Resources.Requests.Storage()}
	if owned.Spec != nil {
		live.class = owned.Spec.StorageClassName
	}
	// The API server refuses another size for a claim without a volume, and one of a class that allows no growth.
	if claim.Status.Phase == corev1.ClaimBound && instance.Spec.Backup.Storage.VolumeSize.Cmp(live.size) > 0 {
		var refused string
		refused, err = r.expansionRefused(ctx, &claim)
		live.grows = refused == ""
	}
	return live, err
}
