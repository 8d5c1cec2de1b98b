package controller

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/names"
)

// Reasons in the condition BackupScheduled, beside those of every condition.
const (
	ReasonBackupScheduled  = "Scheduled"
	ReasonBackupSuspended  = "Suspended"
	ReasonLastBackupFailed = "LastBackupFailed"
)

// backups are the world as far as it concerns backups.
type backups struct {
	// obstacle is what keeps the children that make backups from being as the spec asks; nil if nothing does.
	obstacle *blocked
	cronJob  *batchv1.CronJob
	claim    *corev1.PersistentVolumeClaim
	// lastSuccess is when the last good backup ended; nil if none is known.
	lastSuccess *metav1.Time
	// lastFailure is the last backup that ended, if it failed.
	lastFailure *batchv1.Job
}

func (r *Reconciler) observeBackups(ctx context.Context, instance *v1.MySQLInstance) (backups, error) {
	var b backups
	key := client.ObjectKey{Namespace: instance.Namespace, Name: names.Backup(instance.Name)}

	var claim corev1.PersistentVolumeClaim
	err := r.Client.Get(ctx, key, &claim)
	switch {
	case err == nil && checkOwnership(instance, "PersistentVolumeClaim", &claim) == nil:
		b.claim = &claim
	case client.IgnoreNotFound(err) != nil:
		return b, fmt.Errorf("could not read the claim of the backups: %w", err)
	}

	if b.cronJob, err = r.liveCronJob(ctx, r.Client, instance); err != nil || b.cronJob == nil {
		return b, err
	}
	var jobs batchv1.JobList
	err = r.Client.List(ctx, &jobs, client.InNamespace(instance.Namespace), client.MatchingLabels(backupLabels(instance)))
	if err != nil {
		return b, fmt.Errorf("could not list the backups: %w", err)
	}
	b.lastSuccess, b.lastFailure = ends(b.cronJob, jobs.Items)
	return b, nil
}

// ends says when the last good backup ended, and which backup failed after it, if one did. Which Jobs count is a matter
// of their owner: those on demand are among them, and what anybody else runs under the same labels is not.
func ends(cronJob *batchv1.CronJob, jobs []batchv1.Job) (success *metav1.Time, failure *batchv1.Job) {
	// The CronJob controller remembers the end of a Job that is out of the history.
	success = cronJob.Status.LastSuccessfulTime
	var failed time.Time
	for i := range jobs {
		job := &jobs[i]
		if !metav1.IsControlledBy(job, cronJob) {
			continue
		}
		if ended := job.Status.CompletionTime; ended != nil && jobIs(job, batchv1.JobComplete) != nil {
			if success == nil || success.Before(ended) {
				success = ended
			}
		}
		if c := jobIs(job, batchv1.JobFailed); c != nil && c.LastTransitionTime.After(failed) {
			failure, failed = job, c.LastTransitionTime.Time
		}
	}
	if success != nil && !success.Time.Before(failed) {
		failure = nil
	}
	return success, failure
}

// jobIs returns a condition of a Job if it is true.
func jobIs(job *batchv1.Job, kind batchv1.JobConditionType) *batchv1.JobCondition {
	for i := range job.Status.Conditions {
		if c := &job.Status.Conditions[i]; c.Type == kind && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

// lastBackupTime never goes back: Jobs are kept for a while only, and a CronJob that was made anew remembers none.
func (b backups) lastBackupTime(instance *v1.MySQLInstance) *metav1.Time {
	known := instance.Status.LastBackupTime
	if known == nil || b.lastSuccess != nil && known.Before(b.lastSuccess) {
		return b.lastSuccess
	}
	return known
}

func backupCondition(instance *v1.MySQLInstance, o observation) metav1.Condition {
	not := func(reason, message string) metav1.Condition {
		return condition(v1.ConditionBackupScheduled, false, reason, message)
	}
	b := o.backups
	switch {
	case instance.Spec.Backup == nil && b.claim != nil:
		return not(ReasonNotRequested, fmt.Sprintf(
			"spec.backup is not set; the volume %s with the backups made so far is kept", b.claim.Name))
	case instance.Spec.Backup == nil:
		return not(ReasonNotRequested, "spec.backup is not set")
	case o.blocked != nil:
		return not(o.blocked.reason, o.blocked.message)
	case b.obstacle != nil:
		return not(b.obstacle.reason, b.obstacle.message)
	case b.cronJob == nil:
		return not(ReasonApplying, "the children are being written")
	case wantedServers(instance) == 0:
		return not(ReasonBackupSuspended, "spec.powerState is Stopped: backups go on when it is Running")
	case b.lastFailure != nil:
		failed := jobIs(b.lastFailure, batchv1.JobFailed)
		return not(ReasonLastBackupFailed, fmt.Sprintf(
			"Job %s failed: %s", b.lastFailure.Name, because(failed.Reason, failed.Message)))
	}
	return condition(v1.ConditionBackupScheduled, true, ReasonBackupScheduled, fmt.Sprintf(
		"CronJob %s makes a backup at %q, UTC", b.cronJob.Name, instance.Spec.Backup.Schedule))
}

// backupNotObeyed lists what spec.backup asks for and the world does not do, each as "field: why".
func backupNotObeyed(instance *v1.MySQLInstance, o observation) []string {
	b := o.backups
	switch {
	case instance.Spec.Backup == nil:
		return nil
	case b.obstacle != nil:
		return []string{"spec.backup: " + b.obstacle.message}
	case b.claim == nil || o.writing:
		return nil
	}
	var list []string
	asked, has := instance.Spec.Backup.Storage, b.claim.Spec.Resources.Requests.Storage()
	switch {
	case asked.VolumeSize.Cmp(*has) < 0:
		list = append(list, fmt.Sprintf("spec.backup.storage.size: the volume %s keeps %s, since volumes do not shrink",
			b.claim.Name, has))
	case asked.VolumeSize.Cmp(*has) > 0 && b.claim.Status.Phase != corev1.ClaimBound:
		list = append(list, fmt.Sprintf("spec.backup.storage.size: the claim %s keeps %s until it has a volume",
			b.claim.Name, has))
	case asked.VolumeSize.Cmp(*has) > 0:
		list = append(list, fmt.Sprintf(
			"spec.backup.storage.size: the volume %s keeps %s, since its StorageClass does not let it grow", b.claim.Name, has))
	}
	// No class in the spec is the cluster's choice, whichever that was.
	if asked.StorageClassName != nil && ptr.Deref(b.claim.Spec.StorageClassName, "") != *asked.StorageClassName {
		list = append(list, fmt.Sprintf("spec.backup.storage.storageClassName: the volume %s stays where it was made: "+
			"move the backups, delete the claim, and it is made anew", b.claim.Name))
	}
	return list
}
