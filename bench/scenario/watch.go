package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
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
		Start: startWatch(100),
	}
)

// watchersOnOne connection: a server allows a hundred requests under way on each.
const watchersOnOne = 50

// startWatch updates objects in front of so many watchers. A single one shares the connection of the updates; more have
// their own.
func startWatch(watchers int) func(context.Context, *Subject, Cell) (load.Op, func() error, error) {
	return func(ctx context.Context, s *Subject, cell Cell) (op load.Op, stop func() error, err error) {
		cursors, err := members(ctx, s, watchFrom, cell.Workers)
		if err != nil {
			return nil, nil, err
		}
		from, err := s.version(ctx)
		if err != nil {
			return nil, nil, err
		}
		ctx, cancel := context.WithCancel(ctx)
		var ends []<-chan error
		var connections []arm.Client
		stop = func() error {
			cancel()
			var all []error
			for _, end := range ends {
				all = append(all, <-end)
			}
			for _, connection := range connections {
				connection.Close()
			}
			return errors.Join(all...)
		}
		connection := s.Client
		events := make([]*arrivals, watchers)
		for i := range events {
			if watchers > 1 && i%watchersOnOne == 0 {
				if connection, err = s.Arm.NewClient(); err != nil {
					return nil, nil, errors.Join(err, stop())
				}
				connections = append(connections, connection)
			}
			events[i] = newArrivals()
			end, err := connection.(arm.Watcher).Watch(ctx, s.Arm.Namespace, from, events[i].add)
			if err != nil {
				return nil, nil, errors.Join(err, stop())
			}
			ends = append(ends, end)
		}
		op = func(ctx context.Context, call load.Call) (last time.Time, err error) {
			_, written, err := cursors[call.Worker].replace(ctx)
			if err != nil {
				return time.Time{}, err
			}
			for _, watcher := range events {
				at, err := watcher.wait(ctx, written)
				if err != nil {
					return time.Time{}, err
				}
				if at.After(last) {
					last = at
				}
			}
			return last, nil
		}
		return op, stop, nil
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

// errNoEvent is a write whose event the watcher never saw.
var errNoEvent = errors.New("event of a write was not delivered")

// arrivals brings writers and the watcher together. An event often arrives before its writer has read the answer that
// tells which event to expect, so either side may come first.
type arrivals struct {
	mu      sync.Mutex
	arrived map[arm.Meta]time.Time
	waiting map[arm.Meta]chan time.Time
}

func newArrivals() *arrivals {
	return &arrivals{arrived: map[arm.Meta]time.Time{}, waiting: map[arm.Meta]chan time.Time{}}
}

// add notes an event.
func (a *arrivals) add(event arm.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if writer, found := a.waiting[event.Meta]; found {
		delete(a.waiting, event.Meta)
		writer <- event.Received
		return
	}
	a.arrived[event.Meta] = event.Received
}

// wait returns when the event of a write was received.
func (a *arrivals) wait(ctx context.Context, written arm.Meta) (time.Time, error) {
	a.mu.Lock()
	if at, found := a.arrived[written]; found {
		delete(a.arrived, written)
		a.mu.Unlock()
		return at, nil
	}
	writer := make(chan time.Time, 1)
	a.waiting[written] = writer
	a.mu.Unlock()

	timeout := time.NewTimer(arm.RequestTimeout)
	defer timeout.Stop()
	select {
	case at := <-writer:
		return at, nil
	case <-timeout.C:
		return time.Time{}, fmt.Errorf("%w in %v", errNoEvent, arm.RequestTimeout)
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
}
