package switching

import (
	"maps"
	"slices"
	"strings"
	"testing"

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
	server := serverOf(t, map[string]string{
		"/openapi/v2": `{"paths": {"` + item + `": {}, "` + own + `": {}, "` + other + `": {}, "/api/v1/pods": {}}}`,
	})
	for name, test := range map[string]struct {
		versions []string
		either   []paths
		wrong    string // part of the error
	}{
		"as wanted":     {versions: []string{"v1"}, either: []paths{{item: true, own: true}}},
		"both versions": {versions: []string{"v1", "v1alpha1"}, either: []paths{{item: true, own: true, other: true}}},
		"one of two":    {versions: []string{"v1"}, either: []paths{{item: true}, {item: true, own: true}}},
		"something is missing": {
			versions: []string{"v1alpha1"}, either: []paths{{other: true, item: true}}, wrong: "does not have " + item,
		},
		"something is left": {versions: []string{"v1"}, either: []paths{{item: true}}, wrong: "still has " + own},
	} {
		t.Run(name, func(t *testing.T) {
			err := server.documents(t.Context(), "/openapi/v2", test.versions, test.either...)
			if (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("got error %v, want one with %q", err, test.wrong)
			}
		})
	}
	if err := server.documents(t.Context(), "/openapi/v3/apis/mysql.example.com/v1", []string{"v1"}, paths{}); err == nil {
		t.Error("a document that is not there is as wanted")
	}
}
