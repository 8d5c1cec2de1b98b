package crdimpl_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"

	crdimpl "github.com/duet-api/duet/crd-impl"
	"github.com/duet-api/duet/shared/install"
)

// takeAway deletes the webhook configurations of a plan and stops its processes, as the installer does when another
// profile has none.
func takeAway(ctx context.Context, plan *install.Plan) {
	GinkgoHelper()
	deleter, err := ctrlclient.New(admin, ctrlclient.Options{})
	Expect(err).NotTo(HaveOccurred())
	for _, object := range plan.Objects {
		if object.GetKind() != "CustomResourceDefinition" {
			Expect(deleter.Delete(ctx, object.DeepCopy())).To(Succeed(), object.GetName())
		}
	}
	for _, spec := range plan.Processes {
		Expect(env.Runner().Stop(ctx, spec.Name)).To(Succeed())
	}
}

var _ = Describe("Changing the profile", Serial, Ordered, func() {
	var (
		namespace string
		before    *unstructured.Unstructured
		webhooks  *install.Plan
	)

	BeforeAll(func(ctx context.Context) {
		namespace = newNamespace(ctx)
		create(ctx, namespace, instance("v1alpha1", "old", "{readReplicas: 2}"))
		var err error
		before, err = in("v1", namespace).Get(ctx, "old", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		webhooks, err = crdimpl.Form{}.Plan(ctx, env, crdimpl.ProfileWebhooks)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx context.Context) { bringUp(ctx, crdimpl.ProfileWebhooks) })
	})

	It("parks the definition without losing an object", func(ctx context.Context) {
		takeAway(ctx, webhooks)
		apply(ctx, crdimpl.Form{}.Park(webhooks))
		Eventually(func(ctx context.Context) error {
			_, err := in("v1", namespace).Get(ctx, "old", metav1.GetOptions{})
			return err
		}).WithContext(ctx).Should(MatchError(apierrors.IsNotFound, "IsNotFound"))
	})

	It("serves v1 from the schema alone", func(ctx context.Context) {
		bringUp(ctx, crdimpl.ProfileSchemaOnly)
		after, err := in("v1", namespace).Get(ctx, "old", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(after.Object["spec"]).To(Equal(before.Object["spec"]))
		Expect(after.GetUID()).To(Equal(before.GetUID()))
		_, err = in("v1alpha1", namespace).List(ctx, metav1.ListOptions{})
		Expect(err).To(MatchError(apierrors.IsNotFound, "IsNotFound"))

		By("refusing what a schema can refuse")
		_, err = in("v1", namespace).Create(ctx, instance("v1", "bad", "{tls: {mode: Required}}"), metav1.CreateOptions{})
		Expect(err).To(MatchError(apierrors.IsInvalid, "IsInvalid"))
		_, err = merge(ctx, "v1", namespace, "old", `{"spec":{"storage":{"size":"1Gi"}}}`)
		Expect(err).To(MatchError(apierrors.IsInvalid, "IsInvalid"))

		By("letting through what only Go or a look-up would refuse")
		create(ctx, namespace, instance("v1", "unchecked", "{parameters: [{name: datadir, value: /tmp}], tls: {secretName: gone}}"))
	})

	It("serves both versions again", func(ctx context.Context) {
		bringUp(ctx, crdimpl.ProfileWebhooks)
		flat, err := in("v1alpha1", namespace).Get(ctx, "old", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(at(flat, "spec.readReplicas")).To(BeEquivalentTo(2))

		By("leaving an object alone that came in unchecked, until that field changes")
		_, err = merge(ctx, "v1", namespace, "unchecked", `{"metadata":{"labels":{"seen":"yes"}}}`)
		Expect(err).NotTo(HaveOccurred())
		_, err = merge(ctx, "v1", namespace, "unchecked", `{"spec":{"parameters":[{"name":"basedir","value":"/tmp"}]}}`)
		Expect(err).To(MatchError(ContainSubstring("spec.parameters[0].name")))
	})
})
