package badinput

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/install"
)

// Bystander is the object that must come through every case unchanged. Cases that need an existing object aim at it.
const Bystander = "bystander"

// NoAnswer stands for a connection that ends without an answer.
const NoAnswer = "no answer"

// Case is one bad request and what each form answers.
type Case struct {
	Title  string
	Method string // POST when empty
	// Name and what follows it in the path, if the request is about one object.
	Name string
	// Body is built when the case is sent: some are megabytes.
	Body    func() any
	Options []wire.Option
	// CRD and Aggregated are the expected verdicts. Aggregated is the same as CRD when empty.
	CRD, Aggregated string
	// Reason is why a verdict that is not a refusal with a code of 400 to 499 is right all the same, or known and not
	// ours to change. Every such case must have one.
	Reason string
}

// Want is the verdict expected of a form.
func (c Case) Want(form string) string {
	if form == install.Aggregated && c.Aggregated != "" {
		return c.Aggregated
	}
	return c.CRD
}

// Refusal tells whether a verdict is one that a client can act on: 400 to 499, with a Status.
func Refusal(verdict string) bool {
	return len(verdict) > 4 && verdict[0] == '4' && verdict[3] == ' ' && !strings.HasSuffix(verdict, wire.NoStatus)
}

// Outcome is what came of a case.
type Outcome struct {
	Verdict string
	// Message of the refusal.
	Message string
	// Created is the name of the object that the server made of it, if it did.
	Created string
}

// Send sends the request to the namespace.
func (c Case) Send(ctx context.Context, client *wire.Client, namespace string) (Outcome, error) {
	method, path := c.Method, fixture.Path(fixture.V1, namespace)
	if method == "" {
		method = http.MethodPost
	}
	if c.Name != "" {
		path = fixture.Path(fixture.V1, namespace, c.Name)
	}
	var body any
	if c.Body != nil {
		body = c.Body()
	}
	answer, err := client.Send(ctx, method, path, body, c.Options...)
	if err != nil {
		if ctx.Err() != nil {
			return Outcome{}, err
		}
		return Outcome{Verdict: NoAnswer}, nil
	}
	outcome := Outcome{Verdict: answer.Verdict()}
	if status := answer.Status(); status != nil {
		outcome.Message = status.Message
	}
	if method == http.MethodPost && answer.OK() {
		object, err := answer.Object()
		if err != nil {
			return Outcome{}, err
		}
		outcome.Created = object.GetName()
	}
	return outcome, nil
}

// Snapshot is every instance of a namespace, without what controllers write: names to what must not change.
func Snapshot(ctx context.Context, client *wire.Client, namespace string) (map[string]any, error) {
	answer, err := client.Send(ctx, http.MethodGet, fixture.Path(fixture.V1, namespace), nil)
	if err != nil {
		return nil, err
	}
	list, err := answer.Object()
	if err != nil {
		return nil, fmt.Errorf("could not list the instances: %w", err)
	}
	objects := map[string]any{}
	items, _, _ := unstructured.NestedSlice(list.Object, "items")
	for _, item := range items {
		object := &unstructured.Unstructured{Object: item.(map[string]any)}
		objects[object.GetName()] = map[string]any{
			"uid": object.GetUID(), "generation": object.GetGeneration(), "labels": object.GetLabels(),
			"annotations": object.GetAnnotations(), "deleted": object.GetDeletionTimestamp() != nil,
			"spec": object.Object["spec"],
		}
	}
	return objects, nil
}
