package controller_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/backup"
	"github.com/duet-api/duet/shared/controller"
)

const backupName = "db-backup"

// withBackup asks for backups on a day that no run of the suite is likely to meet.
func withBackup(i *v1.MySQLInstance) {
	i.Spec.Backup = &v1.Backup{Schedule: "0 0 29 2 *", Storage: v1.Storage{VolumeSize: resource.MustParse("1Gi")}}
}

// backupJob is a backup now, which nothing runs: the specs say how it ended.
func backupJob(ctx context.Context, namespace, jobName string) *batchv1.Job {
	GinkgoHelper()
	cronJob := &batchv1.CronJob{}
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: backupName}, cronJob)).To(Succeed())
	job := backup.Job(cronJob, jobName)
	job.Spec.ManagedBy = new("example.com/suite")
	Expect(admin.Create(ctx, job)).To(Succeed())
	return job
}

func succeeded(ctx context.Context, job *batchv1.Job, at metav1.Time) {
	GinkgoHelper()
	job.Status = batchv1.JobStatus{
		StartTime: &at, CompletionTime: &at, Succeeded: 1, UncountedTerminatedPods: &batchv1.UncountedTerminatedPods{},
		Conditions: []batchv1.JobCondition{
			{Type: batchv1.JobSuccessCriteriaMet, Status: corev1.ConditionTrue, LastTransitionTime: at},
			{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: at},
		},
	}
	Expect(admin.Status().Update(ctx, job)).To(Succeed())
}

func failed(ctx context.Context, job *batchv1.Job, at metav1.Time) {
	GinkgoHelper()
	const reason, message = batchv1.JobReasonBackoffLimitExceeded, "Job has reached the specified backoff limit"
	job.Status = batchv1.JobStatus{
		StartTime: &at, Failed: 3, UncountedTerminatedPods: &batchv1.UncountedTerminatedPods{},
		Conditions: []batchv1.JobCondition{
			{
				Type: batchv1.JobFailureTarget, Status: corev1.ConditionTrue, LastTransitionTime: at,
				Reason: reason, Message: message,
			},
			{
				Type: batchv1.JobFailed, Status: corev1.ConditionTrue, LastTransitionTime: at,
				Reason: reason, Message: message,
			},
		},
	}
	Expect(admin.Status().Update(ctx, job)).To(Succeed())
}

// eventOf says whether there is an event of a reason about the instance, for Eventually.
func eventOf(namespace, reason, note string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		list := &eventsv1.EventList{}
		if err := admin.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return false, err
		}
		return ContainElement(And(
			HaveField("Reason", reason), HaveField("Regarding.Name", name), HaveField("Type", corev1.EventTypeWarning),
			HaveField("ReportingController", controller.FieldManager), HaveField("Note", ContainSubstring(note)),
		)).Match(list.Items)
	}
}

