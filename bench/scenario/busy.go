package scenario

import (
	"context"
	"errors"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// writesBeside is how often somebody else writes, per second: as 500 nodes renew their Leases.
const writesBeside = 50

func startListBusy(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	op, _, err := startList(listAll, population)(ctx, s, cell)
	if err != nil {
		return nil, nil, err
	}
	renew, err := s.Arm.Target.(arm.Neighbour).Heartbeat(ctx, s.Arm.Scratch())
	if err != nil {
		return nil, nil, err
	}
	return op, beside(ctx, writesBeside, renew), nil
}

// errTooFew is a writer that did not keep its rate.
var errTooFew = errors.New("the writes beside the measurement came at less than half of their rate")

// beside does something so many times per second until it is stopped, which tells what went wrong.
func beside(ctx context.Context, rate float64, do func(context.Context) error) (stop func() error) {
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	began := time.Now()
	go func() {
		ticker := time.NewTicker(time.Duration(float64(time.Second) / rate))
		defer ticker.Stop()
		for times := 0; ; times++ {
			select {
			case <-ticker.C:
			case <-running.Done():
				if float64(times) < time.Since(began).Seconds()*rate/2-1 {
					ended <- errTooFew
				}
				close(ended)
				return
			}
			// The context of the cell, and not of this loop: a request under way is not a failure when the cell ends.
			if err := do(ctx); err != nil {
				ended <- err
				return
			}
		}
	}()
	return func() error {
		cancel()
		return <-ended
	}
}
