package aggregatedimpl_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gstruct"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	mysqlv1apply "github.com/duet-api/duet/shared/client/applyconfiguration/mysql/v1"
	"github.com/duet-api/duet/shared/client/clientset/versioned"
)

// causes lists field paths of an Invalid error.
func causes(err error) []string {
	GinkgoHelper()
	Expect(apierrors.IsInvalid(err)).To(BeTrue(), "want Invalid, got %v", err)
	var fields []string
	for _, cause := range err.(apierrors.APIStatus).Status().Details.Causes {
		fields = append(fields, cause.Field)
	}
	return fields
}

var _ = Describe("The main resource", func() {
	var namespace string
	BeforeEach(func(ctx context.Context) { namespace = newNamespace(ctx) })

	It("starts at generation 1, with defaults and without the status that was sent", func(ctx context.Context) {
		instance := newInstance("db")
		instance.Status.CurrentVersion = "8.4.3"
		created := create(ctx, namespace, instance)
		Expect(created.Generation).To(Equal(int64(1)))
		Expect(created.Spec.Replicas).To(gstruct.PointTo(Equal(int32(1))))
		Expect(created.Spec.DeletionPolicy).To(Equal(v1.DeletionRetain))
		Expect(created.Status).To(BeZero())
	})

	It("counts a generation for a change of the spec, and for nothing else", func(ctx context.Context) {
		instances := client.MysqlV1().MySQLInstances(namespace)
		instance := create(ctx, namespace, newInstance("db"))
		var err error

		By("changing a label")
		instance.Labels = map[string]string{"tier": "gold"}
		instance, err = instances.Update(ctx, instance, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(instance.Generation).To(Equal(int64(1)))

		By("changing the spec, and sending a status with it")
		instance.Spec.Replicas = ptr.To(int32(3))
		instance.Status.Primary = "forged"
		instance, err = instances.Update(ctx, instance, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(instance.Generation).To(Equal(int64(2)))
		Expect(instance.Status.Primary).To(BeEmpty())

		By("changing the status, and sending a label and a spec with it")
		instance.Status.Primary = "db-0"
		instance.Labels["tier"] = "lead"
		instance.Spec.Replicas = ptr.To(int32(9))
		instance, err = instances.UpdateStatus(ctx, instance, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(instance.Generation).To(Equal(int64(2)))
		Expect(instance.Status.Primary).To(Equal("db-0"))
		Expect(instance.Labels).To(HaveKeyWithValue("tier", "gold"))
		Expect(instance.Spec.Replicas).To(gstruct.PointTo(Equal(int32(3))))
	})

	It("is updated only from the version that the client has seen", func(ctx context.Context) {
		instances := client.MysqlV1().MySQLInstances(namespace)
		instance := create(ctx, namespace, newInstance("db"))
		stale := instance.DeepCopy()
		instance.Labels = map[string]string{"a": "b"}
		_, err := instances.Update(ctx, instance, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred())

		_, err = instances.Update(ctx, stale, metav1.UpdateOptions{})
		Expect(apierrors.IsConflict(err)).To(BeTrue(), "stale: %v", err)
		stale.ResourceVersion = ""
		_, err = instances.Update(ctx, stale, metav1.UpdateOptions{})
		Expect(causes(err)).To(ConsistOf("metadata.resourceVersion"))
		_, err = instances.Update(ctx, newInstance("other"), metav1.UpdateOptions{})
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "missing: %v", err)
	})

	It("refuses names that a CustomResourceDefinition refuses", func(ctx context.Context) {
		_, err := client.MysqlV1().MySQLInstances(namespace).Create(ctx, newInstance("My_DB:1"), metav1.CreateOptions{})
		Expect(causes(err)).To(ContainElement("metadata.name"))
	})

	It("names the fields of the request's version in errors", func(ctx context.Context) {
		instance := newInstance("db")
		instance.Spec.Version = "5.7.1"
		_, err := client.MysqlV1().MySQLInstances(namespace).Create(ctx, instance, metav1.CreateOptions{})
		Expect(causes(err)).To(ConsistOf("spec.version"))
		alpha := newAlphaInstance()
		alpha.Spec.EngineVersion = "5.7.1"
		_, err = client.MysqlV1alpha1().MySQLInstances(namespace).Create(ctx, alpha, metav1.CreateOptions{})
		Expect(causes(err)).To(ConsistOf("spec.engineVersion"))
	})

	It("stays until its finalizers are gone", func(ctx context.Context) {
		instances := client.MysqlV1().MySQLInstances(namespace)
		instance := newInstance("db")
		instance.Finalizers = []string{"mysql.example.com/test"}
		create(ctx, namespace, instance)
		Expect(instances.Delete(ctx, "db", metav1.DeleteOptions{})).To(Succeed())

		deleted, err := instances.Get(ctx, "db", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(deleted.DeletionTimestamp).NotTo(BeNil())
		deleted.Finalizers = nil
		_, err = instances.Update(ctx, deleted, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred())
		_, err = instances.Get(ctx, "db", metav1.GetOptions{})
		Expect(apierrors.IsNotFound(err)).To(BeTrue())
	})

	It("is deleted by the collection, as a selector says", func(ctx context.Context) {
		instances := client.MysqlV1().MySQLInstances(namespace)
		labelled := newInstance("one")
		labelled.Labels = map[string]string{"delete": "me"}
		create(ctx, namespace, labelled)
		create(ctx, namespace, newInstance("two"))
		Expect(instances.DeleteCollection(ctx, metav1.DeleteOptions{},
			metav1.ListOptions{LabelSelector: "delete=me"})).To(Succeed())
		list, err := instances.List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(list.Items).To(HaveLen(1))
		Expect(list.Items[0].Name).To(Equal("two"))
	})

	It("does not store a dry run", func(ctx context.Context) {
		instances := client.MysqlV1().MySQLInstances(namespace)
		_, err := instances.Create(ctx, newInstance("db"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		Expect(err).NotTo(HaveOccurred())
		_, err = instances.Get(ctx, "db", metav1.GetOptions{})
		Expect(apierrors.IsNotFound(err)).To(BeTrue())
	})

	It("refuses unknown fields when asked to be strict", func(ctx context.Context) {
		_, err := client.MysqlV1().MySQLInstances(namespace).Patch(ctx, create(ctx, namespace, newInstance("db")).Name,
			types.MergePatchType, []byte(`{"spec":{"replica":2}}`), metav1.PatchOptions{FieldValidation: "Strict"})
		Expect(err).To(MatchError(ContainSubstring(`unknown field "spec.replica"`)))
	})

	It("takes every patch type", func(ctx context.Context) {
		instances := client.MysqlV1().MySQLInstances(namespace)
		instance := newInstance("db")
		instance.Spec.Parameters = []v1.Parameter{{Name: "max_connections", Value: "100"}}
		create(ctx, namespace, instance)
		for patch, body := range map[types.PatchType]string{
			types.JSONPatchType:           `[{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]`,
			types.MergePatchType:          `{"metadata":{"labels":{"c":"d"}}}`,
			types.StrategicMergePatchType: `{"metadata":{"labels":{"e":"f"}}}`,
		} {
			_, err := instances.Patch(ctx, "db", patch, []byte(body), metav1.PatchOptions{})
			Expect(err).NotTo(HaveOccurred(), "%s", patch)
		}
	})

	It("takes and gives YAML", func(ctx context.Context) {
		body, err := yaml.Marshal(newInstance("db"))
		Expect(err).NotTo(HaveOccurred())
		answer, err := client.MysqlV1().RESTClient().Post().Namespace(namespace).Resource("mysqlinstances").
			SetHeader("Content-Type", "application/yaml").SetHeader("Accept", "application/yaml").
			Body(body).DoRaw(ctx)
		Expect(err).NotTo(HaveOccurred())
		var created v1.MySQLInstance
		Expect(yaml.UnmarshalStrict(answer, &created)).To(Succeed())
		Expect(created.Generation).To(Equal(int64(1)))
	})

	It("takes and gives protobuf", func(ctx context.Context) {
		config := rest.CopyConfig(admin)
		config.ContentType = runtime.ContentTypeProtobuf
		config.AcceptContentTypes = runtime.ContentTypeProtobuf
		protobuf, err := versioned.NewForConfig(config)
		Expect(err).NotTo(HaveOccurred())
		created, err := protobuf.MysqlV1().MySQLInstances(namespace).Create(ctx, newInstance("db"), metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(created.Spec.Storage.VolumeSize.String()).To(Equal("10Gi"))
		raw, err := protobuf.MysqlV1().RESTClient().Get().Namespace(namespace).Resource("mysqlinstances").Name("db").
			DoRaw(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(raw)).To(HavePrefix("k8s\x00"))
	})
})

var _ = Describe("Server-side apply", func() {
	It("refuses to take a field from its owner, and records no owner for the status", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		instances := client.MysqlV1().MySQLInstances(namespace)
		apply := mysqlv1apply.MySQLInstance("db", namespace).
			WithSpec(mysqlv1apply.MySQLInstanceSpec().WithVersion("8.4.3").WithReplicas(2).
				WithStorage(mysqlv1apply.Storage().WithVolumeSize(newInstance("").Spec.Storage.VolumeSize))).
			WithStatus(mysqlv1apply.MySQLInstanceStatus().WithPrimary("forged"))
		applied, err := instances.Apply(ctx, apply, metav1.ApplyOptions{FieldManager: "one"})
		Expect(err).NotTo(HaveOccurred())
		Expect(applied.Status.Primary).To(BeEmpty())
		Expect(applied.ManagedFields).To(HaveLen(1))
		Expect(string(applied.ManagedFields[0].FieldsV1.GetRawBytes())).NotTo(ContainSubstring("f:status"))

		apply.Status = nil
		apply.Spec.WithReplicas(3)
		_, err = instances.Apply(ctx, apply, metav1.ApplyOptions{FieldManager: "two"})
		Expect(apierrors.IsConflict(err)).To(BeTrue(), "want a conflict, got %v", err)
		Expect(err.(apierrors.APIStatus).Status().Details.Causes).To(ConsistOf(
			gstruct.MatchFields(gstruct.IgnoreExtras, gstruct.Fields{"Field": Equal(".spec.replicas")})))

		By("updating without losing the record of owners")
		applied.Labels = map[string]string{"a": "b"}
		updated, err := instances.Update(ctx, applied, metav1.UpdateOptions{FieldManager: "three"})
		Expect(err).NotTo(HaveOccurred())
		Expect(updated.ManagedFields).To(HaveLen(2))
	})
})
