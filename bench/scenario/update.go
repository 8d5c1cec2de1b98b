package scenario

import (
	"context"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Updates of whole objects.
var (
	update = Scenario{
		Name:  "update",
		Title: "Update",
		Why: "A replacement with one changed field: read, compare, write. An update that the server could short-cut, " +
			"because it changes nothing, counts as an error.",
		Level: Quick, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.Keep, Length: 1, Start: startUpdate,
	}
	update16K = Scenario{
		Name:  "update-16k",
		Title: "Update, 16 KB",
		Why:   "Both objects are compared field by field, and a webhook reads both.",
		Level: Full, Loop: load.Closed{Workers: 1}, Population: Medium, Needs: arm.Keep, Length: 1, Start: startUpdate,
	}
	update128K = Scenario{
		Name:  "update-128k",
		Title: "Update, 128 KB",
		Why:   "The same for an object as large as they should ever be.",
		Level: Full, Loop: load.Closed{Workers: 1}, Population: Large, Needs: arm.Keep, Length: 1, Start: startUpdate,
	}
)

// Objects of the population that updates change, that change before watchers, and while nobody watches, and that
// everybody wants to change.
const (
	updateFrom    = 100
	watchFrom     = 200
	resumeFrom    = 300
	contendedFrom = 400
)

func startUpdate(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	cursors, err := members(ctx, s, updateFrom, cell.Workers)
	if err != nil {
		return nil, nil, err
	}
	return changing(cursors, (*cursor).replace), nil, nil
}

// changeFunc is one kind of change: it returns when it was answered, and what the answer says.
type changeFunc func(*cursor, context.Context) (time.Time, arm.Meta, error)

// changing does a change to the cursor of each worker.
func changing(cursors []*cursor, change changeFunc) load.Op {
	return func(ctx context.Context, call load.Call) (time.Time, error) {
		done, _, err := change(cursors[call.Worker], ctx)
		return done, err
	}
}
