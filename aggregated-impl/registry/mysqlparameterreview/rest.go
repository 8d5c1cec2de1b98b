// Package mysqlparameterreview is a kind that can be created and nothing else: a question that the answer comes back
// with, and of which nothing is stored, as a SubjectAccessReview. A CustomResourceDefinition has no such thing, since
// to create a custom resource is to store it.
//
// The kind has no namespace. A namespace gives a request its rights, its quota and its end, and a question about version
// numbers and names of variables has nothing to do with any of them: in a namespace that is being deleted it could not
// even be asked.
package mysqlparameterreview

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/validation"
)

// Resource is the plural name in paths.
const Resource = "mysqlparameterreviews"

// REST answers reviews. Only POST is routed to it, so LIST, WATCH and DELETE are 405 and discovery says create.
type REST struct{}

var (
	_ rest.Storage              = REST{}
	_ rest.Scoper               = REST{}
	_ rest.Creater              = REST{} //nolint:misspell // the library's spelling
	_ rest.SingularNameProvider = REST{}
)

// New returns an empty review.
func (REST) New() runtime.Object { return &v1.MySQLParameterReview{} }

// Destroy has nothing to let go of.
func (REST) Destroy() {}

// NamespaceScoped is false.
func (REST) NamespaceScoped() bool { return false }

// GetSingularName for kubectl.
func (REST) GetSingularName() string { return "mysqlparameterreview" }

// Create asks the rules. A dry run is the same: nothing is stored anyway.
func (REST) Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc,
	_ *metav1.CreateOptions) (runtime.Object, error) {
	review := obj.(*v1.MySQLParameterReview)
	if err := validate(ctx, review.DeepCopyObject()); err != nil {
		return nil, err
	}
	parameters := make([]mysql.Parameter, 0, len(review.Spec.Parameters))
	for _, parameter := range review.Spec.Parameters {
		parameters = append(parameters, mysql.Parameter(parameter))
	}
	verdict, errs := validation.ReviewParameters(review.Spec.Version, review.Spec.Memory, parameters,
		field.NewPath("spec"))
	if len(errs) > 0 {
		return nil, apierrors.NewInvalid(mysql.Kind("MySQLParameterReview"), review.Name, errs)
	}
	review.Status = v1.MySQLParameterReviewStatus{
		Accepted: len(verdict.Refused) == 0, NeedRestart: verdict.NeedRestart,
	}
	for _, refused := range verdict.Refused {
		review.Status.Refused = append(review.Status.Refused, v1.RefusedParameter{
			Name: refused.Name, Reason: metav1.CauseType(refused.Type), Message: refused.ErrorBody(),
		})
	}
	return review, nil
}
