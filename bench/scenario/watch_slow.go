package scenario

import (
	"context"
	"errors"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Watchers of whom one does not read. A server ends its watch when what lies between is full: a window of the connection,
// in front of a hop another one of 4 MB, and up to a hundred events that the watch cache keeps for each watcher. So the
// events are large, and the cell is long enough for 150 of them in the full profile, which alone has it. watch-128k is the same without that watcher: what the two differ by is what it costs the others.
var (
	watch128K = Scenario{
		Name:  "watch-128k",
		Title: "Watch delivery of 128 KB to 4 watchers",
		Why:   "Large events: what passing on takes by the byte.",
		Level: Full, Loop: load.Open{Rate: 35, Workers: 8}, Population: Large, Needs: arm.ServeAPI, Length: 1,
		Start: startWatch(attentive),
	}
	watchSlow = Scenario{
		Name:  "watch-slow",
		Title: "Watch delivery of 128 KB to 4 watchers, beside one that does not read",
		Why: "A server waits for a watcher that does not read, for a moment and with all events, before it ends its watch: " +
			"what the others wait. Against watch-128k.",
		Level: Full, Loop: load.Open{Rate: 35, Workers: 8}, Population: Large, Needs: arm.ServeAPI, Length: 17,
		Start: startWatchSlow,
	}
)

// attentive is how many watchers read.
const attentive = 4

// dropped and held are what becomes of the watch that nobody reads.
const (
	dropped = "times the server ended the watch that nobody read"
	held    = "times the events for the watch that nobody read were still under way at the end"
)

func startWatchSlow(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	cursors, err := members(ctx, s, 0, cell.Workers)
	if err != nil {
		return nil, nil, err
	}
	from, err := s.version(ctx)
	if err != nil {
		return nil, nil, err
	}
	a, err := s.watchedBy(ctx, attentive, from)
	if err != nil {
		return nil, nil, err
	}
	idle, err := s.Arm.Target.(arm.Idler).Idle(ctx, s.Arm, from)
	if err != nil {
		return nil, nil, errors.Join(err, a.leave())
	}
	stop := func() error {
		defer idle.Close()
		if err := a.leave(); err != nil {
			return err
		}
		// One more write, whose event comes after all others: either it is there, or the watch has ended.
		_, last, err := cursors[0].replace(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		caught, err := idle.Catch(last)
		switch {
		case err != nil:
			return err
		case caught:
			cell.Events.add(held)
		default:
			cell.Events.add(dropped)
		}
		return nil
	}
	return a.seeing(cursors), stop, nil
}
