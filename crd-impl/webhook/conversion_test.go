package webhook

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	flatObject = `{"apiVersion":"mysql.example.com/v1alpha1","kind":"MySQLInstance",` +
		`"metadata":{"name":"flat","namespace":"shop","uid":"1","labels":{"a":"b"}},` +
		`"spec":{"engineVersion":"8.4.3","readReplicas":2,"instanceClass":"small","storageGB":20,"paused":false}}`
	nestedObject = `{"apiVersion":"mysql.example.com/v1","kind":"MySQLInstance",` +
		`"metadata":{"name":"nested","namespace":"shop","uid":"2"},` +
		`"spec":{"version":"8.4.3","replicas":5,"storage":{"size":"30Gi"},"powerState":"Stopped"}}`
)

func conversionReview(desired string, objects ...string) string {
	return fmt.Sprintf(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","request":{"uid":"u1",`+
		`"desiredAPIVersion":%q,"objects":[%s]}}`, desired, strings.Join(objects, ","))
}

// convert sends a review and returns its response, which every well-formed review gets.
func convert(t *testing.T, review string) *apiextensionsv1.ConversionResponse {
	t.Helper()
	code, body := send(t, newConversionHandler(newCodec()), review)
	if code != http.StatusOK {
		t.Fatalf("HTTP code is %d: %s", code, body)
	}
	var answer apiextensionsv1.ConversionReview
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.APIVersion != "apiextensions.k8s.io/v1" || answer.Kind != "ConversionReview" || answer.Request != nil {
		t.Fatalf("the answer is no ConversionReview with a response only: %s", body)
	}
	if answer.Response == nil || answer.Response.UID != "u1" {
		t.Fatalf("the answer is not to this request: %s", body)
	}
	return answer.Response
}

// get finds a value in an object by its path, like "spec.storage.size".
func get(t *testing.T, raw []byte, path string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Split(path, ".") {
		value = value.(map[string]any)[name]
	}
	return value
}

