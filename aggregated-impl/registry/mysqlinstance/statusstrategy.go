package mysqlinstance

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/validation"
)

// StatusStrategy decides what an update through the status subresource may do: change the status and nothing else.
// Many built-in resources let metadata through as well; a CustomResourceDefinition does not, and neither does this.
type StatusStrategy struct {
	Strategy
}

// GetResetFields names what PrepareForUpdate overwrites.
func (StatusStrategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return everyVersion(fieldpath.NewSet(fieldpath.MakePathOrDie("metadata"), fieldpath.MakePathOrDie("spec")))
}

// PrepareForUpdate puts everything but the status back to what is stored. managedFields stay: they already say who
// wrote this status. The resourceVersion was compared before, so taking the stored one is safe.
func (StatusStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	instance, was := obj.(*mysql.MySQLInstance), old.(*mysql.MySQLInstance)
	managedFields := instance.ManagedFields
	was.ObjectMeta.DeepCopyInto(&instance.ObjectMeta)
	instance.ManagedFields = managedFields
	was.Spec.DeepCopyInto(&instance.Spec)
}

// ValidateUpdate applies the shared rules to a changed status.
func (StatusStrategy) ValidateUpdate(ctx context.Context, obj, old runtime.Object) field.ErrorList {
	return inRequestVersion(ctx,
		validation.ValidateMySQLInstanceStatusUpdate(obj.(*mysql.MySQLInstance), old.(*mysql.MySQLInstance)))
}

// WarningsOnUpdate is empty: the controller is not the one to warn about the spec.
func (StatusStrategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}
