package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Open starts operations at a fixed rate, whatever happens to those before. Operation i is due at begin + i/Rate, and
// its latency counts from then. Workers bounds the operations under way; when all of them are busy the next operation
// starts late, and its wait is part of its latency. Every operation that was due is done, so a server that cannot hold
// the rate makes the cell longer, never its latency smaller.
type Open struct {
	// Rate is the number of operations per second.
	Rate float64
	// Workers is the most operations under way at once, at least 1. Choose it well above Rate times the expected
	// latency: otherwise the cell measures this number.
	Workers int
}

// String implements Loop.
func (o Open) String() string {
	return fmt.Sprintf("open loop, %g per second, from the intended start", o.Rate)
}

// Width implements Loop.
func (o Open) Width() int { return o.Workers }

// Operations is how many a cell of that length has, at least 1. One that is alone is measured, and has no lead.
func (o Open) Operations(length time.Duration) int64 { return max(int64(o.Rate*length.Seconds()), 1) }

// Run implements Loop.
func (o Open) Run(ctx context.Context, cell Cell) (*Result, error) {
	if err := cell.validate(); err != nil {
		return nil, err
	}
	if o.Workers < 1 || o.Rate <= 0 {
		return nil, fmt.Errorf("could not run the cell: %d workers at %g per second do nothing", o.Workers, o.Rate)
	}
	begin := time.Now()
	total := o.Operations(cell.Duration)
	if total == 1 {
		cell.WarmUp = 0
	}
	recorders := make([]*recorder, o.Workers)
	var next atomic.Int64
	var group sync.WaitGroup
	for worker := range recorders {
		r := newRecorder(begin, cell, true)
		recorders[worker] = r
		group.Go(func() {
			for {
				n := next.Add(1) - 1
				if n >= total {
					return
				}
				due := begin.Add(time.Duration(float64(n) / o.Rate * float64(time.Second)))
				if !wait(ctx, due) {
					return
				}
				started := time.Now()
				done, err := cell.Op(ctx, Call{Worker: worker, N: cell.First + n})
				r.add(due, started, orNow(done), err)
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

// wait returns at the given time, at once if it is past, and false when the context ends first.
func wait(ctx context.Context, until time.Time) bool {
	left := time.Until(until)
	if left <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
