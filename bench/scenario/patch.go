package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Changes of a part of an object.
var (
	updateStatus = Scenario{
		Name:  "status",
		Title: "Update of the status",
		Why:   "What a controller writes most: all of the object travels, and all but the status is ignored.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Kind: (*arm.Kind).HasStatus,
		Length: 1, Start: startChanging("settled", (*cursor).create, (*cursor).settle),
	}
	mergePatch = Scenario{
		Name:  "merge-patch",
		Title: "JSON merge patch",
		Why: "One annotation travels, and the server reads, patches, validates and writes: the work of an update on its " +
			"side, and next to none on the wire.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Length: 1,
		Start: startChanging("patched", (*cursor).create, (*cursor).patch),
	}
	apply = Scenario{
		Name:  "apply",
		Title: "Server-side apply",
		Why: "All that one manager wants, merged by the schema with what others want: typed code and a schema of maps do " +
			"it with the same library, from different representations.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Length: 1,
		Start: startChanging("applied", func(c *cursor, ctx context.Context) error { return c.applyFirst(ctx, 0) },
			(*cursor).apply),
	}
	apply5 = Scenario{
		Name:  "apply-5",
		Title: "Server-side apply, beside 5 managers",
		Why:   "As many as look after an object in a cluster: a person, a controller or two, an autoscaler, a mesh.",
		Level: Full, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Length: 1,
		Start: startChanging("managed", func(c *cursor, ctx context.Context) error { return c.applyFirst(ctx, 5) },
			(*cursor).apply),
	}
	apply20 = Scenario{
		Name:  "apply-20",
		Title: "Server-side apply, beside 20 managers",
		Why: "Who owns which field is a part of the object that is read, compared and written with it, and it grows with " +
			"the managers.",
		Level: Full, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Length: 1,
		Start: startChanging("shared", func(c *cursor, ctx context.Context) error { return c.applyFirst(ctx, 20) },
			(*cursor).apply),
	}
)

// startChanging changes objects of the scratch namespace, which the first cell makes.
func startChanging(
	prefix string, make func(*cursor, context.Context) error, change changeFunc,
) func(context.Context, *Subject, Cell) (load.Op, func() error, error) {
	return func(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
		cursors, err := pieces(ctx, s, prefix, cell.Workers, make)
		if err != nil {
			return nil, nil, err
		}
		return changing(cursors, change), nil, nil
	}
}

// settle replaces the status.
func (c *cursor) settle(ctx context.Context) (time.Time, arm.Meta, error) {
	s := c.subject
	return c.change(ctx, func(object arm.Object) (time.Time, error) {
		body, err := s.Arm.Kind.AppendStatus(c.body[:0], s.Arm.Encoding, object)
		if err != nil {
			return time.Time{}, err
		}
		c.body = body
		return s.api().Do(ctx, arm.Request{
			Verb: http.MethodPut, Namespace: object.Namespace, Name: object.Name, Subresource: "status", Body: body,
		}, &c.answer)
	})
}

// patch changes an annotation.
func (c *cursor) patch(ctx context.Context) (time.Time, arm.Meta, error) {
	return c.change(ctx, func(object arm.Object) (time.Time, error) {
		const body = `{"metadata":{"annotations":{"bench.duet.example.com/revision":"%09d"}}}`
		c.body = fmt.Appendf(c.body[:0], body, object.Revision)
		return c.subject.api().Do(ctx, arm.Request{
			Verb: http.MethodPatch, Namespace: object.Namespace, Name: object.Name,
			ContentType: string(types.MergePatchType), Body: c.body,
		}, &c.answer)
	})
}

// apply says anew what the object should be.
func (c *cursor) apply(ctx context.Context) (time.Time, arm.Meta, error) {
	return c.change(ctx, func(object arm.Object) (time.Time, error) { return c.sendApply(ctx, object) })
}

// manager owns what the benchmark applies.
const manager = "duet-bench"

// sendApply sends the object as an apply patch. It asks for no resource version: an apply is about fields and not about
// versions, and an empty one is refused.
func (c *cursor) sendApply(ctx context.Context, object arm.Object) (time.Time, error) {
	const noVersion = `"resourceVersion":"",`
	object.ResourceVersion = ""
	body, err := c.subject.Arm.Kind.Append(c.body[:0], arm.JSON, object)
	if err != nil {
		return time.Time{}, err
	}
	c.body = body
	if at := bytes.Index(body, []byte(noVersion)); at >= 0 {
		body = slices.Delete(body, at, at+len(noVersion))
	}
	return c.sendFields(ctx, manager, body)
}

// sendFields sends what a manager wants as an apply patch, which is YAML or, as here, JSON in every arm.
func (c *cursor) sendFields(ctx context.Context, manager string, body []byte) (time.Time, error) {
	return c.subject.api().Do(ctx, arm.Request{
		Verb: http.MethodPatch, Namespace: c.object.Namespace, Name: c.object.Name,
		Query: url.Values{"fieldManager": {manager}}, ContentType: string(types.ApplyYAMLPatchType), Body: body,
	}, &c.answer)
}

// applyFirst makes the object by an apply, and lets so many others own an annotation of it.
func (c *cursor) applyFirst(ctx context.Context, others int) error {
	if _, err := c.sendApply(ctx, c.object); err != nil {
		return err
	}
	whole, err := c.subject.Arm.Kind.Append(nil, arm.JSON, c.object)
	if err != nil {
		return err
	}
	var part metav1.PartialObjectMetadata
	if err := json.Unmarshal(whole, &part); err != nil {
		return fmt.Errorf("could not read an object of the corpus: %w", err)
	}
	for other := range others {
		name := fmt.Sprintf("%s-%02d", manager, other)
		part.ObjectMeta = metav1.ObjectMeta{
			Name: c.object.Name, Namespace: c.object.Namespace, Annotations: map[string]string{name + ".example.com/owner": "x"},
		}
		body, err := json.Marshal(part)
		if err != nil {
			return fmt.Errorf("could not write a part of an object: %w", err)
		}
		if _, err := c.sendFields(ctx, name, body); err != nil {
			return err
		}
	}
	return nil
}
