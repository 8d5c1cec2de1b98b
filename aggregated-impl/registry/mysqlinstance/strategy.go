package mysqlinstance

import (
	"context"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
	"github.com/duet-api/duet/shared/api/mysql/validation"
)

// Strategy decides what a create, an update and a delete of the main resource may do. It sees hub objects only: the
// request's version has been defaulted and converted before.
type Strategy struct {
	runtime.ObjectTyper
	names.NameGenerator
}

var (
	_ rest.RESTCreateStrategy  = Strategy{}
	_ rest.RESTUpdateStrategy  = Strategy{}
	_ rest.RESTDeleteStrategy  = Strategy{}
	_ rest.ResetFieldsStrategy = Strategy{}
)

// NewStrategy returns the strategy for objects of a scheme.
func NewStrategy(typer runtime.ObjectTyper) Strategy {
	return Strategy{ObjectTyper: typer, NameGenerator: names.SimpleNameGenerator}
}

// NamespaceScoped is true.
func (Strategy) NamespaceScoped() bool { return true }

// AllowCreateOnUpdate is false: only POST (and server-side apply) creates, as with a CustomResourceDefinition.
func (Strategy) AllowCreateOnUpdate() bool { return false }

// AllowUnconditionalUpdate is false: a PUT must say which resourceVersion it has seen, as with a
// CustomResourceDefinition.
func (Strategy) AllowUnconditionalUpdate() bool { return false }

// Canonicalize has nothing to do: defaults were set in the request's version.
func (Strategy) Canonicalize(runtime.Object) {}

// GetResetFields names what PrepareForCreate and PrepareForUpdate overwrite, so that server-side apply does not record
// an owner for values that were thrown away.
func (Strategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return everyVersion(fieldpath.NewSet(fieldpath.MakePathOrDie("status")))
}

// PrepareForCreate starts an object at generation 1 and without a status: only the controller writes that.
func (Strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	instance := obj.(*mysql.MySQLInstance)
	instance.Status = mysql.MySQLInstanceStatus{}
	instance.Generation = 1
}

// PrepareForUpdate keeps the status and counts a generation for each change of what the owner wants.
func (Strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	instance, was := obj.(*mysql.MySQLInstance), old.(*mysql.MySQLInstance)
	instance.Status = was.Status
	if !apiequality.Semantic.DeepEqual(instance.Spec, was.Spec) {
		instance.Generation = was.Generation + 1
	}
}

// Validate applies the shared rules to a new object.
func (Strategy) Validate(ctx context.Context, obj runtime.Object) field.ErrorList {
	return inRequestVersion(ctx, validation.ValidateMySQLInstance(obj.(*mysql.MySQLInstance)))
}

// ValidateUpdate applies the shared rules to a changed object.
func (Strategy) ValidateUpdate(ctx context.Context, obj, old runtime.Object) field.ErrorList {
	return inRequestVersion(ctx,
		validation.ValidateMySQLInstanceUpdate(obj.(*mysql.MySQLInstance), old.(*mysql.MySQLInstance)))
}

// WarningsOnCreate are sent with the answer to a create.
func (Strategy) WarningsOnCreate(_ context.Context, obj runtime.Object) []string {
	return validation.Warnings(obj.(*mysql.MySQLInstance), nil)
}

// WarningsOnUpdate are sent with the answer to an update.
func (Strategy) WarningsOnUpdate(_ context.Context, obj, old runtime.Object) []string {
	return validation.Warnings(obj.(*mysql.MySQLInstance), old.(*mysql.MySQLInstance))
}

// everyVersion gives each served version the same set of fields.
func everyVersion(set *fieldpath.Set) map[fieldpath.APIVersion]*fieldpath.Set {
	return map[fieldpath.APIVersion]*fieldpath.Set{
		fieldpath.APIVersion(v1.SchemeGroupVersion.String()):       set,
		fieldpath.APIVersion(v1alpha1.SchemeGroupVersion.String()): set,
	}
}

// inRequestVersion translates field paths to the version that the client wrote: the rules speak of hub fields, and a
// client of v1alpha1 has never seen those.
func inRequestVersion(ctx context.Context, errs field.ErrorList) field.ErrorList {
	version := v1.SchemeGroupVersion.Version
	if info, ok := genericapirequest.RequestInfoFrom(ctx); ok && info.APIVersion != "" {
		version = info.APIVersion
	}
	return validation.InVersion(errs, version)
}
