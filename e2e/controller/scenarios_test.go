package controller_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/shared/api/mysql/release"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/controller"
	"github.com/duet-api/duet/shared/names"
)

// scenario is something that a user does to an instance, and what comes of it.
type scenario struct {
	// name completes "An instance ...".
	name string
	// spec of the instance before, beyond the least that is needed.
	spec []edit
	// prepare is done to it once it is Ready. Nil means nothing.
	prepare func(context.Context, *stage)
	// change is what the user does.
	change func(context.Context, *stage)
	// done holds in the end. before is the world just before the change.
	done func(g Gomega, ctx context.Context, s *stage, before world)
	// servers says what becomes of those that there are.
	servers fate
}

// fate of the servers that there are when a scenario begins.
type fate int

const (
	// fateOwn is checked by the scenario itself.
	fateOwn fate = iota
	// keptRunning: no server is restarted.
	keptRunning
	// rolled: each server is restarted once, the replicas before the primary, one at a time.
	rolled
)

func (sc scenario) play(ctx context.Context, s *stage, killed bool) {
	GinkgoHelper()
	s.create(ctx, sc.spec...)
	s.awaitReady(ctx)
	if sc.prepare != nil {
		sc.prepare(ctx, s)
	}
	before := s.world(Default, ctx)
	seen := s.watchRestarts(ctx, before)
	children, err := s.children(ctx)
	Expect(err).NotTo(HaveOccurred())

	sc.change(ctx, s)
	if killed {
		s.killController(ctx, children)
	}
	Eventually(func(g Gomega) { sc.done(g, ctx, s, before) }).WithContext(ctx).Should(Succeed())
	switch sc.servers {
	case keptRunning:
		Expect(s.world(Default, ctx).Pods).To(Equal(before.Pods), "a server was restarted")
	case rolled:
		seen.expectRolled(ctx)
	}
}

func replicas(n int32) edit {
	return func(i *v1.MySQLInstance) { i.Spec.Replicas = &n }
}

func parameter(name, value string) edit {
	return func(i *v1.MySQLInstance) {
		i.Spec.Parameters = append(i.Spec.Parameters, v1.Parameter{Name: name, Value: value})
	}
}

func version(v string) edit { return func(i *v1.MySQLInstance) { i.Spec.Version = v } }

func power(state v1.PowerState) edit { return func(i *v1.MySQLInstance) { i.Spec.PowerState = state } }

func backup(schedule, size string) edit {
	return func(i *v1.MySQLInstance) {
		i.Spec.Backup = &v1.Backup{Schedule: schedule, Storage: v1.Storage{VolumeSize: resource.MustParse(size)}}
	}
}

func deletion(policy v1.DeletionPolicy) edit {
	return func(i *v1.MySQLInstance) { i.Spec.DeletionPolicy = policy }
}

func editing(edits ...edit) func(context.Context, *stage) {
	return func(ctx context.Context, s *stage) { s.edit(ctx, edits...) }
}

// windowFrom is a weekly maintenance window that opens at a time from now.
func windowFrom(fromNow time.Duration) edit {
	return func(i *v1.MySQLInstance) {
		opens := time.Now().UTC().Add(fromNow)
		i.Spec.MaintenanceWindow = &v1.MaintenanceWindow{
			Day: v1.Weekday(opens.Weekday().String()), StartTime: opens.Format("15:04"), DurationMinutes: ptr.To(int32(120)),
		}
	}
}

var (
	windowClosed = windowFrom(24 * time.Hour)
	windowOpen   = windowFrom(-time.Hour)
)

// scale uses the scale subresource, as kubectl scale and autoscalers do.
func scale(n int32) func(context.Context, *stage) {
	return func(ctx context.Context, s *stage) {
		GinkgoHelper()
		instance := &v1.MySQLInstance{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: instanceName}}
		current := &autoscalingv1.Scale{}
		Expect(s.SubResource("scale").Get(ctx, instance, current)).To(Succeed())
		current.Spec.Replicas = n
		Expect(s.SubResource("scale").Update(ctx, instance, client.WithSubResourceBody(current))).To(Succeed())
	}
}

// held waits until a change waits for the maintenance window.
func held(g Gomega, ctx context.Context, s *stage) {
	c := meta.FindStatusCondition(s.conditions(g, ctx), v1.ConditionConfigurationApplied)
	g.Expect(c).To(HaveValue(And(
		HaveField("Status", metav1.ConditionFalse), HaveField("Reason", controller.ReasonWaitingForWindow))))
	instance, err := s.instance(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Message).To(ContainSubstring(instance.Spec.MaintenanceWindow.StartTime), "it does not say when the window opens")
}

