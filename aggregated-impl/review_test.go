package aggregatedimpl_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gstruct"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

var _ = Describe("The parameter review", func() {
	const path = "/apis/mysql.example.com/v1/mysqlparameterreviews"
	review := func(version string, parameters ...v1.Parameter) *v1.MySQLParameterReview {
		return &v1.MySQLParameterReview{Spec: v1.MySQLParameterReviewSpec{Version: version, Parameters: parameters}}
	}

	It("judges as the rules for instances do", func(ctx context.Context) {
		parameters := []v1.Parameter{
			{Name: "max_connections", Value: "100"}, {Name: "back_log", Value: "80"},
			{Name: "datadir", Value: "/tmp"}, {Name: "max_user_connections", Value: "some"},
		}
		answer, err := client.MysqlV1().MySQLParameterReviews().Create(ctx, review("8.4.3", parameters...),
			metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.Status.Accepted).To(BeFalse())
		Expect(answer.Status.NeedRestart).To(ConsistOf("back_log"))
		Expect(answer.Status.Refused).To(HaveExactElements(
			gstruct.MatchFields(gstruct.IgnoreExtras, gstruct.Fields{
				"Name": Equal("datadir"), "Reason": Equal(metav1.CauseTypeForbidden)}),
			gstruct.MatchFields(gstruct.IgnoreExtras, gstruct.Fields{
				"Name": Equal("max_user_connections"), "Reason": Equal(metav1.CauseTypeFieldValueInvalid),
				"Message": ContainSubstring("must be an integer")}),
		))

		instance := newInstance("db")
		instance.Spec.Parameters = parameters
		_, err = client.MysqlV1().MySQLInstances(newNamespace(ctx)).Create(ctx, instance,
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		Expect(causes(err)).To(ConsistOf("spec.parameters[2].name", "spec.parameters[3].value"))
		var said []string
		for _, cause := range err.(apierrors.APIStatus).Status().Details.Causes {
			said = append(said, cause.Message)
		}
		Expect(said).To(ConsistOf(answer.Status.Refused[0].Message, answer.Status.Refused[1].Message))
	})

	It("ignores a verdict in the question, and refuses a question without sense", func(ctx context.Context) {
		leading := review("8.4.3", v1.Parameter{Name: "max_connections", Value: "100"})
		leading.Status.Refused = []v1.RefusedParameter{{Name: "max_connections"}}
		answer, err := client.MysqlV1().MySQLParameterReviews().Create(ctx, leading, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.Status).To(Equal(v1.MySQLParameterReviewStatus{Accepted: true}))

		_, err = client.MysqlV1().MySQLParameterReviews().Create(ctx, review("5.7.1"), metav1.CreateOptions{})
		Expect(causes(err)).To(ConsistOf("spec.version"))
	})

	It("can be created and nothing else", func(ctx context.Context) {
		for _, verb := range []string{"GET", "DELETE", "PUT", "PATCH"} {
			Expect(client.MysqlV1().RESTClient().Verb(verb).AbsPath(path).Do(ctx).Error()).
				To(MatchError(apierrors.IsMethodNotSupported, "IsMethodNotSupported"), verb)
		}
		Expect(client.MysqlV1().RESTClient().Get().AbsPath(path + "/any").Do(ctx).Error()).
			To(MatchError(apierrors.IsNotFound, "IsNotFound"))
		Expect(client.MysqlV1alpha1().RESTClient().Post().
			AbsPath("/apis/mysql.example.com/v1alpha1/mysqlparameterreviews").Body([]byte(`{}`)).Do(ctx).Error()).
			To(MatchError(apierrors.IsNotFound, "IsNotFound"))
	})

	It("is a right of its own", func(ctx context.Context) {
		const user = "reviewer"
		ask := func() error {
			_, err := clientOf(user).MysqlV1().MySQLParameterReviews().Create(ctx, review("8.4.3"), metav1.CreateOptions{})
			return err
		}
		Expect(ask()).To(MatchError(apierrors.IsForbidden, "IsForbidden"))
		_, err := cluster.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{Name: user},
			Rules: []rbacv1.PolicyRule{{
				APIGroups: []string{v1.GroupName}, Resources: []string{"mysqlparameterreviews"}, Verbs: []string{"create"}}},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		_, err = cluster.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: user},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Eventually(ask).Should(Succeed())
	})
})
