package admission

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// StatusError turns the errors of an instance into the answer to its request: an apierrors.APIStatus, or nil if there
// are none. It is 422 with one cause per field error, as the API server answers itself. If a look-up failed it is 500 instead: the request may
// be right, and the client should come back.
func StatusError(kind schema.GroupKind, name string, errs field.ErrorList) error {
	for _, err := range errs {
		if err.Type == field.ErrorTypeInternal {
			return apierrors.NewInternalError(fmt.Errorf("%s %q could not be validated: %w", kind, name, errs.ToAggregate()))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(kind, name, errs)
}
