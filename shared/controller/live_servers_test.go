package controller_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// serve says that a pod's servers run and are ready, as its kubelet would, and returns the pod.
func serve(ctx context.Context, namespace string, ordinal int, version string) *corev1.Pod {
	GinkgoHelper()
	pod := &corev1.Pod{}
	Eventually(get(namespace, fmt.Sprintf("db-%d", ordinal), pod)).WithContext(ctx).Should(And(
		HaveField("DeletionTimestamp", BeNil()),
		HaveField("Spec.Containers", ContainElement(HaveField("Image", "mysql:"+version)))))
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	Expect(admin.Status().Update(ctx, pod)).To(Succeed())
	return pod
}

// bind gives a claim a volume of the size that it asks for, as a storage driver would.
func bind(ctx context.Context, namespace, name string) {
	GinkgoHelper()
	claim := &corev1.PersistentVolumeClaim{}
	Eventually(get(namespace, name, claim)).WithContext(ctx).Should(Not(BeNil()))
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: namespace + "-" + name},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:         claim.Spec.Resources.Requests,
			AccessModes:      claim.Spec.AccessModes,
			StorageClassName: *claim.Spec.StorageClassName,
			ClaimRef:         &corev1.ObjectReference{Namespace: namespace, Name: name, UID: claim.UID},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: "example.com", VolumeHandle: string(claim.UID)},
			},
		},
	}
	Expect(admin.Create(ctx, volume)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, volume))).To(Succeed()) })
	Eventually(get(namespace, name, claim)).WithContext(ctx).Should(HaveField("Status.Phase", corev1.ClaimBound))
}

