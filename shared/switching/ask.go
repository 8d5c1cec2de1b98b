package switching

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	return a.send(ctx, http.MethodGet, path, nil)
}

// getUnless returns the body of an answer and its entity tag, and no body if the tag is known.
func (a *asker) getUnless(ctx context.Context, path string, known []string) ([]byte, string, error) {
	request, err := a.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, "", err
	}
	if len(known) > 0 {
		request.Header.Set("If-None-Match", strings.Join(known, ", "))
	}
	answer, body, err := a.do(request)
	if err != nil {
		return nil, "", err
	}
	if len(known) > 0 && answer.StatusCode == http.StatusNotModified {
		return nil, "", nil
	}
	return body, answer.Header.Get("Etag"), refused(answer, body)
}

// send sends a request once. An answer that is no success is a *refusal.
func (a *asker) send(ctx context.Context, method, path string, content []byte) ([]byte, error) {
	request, err := a.request(ctx, method, path, content)
	if err != nil {
		return nil, err
	}
	answer, body, err := a.do(request)
	if err != nil {
		return nil, err
	}
	if err := refused(answer, body); err != nil {
		return nil, err
	}
	return body, nil
}

func (a *asker) request(ctx context.Context, method, path string, content []byte) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, a.host+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Content-Type", "application/json")
	return request, nil
}

// do sends a request, and reads the answer.
func (a *asker) do(request *http.Request) (*http.Response, []byte, error) {
	answer, err := a.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer, body, err
}

// refused is a *refusal if an answer is no success.
func refused(answer *http.Response, body []byte) error {
	if answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusCreated {
		return nil
	}
	return &refusal{
		request: answer.Request.Method + " " + answer.Request.URL.RequestURI(), status: answer.Status, code: answer.StatusCode,
		body: body, later: answer.Header.Get("Retry-After") != "",
	}
}

// refusal is an answer that is no success.
type refusal struct {
	request, status string
	code            int
	body            []byte
	// later: the client is to come again.
	later bool
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%s was answered %s: %.200s", r.request, r.status, r.body)
}

// putsOff tells whether an error is an answer that puts a read off: 429 or 504 with Retry-After, as a watch cache answers
// that is still being filled. Clients come again, client-go by itself.
func putsOff(err error) bool {
	r := (*refusal)(nil)
	return errors.As(err, &r) && r.later && (r.code == http.StatusTooManyRequests || r.code == http.StatusGatewayTimeout)
}

// instancesPath is where objects of a version are in Duet's own namespace.
func instancesPath(version string) string {
	return "/apis/" + groupVersion(version).String() + "/namespaces/" + install.Namespace + "/" + install.Resource.Resource
}

func groupVersion(version string) schema.GroupVersion {
	return schema.GroupVersion{Group: install.Group, Version: version}
}

// fromDefinition says whether a version is answered by a CustomResourceDefinition. An empty list tells the two apart: that
// of a custom resource always has a token to continue with, even an empty one, and that of a typed server only a real one.
func (a *asker) fromDefinition(ctx context.Context, version string) (bool, error) {
	body, err := a.get(ctx, instancesPath(version)+"?fieldSelector=metadata.name%3Dduet-nobody")
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

// answered waits until a version is answered by the form that is meant, several times in a row. A CustomResourceDefinition may
// put reads off until its watch cache is filled.
func (a *asker) answered(ctx context.Context, version string, byDefinition bool) error {
	const inARow = 10
	limit := waitTimeout
	if byDefinition {
		limit = fillTimeout
	}
	what := fmt.Sprintf("%s to be answered by the other form", version)
	return untilWithin(ctx, limit, what, answerInterval, func(ctx context.Context) error {
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
