package scenario

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// watchersOnOne connection: a server allows a hundred requests under way on each.
const watchersOnOne = 50

// audience is watchers of the population, each with what has come to it.
type audience struct {
	cancel      context.CancelFunc
	events      []*arrivals
	ends        []<-chan error
	connections []arm.Client
}

// watchedBy lets so many watch the population from a resource version on. One alone shares the subject's connection.
func (s *Subject) watchedBy(ctx context.Context, watchers int, from string) (*audience, error) {
	ctx, cancel := context.WithCancel(ctx)
	a := &audience{cancel: cancel, events: make([]*arrivals, watchers), ends: make([]<-chan error, watchers)}
	var group errgroup.Group // without a context: what was begun is ended by leave
	for first := 0; first < watchers; first += watchersOnOne {
		connection := s.Client
		if watchers > 1 {
			var err error
			if connection, err = s.Arm.NewClient(); err != nil {
				return nil, errors.Join(err, group.Wait(), a.leave())
			}
			a.connections = append(a.connections, connection)
		}
		group.Go(func() (err error) {
			for i := first; i < min(first+watchersOnOne, watchers); i++ {
				a.events[i] = newArrivals()
				a.ends[i], err = connection.(arm.Watcher).Watch(ctx, s.Arm.Namespace, from, a.events[i].add)
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, a.leave())
	}
	return a, nil
}

// leave ends the watches, and reports those that had broken.
func (a *audience) leave() error {
	a.cancel()
	var all []error
	for _, end := range a.ends {
		if end != nil {
			all = append(all, <-end)
		}
	}
	for _, connection := range a.connections {
		connection.Close()
	}
	return errors.Join(all...)
}

// seeing is an update by each worker, until the last of the watchers has its event.
func (a *audience) seeing(cursors []*cursor) load.Op {
	return func(ctx context.Context, call load.Call) (last time.Time, err error) {
		_, written, err := cursors[call.Worker].replace(ctx)
		if err != nil {
			return time.Time{}, err
		}
		for _, watcher := range a.events {
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