func TestConversion(t *testing.T) {
	tests := map[string]struct {
		desired string
		objects []string
		want    []map[string]any
	}{
		"nothing": {desired: "mysql.example.com/v1", want: []map[string]any{}},
		"v1alpha1 to v1": {
			desired: "mysql.example.com/v1", objects: []string{flatObject},
			want: []map[string]any{{
				"apiVersion": "mysql.example.com/v1", "kind": "MySQLInstance", "metadata.name": "flat",
				"metadata.uid": "1", "metadata.labels": map[string]any{"a": "b"},
				"spec.version": "8.4.3", "spec.replicas": 3.0, "spec.storage.size": "20Gi",
			}},
		},
		"v1 to v1alpha1": {
			desired: "mysql.example.com/v1alpha1", objects: []string{nestedObject},
			want: []map[string]any{{
				"apiVersion": "mysql.example.com/v1alpha1", "kind": "MySQLInstance", "metadata.name": "nested",
				"spec.engineVersion": "8.4.3", "spec.readReplicas": 4.0, "spec.storageGB": 30.0, "spec.paused": true,
			}},
		},
		"a batch keeps its order, and what has the version already": {
			desired: "mysql.example.com/v1", objects: []string{nestedObject, flatObject, nestedObject},
			want: []map[string]any{
				{"metadata.name": "nested", "spec.replicas": 5.0},
				{"metadata.name": "flat", "spec.replicas": 3.0},
				{"metadata.name": "nested", "spec.replicas": 5.0},
			},
		},
		"an object without a spec": {
			desired: "mysql.example.com/v1",
			objects: []string{`{"apiVersion":"mysql.example.com/v1alpha1","kind":"MySQLInstance","metadata":{"name":"bare"}}`},
			want:    []map[string]any{{"apiVersion": "mysql.example.com/v1", "metadata.name": "bare"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			response := convert(t, conversionReview(test.desired, test.objects...))
			if response.Result.Status != metav1.StatusSuccess {
				t.Fatalf("conversion failed: %s", response.Result.Message)
			}
			got := []map[string]any{}
			for i, object := range response.ConvertedObjects {
				values := map[string]any{}
				for path := range test.want[i] {
					values[path] = get(t, object.Raw, path)
				}
				got = append(got, values)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("converted objects (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConversionThereAndBack(t *testing.T) {
	there := convert(t, conversionReview("mysql.example.com/v1alpha1", nestedObject))
	back := convert(t, conversionReview("mysql.example.com/v1", string(there.ConvertedObjects[0].Raw)))
	for _, path := range []string{"metadata", "spec.version", "spec.replicas", "spec.storage", "spec.powerState"} {
		want, got := get(t, []byte(nestedObject), path), get(t, back.ConvertedObjects[0].Raw, path)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestFailedConversion(t *testing.T) {
	wrongType := `{"apiVersion":"mysql.example.com/v1alpha1","kind":"MySQLInstance",` +
		`"metadata":{"name":"broken","namespace":"shop"},"spec":{"storageGB":"much"}}`
	tests := map[string]struct {
		desired   string
		objects   []string
		wantWords []string
	}{
		"no version":             {desired: "", objects: []string{flatObject}, wantWords: []string{`"": no such version is served`}},
		"a malformed version":    {desired: "a/b/c", objects: []string{flatObject}, wantWords: []string{"no such version is served"}},
		"an unknown version":     {desired: "mysql.example.com/v2", objects: []string{flatObject}, wantWords: []string{"no such version is served"}},
		"the hub":                {desired: "mysql.example.com/__internal", objects: []string{flatObject}, wantWords: []string{"no such version is served"}},
		"another group":          {desired: "apps/v1", objects: []string{flatObject}, wantWords: []string{"no such version is served"}},
		"an object that is null": {desired: "mysql.example.com/v1", objects: []string{"null"}, wantWords: []string{"object 0: "}},
		"an object without a kind": {
			desired: "mysql.example.com/v1", objects: []string{`{"metadata":{"name":"x"}}`}, wantWords: []string{"1 of 1", "object 0 (/x)"},
		},
		"an object of another group": {
			desired: "mysql.example.com/v1", objects: []string{`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"}}`},
			wantWords: []string{`could not take an object of kind "Secret"`},
		},
		"an object in the hub's version": {
			desired: "mysql.example.com/v1", objects: []string{`{"apiVersion":"mysql.example.com/__internal","kind":"MySQLInstance"}`},
			wantWords: []string{"could not take an object"},
		},
		"a list as an object": {
			desired: "mysql.example.com/v1", objects: []string{`{"apiVersion":"mysql.example.com/v1alpha1","kind":"MySQLInstanceList","items":[]}`},
			wantWords: []string{`could not take an object of kind "MySQLInstanceList"`},
		},
		"options as an object": {
			desired: "mysql.example.com/v1", objects: []string{`{"apiVersion":"mysql.example.com/v1alpha1","kind":"DeleteOptions"}`},
			wantWords: []string{`could not take an object of kind "DeleteOptions"`},
		},
		"one of three has a wrong type": {
			desired: "mysql.example.com/v1", objects: []string{flatObject, wrongType, flatObject},
			wantWords: []string{"1 of 3 objects", "object 1 (shop/broken)", "storageGB"},
		},
		"many are broken": {
			desired: "mysql.example.com/v1", objects: strings.Split(strings.Repeat(wrongType+"\n", 8)[:8*(len(wrongType)+1)-1], "\n"),
			wantWords: []string{"8 of 8 objects", "object 4", "; and 3 more"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			response := convert(t, conversionReview(test.desired, test.objects...))
			if response.Result.Status != metav1.StatusFailure {
				t.Fatalf("conversion gave %+v, want a failure", response)
			}
			if len(response.ConvertedObjects) != 0 {
				t.Errorf("a failed conversion gave %d objects", len(response.ConvertedObjects))
			}
			for _, words := range test.wantWords {
				if !strings.Contains(response.Result.Message, words) {
					t.Errorf("message is %q, want one with %q", response.Result.Message, words)
				}
			}
		})
	}
}