// remove deletes the instance.
func remove(ctx context.Context, s *stage) {
	GinkgoHelper()
	instance, err := s.instance(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(s.Delete(ctx, instance)).To(Succeed())
}

// removed holds once the instance and its servers are gone.
func removed(g Gomega, ctx context.Context, s *stage) {
	_, err := s.instance(ctx)
	g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the instance is still there: %v", err)
	g.Expect(s.pods(g, ctx)).To(BeEmpty())
	err = s.Get(ctx, s.key(), &appsv1.StatefulSet{})
	g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the StatefulSet is still there: %v", err)
}

var scenarios = []scenario{
	{
		name:   "is scaled up, which restarts nothing",
		change: scale(3),
		done: func(g Gomega, ctx context.Context, s *stage, before world) {
			s.ready(g, ctx)
			s.serversReady(g, ctx, 3)
			instance, err := s.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(instance.Status.Replicas).To(Equal(int32(3)))
			g.Expect(s.world(g, ctx).Pods).To(HaveKeyWithValue(names.Server(instanceName, 0), before.Pods[names.Server(instanceName, 0)]))
		},
	},
	{
		name:   "is scaled down, which takes the last servers and keeps every volume",
		spec:   []edit{replicas(3)},
		change: scale(1),
		done: func(g Gomega, ctx context.Context, s *stage, before world) {
			s.ready(g, ctx)
			s.serversReady(g, ctx, 1)
			now := s.world(g, ctx)
			g.Expect(now.Pods).To(HaveKeyWithValue(names.Server(instanceName, 0), before.Pods[names.Server(instanceName, 0)]))
			g.Expect(now.Claims).To(Equal(before.Claims))
		},
	},
	{
		name:   "is upgraded, the replicas before the primary",
		spec:   []edit{replicas(3)},
		change: editing(version("8.4.8")),
		done: func(g Gomega, ctx context.Context, s *stage, _ world) {
			s.ready(g, ctx)
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
		done: func(g Gomega, ctx context.Context, s *stage, _ world) {
			s.ready(g, ctx)
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
		done: func(g Gomega, ctx context.Context, s *stage, _ world) {
			s.ready(g, ctx)
			g.Expect(s.settings(g, ctx)).To(MatchRegexp(`max_connections *= *"?321`))
		},
		servers: keptRunning,
	},
	{
		name:   "takes a parameter that needs a start by a rolling restart",
		spec:   []edit{replicas(2)},
		change: editing(parameter("innodb_buffer_pool_instances", "2")),
		done: func(g Gomega, ctx context.Context, s *stage, _ world) {
			s.ready(g, ctx)
			g.Expect(s.settings(g, ctx)).To(MatchRegexp(`innodb_buffer_pool_instances *= *"?2`))
		},
		servers: rolled,
	},
	{
		name: "is restarted by an annotation",
		spec: []edit{replicas(2)},
		change: editing(func(i *v1.MySQLInstance) {
			i.Annotations = map[string]string{v1.AnnotationRestartedAt: time.Now().UTC().Format(time.RFC3339)}
		}),
		done: func(g Gomega, ctx context.Context, s *stage, before world) {
			s.serversReady(g, ctx, 2)
			now := s.world(g, ctx)
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
		done: func(g Gomega, ctx context.Context, s *stage, before world) {
			s.ready(g, ctx)
			for _, claim := range s.claims(g, ctx) {
				g.Expect(claim.Spec.Resources.Requests.Storage().String()).To(Equal("2Gi"), claim.Name)
				g.Expect(claim.Status.Capacity.Storage().String()).To(Equal("2Gi"), claim.Name)
			}
			set := &appsv1.StatefulSet{}
			g.Expect(s.Get(ctx, s.key(), set)).To(Succeed())
			g.Expect(set.UID).NotTo(Equal(before.Set), "a StatefulSet cannot change its claims: it has to be another one")
			g.Expect(set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests.Storage().String()).To(Equal("2Gi"))
			g.Expect(s.world(g, ctx).Claims).To(Equal(before.Claims))
			c := meta.FindStatusCondition(s.conditions(g, ctx), v1.ConditionStorageResized)
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
			before := s.world(Default, ctx)
			s.edit(ctx, power(v1.PowerStopped))
			Eventually(func(g Gomega) { stopped(g, ctx, s, before) }).WithContext(ctx).Should(Succeed())
		},
		change: editing(power(v1.PowerRunning)),
		done: func(g Gomega, ctx context.Context, s *stage, before world) {
			s.ready(g, ctx)
			s.serversReady(g, ctx, 2)
			g.Expect(s.world(g, ctx).Claims).To(Equal(before.Claims))
		},
	},
	{
		name:   "keeps a disruptive change for its maintenance window, and no other change",
		spec:   []edit{replicas(2), windowClosed},
		change: editing(version("8.4.8"), parameter("max_connections", "321")),
		done: func(g Gomega, ctx context.Context, s *stage, _ world) {
			held(g, ctx, s)
			g.Expect(s.settings(g, ctx)).To(MatchRegexp(`max_connections *= *"?321`))
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
			Eventually(func(g Gomega) { held(g, ctx, s) }).WithContext(ctx).Should(Succeed())
		},
		change: editing(windowOpen),
		done: func(g Gomega, ctx context.Context, s *stage, _ world) {
			s.ready(g, ctx)
			instance, err := s.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(instance.Status.CurrentVersion).To(Equal("8.4.8"))
		},
		servers: rolled,
	},
	{
		name:   "gets a schedule for its backups, with a volume of their own",
		change: editing(backup("0 3 * * *", "3Gi")),
		done: func(g Gomega, ctx context.Context, s *stage, _ world) {
			s.ready(g, ctx)
			key := client.ObjectKey{Namespace: s.namespace, Name: names.Backup(instanceName)}
			job := &batchv1.CronJob{}
			g.Expect(s.Get(ctx, key, job)).To(Succeed())
			g.Expect(job.Spec.Schedule).To(Equal("0 3 * * *"))
			g.Expect(job.Spec.TimeZone).To(HaveValue(Equal("Etc/UTC")))
			claim := &corev1.PersistentVolumeClaim{}
			g.Expect(s.Get(ctx, key, claim)).To(Succeed())
			g.Expect(claim.Status.Phase).To(Equal(corev1.ClaimBound))
			g.Expect(claim.Status.Capacity.Storage().String()).To(Equal("3Gi"))
			c := meta.FindStatusCondition(s.conditions(g, ctx), v1.ConditionBackupScheduled)
			g.Expect(c).To(HaveValue(HaveField("Status", metav1.ConditionTrue)))
		},
		servers: keptRunning,
	},
	{
		name: "says when its last backup ended",
		spec: []edit{backup("0 3 * * *", "1Gi")},
		change: func(ctx context.Context, s *stage) {
			s.kubectl(ctx, "create", "job", "first", "--from=cronjob/"+names.Backup(instanceName))
		},
		done: func(g Gomega, ctx context.Context, s *stage, _ world) {
			s.ready(g, ctx)
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
		spec:   []edit{backup("0 3 * * *", "1Gi")},
		change: editing(func(i *v1.MySQLInstance) { i.Spec.Backup = nil }),
		done: func(g Gomega, ctx context.Context, s *stage, _ world) {
			s.ready(g, ctx)
			key := client.ObjectKey{Namespace: s.namespace, Name: names.Backup(instanceName)}
			err := s.Get(ctx, key, &batchv1.CronJob{})
			g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the CronJob is still there: %v", err)
			claim := &corev1.PersistentVolumeClaim{}
			g.Expect(s.Get(ctx, key, claim)).To(Succeed())
			g.Expect(claim.DeletionTimestamp).To(BeNil())
			c := meta.FindStatusCondition(s.conditions(g, ctx), v1.ConditionBackupScheduled)
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
		done: func(g Gomega, ctx context.Context, s *stage, _ world) {
			removed(g, ctx, s)
			g.Expect(s.claims(g, ctx)).To(BeEmpty())
		},
	},
	{
		name:   "is deleted without its volumes, where its policy is Retain",
		spec:   []edit{replicas(2), deletion(v1.DeletionRetain)},
		change: remove,
		done: func(g Gomega, ctx context.Context, s *stage, before world) {
			removed(g, ctx, s)
			claims := s.claims(g, ctx)
			g.Expect(claims).To(HaveLen(len(before.Claims)))
			for _, claim := range claims {
				g.Expect(before.Claims).To(HaveKeyWithValue(claim.Name, claim.UID))
				g.Expect(claim.DeletionTimestamp).To(BeNil())
				g.Expect(claim.OwnerReferences).To(BeEmpty())
			}
		},
	},
}

// stopped holds once no server runs and every volume is there.
func stopped(g Gomega, ctx context.Context, s *stage, before world) {
	conditions := s.conditions(g, ctx)
	c := meta.FindStatusCondition(conditions, v1.ConditionAvailable)
	g.Expect(c).To(HaveValue(HaveField("Status", metav1.ConditionFalse)))
	g.Expect(s.pods(g, ctx)).To(BeEmpty())
	g.Expect(s.world(g, ctx).Claims).To(Equal(before.Claims))
	instance, err := s.instance(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(instance.Status.Replicas).To(BeZero())
}