func backupSpecs() {
	var namespace string
	BeforeEach(func(ctx context.Context) { namespace = newNamespace(ctx) })

	// start makes an instance with backups and waits until they are scheduled.
	start := func(ctx context.Context, changes ...func(*v1.MySQLInstance)) *v1.MySQLInstance {
		GinkgoHelper()
		instance := minimal(namespace, append([]func(*v1.MySQLInstance){withBackup}, changes...)...)
		Expect(admin.Create(ctx, instance)).To(Succeed())
		awaitCondition(ctx, namespace, name, v1.ConditionBackupScheduled, "True Scheduled")
		return instance
	}

	It("has a CronJob and a volume for them, and costs no write once it is settled", func(ctx context.Context) {
		instance := start(ctx)
		cronJob := &batchv1.CronJob{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: backupName}, cronJob)).To(Succeed())
		Expect(metav1.IsControlledBy(cronJob, instance)).To(BeTrue())
		Expect(cronJob.Spec.Schedule).To(Equal(instance.Spec.Backup.Schedule))
		Expect(cronJob.Spec.TimeZone).To(HaveValue(Equal("Etc/UTC")))
		claim := &corev1.PersistentVolumeClaim{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: backupName}, claim)).To(Succeed())
		Expect(claim.OwnerReferences).To(BeEmpty())
		quiet(ctx, namespace, name)
	})

	It("is reported by how its backups end, those on demand included", func(ctx context.Context) {
		start(ctx)
		first := metav1.NewTime(time.Now().Add(-time.Hour)).Rfc3339Copy()
		succeeded(ctx, backupJob(ctx, namespace, "db-backup-one"), first)
		lastBackup := func(want metav1.Time) {
			GinkgoHelper()
			Eventually(get(namespace, name, &v1.MySQLInstance{})).WithContext(ctx).Should(
				HaveField("Status.LastBackupTime", HaveValue(HaveField("Time", BeTemporally("==", want.Time)))))
		}
		lastBackup(first)
		awaitCondition(ctx, namespace, name, v1.ConditionBackupScheduled, "True Scheduled")

		failed(ctx, backupJob(ctx, namespace, "db-backup-two"), metav1.NewTime(first.Add(time.Minute)))
		awaitCondition(ctx, namespace, name, v1.ConditionBackupScheduled, "False LastBackupFailed")
		Eventually(eventOf(namespace, "LastBackupFailed", "db-backup-two")).WithContext(ctx).Should(BeTrue())
		lastBackup(first)

		third := metav1.NewTime(first.Add(2 * time.Minute))
		succeeded(ctx, backupJob(ctx, namespace, "db-backup-three"), third)
		awaitCondition(ctx, namespace, name, v1.ConditionBackupScheduled, "True Scheduled")
		lastBackup(third)
		quiet(ctx, namespace, name)
	})

	It("does not run them while it is stopped", func(ctx context.Context) {
		start(ctx)
		change(ctx, namespace, name, func(i *v1.MySQLInstance) { i.Spec.PowerState = v1.PowerStopped })
		awaitCondition(ctx, namespace, name, v1.ConditionBackupScheduled, "False Suspended")
		cronJob := &batchv1.CronJob{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: backupName}, cronJob)).To(Succeed())
		Expect(cronJob.Spec.Suspend).To(HaveValue(BeTrue()))
	})

	It("keeps the volume, and the scripts to restore it, when no more backups are asked for", func(ctx context.Context) {
		start(ctx)
		job := backupJob(ctx, namespace, "db-backup-running")
		change(ctx, namespace, name, func(i *v1.MySQLInstance) { i.Spec.Backup = nil })
		awaitCondition(ctx, namespace, name, v1.ConditionBackupScheduled, "False NotRequested")
		Eventually(gone(namespace, backupName, &batchv1.CronJob{})).WithContext(ctx).Should(BeTrue())
		Eventually(gone(namespace, job.Name, job)).WithContext(ctx).Should(BeTrue())
		for _, kept := range []client.Object{&corev1.PersistentVolumeClaim{}, &corev1.ConfigMap{}} {
			Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: backupName}, kept)).To(Succeed())
			Expect(kept.GetDeletionTimestamp()).To(BeNil())
		}
		quiet(ctx, namespace, name)
	})

	It("grows the volume as far as its class lets it", func(ctx context.Context) {
		for className, expands := range map[string]bool{"grows-" + namespace: true, "stays-" + namespace: false} {
			class := &storagev1.StorageClass{
				ObjectMeta: metav1.ObjectMeta{Name: className}, Provisioner: "example.com/none", AllowVolumeExpansion: new(expands),
			}
			Expect(admin.Create(ctx, class)).To(Succeed())
			DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, class)).To(Succeed()) })
		}
		start(ctx, func(i *v1.MySQLInstance) { i.Spec.Backup.Storage.StorageClassName = new("grows-" + namespace) })
		claim := &corev1.PersistentVolumeClaim{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: backupName}, claim)).To(Succeed())

		change(ctx, namespace, name, func(i *v1.MySQLInstance) {
			i.Spec.Backup.Storage.VolumeSize = resource.MustParse("3Gi")
		})
		awaitCondition(ctx, namespace, name, v1.ConditionConfigurationApplied, "False FieldsNotObeyed")
		claim.Status.Phase = corev1.ClaimBound
		Expect(admin.Status().Update(ctx, claim)).To(Succeed())
		Eventually(get(namespace, backupName, claim)).WithContext(ctx).Should(
			HaveField("Spec.Resources.Requests", HaveKeyWithValue(corev1.ResourceStorage, resource.MustParse("3Gi"))))
		awaitCondition(ctx, namespace, name, v1.ConditionConfigurationApplied, "False WaitingForServers")

		change(ctx, namespace, name, func(i *v1.MySQLInstance) {
			i.Spec.Backup.Storage.StorageClassName = new("stays-" + namespace)
		})
		awaitCondition(ctx, namespace, name, v1.ConditionConfigurationApplied, "False FieldsNotObeyed")
		awaitCondition(ctx, namespace, name, v1.ConditionBackupScheduled, "True Scheduled")
		quiet(ctx, namespace, name)
	})

	It("does not touch a CronJob of somebody else, and is looked after in all else", func(ctx context.Context) {
		foreign := &batchv1.CronJob{
			ObjectMeta: metav1.ObjectMeta{Name: backupName, Namespace: namespace},
			Spec: batchv1.CronJobSpec{Schedule: "0 0 1 1 *", JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{
				Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
					RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "other", Image: "other"}},
				}},
			}}},
		}
		Expect(admin.Create(ctx, foreign)).To(Succeed())
		Expect(admin.Create(ctx, minimal(namespace, withBackup))).To(Succeed())
		awaitCondition(ctx, namespace, name, v1.ConditionBackupScheduled, "False ChildNotOwned")
		awaitCondition(ctx, namespace, name, v1.ConditionConfigurationApplied, "False FieldsNotObeyed")
		Eventually(eventOf(namespace, "FieldsNotObeyed", "spec.backup")).WithContext(ctx).Should(BeTrue())
		awaitCondition(ctx, namespace, name, v1.ConditionProgressing, "True WaitingForServers")

		change(ctx, namespace, name, func(i *v1.MySQLInstance) { i.Spec.Backup = nil })
		awaitCondition(ctx, namespace, name, v1.ConditionBackupScheduled, "False NotRequested")
		after := &batchv1.CronJob{}
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(foreign), after)).To(Succeed())
		Expect(after.UID).To(Equal(foreign.UID))
		Expect(after.Generation).To(Equal(foreign.Generation))
		Expect(after.DeletionTimestamp).To(BeNil())
	})

	DescribeTable("treats the volume as its deletionPolicy says, although a backup runs",
		func(ctx context.Context, policy v1.DeletionPolicy, wantGone bool) {
			instance := start(ctx, withPolicy(policy))
			job := backupJob(ctx, namespace, "db-backup-running")
			Expect(admin.Delete(ctx, instance)).To(Succeed())
			Eventually(gone(namespace, name, instance)).WithContext(ctx).Should(BeTrue())
			Eventually(gone(namespace, job.Name, job)).WithContext(ctx).Should(BeTrue())
			Expect(gone(namespace, backupName, &corev1.PersistentVolumeClaim{})(ctx)).To(Equal(wantGone))
		},
		Entry("Delete", v1.DeletionDelete, true),
		Entry("Retain", v1.DeletionRetain, false),
	)
}
