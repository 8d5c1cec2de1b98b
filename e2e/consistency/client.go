package consistency

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/duet-api/duet/e2e/wire"
)

// Client sends requests about one resource, one at a time, and records them. It never retries: what one request came
// to is what is recorded. A request whose time is up has failed. One whose context is canceled was abandoned: nobody
// knows what came of it, and it counts as no failure.
type Client struct {
	// Name in the record. Each client has its own.
	Name     string
	Wire     *wire.Client
	Recorder *Recorder
	Resource schema.GroupVersionResource
	Reader   Reader
	// DryRun sends all writes as dry runs.
	DryRun bool
}

// Create creates an object, with a token in its annotations.
func (c *Client) Create(ctx context.Context, object *unstructured.Unstructured) (*wire.Answer, error) {
	operation := Operation{Verb: Create, Object: named(object), Token: c.Recorder.Token()}
	return c.write(ctx, operation, http.MethodPost, c.path(object.GetNamespace()), stamped(object, operation.Token))
}

// Update replaces an object, with a token in its annotations. The resourceVersion and UID of the object are demanded.
func (c *Client) Update(ctx context.Context, object *unstructured.Unstructured) (*wire.Answer, error) {
	token := c.Recorder.Token()
	return c.update(ctx, stamped(object, token), token)
}

// UpdateStatus replaces the status of an object. The token, from the Recorder, is where the Reader finds it.
func (c *Client) UpdateStatus(
	ctx context.Context, object *unstructured.Unstructured, token string,
) (*wire.Answer, error) {
	return c.update(ctx, object, token, "status")
}

func (c *Client) update(
	ctx context.Context, object *unstructured.Unstructured, token string, subresource ...string,
) (*wire.Answer, error) {
	revision, err := parseRevision(object.GetResourceVersion())
	if err != nil {
		return nil, err
	}
	operation := Operation{
		Verb: Update, Object: named(object), Token: token, IfRevision: revision, IfUID: string(object.GetUID()),
	}
	if len(subresource) > 0 {
		operation.Subresource = subresource[0]
	}
	path := c.path(object.GetNamespace(), append([]string{object.GetName()}, subresource...)...)
	return c.write(ctx, operation, http.MethodPut, path, object)
}

// Patch merges a patch into an object, with a token in its annotations.
func (c *Client) Patch(ctx context.Context, object Object, patch map[string]any) (*wire.Answer, error) {
	operation := Operation{Verb: Patch, Object: object, Token: c.Recorder.Token()}
	content := stamped(&unstructured.Unstructured{Object: patch}, operation.Token)
	return c.write(ctx, operation, http.MethodPatch, c.path(object.Namespace, object.Name), content.Object,
		wire.PatchType(types.MergePatchType))
}

// PatchStatus merges a patch into the status of an object. The token, from the Recorder, is where the Reader finds it.
func (c *Client) PatchStatus(
	ctx context.Context, object Object, patch map[string]any, token string,
) (*wire.Answer, error) {
	operation := Operation{Verb: Patch, Object: object, Token: token, Subresource: "status"}
	return c.write(ctx, operation, http.MethodPatch, c.path(object.Namespace, object.Name, "status"), patch,
		wire.PatchType(types.MergePatchType))
}

// Delete deletes an object, on the preconditions that are given.
func (c *Client) Delete(
	ctx context.Context, object Object, preconditions metav1.Preconditions,
) (*wire.Answer, error) {
	operation := Operation{Verb: Delete, Object: object}
	if preconditions.UID != nil {
		operation.IfUID = string(*preconditions.UID)
	}
	if preconditions.ResourceVersion != nil {
		revision, err := parseRevision(*preconditions.ResourceVersion)
		if err != nil {
			return nil, err
		}
		operation.IfRevision = revision
	}
	return c.write(ctx, operation, http.MethodDelete, c.path(object.Namespace, object.Name), metav1.DeleteOptions{
		TypeMeta:      metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"},
		Preconditions: &preconditions,
	})
}

func (c *Client) write(
	ctx context.Context, operation Operation, method, path string, body any, options ...wire.Option,
) (*wire.Answer, error) {
	if operation.DryRun = c.DryRun; c.DryRun {
		options = append(options, wire.Query("dryRun", metav1.DryRunAll))
	}
	answer, _, err := c.send(ctx, operation, method, path, body, options...)
	return answer, err
}

