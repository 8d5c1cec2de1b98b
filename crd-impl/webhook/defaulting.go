package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"gomodules.xyz/jsonpatch/v2"
	jsonmergepatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

// defaulter answers /default with the defaults that the object still lacks. kube-apiserver has set those of the schema
// before it asks, so what is left is what a schema cannot say. It also keeps the v1 status that a v1alpha1 object carries
// in an annotation: kube-apiserver sees to it that only /status changes a status, but knows nothing of that one.
type defaulter struct {
	codec codec
}

func newDefaultingHandler(codec codec) http.Handler {
	return newAdmissionHandler(defaulter{codec: codec}.admit)
}

func (d defaulter) admit(
	ctx context.Context, request *admissionv1.AdmissionRequest,
) (*admissionv1.AdmissionResponse, error) {
	if len(request.Object.Raw) == 0 {
		return nil, nil // Nothing is written, so nothing is missing.
	}
	patch, err := d.patch(request.Object.Raw, request.OldObject.Raw)
	if errors.Is(err, errMalformed) {
		// The schema comes after the defaults, and says better what is wrong: each field, with its path.
		return nil, nil
	}
	if err != nil || patch == nil {
		return nil, err
	}
	klog.FromContext(ctx).V(4).Info("defaulted", "namespace", request.Namespace, "name", request.Name, "patch", string(patch))
	return &admissionv1.AdmissionResponse{Patch: patch, PatchType: ptr.To(admissionv1.PatchTypeJSONPatch)}, nil
}

// patch is the JSON patch that sets the defaults, or nil if it would change nothing. It is made from the difference
// between the decoded object before and after, and applied to the bytes of the request: fields that the Go
// types do not know, or write in another way, stay as the user wrote them.
func (d defaulter) patch(raw, old []byte) ([]byte, error) {
	object, _, err := d.codec.decode(raw)
	if err != nil {
		return nil, err
	}
	before, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("could not encode the object: %w", err)
	}
	d.codec.scheme.Default(object)
	if err := d.keepStatus(object, old); err != nil {
		return nil, err
	}
	after, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("could not encode the defaulted object: %w", err)
	}
	difference, err := jsonmergepatch.CreateMergePatch(before, after)
	if err != nil {
		return nil, fmt.Errorf("could not find the defaults: %w", err)
	}
	if string(difference) == "{}" {
		return nil, nil
	}
	defaulted, err := jsonmergepatch.MergePatch(raw, difference)
	if err != nil {
		return nil, fmt.Errorf("could not set the defaults: %w", err)
	}
	operations, err := jsonpatch.CreatePatch(raw, defaulted)
	if err != nil {
		return nil, fmt.Errorf("could not express the defaults as a patch: %w", err)
	}
	return json.Marshal(operations)
}

// keepStatus gives a v1alpha1 object the carried status of the one that it replaces; a new object has none.
func (d defaulter) keepStatus(object runtime.Object, old []byte) error {
	instance, ok := object.(*v1alpha1.MySQLInstance)
	if !ok {
		return nil
	}
	stored := &v1alpha1.MySQLInstance{}
	if len(old) > 0 {
		decoded, _, err := d.codec.decode(old)
		if err != nil {
			return err
		}
		if stored, ok = decoded.(*v1alpha1.MySQLInstance); !ok {
			return fmt.Errorf("the old object is not of the version of the new one, but %T", decoded)
		}
	}
	return v1alpha1.KeepCarriedStatus(instance, stored)
}
