package controller_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/e2e/behaviour"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/controller"
	"github.com/duet-api/duet/shared/controller/config"
	"github.com/duet-api/duet/shared/names"
)

// instanceName is the name of the one instance on a stage.
const instanceName = "db"

// edit changes an instance before it is sent.
type edit func(*v1.MySQLInstance)

// stage is a namespace with one instance, and what its user and its specs do there.
type stage struct {
	client.WithWatch
	site      *behaviour.Site
	namespace string
}

func newStage(ctx context.Context, site *behaviour.Site) *stage {
	GinkgoHelper()
	c, err := client.NewWithWatch(site.Config(), client.Options{Scheme: controller.NewScheme()})
	Expect(err).NotTo(HaveOccurred())
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "stage-"}}
	Expect(c.Create(ctx, namespace)).To(Succeed())
	return &stage{WithWatch: c, site: site, namespace: namespace.Name}
}

// create makes the instance.
func (s *stage) create(ctx context.Context, edits ...edit) {
	GinkgoHelper()
	instance := &v1.MySQLInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: instanceName},
		Spec: v1.MySQLInstanceSpec{
			Version: "8.4.3", Storage: v1.Storage{VolumeSize: resource.MustParse("1Gi")},
		},
	}
	for _, e := range edits {
		e(instance)
	}
	Expect(s.Create(ctx, instance)).To(Succeed())
}

func (s *stage) key() client.ObjectKey {
	return client.ObjectKey{Namespace: s.namespace, Name: instanceName}
}

func (s *stage) instance(ctx context.Context) (*v1.MySQLInstance, error) {
	instance := &v1.MySQLInstance{}
	return instance, s.Get(ctx, s.key(), instance)
}

// edit changes the instance as its user, who knows nothing of the fields that others set meanwhile.
func (s *stage) edit(ctx context.Context, edits ...edit) {
	GinkgoHelper()
	instance, err := s.instance(ctx)
	Expect(err).NotTo(HaveOccurred())
	before := instance.DeepCopy()
	for _, e := range edits {
		e(instance)
	}
	Expect(s.Patch(ctx, instance, client.MergeFrom(before))).To(Succeed())
}

// conditions of the instance, if they are about its newest generation.
func (s *stage) conditions(ctx context.Context, g Gomega) []metav1.Condition {
	instance, err := s.instance(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(instance.Status.ObservedGeneration).To(Equal(instance.Generation), "the status is about an older spec")
	for _, c := range instance.Status.Conditions {
		g.Expect(c.ObservedGeneration).To(Equal(instance.Generation), "the condition %s is about an older spec", c.Type)
	}
	return instance.Status.Conditions
}

// ready holds once the newest generation is Ready, and everything that is asked for is in force.
func (s *stage) ready(ctx context.Context, g Gomega) {
	conditions := s.conditions(ctx, g)
	for _, kind := range []string{v1.ConditionReady, v1.ConditionConfigurationApplied} {
		c := meta.FindStatusCondition(conditions, kind)
		g.Expect(c).NotTo(BeNil(), "no condition %s in %v", kind, conditions)
		g.Expect(c.Status).To(Equal(metav1.ConditionTrue), "%s: %s: %s", kind, c.Reason, c.Message)
	}
}

func (s *stage) awaitReady(ctx context.Context) {
	GinkgoHelper()
	Eventually(func(g Gomega) { s.ready(ctx, g) }).WithContext(ctx).Should(Succeed())
}

// world is what exists for an instance, by name.
type world struct {
	Pods   map[string]types.UID
	Claims map[string]types.UID
	Set    types.UID
}

func (s *stage) world(ctx context.Context, g Gomega) world {
	w := world{Pods: map[string]types.UID{}, Claims: map[string]types.UID{}}
	for _, pod := range s.pods(ctx, g) {
		w.Pods[pod.Name] = pod.UID
	}
	for _, claim := range s.claims(ctx, g) {
		w.Claims[claim.Name] = claim.UID
	}
	set := &appsv1.StatefulSet{}
	g.Expect(client.IgnoreNotFound(s.Get(ctx, s.key(), set))).To(Succeed())
	w.Set = set.UID
	return w
}

// pods are the servers' pods.
func (s *stage) pods(ctx context.Context, g Gomega) []corev1.Pod {
	var pods corev1.PodList
	g.Expect(s.List(ctx, &pods, client.InNamespace(s.namespace))).To(Succeed())
	return slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool {
		return metav1.GetControllerOf(&pod) != nil && metav1.GetControllerOf(&pod).Kind == "Job"
	})
}

// claims are those of the data volumes.
func (s *stage) claims(ctx context.Context, g Gomega) []corev1.PersistentVolumeClaim {
	var claims corev1.PersistentVolumeClaimList
	g.Expect(s.List(ctx, &claims, client.InNamespace(s.namespace))).To(Succeed())
	return slices.DeleteFunc(claims.Items, func(claim corev1.PersistentVolumeClaim) bool {
		return claim.Name == names.Backup(instanceName)
	})
}

// serversReady holds once exactly the servers 0 to n-1 are there and Ready.
func (s *stage) serversReady(ctx context.Context, g Gomega, n int) {
	var present []string
	for _, pod := range s.pods(ctx, g) {
		g.Expect(podReady(&pod)).To(BeTrue(), "pod %s is not ready", pod.Name)
		present = append(present, pod.Name)
	}
	var wanted []string
	for i := range n {
		wanted = append(wanted, names.Server(instanceName, i))
	}
	g.Expect(present).To(ConsistOf(wanted))
}

func podReady(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// settings says what the option file has.
func (s *stage) settings(ctx context.Context, g Gomega) string {
	var configs corev1.ConfigMapList
	g.Expect(s.List(ctx, &configs, client.InNamespace(s.namespace), client.MatchingLabels(names.Labels(instanceName)))).To(Succeed())
	text := ""
	for _, m := range configs.Items {
		for _, key := range slices.Sorted(maps.Keys(m.Data)) {
			text += m.Data[key]
		}
	}
	return text
}

// children is a fingerprint of all that the controller makes: it changes as soon as the controller has written.
func (s *stage) children(ctx context.Context) (map[string]string, error) {
	found := map[string]string{}
	for _, list := range []client.ObjectList{
		&appsv1.StatefulSetList{}, &corev1.ConfigMapList{}, &corev1.ServiceList{}, &corev1.PersistentVolumeClaimList{},
		&batchv1.CronJobList{},
	} {
		if err := s.List(ctx, list, client.InNamespace(s.namespace)); err != nil {
			return nil, err
		}
		err := meta.EachListItem(list, func(o runtime.Object) error {
			object := o.(client.Object)
			found[fmt.Sprintf("%T %s", object, object.GetName())] = object.GetResourceVersion()
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// killController kills the controller as soon as it has done the first thing, and starts it again.
func (s *stage) killController(ctx context.Context, before map[string]string) {
	GinkgoHelper()
	// Everything may be done within the usual interval.
	Eventually(s.children).WithContext(ctx).WithPolling(time.Millisecond).Should(Not(Equal(before)), "the controller did nothing")
	Expect(s.site.Plane.Runner().Kill(ctx, config.Name)).To(Succeed())
	Expect(s.site.Plane.Runner().Restart(ctx, config.Name)).To(Succeed())
}
