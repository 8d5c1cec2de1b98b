package controller_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/shared/api/mysql/release"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/names"
)

// scenarios, for each of which there is an instance of its own.
var scenarios = []scenario{
	{
		name:   "is scaled up, which restarts nothing",
		change: scale(3),
		done: func(ctx context.Context, g Gomega, s *stage, before world) {
			s.ready(ctx, g)
			s.serversReady(ctx, g, 3)
			instance, err := s.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(instance.Status.Replicas).To(Equal(int32(3)))
			g.Expect(s.world(ctx, g).Pods).To(HaveKeyWithValue(names.Server(instanceName, 0), before.Pods[names.Server(instanceName, 0)]))
		},
	},
	{
		name:   "is scaled down, which takes the last servers and keeps every volume",
		spec:   []edit{replicas(3)},
		change: scale(1),
		done: func(ctx context.Context, g Gomega, s *stage, before world) {
			s.ready(ctx, g)
			s.serversReady(ctx, g, 1)
			now := s.world(ctx, g)
			g.Expect(now.Pods).To(HaveKeyWithValue(names.Server(instanceName, 0), before.Pods[names.Server(instanceName, 0)]))
			g.Expect(now.Claims).To(Equal(before.Claims))
		},
	},
	{
		name:   "is upgraded, the replicas before the primary",
		spec:   []edit{replicas(3)},
		change: editing(version("8.4.8")),
		done: func(ctx context.Context, g Gomega, s *stage, _ world) {
			s.ready(ctx, g)
			instance, err := s.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(instance.Status.CurrentVersion).To(Equal("8.4.8"))
		},
		servers: rolled,
	},
	{
		name:   "is moved to the newest patch of its series, if it asks for that",
		spec:   []edit{replicas(2)},
		change: editing(func(i *v1.MySQLInstance) { i.Spec.MinorUpgradePolicy = v1.MinorUpgradeAutomatic }),
		done: func(ctx context.Context, g Gomega, s *stage, _ world) {
			s.ready(ctx, g)
			asked, err := release.Parse("8.4.3")
			g.Expect(err).NotTo(HaveOccurred())
			instance, err := s.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(instance.Status.CurrentVersion).To(Equal(asked.Series().Newest))
		},
		servers: rolled,
	},
	{
		name:   "takes a parameter that a running server takes, without a restart",
		spec:   []edit{replicas(2)},
		change: editing(parameter("max_connections", "321")),
		done: func(ctx context.Context, g Gomega, s *stage, _ world) {
			s.ready(ctx, g)
			g.Expect(s.settings(ctx, g)).To(MatchRegexp(`max_connections *= *"?321`))
		},
		servers: keptRunning,
	},
	{
		name:   "takes a parameter that needs a start by a rolling restart",
		spec:   []edit{replicas(2)},
		change: editing(parameter("innodb_buffer_pool_instances", "2")),
		done: func(ctx context.Context, g Gomega, s *stage, _ world) {
			s.ready(ctx, g)
			g.Expect(s.settings(ctx, g)).To(MatchRegexp(`innodb_buffer_pool_instances *= *"?2`))
		},
		servers: rolled,
	},
	{
		name: "is restarted by an annotation",
		spec: []edit{replicas(2)},
		change: editing(func(i *v1.MySQLInstance) {
			i.Annotations = map[string]string{v1.AnnotationRestartedAt: time.Now().UTC().Format(time.RFC3339)}
		}),
		done: func(ctx context.Context, g Gomega, s *stage, before world) {
			s.serversReady(ctx, g, 2)
			now := s.world(ctx, g)
			for name, uid := range before.Pods {
				g.Expect(now.Pods).NotTo(HaveKeyWithValue(name, uid))
			}
		},
		servers: rolled,
	},
	{
		name:   "gets larger volumes under running servers",
		spec:   []edit{replicas(2)},
		change: editing(func(i *v1.MySQLInstance) { i.Spec.Storage.VolumeSize = resource.MustParse("2Gi") }),
		done: func(ctx context.Context, g Gomega, s *stage, before world) {
			s.ready(ctx, g)
			for _, claim := range s.claims(ctx, g) {
				g.Expect(claim.Spec.Resources.Requests.Storage().String()).To(Equal("2Gi"), claim.Name)
				g.Expect(claim.Status.Capacity.Storage().String()).To(Equal("2Gi"), claim.Name)
			}
			set := &appsv1.StatefulSet{}
			g.Expect(s.Get(ctx, s.key(), set)).To(Succeed())
			g.Expect(set.UID).NotTo(Equal(before.Set), "a StatefulSet cannot change its claims: it has to be another one")
			g.Expect(set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests.Storage().String()).To(Equal("2Gi"))
			g.Expect(s.world(ctx, g).Claims).To(Equal(before.Claims))
			c := meta.FindStatusCondition(s.conditions(ctx, g), v1.ConditionStorageResized)
			g.Expect(c).To(HaveValue(HaveField("Status", metav1.ConditionTrue)))
			instance, err := s.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(instance.Status.StorageCapacity).To(HaveValue(Equal(resource.MustParse("2Gi"))))
		},
		servers: keptRunning,
	},
	{
		name:   "is stopped, and keeps its volumes",
		spec:   []edit{replicas(2)},
		change: editing(power(v1.PowerStopped)),
		done:   stopped,
	},
	{
		name: "is started, with the volumes that it had",
		spec: []edit{replicas(2)},
		prepare: func(ctx context.Context, s *stage) {
			GinkgoHelper()
			before := s.world(ctx, Default)
			s.edit(ctx, power(v1.PowerStopped))
			Eventually(func(g Gomega) { stopped(ctx, g, s, before) }).WithContext(ctx).Should(Succeed())
		},
		change: editing(power(v1.PowerRunning)),
		done: func(ctx context.Context, g Gomega, s *stage, before world) {
			s.ready(ctx, g)
			s.serversReady(ctx, g, 2)
			g.Expect(s.world(ctx, g).Claims).To(Equal(before.Claims))
		},
	},
	{
		name:   "keeps a disruptive change for its maintenance window, and no other change",
		spec:   []edit{replicas(2), windowClosed},
		change: editing(version("8.4.8"), parameter("max_connections", "321")),
		done: func(ctx context.Context, g Gomega, s *stage, _ world) {
			held(ctx, g, s)
			g.Expect(s.settings(ctx, g)).To(MatchRegexp(`max_connections *= *"?321`))
			instance, err := s.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(instance.Status.CurrentVersion).To(Equal("8.4.3"))
		},
		servers: keptRunning,
	},
	{
		name: "lets a change go that waits, once its maintenance window is open",
		spec: []edit{replicas(2), windowClosed},
		prepare: func(ctx context.Context, s *stage) {
			GinkgoHelper()
			s.edit(ctx, version("8.4.8"))
			Eventually(func(g Gomega) { held(ctx, g, s) }).WithContext(ctx).Should(Succeed())
		},
		change: editing(windowOpen),
		done: func(ctx context.Context, g Gomega, s *stage, _ world) {
			s.ready(ctx, g)
			instance, err := s.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(instance.Status.CurrentVersion).To(Equal("8.4.8"))
		},
		servers: rolled,
	},
	{
		name:   "gets a schedule for its backups, with a volume of their own",
		change: editing(nightly("3Gi")),
		done: func(ctx context.Context, g Gomega, s *stage, _ world) {
			s.ready(ctx, g)
			key := client.ObjectKey{Namespace: s.namespace, Name: names.Backup(instanceName)}
			job := &batchv1.CronJob{}
			g.Expect(s.Get(ctx, key, job)).To(Succeed())
			g.Expect(job.Spec.Schedule).To(Equal("0 3 * * *"))
			g.Expect(job.Spec.TimeZone).To(HaveValue(Equal("Etc/UTC")))
			claim := &corev1.PersistentVolumeClaim{}
			g.Expect(s.Get(ctx, key, claim)).To(Succeed())
			g.Expect(claim.Status.Phase).To(Equal(corev1.ClaimBound))
			g.Expect(claim.Status.Capacity.Storage().String()).To(Equal("3Gi"))
			c := meta.FindStatusCondition(s.conditions(ctx, g), v1.ConditionBackupScheduled)
			g.Expect(c).To(HaveValue(HaveField("Status", metav1.ConditionTrue)))
		},
		servers: keptRunning,
	},
	{
		name: "says when its last backup ended",
		spec: []edit{nightly("1Gi")},
		change: func(ctx context.Context, s *stage) {
			s.kubectl(ctx, "create", "job", "first", "--from=cronjob/"+names.Backup(instanceName))
		},
		done: func(ctx context.Context, g Gomega, s *stage, _ world) {
			s.ready(ctx, g)
			job := &batchv1.Job{}
			g.Expect(s.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: "first"}, job)).To(Succeed())
			g.Expect(job.Status.CompletionTime).NotTo(BeNil())
			instance, err := s.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(instance.Status.LastBackupTime).To(Equal(job.Status.CompletionTime))
		},
		servers: keptRunning,
	},
	{
		name:   "gives up its schedule for backups, and keeps what they are in",
		spec:   []edit{nightly("1Gi")},
		change: editing(func(i *v1.MySQLInstance) { i.Spec.Backup = nil }),
		done: func(ctx context.Context, g Gomega, s *stage, _ world) {
			s.ready(ctx, g)
			key := client.ObjectKey{Namespace: s.namespace, Name: names.Backup(instanceName)}
			err := s.Get(ctx, key, &batchv1.CronJob{})
			g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the CronJob is still there: %v", err)
			claim := &corev1.PersistentVolumeClaim{}
			g.Expect(s.Get(ctx, key, claim)).To(Succeed())
			g.Expect(claim.DeletionTimestamp).To(BeNil())
			c := meta.FindStatusCondition(s.conditions(ctx, g), v1.ConditionBackupScheduled)
			g.Expect(c).To(HaveValue(HaveField("Status", metav1.ConditionFalse)))
		},
		servers: keptRunning,
	},
	// The garbage collector takes the children of a deleted instance only once it knows the kind, for which it looks
	// every half minute: so these come last.
	{
		name:   "is deleted with its volumes, where its policy is Delete",
		spec:   []edit{replicas(2), deletion(v1.DeletionDelete)},
		change: remove,
		done: func(ctx context.Context, g Gomega, s *stage, _ world) {
			removed(ctx, g, s)
			g.Expect(s.claims(ctx, g)).To(BeEmpty())
		},
	},
	{
		name:   "is deleted without its volumes, where its policy is Retain",
		spec:   []edit{replicas(2), deletion(v1.DeletionRetain)},
		change: remove,
		done: func(ctx context.Context, g Gomega, s *stage, before world) {
			removed(ctx, g, s)
			claims := s.claims(ctx, g)
			g.Expect(claims).To(HaveLen(len(before.Claims)))
			for _, claim := range claims {
				g.Expect(before.Claims).To(HaveKeyWithValue(claim.Name, claim.UID))
				g.Expect(claim.DeletionTimestamp).To(BeNil())
				g.Expect(claim.OwnerReferences).To(BeEmpty())
			}
		},
	},
}
