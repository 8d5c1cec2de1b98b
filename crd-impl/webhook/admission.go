package webhook

import (
	"context"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// admitFunc decides about one request. An error is a refusal, and its Status is what the user gets to see.
type admitFunc func(context.Context, *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error)

func newAdmissionHandler(admit admitFunc) http.Handler {
	kind := admissionv1.SchemeGroupVersion.WithKind("AdmissionReview")
	return serveReview(kind, maxAdmissionBytes, func(ctx context.Context, review *admissionv1.AdmissionReview) error {
		request := review.Request
		if request == nil || request.UID == "" {
			return apierrors.NewBadRequest("the AdmissionReview has no request, or its request has no uid")
		}
		response, err := admit(ctx, request)
		if response == nil {
			response = &admissionv1.AdmissionResponse{}
		}
		response.UID = request.UID
		response.Allowed = err == nil
		if err != nil {
			response.Result = statusOf(err)
		}
		review.Request, review.Response = nil, response
		return nil
	})
}
