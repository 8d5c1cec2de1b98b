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

// documented is nil when the OpenAPI documents of every kube-apiserver have, of these versions, what a side documents, and
// nothing else; but for what other sides may have beside it in OpenAPI v3: kube-apiserver does not withdraw the documents
// there of a CustomResourceDefinition that serves nothing, and answers now with those and now with the server's.
func (m *move) documented(ctx context.Context, front front, versions []string, of side, others ...side) error {
	want, err := m.documents(ctx, of, "/openapi/v2", versions...)
	if err != nil {
		return err
	}
	if err := front.each(func(a *asker) error {
		have, err := a.paths(ctx, "/openapi/v2", versions)
		if err != nil {
			return err
		}
		return differ("/openapi/v2", have, want)
	}); err != nil {
		return err
	}
	for _, version := range versions {
		document := "/openapi/v3/apis/" + groupVersion(version).String()
		want, err := m.documents(ctx, of, document, version)
		if err != nil {
			return err
		}
		var beside []paths
		for _, side := range others {
			other, err := m.documents(ctx, side, document, version)
			if err != nil {
				return err
			}
			beside = append(beside, other)
		}
		if err := front.each(func(a *asker) error {
			return a.documents(ctx, document, version, want, beside...)
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

// reads are how often a document is read. Where kube-apiserver has two OpenAPI v3 documents of a version, it takes the one
// that it comes to first in a walk through a map. The walk begins at one of eight places, or of some more on a cluster with
// many servers, and each of the two is the first one for one place at least.
const reads = 64

// documents is nil when a document has, of this version, exactly these paths, however often it is read. If there may be
// others beside it, it is when these are read once, and nothing else but those before.
func (a *asker) documents(ctx context.Context, document, version string, want paths, beside ...paths) error {
	var last paths
	var known []string
	for range reads {
		body, tag, err := a.getUnless(ctx, document, known)
		if err != nil {
			return err
		}
		if body == nil {
			continue
		}
		known = append(known, tag)
		if last, err = pathsIn(body, []string{version}); err != nil {
			return fmt.Errorf("could not read %s: %w", document, err)
		}
		switch differs := differ(document, last, want); {
		case differs == nil && len(beside) > 0:
			return nil
		case differs != nil && !slices.ContainsFunc(beside, func(other paths) bool { return maps.Equal(last, other) }):
			return differs
		}
	}
	return differ(document, last, want)
}

// differ says what a document lacks or has in excess; nil if nothing.
func differ(document string, have, want paths) error {
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if !have[path] {
			return fmt.Errorf("%s does not have %s", document, path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(have)) {
		if !want[path] {
			return fmt.Errorf("%s still has %s", document, path)
		}
	}
	return nil
}

// paths are those of the group in these versions in a document.
func (a *asker) paths(ctx context.Context, document string, versions []string) (paths, error) {
	body, err := a.get(ctx, document)
	if err != nil {
		return nil, err
	}
	found, err := pathsIn(body, versions)
	if err != nil {
		return nil, fmt.Errorf("could not read %s: %w", document, err)
	}
	return found, nil
}

func pathsIn(document []byte, versions []string) (paths, error) {
	var content struct {
		Paths map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(document, &content); err != nil {
		return nil, err
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
