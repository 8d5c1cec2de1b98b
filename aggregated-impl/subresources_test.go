package aggregatedimpl_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gstruct"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/client/clientset/versioned"
	"github.com/duet-api/duet/shared/names"
)

// userWith is a client of a user who may do one thing with one resource in a namespace, once the right is known.
func userWith(ctx context.Context, namespace, verb, target string) versioned.Interface {
	GinkgoHelper()
	const user = "subresource-user"
	_, err := cluster.RbacV1().Roles(namespace).Create(ctx, &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{v1.GroupName}, Resources: []string{target}, Verbs: []string{verb}}},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	_, err = cluster.RbacV1().RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	return clientOf(user)
}

// clientOf a user who is known, and has the rights that somebody gave them.
func clientOf(user string) versioned.Interface {
	GinkgoHelper()
	access, err := plane.UserConfig(user)
	Expect(err).NotTo(HaveOccurred())
	access.QPS = -1
	theirs, err := versioned.NewForConfig(access)
	Expect(err).NotTo(HaveOccurred())
	return theirs
}

// newServer makes the pod of the first server of db, as the StatefulSet would. The suite has no controller.
func newServer(ctx context.Context, namespace string, change func(*corev1.Pod)) {
	GinkgoHelper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: names.Server("db", 0), Labels: names.Labels("db")},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: names.ServerContainer, Image: "mysql"}}},
	}
	if change != nil {
		change(pod)
	}
	_, err := cluster.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	Eventually(func() (corev1.PodPhase, error) {
		running, err := cluster.CoreV1().Pods(namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		return running.Status.Phase, err
	}).Should(Equal(corev1.PodRunning))
}

