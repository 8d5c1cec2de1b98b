package aggregatedimpl_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gstruct"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

var _ = Describe("The scale subresource", func() {
	var namespace string
	BeforeEach(func(ctx context.Context) { namespace = newNamespace(ctx) })

	It("reads and changes the number of servers", func(ctx context.Context) {
		instances := client.MysqlV1().MySQLInstances(namespace)
		instance := create(ctx, namespace, newInstance("db"))
		instance.Status = v1.MySQLInstanceStatus{Replicas: 1, Selector: "app=db"}
		_, err := instances.UpdateStatus(ctx, instance, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred())

		scale, err := instances.GetScale(ctx, "db", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(scale.Spec.Replicas).To(Equal(int32(1)))
		Expect(scale.Status.Replicas).To(Equal(int32(1)))
		Expect(scale.Status.Selector).To(Equal("app=db"))

		scale.Spec.Replicas = 3
		scale, err = instances.UpdateScale(ctx, "db", scale, metav1.UpdateOptions{FieldManager: "scaler"})
		Expect(err).NotTo(HaveOccurred())
		Expect(scale.Spec.Replicas).To(Equal(int32(3)))
		scaled, err := instances.Get(ctx, "db", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(scaled.Spec.Replicas).To(gstruct.PointTo(Equal(int32(3))))
		Expect(scaled.Generation).To(Equal(int64(2)))
		Expect(scaled.ManagedFields).To(ContainElement(gstruct.MatchFields(gstruct.IgnoreExtras, gstruct.Fields{
			"Manager": Equal("scaler"), "APIVersion": Equal("mysql.example.com/v1"), "Subresource": Equal("scale"),
		})))
	})

	It("is patched, and held to the rules of the main resource", func(ctx context.Context) {
		create(ctx, namespace, newInstance("db"))
		patch := func(replicas string) error {
			return client.MysqlV1().RESTClient().Patch(types.MergePatchType).Namespace(namespace).
				Resource("mysqlinstances").Name("db").SubResource("scale").
				Body([]byte(`{"spec":{"replicas":` + replicas + `}}`)).Do(ctx).Error()
		}
		Expect(patch("5")).To(Succeed())
		Expect(causes(patch("10"))).To(ConsistOf("spec.replicas"))
	})

	It("is not there in v1alpha1, whose readReplicas does not count the primary", func(ctx context.Context) {
		create(ctx, namespace, newInstance("db"))
		err := client.MysqlV1alpha1().RESTClient().Get().Namespace(namespace).Resource("mysqlinstances").Name("db").
			SubResource("scale").Do(ctx).Error()
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "want NotFound, got %v", err)
	})
})
