package switching

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestLost(t *testing.T) {
	for name, test := range map[string]struct {
		from, in any
		want     []string
	}{
		"the same":                      {map[string]any{"a": int64(1)}, map[string]any{"a": int64(1)}, nil},
		"a default":                     {map[string]any{}, map[string]any{"a": "b"}, nil},
		"a field":                       {map[string]any{"a": map[string]any{"b": "c"}}, map[string]any{"a": map[string]any{}}, []string{".a.b"}},
		"a whole object":                {map[string]any{"a": map[string]any{"b": "c"}}, map[string]any{}, []string{".a.b"}},
		"another value":                 {map[string]any{"a": "b"}, map[string]any{"a": "c"}, []string{".a"}},
		"another value in a list":       {[]any{"a", "b"}, []any{"a", "c"}, []string{"[1]"}},
		"an item of a list":             {map[string]any{"a": []any{"b"}}, map[string]any{"a": []any{}}, []string{".a"}},
		"nothing, and an empty object":  {map[string]any{"a": nil, "b": map[string]any{}, "c": []any{}}, map[string]any{}, nil},
		"an empty value":                {map[string]any{"a": "", "b": false, "c": int64(0)}, map[string]any{}, nil},
		"a value that is not empty":     {map[string]any{"a": true}, map[string]any{}, []string{".a"}},
		"a quantity written otherwise":  {map[string]any{"a": "10240Mi"}, map[string]any{"a": "10Gi"}, nil},
		"another quantity":              {map[string]any{"a": "10240Mi"}, map[string]any{"a": "11Gi"}, []string{".a"}},
		"a number written otherwise":    {map[string]any{"a": int64(3)}, map[string]any{"a": float64(3)}, nil},
		"a number that became a string": {map[string]any{"a": int64(3)}, map[string]any{"a": "3"}, []string{".a"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, lost(test.from, test.in, "")); diff != "" {
				t.Errorf("lost (-want +got):\n%s", diff)
			}
		})
	}
}

func instance(fields map[string]any) *unstructured.Unstructured {
	object := canaryInstance()
	for key, value := range fields {
		object.Object[key] = value
	}
	return object
}

func TestDifferences(t *testing.T) {
	one := map[string]*unstructured.Unstructured{"a/db": instance(nil), "a/left": instance(nil)}
	other := map[string]*unstructured.Unstructured{
		"a/db": instance(map[string]any{"spec": map[string]any{"version": "9.0.0", "storage": map[string]any{"size": "1Gi"}}}),
		"b/db": instance(nil),
	}
	want := []string{"a/db differs in .spec.version", "a/left is not there", "b/db is one too many"}
	if diff := cmp.Diff(want, differences(one, other)); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}

func TestTypedJudge(t *testing.T) {
	judge := typedJudge()
	for name, test := range map[string]struct {
		object    *unstructured.Unstructured
		want      []string
		wantError string
	}{
		"a good one":           {object: instance(nil)},
		"an unknown field":     {object: instance(map[string]any{"extra": map[string]any{"of": "mine"}}), want: []string{".extra.of"}},
		"a field of its own":   {object: instance(map[string]any{"spec": map[string]any{"version": "8.4.3", "colour": "red"}}), want: []string{".spec.colour"}},
		"a field that no type": {object: instance(map[string]any{"spec": map[string]any{"version": []any{}}}), wantError: "cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			paths, err := judge(test.object)
			if test.wantError != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantError) {
					t.Errorf("got error %v, want one with %q", err, test.wantError)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, paths); diff != "" {
				t.Errorf("lost (-want +got):\n%s", diff)
			}
		})
	}
}

// definition is a CustomResourceDefinition whose schema has one field, established at a time.
func definition(t *testing.T, established time.Time) *unstructured.Unstructured {
	t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
			Name: "v1", Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
				Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": {
					Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"version": {Type: "string"}},
				}},
			}},
		}}},
		Status: apiextensionsv1.CustomResourceDefinitionStatus{Conditions: []apiextensionsv1.CustomResourceDefinitionCondition{{
			Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue, LastTransitionTime: metav1.NewTime(established),
		}}},
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(crd)
	if err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: content}
}

