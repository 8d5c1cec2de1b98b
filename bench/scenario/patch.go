package scenario

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

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
		Start: startChanging("applied", func(c *cursor, ctx context.Context) error {
			_, err := c.sendApply(ctx, c.object)
			return err
		}, (*cursor).apply),
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

// sendApply sends the object as an apply patch, which is YAML or, as here, JSON in every arm. It asks for no resource
// version: an apply is about fields and not about versions.
func (c *cursor) sendApply(ctx context.Context, object arm.Object) (time.Time, error) {
	object.ResourceVersion = ""
	body, err := c.subject.Arm.Kind.Append(c.body[:0], arm.JSON, object)
	if err != nil {
		return time.Time{}, err
	}
	c.body = body
	return c.subject.api().Do(ctx, arm.Request{
		Verb: http.MethodPatch, Namespace: object.Namespace, Name: object.Name,
		Query: url.Values{"fieldManager": {"duet-bench"}}, ContentType: string(types.ApplyYAMLPatchType), Body: body,
	}, &c.answer)
}
