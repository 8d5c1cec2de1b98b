package apiserver

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/warning"
	"sigs.k8s.io/yaml"
)

type recorder []string

func (r *recorder) AddWarning(_, text string) { *r = append(*r, text) }

// TestDeprecationWarning compares each version's warning with the CustomResourceDefinition's.
func TestDeprecationWarning(t *testing.T) {
	data, err := os.ReadFile("../../crd-impl/config/crd/mysql.example.com_mysqlinstances.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(data, &crd); err != nil {
		t.Fatal(err)
	}
	resolver := &genericapirequest.RequestInfoFactory{APIPrefixes: sets.NewString("apis")}
	warningsOf := func(path string) []string {
		var got recorder
		request := httptest.NewRequest(http.MethodGet, path, nil)
		info, err := resolver.NewRequestInfo(request)
		if err != nil {
			t.Fatal(err)
		}
		ctx := warning.WithWarningRecorder(genericapirequest.WithRequestInfo(request.Context(), info), &got)
		reached := false
		withDeprecationWarning(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })).
			ServeHTTP(httptest.NewRecorder(), request.WithContext(ctx))
		if !reached {
			t.Errorf("%s: the request did not get through", path)
		}
		return got
	}
	for _, version := range crd.Spec.Versions {
		var want []string
		if version.DeprecationWarning != nil {
			want = []string{*version.DeprecationWarning}
		}
		base := "/apis/mysql.example.com/" + version.Name
		for _, path := range []string{
			"/mysqlinstances", "/namespaces/ns/mysqlinstances/db", "/namespaces/ns/mysqlinstances/db/status",
		} {
			if diff := cmp.Diff(want, warningsOf(base+path)); diff != "" {
				t.Errorf("%s%s (-want +got):\n%s", base, path, diff)
			}
		}
		if got := warningsOf(base); got != nil {
			t.Errorf("discovery warns: %v", got)
		}
	}
}