func TestSchemaJudge(t *testing.T) {
	judge, err := schemaJudge(definition(t, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	paths, err := judge(instance(nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"spec.storage"}, paths); diff != "" {
		t.Errorf("pruned (-want +got):\n%s", diff)
	}
}

func TestSeasoned(t *testing.T) {
	now := time.Now()
	if err := seasoned(definition(t, now.Add(-time.Minute)), now); err != nil {
		t.Errorf("one that has been there for a minute: %v", err)
	}
	if err := seasoned(definition(t, now.Add(-time.Second)), now); err == nil {
		t.Error("one that has been there for a second serves well")
	}
	if err := seasoned(&unstructured.Unstructured{Object: map[string]any{}}, now); err == nil {
		t.Error("one that is not established serves well")
	}
}

func TestWindow(t *testing.T) {
	refused := errors.New("refused")
	later := &refusal{code: http.StatusTooManyRequests, later: true}
	for name, test := range map[string]struct {
		answers         []error // one each second, the last of which lasts a second
		refused, putOff time.Duration
	}{
		"no trouble":                       {answers: []error{nil, nil}},
		"refused, and again at the end":    {answers: []error{nil, refused, refused, nil, nil, refused}, refused: 3 * time.Second},
		"put off":                          {answers: []error{later, later, nil}, putOff: 2 * time.Second},
		"put off, and later refused":       {answers: []error{later, nil, refused, nil}, refused: time.Second, putOff: time.Second},
		"put off and refused without end":  {answers: []error{later, refused, later}, refused: 3 * time.Second},
		"too many requests, and no advice": {answers: []error{&refusal{code: http.StatusTooManyRequests}, nil}, refused: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			at := func(second int) time.Time { return began.Add(time.Duration(second) * time.Second) }
			var w window
			for second, answer := range test.answers {
				w.tell(answer, at(second))
			}
			w.end(at(len(test.answers)))
			if w.refused != test.refused || w.putOff != test.putOff || w.asked != len(test.answers) {
				t.Errorf("%d asked, refused for %s and put off for %s, want %d, %s and %s", w.asked, w.refused, w.putOff,
					len(test.answers), test.refused, test.putOff)
			}
		})
	}
}

func TestSnapshot(t *testing.T) {
	one := snapshot{values: map[string][]byte{"a/b": []byte("{}"), "a/c": []byte("k8s\x00x")}}
	for name, other := range map[string]snapshot{
		"another value": {values: map[string][]byte{"a/b": []byte("{ }"), "a/c": []byte("k8s\x00x")}},
		"another key":   {values: map[string][]byte{"a/d": []byte("{}"), "a/c": []byte("k8s\x00x")}},
		"one less":      {values: map[string][]byte{"a/b": []byte("{}")}},
	} {
		if one.digest() == other.digest() {
			t.Errorf("%s has the same digest", name)
		}
	}
	if diff := cmp.Diff([]string{"a/c"}, one.beginningWith(protobufPrefix)); diff != "" {
		t.Errorf("stored as protobuf (-want +got):\n%s", diff)
	}
}

func TestSameFile(t *testing.T) {
	write := func(content string) string {
		file := filepath.Join(t.TempDir(), "encryption.yaml")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for name, test := range map[string]struct {
		a, b string
		want bool
	}{
		"neither encrypts": {"", "", true},
		"one encrypts":     {"", write("aes"), false},
		"the same, a copy": {write("aes\n"), write("aes"), true},
		"with another key": {write("aes 1"), write("aes 2"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := sameFile(test.a, test.b); err != nil || got != test.want {
				t.Errorf("sameFile() = %v, %v, want %v", got, err, test.want)
			}
		})
	}
}
