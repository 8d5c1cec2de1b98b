package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Closed keeps a fixed number of operations under way: each worker starts its next one when the last one ends.
// Latency is the time from the start of an operation to its end: service time, and says nothing of what a caller would
// have waited who came while the worker was busy. A cell ends late rather than without a measured operation of each
// worker.
type Closed struct {
	// Workers is the number of operations under way, at least 1.
	Workers int
}

// String implements Loop.
func (c Closed) String() string {
	if c.Workers == 1 {
		return "closed loop, 1 at a time"
	}
	return fmt.Sprintf("closed loop, %d at a time", c.Workers)
}

// Width implements Loop.
func (c Closed) Width() int { return c.Workers }

// Run implements Loop.
func (c Closed) Run(ctx context.Context, cell Cell) (*Result, error) {
	if err := cell.validate(); err != nil {
		return nil, err
	}
	if c.Workers < 1 {
		return nil, fmt.Errorf("could not run the cell: %d workers do nothing", c.Workers)
	}
	begin := time.Now()
	recorders := make([]*recorder, c.Workers)
	var next atomic.Int64
	var group sync.WaitGroup
	for worker := range recorders {
		r := newRecorder(begin, cell, false)
		recorders[worker] = r
		group.Go(func() {
			for ctx.Err() == nil {
				started := time.Now()
				if !started.Before(r.end) && r.attempts > r.warmUp {
					return
				}
				done, err := cell.Op(ctx, Call{Worker: worker, N: cell.First + next.Add(1) - 1})
				r.add(started, started, orNow(done), err)
			}
		})
	}
	group.Wait()
	finished := time.Now()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("the cell was cut short: %w", err)
	}
	return merge(recorders, finished), nil
}

func orNow(t time.Time) time.Time {
	if t.IsZero() {
		return time.Now()
	}
	return t
}
