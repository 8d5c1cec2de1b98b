package controller

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// newBackupJob ended hours after the beginning of the tests' time, or runs still if how is empty.
func newBackupJob(name string, how batchv1.JobConditionType, hours int) batchv1.Job {
	job := batchv1.Job{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: "shop", Labels: backupLabels(newInstance()),
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(
			newBackupCronJob(), batchv1.SchemeGroupVersion.WithKind("CronJob"))},
	}}
	if how == "" {
		return job
	}
	ended := metav1.NewTime(testTime.Add(time.Duration(hours) * time.Hour))
	job.Status.Conditions = []batchv1.JobCondition{{
		Type: how, Status: corev1.ConditionTrue, LastTransitionTime: ended,
		Reason: "BackoffLimitExceeded", Message: "tried thrice",
	}}
	if how == batchv1.JobComplete {
		job.Status.CompletionTime = &ended
	}
	return job
}

func TestEndsOfBackups(t *testing.T) {
	at := func(hours int) *metav1.Time {
		return new(metav1.NewTime(testTime.Add(time.Duration(hours) * time.Hour)))
	}
	foreign := newBackupJob("foreign", batchv1.JobComplete, 9)
	foreign.OwnerReferences = nil
	notTrue := newBackupJob("suspended", batchv1.JobFailed, 9)
	notTrue.Status.Conditions[0].Status = corev1.ConditionFalse
	tests := map[string]struct {
		jobs        []batchv1.Job
		remembered  *metav1.Time
		wantSuccess *metav1.Time
		wantFailure string
	}{
		"none yet":      {},
		"one runs":      {jobs: []batchv1.Job{newBackupJob("a", "", 0)}},
		"one succeeded": {jobs: []batchv1.Job{newBackupJob("a", batchv1.JobComplete, 1)}, wantSuccess: at(1)},
		"the newest of two, in no order": {
			jobs:        []batchv1.Job{newBackupJob("b", batchv1.JobComplete, 2), newBackupJob("a", batchv1.JobComplete, 1)},
			wantSuccess: at(2),
		},
		"the last one failed": {
			jobs:        []batchv1.Job{newBackupJob("a", batchv1.JobComplete, 1), newBackupJob("b", batchv1.JobFailed, 2)},
			wantSuccess: at(1), wantFailure: "b",
		},
		"one failed, but not the last": {
			jobs:        []batchv1.Job{newBackupJob("a", batchv1.JobFailed, 1), newBackupJob("b", batchv1.JobComplete, 2)},
			wantSuccess: at(2),
		},
		"the last of two that failed": {
			jobs:        []batchv1.Job{newBackupJob("b", batchv1.JobFailed, 2), newBackupJob("a", batchv1.JobFailed, 1)},
			wantFailure: "b",
		},
		"out of the history, but remembered": {remembered: at(3), wantSuccess: at(3)},
		"remembered, and a failure after it": {
			jobs: []batchv1.Job{newBackupJob("a", batchv1.JobFailed, 4)}, remembered: at(3),
			wantSuccess: at(3), wantFailure: "a",
		},
		"remembered, and a newer one": {
			jobs: []batchv1.Job{newBackupJob("a", batchv1.JobComplete, 4)}, remembered: at(3), wantSuccess: at(4),
		},
		"somebody else's under the same labels": {jobs: []batchv1.Job{foreign}},
		"a condition that is not true":          {jobs: []batchv1.Job{notTrue}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cronJob := newBackupCronJob()
			cronJob.Status.LastSuccessfulTime = test.remembered
			success, failure := ends(cronJob, test.jobs)
			if diff := cmp.Diff(test.wantSuccess, success); diff != "" {
				t.Errorf("last success (-want +got):\n%s", diff)
			}
			got := ""
			if failure != nil {
				got = failure.Name
			}
			if got != test.wantFailure {
				t.Errorf("last failure is %q, want %q", got, test.wantFailure)
			}
		})
	}
}

