package switching

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/shared/install"
)

// asker sends requests as they are: who answers is told from bytes that clients hide.
type asker struct {
	client *http.Client
	host   string
}

func newAsker(config *rest.Config) (*asker, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	return &asker{client: client, host: config.Host}, nil
}

// get returns the body of an answer, or an error that says what the answer was.
func (a *asker) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.host+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	answer, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s was answered %s: %.200s", path, answer.Status, body)
	}
	return body, nil
}

func groupVersion(version string) schema.GroupVersion {
	return schema.GroupVersion{Group: install.Group, Version: version}
}

// fromDefinition says whether a version is answered by a CustomResourceDefinition. An empty list tells the two apart: that
// of a custom resource always has a token to continue with, even an empty one, and that of a typed server only a real one.
func (a *asker) fromDefinition(ctx context.Context, version string) (bool, error) {
	body, err := a.get(ctx, "/apis/"+groupVersion(version).String()+"/namespaces/"+install.Namespace+"/"+
		install.Resource.Resource+"?fieldSelector=metadata.name%3Dduet-nobody")
	if err != nil {
		return false, err
	}
	var list struct {
		Metadata map[string]any `json:"metadata"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return false, err
	}
	_, defined := list.Metadata["continue"]
	return defined, nil
}

// answered waits until a version is answered by the form that is meant, several times in a row.
func (a *asker) answered(ctx context.Context, version string, byDefinition bool) error {
	const inARow = 10
	return until(ctx, fmt.Sprintf("%s to be answered by the other form", version), answerInterval, func(ctx context.Context) error {
		for range inARow {
			defined, err := a.fromDefinition(ctx, version)
			if err != nil {
				return err
			}
			if defined != byDefinition {
				return fmt.Errorf("%s is still answered by the form before", version)
			}
		}
		return nil
	})
}

// seen is nil when a read from the cache, from which those within kube-apiserver are told, shows an object as it is or newer.
func (a *asker) seen(ctx context.Context, path string, object *unstructured.Unstructured) error {
	body, err := a.get(ctx, path+"/"+object.GetName()+"?resourceVersion=0")
	if err != nil {
		return err
	}
	seen := &unstructured.Unstructured{}
	if err := json.Unmarshal(body, &seen.Object); err != nil {
		return err
	}
	compared, err := resourceversion.CompareResourceVersion(seen.GetResourceVersion(), object.GetResourceVersion())
	if err != nil {
		return err
	}
	if compared < 0 {
		return fmt.Errorf("the cache has an older %s %s", object.GetKind(), object.GetName())
	}
	return nil
}

// paths are those of a group and version in an OpenAPI v2 document.
func (a *asker) paths(ctx context.Context, versions []string) (map[string]bool, error) {
	body, err := a.get(ctx, "/openapi/v2")
	if err != nil {
		return nil, err
	}
	var document struct {
		Paths map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, fmt.Errorf("could not read /openapi/v2: %w", err)
	}
	found := map[string]bool{}
	for path := range document.Paths {
		for _, version := range versions {
			if strings.HasPrefix(path, "/apis/"+groupVersion(version).String()+"/") {
				found[path] = true
			}
		}
	}
	return found, nil
}
