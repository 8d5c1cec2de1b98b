package controller_test

import (
	"context"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/e2e/suite"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/names"
)

// creationSpecs are about an instance that is new. They come first, since everything else needs one.
func creationSpecs(open func(context.Context) *stage) {
	withReplicas := func(i *v1.MySQLInstance) { i.Spec.Replicas = ptr.To(int32(2)) }

	It("becomes Ready, which kubectl can wait for, and tells the truth about itself", func(ctx context.Context) {
		s := open(ctx)
		s.create(ctx, withReplicas)
		Expect(s.kubectl(ctx, "wait", "--for=condition=Ready", "mysqlinstance/"+instanceName, "--timeout=60s")).
			To(ContainSubstring("condition met"))
		s.awaitReady(ctx)
		s.serversReady(ctx, Default, 2)

		instance, err := s.instance(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(s.kstatus(ctx, Default)).To(Equal(status.CurrentStatus))
		Expect(instance.Status.Primary).To(Equal(names.Server(instanceName, 0)))
		Expect(instance.Status.CurrentVersion).To(Equal("8.4.3"))
		Expect(instance.Status.Replicas).To(Equal(int32(2)))
		Expect(instance.Status.ReadyReplicas).To(Equal(int32(2)))
		Expect(instance.Status.StorageCapacity).To(HaveValue(Equal(resource.MustParse("1Gi"))))
		Expect(instance.Status.Endpoint.Port).To(Equal(int32(3306)))
		service := &corev1.Service{}
		Expect(s.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: instanceName + "-primary"}, service)).To(Succeed())
		Expect(instance.Status.Endpoint.Host).To(HavePrefix(service.Name + "." + s.namespace))
	})

	It("becomes Ready, although the controller is killed while it makes it", Label("killed"), func(ctx context.Context) {
		s := open(ctx)
		before, err := s.children(ctx)
		Expect(err).NotTo(HaveOccurred())
		s.create(ctx, withReplicas)
		s.killController(ctx, before)
		s.awaitReady(ctx)
		s.serversReady(ctx, Default, 2)
	})
}

// kstatus is what tools that wait for any kind of object, such as Flux, take the instance for.
func (s *stage) kstatus(ctx context.Context, g Gomega) status.Status {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1.SchemeGroupVersion.WithKind("MySQLInstance"))
	g.Expect(s.Get(ctx, s.key(), object)).To(Succeed())
	result, err := status.Compute(object)
	g.Expect(err).NotTo(HaveOccurred())
	return result.Status
}

// kubectl runs a command in the stage's namespace, as the administrator, and returns what it prints.
func (s *stage) kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	return suite.Kubectl(ctx, s.site, append([]string{"--namespace", s.namespace}, args...)...)
}