func TestLastBackupTimeNeverGoesBack(t *testing.T) {
	early, late := new(metav1.NewTime(testTime)), new(metav1.NewTime(testTime.Add(time.Hour)))
	tests := map[string]struct{ known, seen, want *metav1.Time }{
		"none":                    {},
		"the first":               {seen: early, want: early},
		"a later one":             {known: early, seen: late, want: late},
		"an earlier one":          {known: late, seen: early, want: late},
		"none is left to be seen": {known: late, want: late},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			instance := newInstance(func(i *v1.MySQLInstance) { i.Status.LastBackupTime = test.known })
			if diff := cmp.Diff(test.want, backups{lastSuccess: test.seen}.lastBackupTime(instance)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBackupCondition(t *testing.T) {
	scheduled := func(o *observation) {
		o.backups = backups{cronJob: newBackupCronJob(), claim: newBackupClaim("20Gi", corev1.ClaimBound)}
	}
	failed := newBackupJob("db-backup-1", batchv1.JobFailed, 1)
	tests := map[string]struct {
		spec        func(*v1.MySQLInstance)
		world       func(*observation)
		want        string
		wantMessage string
	}{
		"not asked for": {
			spec: func(i *v1.MySQLInstance) { i.Spec.Backup = nil },
			want: "False NotRequested", wantMessage: "spec.backup is not set",
		},
		"not asked for any more": {
			spec: func(i *v1.MySQLInstance) { i.Spec.Backup = nil }, world: scheduled,
			want:        "False NotRequested",
			wantMessage: "spec.backup is not set; the volume db-backup with the backups made so far is kept",
		},
		"asked for a moment ago": {want: "False Applying", wantMessage: "the children are being written"},
		"scheduled": {
			world: scheduled, want: "True Scheduled", wantMessage: `CronJob db-backup makes a backup at "0 3 * * *", UTC`,
		},
		"stopped": {
			spec: func(i *v1.MySQLInstance) { i.Spec.PowerState = v1.PowerStopped }, world: scheduled,
			want: "False Suspended", wantMessage: "spec.powerState is Stopped: backups go on when it is Running",
		},
		"the last one failed": {
			world: func(o *observation) { scheduled(o); o.backups.lastFailure = &failed },
			want:  "False LastBackupFailed", wantMessage: "Job db-backup-1 failed: BackoffLimitExceeded: tried thrice",
		},
		"something is in the way": {
			world: func(o *observation) {
				scheduled(o)
				o.backups.obstacle = &blocked{reason: ReasonChildRefused, message: "over quota"}
			},
			want: "False ChildRefused", wantMessage: "over quota",
		},
		"the instance is blocked": {
			world: func(o *observation) {
				scheduled(o)
				o.blocked = &blocked{reason: ReasonSecretNotFound, message: "no Secret"}
			},
			want: "False SecretNotFound", wantMessage: "no Secret",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			instance := newInstance(withBackup)
			if test.spec != nil {
				test.spec(instance)
			}
			o := settled(instance)
			if test.world != nil {
				test.world(&o)
			}
			c := backupCondition(instance, o)
			if got := string(c.Status) + " " + c.Reason; got != test.want || c.Message != test.wantMessage {
				t.Errorf("got %s: %q, want %s: %q", got, c.Message, test.want, test.wantMessage)
			}
		})
	}
}

func TestBackupNotObeyed(t *testing.T) {
	tests := map[string]struct {
		spec  func(*v1.MySQLInstance)
		world func(*observation)
		want  []string
	}{
		"as asked":             {},
		"nothing is asked for": {spec: func(i *v1.MySQLInstance) { i.Spec.Backup = nil }},
		"no claim yet":         {world: func(o *observation) { o.backups.claim = nil }},
		"smaller": {
			world: func(o *observation) { o.backups.claim = newBackupClaim("10Gi", corev1.ClaimBound) },
			want: []string{"spec.backup.storage.size: the volume db-backup keeps 10Gi, " +
				"since its StorageClass does not let it grow"},
		},
		"smaller, and being grown": {
			world: func(o *observation) { o.backups.claim = newBackupClaim("10Gi", corev1.ClaimBound); o.writing = true },
		},
		"smaller, without a volume": {
			world: func(o *observation) { o.backups.claim = newBackupClaim("10Gi", corev1.ClaimPending) },
			want:  []string{"spec.backup.storage.size: the claim db-backup keeps 10Gi until it has a volume"},
		},
		"larger": {
			world: func(o *observation) { o.backups.claim = newBackupClaim("30Gi", corev1.ClaimBound) },
			want:  []string{"spec.backup.storage.size: the volume db-backup keeps 30Gi, since volumes do not shrink"},
		},
		"of another class": {
			spec: func(i *v1.MySQLInstance) { i.Spec.Backup.Storage.StorageClassName = new("fast") },
			want: []string{"spec.backup.storage.storageClassName: the volume db-backup stays where it was made: " +
				"move the backups, delete the claim, and it is made anew"},
		},
		"the class is the cluster's choice": {
			spec: func(i *v1.MySQLInstance) { i.Spec.Backup.Storage.StorageClassName = nil },
		},
		"something is in the way": {
			world: func(o *observation) { o.backups.obstacle = &blocked{reason: ReasonChildRefused, message: "over quota"} },
			want:  []string{"spec.backup: over quota"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			instance := newInstance(withBackup)
			if test.spec != nil {
				test.spec(instance)
			}
			o := settled(instance)
			o.backups = backups{cronJob: newBackupCronJob(), claim: newBackupClaim("20Gi", corev1.ClaimBound)}
			if test.world != nil {
				test.world(&o)
			}
			if diff := cmp.Diff(test.want, backupNotObeyed(instance, o)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
