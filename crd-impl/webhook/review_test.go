package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/duet-api/duet/shared/admission"
)

// send posts a review and returns the HTTP code and the body of the answer.
func send(t *testing.T, handler http.Handler, body string) (int, []byte) {
	t.Helper()
	return roundTrip(t, handler, post(t, body))
}

func post(t *testing.T, body string) *http.Request {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	return request
}

func roundTrip(t *testing.T, handler http.Handler, request *http.Request) (int, []byte) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	response := recorder.Result()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := response.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q, want application/json", got)
	}
	return response.StatusCode, data
}

// wantStatus fails the test unless the answer is a Status with this code, whose message contains the words.
func wantStatus(t *testing.T, code int, body []byte, wantCode int, wantWords string) {
	t.Helper()
	var status metav1.Status
	if err := json.Unmarshal(body, &status); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if status.Kind != "Status" || status.APIVersion != "v1" || status.Status != metav1.StatusFailure {
		t.Fatalf("the answer is no failed v1 Status: %s", body)
	}
	if code != wantCode || int(status.Code) != wantCode {
		t.Errorf("HTTP code is %d and Status code is %d, want %d", code, status.Code, wantCode)
	}
	if !strings.Contains(status.Message, wantWords) {
		t.Errorf("message is %q, want one with %q", status.Message, wantWords)
	}
}

func TestBadReviewsAreRefused(t *testing.T) {
	codec := newCodec()
	conversion := newConversionHandler(codec)
	defaulting := newDefaultingHandler(codec)
	validating := newValidationHandler(codec, admission.Validator{})

	const admissionReview = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"`
	const conversionReview = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview"`
	tests := map[string]struct {
		handler   http.Handler
		body      string
		wantWords string
	}{
		"empty":                       {conversion, "", "no ConversionReview"},
		"garbage":                     {defaulting, "\x00\xff{]", "no AdmissionReview"},
		"protobuf":                    {validating, "k8s\x00\n\x1f", "no AdmissionReview"},
		"a list":                      {validating, "[]", "no AdmissionReview"},
		"null":                        {validating, "null", `of kind ""`},
		"two reviews":                 {conversion, conversionReview + "}" + conversionReview + "}", "no ConversionReview"},
		"half a review":               {conversion, conversionReview, "no ConversionReview"},
		"the other kind of review":    {conversion, admissionReview + "}", `of kind "AdmissionReview"`},
		"an old version":              {defaulting, `{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}`, "v1beta1"},
		"nesting without end":         {validating, strings.Repeat(`{"a":`, 100_000), "no AdmissionReview"},
		"wrong types":                 {validating, admissionReview + `,"request":[]}`, "no AdmissionReview"},
		"conversion, no request":      {conversion, conversionReview + "}", "no request"},
		"conversion, no uid":          {conversion, conversionReview + `,"request":{"desiredAPIVersion":"mysql.example.com/v1"}}`, "no uid"},
		"defaulting, no request":      {defaulting, admissionReview + "}", "no request"},
		"validation, no uid":          {validating, admissionReview + `,"request":{"operation":"CREATE"}}`, "no uid"},
		"conversion, objects no list": {conversion, conversionReview + `,"request":{"uid":"u","objects":{}}}`, "no ConversionReview"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			code, body := send(t, test.handler, test.body)
			wantStatus(t, code, body, http.StatusBadRequest, test.wantWords)
		})
	}
}

func TestOtherRequestsAreRefused(t *testing.T) {
	handler := newConversionHandler(newCodec())
	tests := map[string]struct {
		change    func(*http.Request)
		wantCode  int
		wantWords string
	}{
		"GET":             {func(r *http.Request) { r.Method = http.MethodGet }, http.StatusMethodNotAllowed, "not GET"},
		"no content type": {func(r *http.Request) { r.Header.Del("Content-Type") }, http.StatusUnsupportedMediaType, `not ""`},
		"YAML": {func(r *http.Request) { r.Header.Set("Content-Type", "application/yaml") },
			http.StatusUnsupportedMediaType, "application/yaml"},
		"a body that breaks off": {func(r *http.Request) {
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), brokenReader{}))
		}, http.StatusBadRequest, "line went dead"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			request := post(t, "{}")
			test.change(request)
			code, body := roundTrip(t, handler, request)
			wantStatus(t, code, body, test.wantCode, test.wantWords)
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("line went dead") }

func TestHugeReviewsAreRefused(t *testing.T) {
	codec := newCodec()
	tests := map[string]struct {
		handler http.Handler
		limit   int
	}{
		ConvertPath:  {newConversionHandler(codec), maxConversionBytes},
		DefaultPath:  {newDefaultingHandler(codec), maxAdmissionBytes},
		ValidatePath: {newValidationHandler(codec, admission.Validator{}), maxAdmissionBytes},
	}
	for name, test := range tests {
		for declared, length := range map[string]int64{"declared": int64(test.limit) + 1, "streamed": -1} {
			t.Run(name+" "+declared, func(t *testing.T) {
				request := post(t, "")
				request.Body = io.NopCloser(io.LimitReader(spaces{}, int64(test.limit)+1))
				request.ContentLength = length
				code, body := roundTrip(t, test.handler, request)
				wantStatus(t, code, body, http.StatusRequestEntityTooLarge, "larger than")
			})
		}
	}
}

// spaces is as much whitespace as one wants.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestAPanicIsAnswered(t *testing.T) {
	handler := serveReview(apiextensionsv1.SchemeGroupVersion.WithKind("ConversionReview"), maxConversionBytes,
		func(context.Context, *apiextensionsv1.ConversionReview) error { panic("a defect") })
	code, body := send(t, handler, `{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview"}`)
	wantStatus(t, code, body, http.StatusInternalServerError, "panicked")
	if strings.Contains(string(body), "a defect") {
		t.Errorf("the answer shows the server's inside: %s", body)
	}
}
