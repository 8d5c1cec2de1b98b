package controller

import (
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// change sends a new spec.
func (w *world) change(change func(*v1.MySQLInstance)) {
	w.t.Helper()
	instance := w.instance()
	change(instance)
	if err := w.server.Update(w.t.Context(), instance); err != nil {
		w.t.Fatal(err)
	}
}

func TestBackupsBeginAndEnd(t *testing.T) {
	w := newWorld(t, newInstance(withBackup))
	w.settle()
	cronJob, claim := &batchv1.CronJob{}, &corev1.PersistentVolumeClaim{}
	w.get(cronJob, "db-backup")
	w.get(claim, "db-backup")
	if got := w.condition(v1.ConditionBackupScheduled); got != "True Scheduled" {
		t.Errorf("BackupScheduled is %q, want True Scheduled", got)
	}
	w.change(func(i *v1.MySQLInstance) { i.Spec.Backup = nil })
	w.settle()
	if w.exists(cronJob, "db-backup") {
		t.Error("the CronJob is left")
	}
	w.get(claim, "db-backup")
	w.get(&corev1.ConfigMap{}, "db-backup")
	if got := w.condition(v1.ConditionBackupScheduled); got != "False NotRequested" {
		t.Errorf("BackupScheduled is %q, want False NotRequested", got)
	}
	message := meta.FindStatusCondition(w.instance().Status.Conditions, v1.ConditionBackupScheduled).Message
	if !strings.Contains(message, "db-backup") {
		t.Errorf("the volume that is kept is not named: %s", message)
	}
	w.change(withBackup)
	w.settle()
	w.get(cronJob, "db-backup")
}

// TestForeignBackupObjects: what bears a name of theirs and is not the instance's is neither written nor deleted, and
// keeps nothing but the backups from being made.
func TestForeignBackupObjects(t *testing.T) {
	t.Run("CronJob", func(t *testing.T) {
		foreign := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: "db-backup", Namespace: "shop"}}
		w := newWorld(t, newInstance(withBackup), foreign)
		w.get(foreign, "db-backup")
		version := foreign.ResourceVersion
		w.settle()
		for kind, want := range map[string]string{
			v1.ConditionBackupScheduled: "False ChildNotOwned", v1.ConditionConfigurationApplied: "False FieldsNotObeyed",
			v1.ConditionProgressing: "True Scaling",
		} {
			if got := w.condition(kind); got != want {
				t.Errorf("%s is %q, want %s", kind, got, want)
			}
		}
		if result, err := w.reconcile(); err != nil || result.RequeueAfter != blockedRetry {
			t.Errorf("got %v, %v; want another look after %s", result, err, blockedRetry)
		}
		w.change(func(i *v1.MySQLInstance) { i.Spec.Backup = nil })
		w.settle()
		w.get(foreign, "db-backup")
		if foreign.ResourceVersion != version {
			t.Error("it was written")
		}
	})
	t.Run("PersistentVolumeClaim", func(t *testing.T) {
		w := newWorld(t, newInstance(withBackup), &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: "db-backup", Namespace: "shop"},
		})
		w.settle()
		if got := w.condition(v1.ConditionBackupScheduled); got != "False ChildNotOwned" {
			t.Errorf("BackupScheduled is %q, want False ChildNotOwned", got)
		}
		if w.exists(&batchv1.CronJob{}, "db-backup") {
			t.Error("backups would be written to somebody else's volume")
		}
		w.change(func(i *v1.MySQLInstance) { i.Spec.DeletionPolicy = v1.DeletionDelete })
		if err := w.server.Delete(t.Context(), w.instance()); err != nil {
			t.Fatal(err)
		}
		w.settle()
		w.get(&corev1.PersistentVolumeClaim{}, "db-backup")
	})
}

