package controller_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/controller"
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
	done func(ctx context.Context, g Gomega, s *stage, before world)
	// servers says what becomes of those that there are.
	servers fate
}

// fate of the servers that there are when a scenario begins. Zero is for a scenario that looks at them itself.
type fate int

const (
	// keptRunning: no server is restarted.
	keptRunning fate = iota + 1
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
	before := s.world(ctx, Default)
	seen := s.watchRestarts(ctx, before)
	children, err := s.children(ctx)
	Expect(err).NotTo(HaveOccurred())

	sc.change(ctx, s)
	if killed {
		s.killController(ctx, children)
	}
	Eventually(func(g Gomega) { sc.done(ctx, g, s, before) }).WithContext(ctx).Should(Succeed())
	switch sc.servers {
	case keptRunning:
		Expect(s.world(ctx, Default).Pods).To(Equal(before.Pods), "a server was restarted")
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

// nightly asks for a backup every night, with a volume for them.
func nightly(size string) edit {
	return func(i *v1.MySQLInstance) {
		i.Spec.Backup = &v1.Backup{Schedule: "0 3 * * *", Storage: v1.Storage{VolumeSize: resource.MustParse(size)}}
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
func held(ctx context.Context, g Gomega, s *stage) {
	c := meta.FindStatusCondition(s.conditions(ctx, g), v1.ConditionConfigurationApplied)
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
func removed(ctx context.Context, g Gomega, s *stage) {
	_, err := s.instance(ctx)
	g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the instance is still there: %v", err)
	g.Expect(s.pods(ctx, g)).To(BeEmpty())
	err = s.Get(ctx, s.key(), &appsv1.StatefulSet{})
	g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the StatefulSet is still there: %v", err)
}

// stopped holds once no server runs and every volume is there.
func stopped(ctx context.Context, g Gomega, s *stage, before world) {
	conditions := s.conditions(ctx, g)
	c := meta.FindStatusCondition(conditions, v1.ConditionAvailable)
	g.Expect(c).To(HaveValue(HaveField("Status", metav1.ConditionFalse)))
	g.Expect(s.pods(ctx, g)).To(BeEmpty())
	g.Expect(s.world(ctx, g).Claims).To(Equal(before.Claims))
	instance, err := s.instance(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(instance.Status.Replicas).To(BeZero())
}
