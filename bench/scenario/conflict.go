package scenario

import (
	"context"
	"math"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Conflicts of writers. They are clients here and not controllers: a controller puts a conflict back into its queue, whose
// pauses would be most of what is measured, and the same for every API.
var conflictStorm = Scenario{
	Name:  "conflict-storm",
	Title: "Read and update one of 2 objects, 8 at once",
	Why: "Everybody reads, changes and writes back, and begins again when somebody else was faster. A slow read makes the " +
		"next conflict likelier: what an API takes for one request counts several times.",
	Level: Full, Loop: load.Closed{Workers: 8}, Population: Small, Needs: arm.ServeAPI, Length: 1, Start: startConflicts,
}

// contended is how many objects the writers share.
const contended = 2

// conflicts is the event of one.
const conflicts = "conflicts, each followed by another try"

func startConflicts(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	cursors := make([][]*cursor, cell.Workers)
	for worker := range cursors {
		var err error
		if cursors[worker], err = members(ctx, s, contendedFrom, contended); err != nil {
			return nil, nil, err
		}
	}
	sources := cell.sources(s)
	// client-go's pauses. It gives up after five tries; here everybody goes on, or the unlucky would not be measured.
	patiently := retry.DefaultRetry
	patiently.Steps = math.MaxInt
	op := func(ctx context.Context, call load.Call) (done time.Time, err error) {
		c := cursors[call.Worker][sources[call.Worker].IntN(contended)]
		err = retry.OnError(patiently, func(err error) bool {
			if !apierrors.IsConflict(err) {
				return false
			}
			cell.Events.add(conflicts)
			return true
		}, func() error {
			if err := c.refresh(ctx); err != nil {
				return err
			}
			done, _, err = c.try(c.whole(ctx))
			return err
		})
		return done, err
	}
	return op, nil, nil
}
