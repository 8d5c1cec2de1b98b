package load

import (
	"context"
	"fmt"
	"time"
)

// Times does an operation so many times, one after the other, however long that takes: for what is too slow, or disturbs
// too much, to be repeated for a while. Nothing of it is warm-up. With one operation in a cell, the percentiles of a
// round are all that one time, and what is known about its spread is known from the rounds.
type Times struct {
	// Count is the number of operations, at least 1.
	Count int
}

// String implements Loop.
func (t Times) String() string {
	if t.Count == 1 {
		return "once in each round"
	}
	return fmt.Sprintf("%d times in each round, one after the other", t.Count)
}

// Width implements Loop.
func (Times) Width() int { return 1 }

// Run implements Loop. The length of the cell does not matter.
func (t Times) Run(ctx context.Context, cell Cell) (*Result, error) {
	cell.WarmUp, cell.Duration = 0, max(cell.Duration, 1)
	if err := cell.validate(); err != nil {
		return nil, err
	}
	if t.Count < 1 {
		return nil, fmt.Errorf("could not run the cell: %d times do nothing", t.Count)
	}
	r := newRecorder(time.Now(), cell, false)
	for n := range t.Count {
		started := time.Now()
		done, err := cell.Op(ctx, Call{N: int64(n)})
		r.add(started, started, orNow(done), err)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("the cell was cut short: %w", err)
		}
	}
	return merge([]*recorder{r}, time.Now()), nil
}
