package webhook

import (
	"context"
	"fmt"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/duet-api/duet/shared/admission"
	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/validation"
)

// validator answers /validate. kube-apiserver has applied the schema and its CEL rules before it asks.
type validator struct {
	codec   codec
	lookups admission.Validator
}

func newValidationHandler(codec codec, lookups admission.Validator) http.Handler {
	return newAdmissionHandler(validator{codec: codec, lookups: lookups}.admit)
}

func (v validator) admit(
	ctx context.Context, request *admissionv1.AdmissionRequest,
) (*admissionv1.AdmissionResponse, error) {
	var old *mysql.MySQLInstance
	switch {
	case request.SubResource != "":
		// The schema has all the rules of a status, and a scale changes nothing else than a bounded number.
		return nil, notConfigured("subresource " + request.SubResource)
	case request.Operation == admissionv1.Create:
	case request.Operation == admissionv1.Update:
		var err error
		if old, _, err = v.codec.decodeHub(request.OldObject.Raw); err != nil {
			return nil, fmt.Errorf("could not read the stored object: %w", err)
		}
	default:
		return nil, notConfigured("operation " + string(request.Operation))
	}
	instance, version, err := v.codec.decodeHub(request.Object.Raw)
	if err != nil {
		return nil, err
	}
	// The namespace of a request is not always in its object yet.
	instance.Namespace = request.Namespace
	errs := validation.InVersion(v.validate(ctx, instance, old), version.Version)
	return &admissionv1.AdmissionResponse{Warnings: validation.Warnings(instance, old)},
		admission.StatusError(version.GroupKind(), request.Name, errs)
}

// notConfigured answers what no configuration of ours asks. Saying yes would look like a check.
func notConfigured(what string) error {
	return apierrors.NewBadRequest(what + " is not validated here: mend the ValidatingWebhookConfiguration")
}

// validate asks other objects only about an instance that is right in itself: that saves look-ups that would change
// nothing, and it is the order in which the aggregated server asks.
func (v validator) validate(ctx context.Context, instance, old *mysql.MySQLInstance) field.ErrorList {
	var errs field.ErrorList
	if old == nil {
		errs = validation.ValidateMySQLInstance(instance)
	} else {
		errs = validation.ValidateMySQLInstanceUpdate(instance, old)
	}
	if len(errs) > 0 {
		return errs
	}
	return v.lookups.Validate(ctx, instance, old)
}