// Get reads an object. Without a resourceVersion it asks for the newest state.
func (c *Client) Get(ctx context.Context, object Object, resourceVersion string) (*wire.Answer, error) {
	operation := Operation{Verb: Get, Object: object, Asked: resourceVersion}
	answer, _, err := c.send(ctx, operation, http.MethodGet, c.path(object.Namespace, object.Name), nil,
		asking(resourceVersion)...)
	return answer, err
}

// ListOptions of a List.
type ListOptions struct {
	// ResourceVersion that is asked for, and Exact if no newer one will do.
	ResourceVersion string
	Exact           bool
	// Limit of objects in a page, or 0 for all of them in one.
	Limit int
	// Table asks for rows with the metadata of the objects, as kubectl does. They are compared as far as they go.
	Table bool
}

// asTable is the media type of a table.
const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io"

// List reads a collection, all its pages, until one is refused. It returns what is recorded of the last page.
func (c *Client) List(ctx context.Context, scope Scope, o ListOptions) (Answer, error) {
	var as []wire.Option
	if o.Table {
		as = append(as, wire.Accept(asTable))
	}
	options := slices.Concat(as, asking(o.ResourceVersion), scope.options())
	if o.Exact {
		options = append(options, wire.Query("resourceVersionMatch", string(metav1.ResourceVersionMatchExact)))
	}
	operation := Operation{Verb: List, Scope: scope, Asked: o.ResourceVersion, Exact: o.Exact}
	if o.Limit > 0 {
		options = append(options, wire.Query("limit", strconv.Itoa(o.Limit)))
		operation.Pages = c.Recorder.Token()
	}
	for {
		answer, recorded, err := c.send(ctx, operation, http.MethodGet, c.path(scope.Namespace), nil, options...)
		if err != nil || !recorded.More {
			return recorded, err
		}
		page := metav1.List{}
		if err := json.Unmarshal(answer.Body, &page); err != nil {
			return recorded, fmt.Errorf("could not read where the next page begins: %w", err)
		}
		operation.Asked, operation.Exact, operation.Continued = "", false, true
		options = slices.Concat(as, scope.options(), []wire.Option{
			wire.Query("limit", strconv.Itoa(o.Limit)), wire.Query("continue", page.Continue),
		})
	}
}

// send sends one request and records it. An answer that cannot be read is recorded as none.
func (c *Client) send(
	ctx context.Context, operation Operation, method, path string, body any, options ...wire.Option,
) (*wire.Answer, Answer, error) {
	operation.Client = c.Name
	finish := c.Recorder.Begin(operation)
	answer, err := c.Wire.Send(ctx, method, path, body, options...)
	recorded := Answer{}
	if err == nil {
		recorded, err = c.Reader.answer(answer)
	}
	if err != nil {
		recorded = unanswered(ctx, err)
	}
	finish(recorded)
	return answer, recorded, err
}

// unanswered is what is recorded of a request that brought no answer, or none that can be read.
func unanswered(ctx context.Context, err error) Answer {
	return Answer{Error: err.Error(), Abandoned: errors.Is(ctx.Err(), context.Canceled)}
}

// path of a collection, or of what follows in it. Without a namespace it is that of all.
func (c *Client) path(namespace string, rest ...string) string {
	path := "/apis/" + c.Resource.Group + "/" + c.Resource.Version
	if c.Resource.Group == "" {
		path = "/api/" + c.Resource.Version
	}
	if namespace != "" {
		path += "/namespaces/" + namespace
	}
	path += "/" + c.Resource.Resource
	for _, part := range rest {
		path += "/" + part
	}
	return path
}

func asking(resourceVersion string) []wire.Option {
	if resourceVersion == "" {
		return nil
	}
	return []wire.Option{wire.Query("resourceVersion", resourceVersion)}
}

// options that ask for a scope.
func (s Scope) options() []wire.Option {
	if s.Selector == "" {
		return nil
	}
	return []wire.Option{wire.Query("labelSelector", s.Selector)}
}

func named(object *unstructured.Unstructured) Object {
	return Object{Namespace: object.GetNamespace(), Name: object.GetName()}
}

// stamped is a copy with a token.
func stamped(object *unstructured.Unstructured, token string) *unstructured.Unstructured {
	object = object.DeepCopy()
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[TokenAnnotation] = token
	object.SetAnnotations(annotations)
	return object
}
