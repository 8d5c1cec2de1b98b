package scenario

import (
	"context"
	"errors"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Watchers of whom one does not read. The events are large, so that what lies between it and the server is soon full: a
// window of the connection, and in front of a hop another one of 4 MB. watch-128k is the same without that one: what the
// two differ by is what it costs the others.
var (
	watch128K = Scenario{
		Name:  "watch-128k",
		Title: "Watch delivery of 128 KB to 4 watchers",
		Why:   "Large events: what passing on takes by the byte.",
		Level: Full, Loop: load.Open{Rate: 30, Workers: 8}, Population: Large, Needs: arm.ServeAPI, Length: 3,
		Start: startWatch(attentive),
	}
	watchSlow = Scenario{
		Name:  "watch-slow",
		Title: "Watch delivery of 128 KB to 4 watchers, beside one that does not read",
		Why: "A server waits for a watcher that does not read, for a moment and with all events, before it ends its watch: " +
			"what the others wait. Against watch-128k.",
		Level: Full, Loop: load.Open{Rate: 30, Workers: 8}, Population: Large, Needs: arm.ServeAPI, Length: 5,
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
