package aggregatedimpl_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/install"
)

var _ = Describe("Admission in the server", func() {
	var namespace string
	BeforeEach(func(ctx context.Context) { namespace = newNamespace(ctx) })

	It("looks up what an instance refers to", func(ctx context.Context) {
		withSecret := func(name string) *v1.MySQLInstance {
			instance := newInstance(name)
			instance.Spec.Credentials = &v1.Credentials{RootSecretRef: v1.SecretKeyReference{Name: "root", Key: "password"}}
			return instance
		}
		_, err := client.MysqlV1().MySQLInstances(namespace).Create(ctx, withSecret("db"), metav1.CreateOptions{})
		Expect(causes(err)).To(ConsistOf("spec.credentials.rootSecretRef.name"))

		alpha := newAlphaInstance()
		alpha.Spec.RootPasswordSecret = "root/password"
		_, err = client.MysqlV1alpha1().MySQLInstances(namespace).Create(ctx, alpha, metav1.CreateOptions{})
		Expect(causes(err)).To(ConsistOf("spec.rootPasswordSecret"))

		_, err = cluster.CoreV1().Secrets(namespace).Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "root"}, StringData: map[string]string{"password": "secret"},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		create(ctx, namespace, withSecret("db"))
	})

	It("refuses what a namespace's quota does not leave room for", func(ctx context.Context) {
		const count = corev1.ResourceName("count/mysqlinstances." + install.Group)
		_, err := cluster.CoreV1().ResourceQuotas(namespace).Create(ctx, &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Name: "one"},
			Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{count: resource.MustParse("1")}},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		// The controller manager looks for new resources every 30 seconds, and counts a quota again when its spec changes.
		hard := int64(0)
		Eventually(func(g Gomega) {
			quota, err := cluster.CoreV1().ResourceQuotas(namespace).Get(ctx, "one", metav1.GetOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			hard++
			quota.Spec.Hard[corev1.ResourcePods] = *resource.NewQuantity(hard, resource.DecimalSI)
			_, err = cluster.CoreV1().ResourceQuotas(namespace).Update(ctx, quota, metav1.UpdateOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(quota.Status.Used).To(HaveKey(count))
		}).WithPolling(time.Second).WithTimeout(2 * time.Minute).Should(Succeed())

		create(ctx, namespace, newInstance("first"))
		_, err = client.MysqlV1().MySQLInstances(namespace).Create(ctx, newInstance("second"), metav1.CreateOptions{})
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "want Forbidden, got %v", err)
		Expect(err).To(MatchError(ContainSubstring("exceeded quota")))
	})

	It("refuses creates in a namespace that does not exist", func(ctx context.Context) {
		_, err := client.MysqlV1().MySQLInstances("missing").Create(ctx, newInstance("db"), metav1.CreateOptions{})
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "want NotFound, got %v", err)
	})

	It("enforces the administrator's policies, mutating and validating", func(ctx context.Context) {
		match := &admissionregistrationv1.MatchResources{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionregistrationv1.RuleWithOperations{
					Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
					Rule: admissionregistrationv1.Rule{APIGroups: []string{install.Group}, APIVersions: []string{"v1"},
						Resources: []string{"mysqlinstances"}},
				},
			}},
		}
		policies := cluster.AdmissionregistrationV1()
		fail := admissionregistrationv1.Fail

		_, err := policies.ValidatingAdmissionPolicies().Create(ctx, &admissionregistrationv1.ValidatingAdmissionPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: namespace},
			Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{MatchConstraints: match, FailurePolicy: &fail,
				Validations: []admissionregistrationv1.Validation{{
					Expression: "object.spec.replicas < 5", Message: "too many servers"}}},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(policies.ValidatingAdmissionPolicies().Delete, namespace, metav1.DeleteOptions{})
		validatingBinding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: metav1.ObjectMeta{Name: namespace},
			Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: namespace,
				ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny}},
		}
		_, err = policies.ValidatingAdmissionPolicyBindings().Create(ctx, validatingBinding, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(policies.ValidatingAdmissionPolicyBindings().Delete, namespace, metav1.DeleteOptions{})

		_, err = policies.MutatingAdmissionPolicies().Create(ctx, &admissionregistrationv1.MutatingAdmissionPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: namespace},
			Spec: admissionregistrationv1.MutatingAdmissionPolicySpec{MatchConstraints: match, FailurePolicy: &fail,
				ReinvocationPolicy: admissionregistrationv1.NeverReinvocationPolicy,
				Mutations: []admissionregistrationv1.Mutation{{
					PatchType: admissionregistrationv1.PatchTypeApplyConfiguration,
					ApplyConfiguration: &admissionregistrationv1.ApplyConfiguration{
						Expression: `Object{metadata: Object.metadata{labels: {"mutated": "yes"}}}`},
				}}},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(policies.MutatingAdmissionPolicies().Delete, namespace, metav1.DeleteOptions{})
		mutatingBinding := &admissionregistrationv1.MutatingAdmissionPolicyBinding{
			ObjectMeta: metav1.ObjectMeta{Name: namespace},
			Spec:       admissionregistrationv1.MutatingAdmissionPolicyBindingSpec{PolicyName: namespace},
		}
		_, err = policies.MutatingAdmissionPolicyBindings().Create(ctx, mutatingBinding, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(policies.MutatingAdmissionPolicyBindings().Delete, namespace, metav1.DeleteOptions{})

		dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
		Eventually(func(g Gomega) {
			many := newInstance("many")
			many.Spec.Replicas = new(int32)
			*many.Spec.Replicas = 5
			_, err := client.MysqlV1().MySQLInstances(namespace).Create(ctx, many, dry)
			g.Expect(err).To(MatchError(ContainSubstring("too many servers")))
		}).Should(Succeed())
		Eventually(func(g Gomega) {
			few, err := client.MysqlV1().MySQLInstances(namespace).Create(ctx, newInstance("few"), dry)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(few.Labels).To(HaveKeyWithValue("mutated", "yes"))
		}).Should(Succeed())
	})
})