var _ = Describe("The metrics subresource", func() {
	var namespace string
	BeforeEach(func(ctx context.Context) { namespace = newNamespace(ctx) })

	It("has a line for each server, the unreachable ones with the reason", func(ctx context.Context) {
		instance := newInstance("db")
		instance.Spec.Replicas = ptr.To(int32(2))
		created := create(ctx, namespace, instance)
		newServer(ctx, namespace, nil) // nothing listens there

		metrics, err := client.MysqlV1().MySQLInstances(namespace).GetMetrics(ctx, "db", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(metrics.UID).To(Equal(created.UID))
		Expect(metrics.Timestamp.IsZero()).To(BeFalse())
		Expect(metrics.Servers).To(HaveExactElements(
			gstruct.MatchFields(gstruct.IgnoreExtras, gstruct.Fields{
				"Name": Equal("db-0"), "Ordinal": BeEquivalentTo(0), "Role": Equal(v1.ServerPrimary),
				"Reachable": BeFalse(), "Queries": BeNil(),
				"Error": ContainSubstring(`could not read the root password: secrets "db-root" not found`)}),
			gstruct.MatchFields(gstruct.IgnoreExtras, gstruct.Fields{
				"Name": Equal("db-1"), "Role": Equal(v1.ServerReplica), "Reachable": BeFalse(),
				"Error": ContainSubstring(`could not find the server: pods "db-1" not found`)}),
		))
	})

	It("makes a table of them", func(ctx context.Context) {
		create(ctx, namespace, newInstance("db"))
		var table metav1.Table
		Expect(client.MysqlV1().RESTClient().Get().Namespace(namespace).Resource("mysqlinstances").Name("db").
			SubResource("metrics").SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").
			Do(ctx).Into(&table)).To(Succeed())
		Expect(table.Rows).To(HaveLen(1))
		Expect(table.Rows[0].Cells[:3]).To(HaveExactElements("db-0", "Primary", false))
		Expect(table.ColumnDefinitions).To(HaveLen(len(table.Rows[0].Cells)))
	})

	It("is a right of its own, of an instance that is there, and is only read", func(ctx context.Context) {
		user := userWith(ctx, namespace, "get", "mysqlinstances/metrics").MysqlV1().MySQLInstances(namespace)
		create(ctx, namespace, newInstance("db"))
		Eventually(func() error { _, err := user.GetMetrics(ctx, "db", metav1.GetOptions{}); return err }).Should(Succeed())
		_, err := user.Get(ctx, "db", metav1.GetOptions{})
		Expect(err).To(MatchError(apierrors.IsForbidden, "IsForbidden"))
		_, err = user.GetMetrics(ctx, "other", metav1.GetOptions{})
		Expect(err).To(MatchError(apierrors.IsNotFound, "IsNotFound"))
		Expect(client.MysqlV1().RESTClient().Put().Namespace(namespace).Resource("mysqlinstances").Name("db").
			SubResource("metrics").Body([]byte(`{}`)).Do(ctx).Error()).
			To(MatchError(apierrors.IsMethodNotSupported, "IsMethodNotSupported"))
	})
})

var _ = Describe("The backup subresource", func() {
	var namespace string
	BeforeEach(func(ctx context.Context) { namespace = newNamespace(ctx) })

	withBackup := func() *v1.MySQLInstance {
		instance := newInstance("db")
		instance.Spec.Backup = &v1.Backup{
			Schedule: "@daily", Storage: v1.Storage{VolumeSize: resource.MustParse("1Gi")}}
		return instance
	}
	newCronJob := func(ctx context.Context, owner *v1.MySQLInstance) {
		GinkgoHelper()
		_, err := cluster.BatchV1().CronJobs(namespace).Create(ctx, &batchv1.CronJob{
			ObjectMeta: metav1.ObjectMeta{Name: names.Backup("db"), OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1.SchemeGroupVersion.String(), Kind: "MySQLInstance", Name: owner.Name, UID: owner.UID,
				Controller: ptr.To(true),
			}}},
			Spec: batchv1.CronJobSpec{Schedule: "@daily", JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{
				Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever,
					Containers: []corev1.Container{{Name: "backup", Image: "mysql"}}}},
			}}},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
	}
	start := func(ctx context.Context, request *v1.MySQLInstanceBackup, dryRun ...string) (*v1.MySQLInstanceBackup, error) {
		return client.MysqlV1().MySQLInstances(namespace).StartBackup(ctx, "db", request,
			metav1.CreateOptions{DryRun: dryRun})
	}
	jobs := func(ctx context.Context) []batchv1.Job {
		GinkgoHelper()
		list, err := cluster.BatchV1().Jobs(namespace).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		return list.Items
	}

	It("starts a Job of the instance's CronJob, and answers with it", func(ctx context.Context) {
		instance := create(ctx, namespace, withBackup())
		newCronJob(ctx, instance)

		By("only in a dry run")
		dry, err := start(ctx, &v1.MySQLInstanceBackup{}, metav1.DryRunAll)
		Expect(err).NotTo(HaveOccurred())
		Expect(dry.Status.JobName).To(HavePrefix("db-backup-"))
		Expect(jobs(ctx)).To(BeEmpty())

		By("really")
		run, err := start(ctx, &v1.MySQLInstanceBackup{
			ObjectMeta: metav1.ObjectMeta{Name: "db", UID: instance.UID},
			Status:     v1.MySQLInstanceBackupStatus{JobName: "mine"},
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(run.Name).To(Equal("db"))
		Expect(run.Status.StartTime.IsZero()).To(BeFalse())
		started := jobs(ctx)
		Expect(started).To(HaveLen(1))
		Expect(started[0].Name).To(Equal(run.Status.JobName))
		Expect(metav1.GetControllerOf(&started[0]).Name).To(Equal(names.Backup("db")))
	})

	DescribeTable("says why it cannot", func(ctx context.Context, change func(*v1.MySQLInstance),
		request *v1.MySQLInstanceBackup, is func(error) bool, why string) {
		instance := withBackup()
		change(instance)
		create(ctx, namespace, instance)
		_, err := start(ctx, request)
		Expect(err).To(MatchError(is, why))
		Expect(err).To(MatchError(ContainSubstring(why)))
		Expect(jobs(ctx)).To(BeEmpty())
	},
		Entry("no backups configured", func(i *v1.MySQLInstance) { i.Spec.Backup = nil },
			&v1.MySQLInstanceBackup{}, apierrors.IsConflict, "set spec.backup first"),
		Entry("stopped", func(i *v1.MySQLInstance) { i.Spec.PowerState = v1.PowerStopped },
			&v1.MySQLInstanceBackup{}, apierrors.IsConflict, "the instance is stopped"),
		Entry("no CronJob yet", func(*v1.MySQLInstance) {},
			&v1.MySQLInstanceBackup{}, apierrors.IsConflict, "has not made the CronJob db-backup yet"),
		Entry("meant for another instance of the name", func(*v1.MySQLInstance) {},
			&v1.MySQLInstanceBackup{ObjectMeta: metav1.ObjectMeta{UID: "other"}}, apierrors.IsConflict, "UID in the request"),
		Entry("meant for another instance", func(*v1.MySQLInstance) {},
			&v1.MySQLInstanceBackup{ObjectMeta: metav1.ObjectMeta{Name: "other"}}, apierrors.IsInvalid, "metadata.name"),
	)

	It("leaves alone a CronJob that is not the instance's", func(ctx context.Context) {
		create(ctx, namespace, withBackup())
		// One that is there: the garbage collector takes what belongs to nobody.
		newCronJob(ctx, create(ctx, namespace, newInstance("other")))
		_, err := start(ctx, &v1.MySQLInstanceBackup{})
		Expect(err).To(MatchError(ContainSubstring("the CronJob db-backup is not the instance's")))
	})

	It("is a right of its own, of an instance that is there", func(ctx context.Context) {
		user := userWith(ctx, namespace, "create", "mysqlinstances/backup").MysqlV1().MySQLInstances(namespace)
		try := func() error {
			_, err := user.StartBackup(ctx, "other", &v1.MySQLInstanceBackup{}, metav1.CreateOptions{})
			return err
		}
		Eventually(try).Should(MatchError(apierrors.IsNotFound, "IsNotFound"))
		_, err := user.Restart(ctx, "other", &v1.MySQLInstanceRestart{}, metav1.CreateOptions{})
		Expect(err).To(MatchError(apierrors.IsForbidden, "IsForbidden"))
		_, err = clientOf("stranger").MysqlV1().MySQLInstances(namespace).StartBackup(ctx, "other",
			&v1.MySQLInstanceBackup{}, metav1.CreateOptions{})
		Expect(err).To(MatchError(apierrors.IsForbidden, "IsForbidden"))
	})
})

