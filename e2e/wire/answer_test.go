package wire

import (
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes/scheme"
)

func invalid(fields ...string) *apierrors.StatusError {
	var errs field.ErrorList
	for _, name := range fields {
		errs = append(errs, &field.Error{Type: field.ErrorTypeInvalid, Field: name})
	}
	return apierrors.NewInvalid(schema.GroupKind{Kind: "Thing"}, "x", errs)
}

func inJSON(t *testing.T, refusal *apierrors.StatusError) []byte {
	t.Helper()
	status := refusal.Status()
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	body, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestVerdict(t *testing.T) {
	status := apierrors.NewBadRequest("no").Status()
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	inProtobuf, err := runtime.Encode(protobuf.NewSerializer(scheme.Scheme, scheme.Scheme), &status)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		code int
		body []byte
		want string
	}{
		"accepted":            {201, []byte(`{"kind":"Thing"}`), "201"},
		"fields, sorted":      {422, inJSON(t, invalid("spec.b", "spec.a")), "422 Invalid: spec.a, spec.b"},
		"a field named twice": {422, inJSON(t, invalid("spec.a", ".spec.a", "<nil>")), "422 Invalid: spec.a"},
		"many fields": {
			422, inJSON(t, invalid(strings.Split("a b c d e f g h", " ")...)), "422 Invalid: a, b, c, d, e, f and 2 more",
		},
		"in protobuf":    {400, inProtobuf, "400 BadRequest"},
		"no reason":      {500, []byte(`{"apiVersion":"v1","kind":"Status"}`), "500 without a reason"},
		"not a Status":   {503, []byte("service unavailable"), "503 " + NoStatus},
		"another object": {404, []byte(`{"apiVersion":"v1","kind":"Pod"}`), "404 " + NoStatus},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			answer := Answer{Code: tt.code, Body: tt.body, Header: http.Header{}}
			if got := answer.Verdict(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestObjectKeepsWholeNumbers(t *testing.T) {
	answer := Answer{Code: 200, Body: []byte(`{"metadata":{"generation":2}}`)}
	object, err := answer.Object()
	if err != nil {
		t.Fatal(err)
	}
	if got := object.GetGeneration(); got != 2 {
		t.Errorf("got generation %d, want 2", got)
	}
}
