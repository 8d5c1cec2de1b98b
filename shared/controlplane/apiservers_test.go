package controlplane_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/duet-api/duet/shared/controlplane"
)

var _ = Describe("A control plane with two kube-apiservers", Ordered, func() {
	const second = controlplane.APIServer + "-2"
	var (
		dir   string
		plane *controlplane.ControlPlane
		at    []kubernetes.Interface
	)

	BeforeAll(func(ctx context.Context) {
		dir = GinkgoT().TempDir()
		var err error
		plane, err = controlplane.Start(ctx, controlplane.Options{Dir: dir, Out: GinkgoWriter, APIServers: 2})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx context.Context) { Expect(plane.Stop(ctx)).To(Succeed()) })
		for _, url := range plane.URLs() {
			config, err := plane.AdminConfig()
			Expect(err).NotTo(HaveOccurred())
			config.Host = url
			at = append(at, clientFor(config, nil))
		}
	})

	It("has both on one etcd, for the same users", func(ctx context.Context) {
		Expect(plane.Components()).To(Equal([]string{
			controlplane.Etcd, controlplane.APIServer, second, controlplane.ControllerManager,
		}))
		Expect(plane.URLs()).To(HaveLen(2))
		Expect(plane.URLs()[0]).To(Equal(plane.URL()))
		made, err := at[1].CoreV1().ConfigMaps(metav1.NamespaceDefault).Create(ctx,
			&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "made-at-the-second"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		read, err := at[0].CoreV1().ConfigMaps(metav1.NamespaceDefault).Get(ctx, made.Name, metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(read.UID).To(Equal(made.UID))
	})

	It("answers at the one when the other is lost", func(ctx context.Context) {
		Expect(plane.Runner().Kill(ctx, controlplane.APIServer)).To(Succeed())
		_, err := at[0].Discovery().ServerVersion()
		Expect(err).To(HaveOccurred())
		_, err = at[1].CoreV1().ConfigMaps(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
	})

	It("has as many when it is started again without a number, and takes another one", func(ctx context.Context) {
		again, err := controlplane.Start(ctx, controlplane.Options{Dir: dir, Out: GinkgoWriter, Runner: plane.Runner()})
		Expect(err).NotTo(HaveOccurred())
		Expect(again.Components()).To(Equal(plane.Components()))
		Expect(again.URLs()).To(Equal(plane.URLs()))

		fewer, err := controlplane.Start(ctx, controlplane.Options{
			Dir: dir, Out: GinkgoWriter, Runner: plane.Runner(), APIServers: 1})
		Expect(err).NotTo(HaveOccurred())
		Expect(fewer.Components()).To(Equal(controlplane.Components()))
		Expect(pids(ctx, plane.Runner())).NotTo(HaveKey(second))
		_, err = at[1].Discovery().ServerVersion()
		Expect(err).To(HaveOccurred())
		_, err = at[0].Discovery().ServerVersion()
		Expect(err).NotTo(HaveOccurred())
	})

	It("refuses a number that is none", func(ctx context.Context) {
		_, err := controlplane.Start(ctx, controlplane.Options{Dir: dir, APIServers: -1})
		Expect(err).To(MatchError(ContainSubstring("-1 kube-apiservers")))
	})
})
