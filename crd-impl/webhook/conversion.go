package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// maxReportedFailures is how many objects of a batch an error message names.
const maxReportedFailures = 5

// converter answers ConversionReviews: v1alpha1 to v1 when kube-apiserver stores an instance, v1 to v1alpha1 when
// somebody reads one, and whole lists of them at a time.
type converter struct {
	codec codec
}

func newConversionHandler(codec codec) http.Handler {
	return serveReview(apiextensionsv1.SchemeGroupVersion.WithKind("ConversionReview"), maxConversionBytes,
		converter{codec: codec}.review)
}

func (c converter) review(_ context.Context, review *apiextensionsv1.ConversionReview) error {
	request := review.Request
	if request == nil || request.UID == "" {
		return apierrors.NewBadRequest("the ConversionReview has no request, or its request has no uid")
	}
	review.Request = nil
	review.Response = &apiextensionsv1.ConversionResponse{UID: request.UID, ConvertedObjects: []runtime.RawExtension{}}
	converted, err := c.convertAll(request.Objects, request.DesiredAPIVersion)
	if err != nil {
		review.Response.Result = *statusOf(err)
		return nil
	}
	review.Response.ConvertedObjects = converted
	review.Response.Result.Status = metav1.StatusSuccess
	return nil
}

// convertAll converts every object or none: kube-apiserver has no use for a part of a list. The error names the objects
// that failed, because whoever reads it has asked for a list and needs to know which of them to mend.
func (c converter) convertAll(objects []runtime.RawExtension, desired string) ([]runtime.RawExtension, error) {
	to, err := schema.ParseGroupVersion(desired)
	if err != nil || !c.codec.scheme.IsVersionRegistered(to) {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("could not convert to %q: no such version is served", desired))
	}
	converted := make([]runtime.RawExtension, len(objects))
	var failures []string
	for i := range objects {
		if converted[i].Raw, err = c.convertOne(objects[i].Raw, to); err != nil {
			failures = append(failures, fmt.Sprintf("object %d%s: %v", i, nameIn(objects[i].Raw), err))
		}
	}
	if len(failures) == 0 {
		return converted, nil
	}
	named := failures[:min(len(failures), maxReportedFailures)]
	more := ""
	if rest := len(failures) - len(named); rest > 0 {
		more = fmt.Sprintf("; and %d more", rest)
	}
	return nil, apierrors.NewBadRequest(fmt.Sprintf("%d of %d objects could not be converted: %s%s",
		len(failures), len(objects), strings.Join(named, "; "), more))
}

func (c converter) convertOne(raw []byte, to schema.GroupVersion) ([]byte, error) {
	object, found, err := c.codec.decode(raw)
	if err != nil {
		return nil, err
	}
	if found.GroupVersion() == to {
		return raw, nil
	}
	converted, err := c.codec.convert(object, to)
	if err != nil {
		return nil, err
	}
	return json.Marshal(converted)
}

// nameIn finds the name of an object that may be broken in every other respect, as " (namespace/name)" or "".
func nameIn(raw []byte) string {
	var partial metav1.PartialObjectMetadata
	if err := json.Unmarshal(raw, &partial); err != nil || partial.Name == "" {
		return ""
	}
	return fmt.Sprintf(" (%s/%s)", partial.Namespace, partial.Name)
}
