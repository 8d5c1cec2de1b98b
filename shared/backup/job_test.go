package backup_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/duet-api/duet/shared/backup"
)

func TestJob(t *testing.T) {
	cronJob := &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{
			Name: "db-backup", Namespace: "shop", UID: "cron-uid", Labels: map[string]string{"on": "cron"},
		},
		Spec: batchv1.CronJobSpec{
			Schedule: "0 3 * * *",
			Suspend:  new(true),
			JobTemplate: batchv1.JobTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{
					Labels: map[string]string{"on": "job"}, Annotations: map[string]string{"example.com/kept": "yes"},
				},
				Spec: batchv1.JobSpec{
					BackoffLimit: new(int32(2)),
					Template: corev1.PodTemplateSpec{
						Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "backup", Image: "mysql:8.4.3"}}},
					},
				},
			},
		},
	}
	before := cronJob.DeepCopy()
	got := backup.Job(cronJob, "db-backup-now")
	want := &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{
			Name: "db-backup-now", Namespace: "shop",
			Labels:      map[string]string{"on": "job"},
			Annotations: map[string]string{"example.com/kept": "yes", "cronjob.kubernetes.io/instantiate": "manual"},
			OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "batch/v1", Kind: "CronJob", Name: "db-backup", UID: "cron-uid", Controller: new(true)},
			},
		},
		Spec: before.Spec.JobTemplate.Spec,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Job (-want +got):\n%s", diff)
	}
	got.Labels["on"] = "changed"
	got.Spec.Template.Spec.Containers[0].Image = "changed"
	if diff := cmp.Diff(before, cronJob); diff != "" {
		t.Errorf("the CronJob was changed:\n%s", diff)
	}
}