// TestTheBackupVolumeGrows as far as its class lets it, and tells where it does not.
func TestTheBackupVolumeGrows(t *testing.T) {
	tests := map[string]struct {
		expands    *bool
		phase      corev1.PersistentVolumeClaimPhase
		wantSize   string
		wantReason string
		wantLine   string
	}{
		"in a class that allows it": {
			expands: new(true), phase: corev1.ClaimBound, wantSize: "40Gi", wantReason: "True Scheduled",
		},
		"not in one that does not": {
			expands: new(false), phase: corev1.ClaimBound, wantSize: "20Gi", wantReason: "True Scheduled",
			wantLine: "its StorageClass does not let it grow",
		},
		"not before there is a volume": {
			expands: new(true), phase: corev1.ClaimPending, wantSize: "20Gi", wantReason: "True Scheduled",
			wantLine: "until it has a volume",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newInstance(withBackup), &storagev1.StorageClass{
				ObjectMeta: metav1.ObjectMeta{Name: "slow"}, AllowVolumeExpansion: test.expands,
			})
			w.settle()
			claim := &corev1.PersistentVolumeClaim{}
			w.get(claim, "db-backup")
			claim.Status.Phase = test.phase
			if err := w.server.Status().Update(t.Context(), claim); err != nil {
				t.Fatal(err)
			}
			w.change(func(i *v1.MySQLInstance) { i.Spec.Backup.Storage.VolumeSize = resource.MustParse("40Gi") })
			w.settle()
			w.get(claim, "db-backup")
			if got := claim.Spec.Resources.Requests.Storage().String(); got != test.wantSize {
				t.Errorf("the claim asks for %s, want %s", got, test.wantSize)
			}
			if got := w.condition(v1.ConditionBackupScheduled); got != test.wantReason {
				t.Errorf("BackupScheduled is %q, want %s", got, test.wantReason)
			}
			message := meta.FindStatusCondition(w.instance().Status.Conditions, v1.ConditionConfigurationApplied).Message
			if !strings.Contains(message, test.wantLine) || test.wantLine == "" && strings.Contains(message, "spec.backup") {
				t.Errorf("ConfigurationApplied says %q, want it to say %q", message, test.wantLine)
			}
		})
	}
}

// TestTheBackupVolumeFollowsThePolicy, also when spec.backup is gone already.
func TestTheBackupVolumeFollowsThePolicy(t *testing.T) {
	for policy, wantLeft := range map[v1.DeletionPolicy]bool{v1.DeletionDelete: false, v1.DeletionRetain: true} {
		t.Run(string(policy), func(t *testing.T) {
			w := newWorld(t, newInstance(withBackup, func(i *v1.MySQLInstance) { i.Spec.DeletionPolicy = policy }))
			w.settle()
			w.change(func(i *v1.MySQLInstance) { i.Spec.Backup = nil })
			w.settle()
			if err := w.server.Delete(t.Context(), w.instance()); err != nil {
				t.Fatal(err)
			}
			w.settle()
			if got := w.exists(&corev1.PersistentVolumeClaim{}, "db-backup"); got != wantLeft {
				t.Errorf("the volume is left: %v, want %v", got, wantLeft)
			}
		})
	}
}

// TestARunningBackupEndsBeforeItsVolumeGoes: otherwise the volume, and with it the instance, would wait for its end.
func TestARunningBackupEndsBeforeItsVolumeGoes(t *testing.T) {
	w := newWorld(t, newInstance(withBackup, func(i *v1.MySQLInstance) { i.Spec.DeletionPolicy = v1.DeletionDelete }))
	w.settle()
	cronJob := &batchv1.CronJob{}
	meddle(w, cronJob, "db-backup", func(o *batchv1.CronJob) { o.Finalizers = []string{metav1.FinalizerDeleteDependents} })
	if err := w.server.Delete(t.Context(), w.instance()); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if !w.exists(&corev1.PersistentVolumeClaim{}, "db-backup") {
		t.Error("the volume is gone while a backup may run")
	}
	progressing := meta.FindStatusCondition(w.instance().Status.Conditions, v1.ConditionProgressing)
	if want := "waiting for CronJob db-backup to be deleted, with the pods"; progressing.Message != want {
		t.Errorf("Progressing says %q, want %q", progressing.Message, want)
	}
	meddle(w, cronJob, "db-backup", func(o *batchv1.CronJob) { o.Finalizers = nil })
	w.settle()
	if w.exists(&corev1.PersistentVolumeClaim{}, "db-backup") || w.exists(&v1.MySQLInstance{}, "db") {
		t.Error("the volume or the instance is left")
	}
}

// TestBackupsSurviveTheInstance, and go on with the next one of its name.
func TestBackupsSurviveTheInstance(t *testing.T) {
	kept := newBackupClaim("20Gi", corev1.ClaimBound)
	w := newWorld(t, newInstance(withBackup), kept)
	w.settle()
	if got := w.condition(v1.ConditionBackupScheduled); got != "True Scheduled" {
		t.Errorf("BackupScheduled is %q, want True Scheduled", got)
	}
	if i := slices.IndexFunc(w.writes, func(write string) bool { return strings.HasPrefix(write, "delete") }); i >= 0 {
		t.Errorf("something was deleted: %s", w.writes[i])
	}
}
