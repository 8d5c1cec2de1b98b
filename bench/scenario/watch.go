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

var watchDelivery = Scenario{
	Name:  "watch",
	Title: "Watch delivery",
	Why: "From the intended start of an update until a watcher has its event: what a controller waits for before " +
		"it can act. Updates come at a fixed rate, so a stall is charged to every update that it delays.",
	Loop: load.Open{Rate: 100, Workers: 16}, Population: Small, Needs: arm.Keep, Length: 1,
	Start: startWatch,
}

func startWatch(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	cursors, err := members(ctx, s, watchFrom, cell.Workers)
	if err != nil {
		return nil, nil, err
	}
	var list bytes.Buffer
	if _, err := s.Client.List(ctx, s.Arm.Namespace, &list); err != nil {
		return nil, nil, err
	}
	from, _, err := s.Client.Items(list.Bytes())
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	events := newArrivals()
	finished, err := s.Client.(arm.Watcher).Watch(ctx, s.Arm.Namespace, from, events.add)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	op := func(ctx context.Context, call load.Call) (time.Time, error) {
		_, written, err := cursors[call.Worker].replace(ctx)
		if err != nil {
			return time.Time{}, err
		}
		return events.wait(ctx, written)
	}
	stop := func() error {
		cancel()
		return <-finished
	}
	return op, stop, nil
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
