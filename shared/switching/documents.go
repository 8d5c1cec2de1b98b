package switching

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// paths that an OpenAPI document has.
type paths map[string]bool

// documented is nil when the OpenAPI documents of every kube-apiserver have, of these versions, what the form that serves
// documents, and nothing else.
//
// With one exception: kube-apiserver does not withdraw the v3 document of a CustomResourceDefinition that serves nothing,
// and answers with that or with the server's.
func (m *move) documented(ctx context.Context, front front, versions ...string) error {
	want, err := m.documents(ctx, m.to, "/openapi/v2", versions...)
	if err != nil {
		return err
	}
	if err := front.each(func(a *asker) error { return a.documents(ctx, "/openapi/v2", versions, want) }); err != nil {
		return err
	}
	sides := []side{m.to}
	if len(m.from.definitions()) > 0 {
		sides = append(sides, m.from)
	}
	for _, version := range versions {
		document := "/openapi/v3/apis/" + groupVersion(version).String()
		var either []paths
		for _, side := range sides {
			want, err := m.documents(ctx, side, document, version)
			if err != nil {
				return err
			}
			either = append(either, want)
		}
		if err := front.each(func(a *asker) error {
			return a.documents(ctx, document, []string{version}, either...)
		}); err != nil {
			return err
		}
	}
	return nil
}

// documents are the paths of versions that a side has in a document: its server says so itself, and of a
// CustomResourceDefinition they are built as kube-apiserver builds them.
func (m *move) documents(ctx context.Context, of side, document string, versions ...string) (paths, error) {
	if len(of.registrations()) > 0 {
		server, err := m.server(of)
		if err != nil {
			return nil, err
		}
		return server.paths(ctx, document, versions)
	}
	all := paths{}
	for _, definition := range of.definitions() {
		for _, version := range versions {
			built, err := pathsOfDefinition(definition, version)
			if err != nil {
				return nil, err
			}
			maps.Copy(all, built)
		}
	}
	return all, nil
}

func pathsOfDefinition(definition *unstructured.Unstructured, version string) (paths, error) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(definition.Object, crd); err != nil {
		return nil, err
	}
	document, err := builder.BuildOpenAPIV2(crd, version, builder.Options{V2: true})
	if err != nil {
		return nil, fmt.Errorf("could not build the OpenAPI document of %s: %w", definition.GetName(), err)
	}
	built := paths{}
	for path := range document.Paths.Paths {
		built[path] = true
	}
	return built, nil
}

// documents is nil when a document has, of these versions, exactly the paths of one of these sets.
func (a *asker) documents(ctx context.Context, document string, versions []string, either ...paths) error {
	have, err := a.paths(ctx, document, versions)
	if err != nil {
		return err
	}
	for _, want := range either {
		if maps.Equal(have, want) {
			return nil
		}
	}
	for _, path := range slices.Sorted(maps.Keys(either[0])) {
		if !have[path] {
			return fmt.Errorf("%s does not have %s", document, path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(have)) {
		if !either[0][path] {
			return fmt.Errorf("%s still has %s", document, path)
		}
	}
	return nil
}

// paths are those of the group in these versions in an OpenAPI document.
func (a *asker) paths(ctx context.Context, document string, versions []string) (paths, error) {
	body, err := a.get(ctx, document)
	if err != nil {
		return nil, err
	}
	var content struct {
		Paths map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(body, &content); err != nil {
		return nil, fmt.Errorf("could not read %s: %w", document, err)
	}
	found := paths{}
	for path := range content.Paths {
		for _, version := range versions {
			if strings.HasPrefix(path, "/apis/"+groupVersion(version).String()+"/") {
				found[path] = true
			}
		}
	}
	return found, nil
}

// server asks the server of a form itself.
func (m *move) server(of side) (*asker, error) {
	config, err := m.direct(of)
	if err != nil {
		return nil, err
	}
	return newAsker(config)
}
