package controlplane_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/controlplane"
)

var _ = Describe("A control plane with fake nodes", Ordered, func() {
	const namespace = metav1.NamespaceDefault
	var (
		dir   string
		plane *controlplane.ControlPlane
		admin kubernetes.Interface
	)

	BeforeAll(func(ctx context.Context) {
		dir = GinkgoT().TempDir()
		var err error
		plane, err = controlplane.Start(ctx, controlplane.Options{Dir: dir, Out: GinkgoWriter, Kwok: true})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx context.Context) {
			Expect(plane.Stop(ctx)).To(Succeed())
			Expect(processesOf(ctx, dir)).To(BeEmpty())
		})
		admin = adminOf(plane)
	})

	// grown waits until a claim has the size that it asks for, and its volume too.
	grown := func(ctx context.Context, name, size string) {
		GinkgoHelper()
		Eventually(func(g Gomega) {
			claim, err := admin.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, name, metav1.GetOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(claim.Status.Phase).To(Equal(corev1.ClaimBound))
			g.Expect(claim.Status.Capacity.Storage().String()).To(Equal(size))
			volume, err := admin.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(volume.Status.Phase).To(Equal(corev1.VolumeBound))
			g.Expect(volume.Spec.Capacity.Storage().String()).To(Equal(size))
		}).WithContext(ctx).Should(Succeed())
	}

	It("has them, and the programs for them", func(ctx context.Context) {
		Expect(plane.FakeNodes()).To(BeTrue())
		Expect(plane.Components()).To(Equal(append(controlplane.Components(), controlplane.Scheduler, controlplane.Kwok)))
		nodes, err := admin.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(nodes.Items).To(HaveLen(controlplane.DefaultNodes))
		statuses, err := plane.Runner().List(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(statuses).To(HaveLen(len(plane.Components())))
		for _, status := range statuses {
			Expect(listening(ctx, status.PID)).To(And(Not(BeEmpty()), HaveEach("127.0.0.1")), status.Spec.Name)
		}
	})

	It("makes the pods of a StatefulSet Ready, with volumes that grow under them", func(ctx context.Context) {
		sets := admin.AppsV1().StatefulSets(namespace)
		_, err := sets.Create(ctx, withVolume("db", 2), metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Eventually(func(ctx context.Context) (int32, error) {
			set, err := sets.Get(ctx, "db", metav1.GetOptions{})
			return set.Status.ReadyReplicas, err
		}).WithContext(ctx).Should(Equal(int32(2)))
		grown(ctx, "data-db-0", "1Gi")
		pod, err := admin.CoreV1().Pods(namespace).Get(ctx, "db-0", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(pod.Status.PodIP).To(HavePrefix("10.6"))

		_, err = admin.CoreV1().PersistentVolumeClaims(namespace).Patch(ctx, "data-db-0", types.MergePatchType,
			[]byte(`{"spec":{"resources":{"requests":{"storage":"1536Mi"}}}}`), metav1.PatchOptions{})
		Expect(err).NotTo(HaveOccurred())
		grown(ctx, "data-db-0", "1536Mi")
		same, err := admin.CoreV1().Pods(namespace).Get(ctx, "db-0", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(same.UID).To(Equal(pod.UID))
	})

	It("deletes volumes with their claims", func(ctx context.Context) {
		Expect(admin.AppsV1().StatefulSets(namespace).Delete(ctx, "db", metav1.DeleteOptions{})).To(Succeed())
		Eventually(func(ctx context.Context) ([]corev1.Pod, error) {
			pods, err := admin.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
			return pods.Items, err
		}).WithContext(ctx).Should(BeEmpty())
		volumes := func(ctx context.Context) ([]corev1.PersistentVolume, error) {
			volumes, err := admin.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
			return volumes.Items, err
		}
		Expect(volumes(ctx)).To(HaveLen(2), "volumes outlive the StatefulSet")
		Expect(admin.CoreV1().PersistentVolumeClaims(namespace).
			DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})).To(Succeed())
		Eventually(volumes).WithContext(ctx).Should(BeEmpty())
	})

	It("refuses to grow the volumes of a class that does not allow it", func(ctx context.Context) {
		_, err := admin.StorageV1().StorageClasses().Create(ctx, &storagev1.StorageClass{
			ObjectMeta: metav1.ObjectMeta{Name: "rigid"}, Provisioner: controlplane.FakeProvisioner}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		claim := claimOf("rigid")
		claim.Spec.StorageClassName = ptr.To("rigid")
		_, err = admin.CoreV1().PersistentVolumeClaims(namespace).Create(ctx, claim, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		grown(ctx, "rigid", "1Gi")
		_, err = admin.CoreV1().PersistentVolumeClaims(namespace).Patch(ctx, "rigid", types.MergePatchType,
			[]byte(`{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}`), metav1.PatchOptions{})
		Expect(err).To(MatchError(apierrors.IsForbidden, "IsForbidden"))
	})

	It("completes Jobs", func(ctx context.Context) {
		_, err := admin.BatchV1().Jobs(namespace).Create(ctx, &batchv1.Job{
			ObjectMeta: metav1.ObjectMeta{Name: "job"},
			Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "main", Image: "none"}},
			}}},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Eventually(func(ctx context.Context) (int32, error) {
			job, err := admin.BatchV1().Jobs(namespace).Get(ctx, "job", metav1.GetOptions{})
			return job.Status.Succeeded, err
		}).WithContext(ctx).Should(Equal(int32(1)))
	})

	It("streams the log of a pod through kube-apiserver", func(ctx context.Context) {
		_, err := admin.CoreV1().Pods(namespace).Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "logging"},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "none"}}},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Eventually(func(ctx context.Context) (corev1.PodPhase, error) {
			pod, err := admin.CoreV1().Pods(namespace).Get(ctx, "logging", metav1.GetOptions{})
			return pod.Status.Phase, err
		}).WithContext(ctx).Should(Equal(corev1.PodRunning))
		line := "before"
		appendLog(plane.PodLog(), line)
		stream, err := admin.CoreV1().Pods(namespace).GetLogs("logging", &corev1.PodLogOptions{Follow: true}).Stream(ctx)
		Expect(err).NotTo(HaveOccurred())
		defer stream.Close()
		lines := bufio.NewScanner(stream)
		for _, next := range []string{"one", "two", "last"} {
			Expect(lines.Scan()).To(BeTrue(), "the stream ended: %v", lines.Err())
			Expect(lines.Text()).To(Equal(line))
			line = next
			appendLog(plane.PodLog(), line)
		}
	})

	It("gives kwok the rights that it needs, and no others", func(ctx context.Context) {
		kwok := clientFor(plane.UserConfig("duet-kwok"))
		for _, try := range []func() error{
			func() error { _, err := kwok.CoreV1().Secrets("").List(ctx, metav1.ListOptions{}); return err },
			func() error {
				_, err := kwok.CoreV1().Pods(namespace).Create(ctx, &corev1.Pod{}, metav1.CreateOptions{})
				return err
			},
			func() error {
				_, err := kwok.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{}, metav1.CreateOptions{})
				return err
			},
		} {
			Expect(try()).To(MatchError(apierrors.IsForbidden, "IsForbidden"))
		}
	})

	It("works again after the loss of each program", func(ctx context.Context) {
		for _, name := range []string{controlplane.Scheduler, controlplane.Kwok, controlplane.APIServer} {
			By("killing and restarting " + name)
			Expect(plane.Runner().Kill(ctx, name)).To(Succeed())
			Expect(plane.Runner().Restart(ctx, name)).To(Succeed())
			after := claimOf("after-" + name)
			Eventually(func(ctx context.Context) error {
				_, err := admin.CoreV1().PersistentVolumeClaims(namespace).Create(ctx, after, metav1.CreateOptions{})
				return err
			}).WithContext(ctx).Should(Succeed())
			grown(ctx, after.Name, "1Gi")
			set := withVolume("after-"+name, 1)
			_, err := admin.AppsV1().StatefulSets(namespace).Create(ctx, set, metav1.CreateOptions{})
			Expect(err).NotTo(HaveOccurred())
			Eventually(func(ctx context.Context) (int32, error) {
				set, err := admin.AppsV1().StatefulSets(namespace).Get(ctx, set.Name, metav1.GetOptions{})
				return set.Status.ReadyReplicas, err
			}).WithContext(ctx).Should(Equal(int32(1)))
		}
	})

	It("keeps them when it is started again without being told, and takes another number when it is", func(ctx context.Context) {
		again, err := controlplane.Start(ctx, controlplane.Options{Dir: dir, Out: GinkgoWriter, Runner: plane.Runner()})
		Expect(err).NotTo(HaveOccurred())
		Expect(again.State().Nodes).To(Equal(controlplane.DefaultNodes))
		Expect(again.Components()).To(Equal(plane.Components()))

		fewer, err := controlplane.Start(ctx, controlplane.Options{
			Dir: dir, Out: GinkgoWriter, Runner: plane.Runner(), Kwok: true, Nodes: 2})
		Expect(err).NotTo(HaveOccurred())
		Expect(fewer.State().Nodes).To(Equal(2))
		Eventually(func(ctx context.Context) ([]corev1.Node, error) {
			nodes, err := admin.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
			return nodes.Items, err
		}).WithContext(ctx).Should(HaveLen(2))
	})

	It("refuses a number of nodes without them", func(ctx context.Context) {
		_, err := controlplane.Start(ctx, controlplane.Options{Dir: dir, Nodes: 2})
		Expect(err).To(MatchError(ContainSubstring("2 nodes need Kwok")))
	})
})

func withVolume(name string, replicas int32) *appsv1.StatefulSet {
	labels := map[string]string{"app": name}
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					InitContainers: []corev1.Container{{Name: "before", Image: "none"}},
					Containers: []corev1.Container{{Name: "main", Image: "none",
						VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}}},
				},
			},
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{*claimOf("data")},
		},
	}
}

// claimOf makes a claim of 1Gi in the default class.
func claimOf(name string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
}

func appendLog(path, line string) {
	GinkgoHelper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	Expect(err).NotTo(HaveOccurred())
	_, err = fmt.Fprintf(file, "%s stdout F %s\n", time.Now().UTC().Format(time.RFC3339Nano), line)
	Expect(err).NotTo(HaveOccurred())
	Expect(file.Close()).To(Succeed())
}
