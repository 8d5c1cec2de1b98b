package scenario

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Deletes. They come at a fixed rate, because then it is known how many objects a cell needs: these are there before
// its time begins.
var (
	deleteOne = Scenario{
		Name:  "delete",
		Title: "Delete, 100 per second",
		Why:   "The shortest way to a durable write: no body, and nothing to validate.",
		Level: Standard, Loop: load.Open{Rate: 100, Workers: 32}, Population: Small, Needs: arm.Keep, Length: 4.5,
		Start: startDelete,
	}
	deleteCollection = Scenario{
		Name:  "delete-collection",
		Title: "Delete 10 selected objects, 10 times per second",
		Why: "One request and ten durable writes, which both forms make one after the other: the hop is paid once. They " +
			"are selected by a label in the scratch namespace.",
		Level: Full, Loop: load.Open{Rate: 10, Workers: 16}, Population: Small, Needs: arm.ServeAPI, Length: 3,
		Start: startDeleteCollection,
	}
)

func startDelete(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	doomed := s.fresh("doomed", int(cell.Operations))
	if err := s.make(ctx, doomed); err != nil {
		return nil, nil, errors.Join(err, s.remove(ctx, doomed))
	}
	answers := make([]bytes.Buffer, cell.Workers)
	deleted := make([]bool, len(doomed))
	op := func(ctx context.Context, call load.Call) (time.Time, error) {
		object := doomed[call.N]
		done, err := s.Client.Delete(ctx, object.Namespace, object.Name, &answers[call.Worker])
		deleted[call.N] = err == nil
		return done, err
	}
	return op, func() error { return s.gone(ctx, doomed, deleted) }, nil
}

// batch is the number of objects that one request deletes.
const batch = 10

func startDeleteCollection(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	doomed := s.fresh("batch", batch*int(cell.Operations))
	for i := range doomed {
		doomed[i].Set = doomed[i/batch*batch].Name
	}
	if err := s.make(ctx, doomed); err != nil {
		return nil, nil, errors.Join(err, s.remove(ctx, doomed))
	}
	answers := make([]bytes.Buffer, cell.Workers)
	deleted := make([]bool, len(doomed))
	op := func(ctx context.Context, call load.Call) (time.Time, error) {
		first, answer := int(call.N)*batch, &answers[call.Worker]
		done, err := s.api().Do(ctx, arm.Request{
			Verb: http.MethodDelete, Namespace: s.Arm.Scratch(),
			Query: url.Values{"labelSelector": {arm.SetSelector(doomed[first].Set)}},
		}, answer)
		for i := range batch {
			deleted[first+i] = err == nil
		}
		return s.holding(batch, answer, done, err) // a server answers with what it has deleted
	}
	return op, func() error { return s.gone(ctx, doomed, deleted) }, nil
}