// serverSpecs look at what happens to servers that run.
func serverSpecs() {
	var namespace string
	var class *storagev1.StorageClass

	// run brings an instance with two servers to rest.
	run := func(ctx context.Context, changes ...func(*v1.MySQLInstance)) []types.UID {
		GinkgoHelper()
		instance := minimal(namespace, changes...)
		instance.Spec.Replicas = new(int32(2))
		instance.Spec.Storage.StorageClassName = &class.Name
		Expect(admin.Create(ctx, instance)).To(Succeed())
		var uids []types.UID
		for ordinal := range 2 {
			bind(ctx, namespace, fmt.Sprintf("data-db-%d", ordinal))
			uids = append(uids, serve(ctx, namespace, ordinal, "8.4.3").UID)
		}
		awaitCondition(ctx, namespace, name, v1.ConditionReady, "True Serving")
		return uids
	}
	uidOf := func(ctx context.Context, ordinal int) types.UID {
		GinkgoHelper()
		pod := &corev1.Pod{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: fmt.Sprintf("db-%d", ordinal)}, pod)).To(Succeed())
		return pod.UID
	}

	BeforeEach(func(ctx context.Context) {
		namespace = newNamespace(ctx)
		class = &storagev1.StorageClass{
			ObjectMeta:  metav1.ObjectMeta{Name: "of-" + namespace},
			Provisioner: "example.com/none", AllowVolumeExpansion: new(true),
		}
		Expect(admin.Create(ctx, class)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, class)).To(Succeed()) })
	})

	It("has its volumes grown, and no server restarted", func(ctx context.Context) {
		before := run(ctx)
		set := &appsv1.StatefulSet{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, set)).To(Succeed())
		first := set.UID
		size := resource.MustParse("2Gi")
		change(ctx, namespace, name, func(i *v1.MySQLInstance) { i.Spec.Storage.VolumeSize = size })

		asked := HaveKeyWithValue(corev1.ResourceStorage, size)
		for ordinal := range 2 {
			claim := &corev1.PersistentVolumeClaim{}
			Eventually(get(namespace, fmt.Sprintf("data-db-%d", ordinal), claim)).WithContext(ctx).Should(
				HaveField("Spec.Resources.Requests", asked))
		}
		Eventually(get(namespace, name, set)).WithContext(ctx).Should(And(
			HaveField("UID", Not(Equal(first))), HaveField("Status.ReadyReplicas", int32(2)),
			HaveField("Spec.VolumeClaimTemplates", ConsistOf(HaveField("Spec.Resources.Requests", asked)))))
		awaitCondition(ctx, namespace, name, v1.ConditionProgressing, "False Settled")
		awaitCondition(ctx, namespace, name, v1.ConditionStorageResized, "False Resizing")
		for ordinal, uid := range before {
			pod := &corev1.Pod{}
			Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: fmt.Sprintf("db-%d", ordinal)}, pod)).To(Succeed())
			Expect(pod.UID).To(Equal(uid))
			Expect(metav1.IsControlledBy(pod, set)).To(BeTrue(), "the new StatefulSet takes the pods")
			Expect(pod.Labels).To(HaveKeyWithValue(appsv1.ControllerRevisionHashLabelKey, set.Status.UpdateRevision))
		}

		for ordinal := range 2 {
			claim := &corev1.PersistentVolumeClaim{}
			key := client.ObjectKey{Namespace: namespace, Name: fmt.Sprintf("data-db-%d", ordinal)}
			Expect(admin.Get(ctx, key, claim)).To(Succeed())
			claim.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: size}
			Expect(admin.Status().Update(ctx, claim)).To(Succeed())
		}
		awaitCondition(ctx, namespace, name, v1.ConditionStorageResized, "True SizeReached")
		awaitCondition(ctx, namespace, name, v1.ConditionReady, "True Serving")
		quiet(ctx, namespace, name)

		change(ctx, namespace, name, func(i *v1.MySQLInstance) { i.Spec.Replicas = new(int32(3)) })
		Eventually(get(namespace, "data-db-2", &corev1.PersistentVolumeClaim{})).WithContext(ctx).Should(
			HaveField("Spec.Resources.Requests", asked), "a later server has a volume of the new size")
	})

	It("is told when its class lets no volume grow, and runs on", func(ctx context.Context) {
		run(ctx)
		class.AllowVolumeExpansion = new(false)
		Expect(admin.Update(ctx, class)).To(Succeed())
		change(ctx, namespace, name, func(i *v1.MySQLInstance) { i.Spec.Storage.VolumeSize = resource.MustParse("2Gi") })
		awaitCondition(ctx, namespace, name, v1.ConditionStorageResized, "False ExpansionRefused")
		awaitCondition(ctx, namespace, name, v1.ConditionAvailable, "True PrimaryReady")
		awaitCondition(ctx, namespace, name, v1.ConditionProgressing, "False Settled")
		quiet(ctx, namespace, name)
	})

	It("is upgraded in its window, replicas first, and one series after the other", func(ctx context.Context) {
		later := time.Now().UTC().AddDate(0, 0, 3)
		before := run(ctx, func(i *v1.MySQLInstance) {
			i.Spec.MaintenanceWindow = &v1.MaintenanceWindow{Day: v1.Weekday(later.Weekday().String()), StartTime: "03:00"}
		})
		change(ctx, namespace, name, func(i *v1.MySQLInstance) { i.Spec.Version = "8.4.4" })
		awaitCondition(ctx, namespace, name, v1.ConditionConfigurationApplied, "False WaitingForMaintenanceWindow")
		awaitCondition(ctx, namespace, name, v1.ConditionReady, "True Serving")
		quiet(ctx, namespace, name)
		Expect([]types.UID{uidOf(ctx, 0), uidOf(ctx, 1)}).To(Equal(before))

		change(ctx, namespace, name, func(i *v1.MySQLInstance) { i.Spec.MaintenanceWindow = nil })
		Eventually(get(namespace, "db-1", &corev1.Pod{})).WithContext(ctx).Should(HaveField("UID", Not(Equal(before[1]))))
		awaitCondition(ctx, namespace, name, v1.ConditionProgressing, "True Updating")
		Expect(uidOf(ctx, 0)).To(Equal(before[0]), "the primary is replaced once the replica is ready")
		change(ctx, namespace, name, func(i *v1.MySQLInstance) { i.Spec.Version = "9.1.0" })

		for _, version := range []string{"8.4.4", "9.1.0"} {
			serve(ctx, namespace, 1, version)
			Expect(get(namespace, name, &v1.MySQLInstance{})(ctx)).To(HaveField("Status.CurrentVersion", Not(Equal(version))))
			serve(ctx, namespace, 0, version)
			Eventually(get(namespace, name, &v1.MySQLInstance{})).WithContext(ctx).Should(
				HaveField("Status.CurrentVersion", version))
		}
		awaitCondition(ctx, namespace, name, v1.ConditionReady, "True Serving")
		quiet(ctx, namespace, name)
	})
}
