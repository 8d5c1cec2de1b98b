package load

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// Share is Open at a share of what a server can do, which somebody has to measure first: At then says the rate. Servers
// are asked for different rates so, and each for as much of itself.
type Share struct {
	// Of is the share of the capacity, above 0 and below 1.
	Of float64
	// Workers is that of Open.
	Workers int
}

// At is the loop for a server that can do so many operations per second: a whole number of them, and at least one.
func (s Share) At(capacity float64) Open {
	return Open{Rate: max(math.Round(s.Of*capacity), 1), Workers: s.Workers}
}

// String implements Loop.
func (s Share) String() string {
	return fmt.Sprintf("open loop, %g %% of the arm's own capacity, from the intended start", 100*s.Of)
}

// Width implements Loop.
func (s Share) Width() int { return s.Workers }

// Run implements Loop: without a capacity there is nothing to run.
func (Share) Run(context.Context, Cell) (*Result, error) {
	return nil, errors.New("could not run the cell: its rate is a share of a capacity that nobody has measured")
}
