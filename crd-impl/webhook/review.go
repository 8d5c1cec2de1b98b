package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"runtime/debug"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
)

const (
	// maxAdmissionBytes is room for what kube-apiserver can send: two objects of the largest request body it accepts,
	// which is 3 MiB, and 1 MiB for the rest of the review.
	maxAdmissionBytes = 7 << 20
	// maxConversionBytes bounds a batch. kube-apiserver sends a whole list in one review, and a list without a limit
	// may be long: this is room for some 40,000 instances of 3 KiB.
	maxConversionBytes = 128 << 20
	// bodyTimeout is how long a client may take to send a review.
	bodyTimeout = 30 * time.Second
)

// reviewType is a pointer to AdmissionReview or ConversionReview.
type reviewType[T any] interface {
	*T
	runtime.Object
}

// serveReview is the part that both kinds of review have in common: read a review of the given kind, let answer replace
// its request by a response, and send it back. What is no such review is refused with an HTTP error and a Status, so
// that kube-apiserver applies the failure policy; a refusal of the reviewed object is answer's to put in the response.
func serveReview[T any, R reviewType[T]](
	kind schema.GroupVersionKind, limit int64, answer func(context.Context, R) error,
) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer recoverPanic(w, r)
		body, err := readBody(w, r, limit)
		if err != nil {
			writeError(w, r, err)
			return
		}
		review := R(new(T))
		if err := json.Unmarshal(body, review); err != nil {
			writeError(w, r, apierrors.NewBadRequest(fmt.Sprintf("the body is no %s: %v", kind.Kind, err)))
			return
		}
		if got := review.GetObjectKind().GroupVersionKind(); got != kind {
			writeError(w, r, apierrors.NewBadRequest(fmt.Sprintf("the body is of kind %q in %q, not of kind %q in %q",
				got.Kind, got.GroupVersion(), kind.Kind, kind.GroupVersion())))
			return
		}
		if err := answer(r.Context(), review); err != nil {
			writeError(w, r, err)
			return
		}
		writeJSON(w, r, http.StatusOK, review)
	})
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.Method != http.MethodPost {
		return nil, statusError(http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed,
			"reviews are sent with POST, not "+r.Method)
	}
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return nil, statusError(http.StatusUnsupportedMediaType, metav1.StatusReasonUnsupportedMediaType,
			fmt.Sprintf("reviews are application/json, not %q", r.Header.Get("Content-Type")))
	}
	// The deadline goes away with the last byte: it bounds a slow sender, not the look-ups that follow. A connection
	// that cannot have deadlines is one of a test.
	connection := http.NewResponseController(w)
	if err := connection.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("could not set a deadline for the body: %w", err)
	}
	tooLarge := statusError(http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge,
		fmt.Sprintf("the review is larger than %d bytes", limit))
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	var body bytes.Buffer
	if r.ContentLength > 0 {
		body.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit)); err != nil {
		if atLimit := (*http.MaxBytesError)(nil); errors.As(err, &atLimit) {
			return nil, tooLarge
		}
		return nil, apierrors.NewBadRequest(fmt.Sprintf("could not read the body: %v", err))
	}
	if err := connection.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("could not take back the deadline for the body: %w", err)
	}
	return body.Bytes(), nil
}

// recoverPanic answers a request that a defect broke off. Without it the connection would be cut, and neither the
// caller nor the log of requests would say why.
func recoverPanic(w http.ResponseWriter, r *http.Request) {
	if cause := recover(); cause != nil {
		klog.FromContext(r.Context()).Error(fmt.Errorf("panic: %v", cause), "a review made the server panic",
			"path", r.URL.Path, "stack", string(debug.Stack()))
		writeError(w, r, apierrors.NewInternalError(errors.New("the server panicked; its log has the stack")))
	}
}

func statusError(code int32, reason metav1.StatusReason, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message,
	}}
}

// statusOf is the Status that an error carries, with what was tried around it, or that of an internal error.
func statusOf(err error) *metav1.Status {
	var known apierrors.APIStatus
	if !errors.As(err, &known) {
		known = apierrors.NewInternalError(err)
		err = errors.New(known.Status().Message)
	}
	status := known.Status()
	status.Message = err.Error()
	return &status
}

func writeError(w http.ResponseWriter, r *http.Request, err error) {
	klog.FromContext(r.Context()).Error(err, "refused a review", "path", r.URL.Path, "client", r.RemoteAddr)
	status := statusOf(err)
	status.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Status"})
	writeJSON(w, r, int(status.Code), status)
}

func writeJSON(w http.ResponseWriter, r *http.Request, code int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		klog.FromContext(r.Context()).Error(err, "could not encode an answer", "path", r.URL.Path)
		http.Error(w, "could not encode the answer; the server's log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if _, err := w.Write(data); err != nil {
		klog.FromContext(r.Context()).V(4).Info("could not send an answer", "path", r.URL.Path, "reason", err.Error())
	}
}
