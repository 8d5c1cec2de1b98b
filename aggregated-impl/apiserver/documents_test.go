package apiserver

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiserver/pkg/server/mux"
	"k8s.io/kube-openapi/pkg/handler3"
	"k8s.io/kube-openapi/pkg/spec3"
)

// TestPresentDocument asks the library's own handler, of which it is known that it redirects.
func TestPresentDocument(t *testing.T) {
	const path = "/openapi/v3/apis/mysql.example.com/v1"
	service := handler3.NewOpenAPIService()
	service.UpdateGroupVersion("apis/mysql.example.com/v1", &spec3.OpenAPI{Version: "3.0.0"})
	library := mux.NewPathRecorderMux("openapi")
	if err := service.RegisterOpenAPIV3VersionedService("/openapi/v3", library); err != nil {
		t.Fatal(err)
	}
	ask := func(handler http.Handler, path string) *http.Response {
		recorded := httptest.NewRecorder()
		handler.ServeHTTP(recorded, httptest.NewRequest(http.MethodGet, path, nil))
		return recorded.Result()
	}
	var index handler3.OpenAPIV3Discovery
	if err := json.NewDecoder(ask(library, "/openapi/v3").Body).Decode(&index); err != nil {
		t.Fatal(err)
	}
	present, err := url.Parse(index.Paths["apis/mysql.example.com/v1"].ServerRelativeURL)
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(library, path+"?hash=another").StatusCode; got != http.StatusMovedPermanently {
		t.Fatalf("the library answers another hash with %d, and not with a redirect: withPresentDocument is not needed any more", got)
	}

	for name, test := range map[string]struct {
		path string
		keep bool
	}{
		"the document's hash":         {path: present.String(), keep: true},
		"another hash":                {path: path + "?hash=another"},
		"another hash, and something": {path: path + "?timeout=32s&hash=another"},
		"no hash":                     {path: path},
		"an empty hash":               {path: path + "?hash="},
	} {
		t.Run(name, func(t *testing.T) {
			answer := ask(withPresentDocument(library), test.path)
			var document spec3.OpenAPI
			if err := json.NewDecoder(answer.Body).Decode(&document); err != nil {
				t.Fatalf("%s: %v", answer.Status, err)
			}
			type seen struct {
				Code                          int
				Version, Location, Type, Etag string
				Vary                          []string
				Keep                          bool
			}
			want := seen{
				Code: http.StatusOK, Version: "3.0.0", Type: "application/json", Etag: `"` + present.Query().Get("hash") + `"`,
				Vary: []string{"Accept"}, Keep: test.keep,
			}
			if diff := cmp.Diff(want, seen{
				Code: answer.StatusCode, Version: document.Version, Location: answer.Header.Get("Location"),
				Type: answer.Header.Get("Content-Type"), Etag: answer.Header.Get("Etag"), Vary: answer.Header.Values("Vary"),
				Keep: answer.Header.Get("Cache-Control") == "public, immutable",
			}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
