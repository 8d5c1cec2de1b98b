package switching

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestPathsOfDefinition(t *testing.T) {
	definition := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "mysqlinstances.mysql.example.com"},
		"spec": map[string]any{
			"group": "mysql.example.com", "scope": "Namespaced",
			"names": map[string]any{"plural": "mysqlinstances", "kind": "MySQLInstance", "listKind": "MySQLInstanceList"},
			"versions": []any{map[string]any{
				"name": "v1", "served": true, "storage": true, "subresources": map[string]any{"status": map[string]any{}},
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}},
			}},
		},
	}}
	built, err := pathsOfDefinition(definition, "v1")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/apis/mysql.example.com/v1/mysqlinstances",
		"/apis/mysql.example.com/v1/namespaces/{namespace}/mysqlinstances",
		"/apis/mysql.example.com/v1/namespaces/{namespace}/mysqlinstances/{name}",
		"/apis/mysql.example.com/v1/namespaces/{namespace}/mysqlinstances/{name}/status",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(built))); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

func TestDocuments(t *testing.T) {
	const item, own, other = "/apis/mysql.example.com/v1/a", "/apis/mysql.example.com/v1/b", "/apis/mysql.example.com/v1alpha1/a"
	one := map[string]string{`"1"`: `{"paths": {"` + item + `": {}, "` + own + `": {}, "` + other + `": {}, "/api/v1/pods": {}}}`}
	two := maps.Clone(one)
	two[`"2"`] = `{"paths": {"` + item + `": {}}}`
	for name, test := range map[string]struct {
		answers map[string]string // by entity tag
		version string            // v1 if empty
		want    paths
		beside  []paths
		wrong   string // part of the error
	}{
		"as wanted":                      {answers: one, want: paths{item: true, own: true}},
		"another version":                {answers: one, version: "v1alpha1", want: paths{other: true}},
		"something is missing":           {answers: one, version: "v1alpha1", want: paths{other: true, item: true}, wrong: "does not have " + item},
		"something is left":              {answers: one, want: paths{item: true}, wrong: "still has " + own},
		"two, the first of them wanted":  {answers: two, want: paths{item: true, own: true}, wrong: "does not have " + own},
		"two, the second of them wanted": {answers: two, want: paths{item: true}, wrong: "still has " + own},
		"two, of which the other may be": {answers: two, want: paths{item: true}, beside: []paths{{item: true, own: true}}},
		"two, of which none is wanted": {
			answers: two, want: paths{}, beside: []paths{{item: true, own: true}}, wrong: "still has " + item,
		},
		"only what may be beside it": {
			answers: one, want: paths{item: true}, beside: []paths{{item: true, own: true}}, wrong: "still has " + own,
		},
		"no document": {answers: map[string]string{`"1"`: "none"}, wrong: "could not read"},
	} {
		t.Run(name, func(t *testing.T) {
			version := "v1"
			if test.version != "" {
				version = test.version
			}
			err := inTurns(t, test.answers).documents(t.Context(), "/openapi", version, test.want, test.beside...)
			if (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("got error %v, want one with %q", err, test.wrong)
			}
		})
	}
	if err := serverOf(t, nil).documents(t.Context(), "/openapi/v3/apis/mysql.example.com/v1", "v1", paths{}); err == nil {
		t.Error("a document that is not there is as wanted")
	}
}

// inTurns answers with each of these, by entity tag, and leaves out what the client has.
func inTurns(t *testing.T, answers map[string]string) *asker {
	t.Helper()
	tags := slices.Sorted(maps.Keys(answers))
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tag := tags[asked%len(tags)]
		asked++
		w.Header().Set("Etag", tag)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(answers[tag]))
	}))
	t.Cleanup(server.Close)
	return &asker{client: server.Client(), host: server.URL}
}
