package scenario

import (
	"bytes"
	"context"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Watches, once they are open. watch_open.go has how they begin.
var (
	watchDelivery = Scenario{
		Name:  "watch",
		Title: "Watch delivery",
		Why: "From the intended start of an update until a watcher has its event: what a controller waits for before " +
			"it can act. Updates come at a fixed rate, so a stall is charged to every update that it delays.",
		Loop: load.Open{Rate: 100, Workers: 16}, Population: Small, Needs: arm.Keep, Length: 1,
		Start: startWatch(1),
	}
	watch10 = Scenario{
		Name:  "watch-10",
		Title: "Watch delivery to 10 watchers",
		Why: "Until the last of them has the event. It is encoded once for all, and passed on to each: an event for every " +
			"watcher goes through the hop.",
		Level: Standard, Loop: load.Open{Rate: 50, Workers: 16}, Population: Small, Needs: arm.Keep, Length: 1,
		Start: startWatch(10),
	}
	watch100 = Scenario{
		Name:  "watch-100",
		Title: "Watch delivery to 100 watchers",
		Why:   "The same for as many watchers as a busy kind has: passing on is most of the work.",
		Level: Full, Loop: load.Open{Rate: 20, Workers: 16}, Population: Small, Needs: arm.Keep, Length: 2,
		Watchers: 100, Start: startWatch(100),
	}
	watch1000 = Scenario{
		Name:  "watch-1000",
		Title: "Watch delivery to 1,000 watchers",
		Why: "As many as a kind has that every node watches. One event is a thousand answers, and with a hop two thousand: " +
			"the last watcher waits for all of them.",
		Level: Full, Loop: load.Open{Rate: 5, Workers: 16}, Population: Small, Needs: arm.Keep, Length: 4,
		Watchers: 1000, Takes: time.Second, Start: startWatch(1000),
	}
)

// startWatch updates objects in front of so many watchers. A single one shares the connection of the updates; more have
// their own.
func startWatch(watchers int) func(context.Context, *Subject, Cell) (load.Op, func() error, error) {
	return func(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
		cursors, err := members(ctx, s, watchFrom, cell.Workers)
		if err != nil {
			return nil, nil, err
		}
		from, err := s.version(ctx)
		if err != nil {
			return nil, nil, err
		}
		a, err := s.watchedBy(ctx, watchers, from)
		if err != nil {
			return nil, nil, err
		}
		return a.seeing(cursors), a.leave, nil
	}
}

// version is the resource version of the population now.
func (s *Subject) version(ctx context.Context) (string, error) {
	var list bytes.Buffer
	if _, err := s.Client.List(ctx, s.Arm.Namespace, &list); err != nil {
		return "", err
	}
	version, _, err := s.Client.Items(list.Bytes())
	return version, err
}