var _ = Describe("The restart subresource", func() {
	var namespace string
	BeforeEach(func(ctx context.Context) { namespace = newNamespace(ctx) })

	restart := func(ctx context.Context, request *v1.MySQLInstanceRestart, dryRun ...string) (*v1.MySQLInstanceRestart, error) {
		return client.MysqlV1().MySQLInstances(namespace).Restart(ctx, "db", request,
			metav1.CreateOptions{DryRun: dryRun})
	}
	annotation := func(ctx context.Context) string {
		GinkgoHelper()
		instance, err := client.MysqlV1().MySQLInstances(namespace).Get(ctx, "db", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(instance.Generation).To(Equal(int64(1)))
		return instance.Annotations[v1.AnnotationRestartedAt]
	}

	It("asks for a restart, once for each request", func(ctx context.Context) {
		create(ctx, namespace, newInstance("db"))
		_, err := restart(ctx, &v1.MySQLInstanceRestart{}, metav1.DryRunAll)
		Expect(err).NotTo(HaveOccurred())
		Expect(annotation(ctx)).To(BeEmpty())

		first, err := restart(ctx, &v1.MySQLInstanceRestart{})
		Expect(err).NotTo(HaveOccurred())
		Expect(annotation(ctx)).To(Equal(first.Status.RequestedAt.UTC().Format(metav1.RFC3339Micro)))
		_, err = restart(ctx, &v1.MySQLInstanceRestart{ObjectMeta: metav1.ObjectMeta{ResourceVersion: first.ResourceVersion}})
		Expect(err).NotTo(HaveOccurred())
		Expect(annotation(ctx)).NotTo(Equal(first.Status.RequestedAt.UTC().Format(metav1.RFC3339Micro)))

		By("but not of an instance that has changed since it was seen")
		_, err = restart(ctx, &v1.MySQLInstanceRestart{ObjectMeta: metav1.ObjectMeta{ResourceVersion: first.ResourceVersion}})
		Expect(err).To(MatchError(apierrors.IsConflict, "IsConflict"))
	})

	It("says why it cannot", func(ctx context.Context) {
		_, err := restart(ctx, &v1.MySQLInstanceRestart{})
		Expect(err).To(MatchError(apierrors.IsNotFound, "IsNotFound"))
		instance := newInstance("db")
		instance.Spec.PowerState = v1.PowerStopped
		create(ctx, namespace, instance)
		_, err = restart(ctx, &v1.MySQLInstanceRestart{})
		Expect(err).To(MatchError(ContainSubstring("the instance is stopped: set spec.powerState to Running first")))
		_, err = restart(ctx, &v1.MySQLInstanceRestart{ObjectMeta: metav1.ObjectMeta{UID: "other"}})
		Expect(err).To(MatchError(apierrors.IsConflict, "IsConflict"))
		Expect(annotation(ctx)).To(BeEmpty())
	})

	It("needs the right to restart, and no right to update", func(ctx context.Context) {
		user := userWith(ctx, namespace, "create", "mysqlinstances/restart").MysqlV1().MySQLInstances(namespace)
		instance := create(ctx, namespace, newInstance("db"))
		Eventually(func() error {
			_, err := user.Restart(ctx, "db", &v1.MySQLInstanceRestart{}, metav1.CreateOptions{})
			return err
		}).Should(Succeed())
		_, err := user.Update(ctx, instance, metav1.UpdateOptions{})
		Expect(err).To(MatchError(apierrors.IsForbidden, "IsForbidden"))
	})

	It("refuses a body that is none, and a method that it does not have", func(ctx context.Context) {
		create(ctx, namespace, newInstance("db"))
		path := func(verb string) error {
			return client.MysqlV1().RESTClient().Verb(verb).Namespace(namespace).Resource("mysqlinstances").Name("db").
				SubResource("restart").Body([]byte(`{"spec":`)).Do(ctx).Error()
		}
		Expect(path("POST")).To(MatchError(apierrors.IsBadRequest, "IsBadRequest"))
		Expect(path("GET")).To(MatchError(apierrors.IsMethodNotSupported, "IsMethodNotSupported"))
	})
})
