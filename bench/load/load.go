// Package load turns one operation into a measured cell: it decides when each operation starts, how many run at once,
// what counts as warm-up, and what is a latency and what is an error. It knows nothing of Kubernetes, so that its clock
// and its accounting can be tested alone: every number of the benchmark goes through here.
//
// There are two loops because they answer different questions. Closed asks "how long does one request take when the
// next waits for it": the clock starts when the operation starts. Open asks "how long does a caller wait who comes at
// a fixed rate": the clock starts at the intended time, whether or not anybody was free to serve the caller, so that a
// stall is charged to everyone it delayed (no coordinated omission).
package load

import (
	"context"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Call identifies one operation of a cell.
type Call struct {
	// Worker is the number of the goroutine that runs the operation, from 0. No two operations of one worker overlap:
	// state that is kept by worker needs no lock, and keys that are chosen by worker never conflict.
	Worker int
	// N counts the operations of the cell, from its First.
	N int64
}

// Op does one operation. It returns the moment at which the operation was complete; the zero time means "now". An
// operation that learns of its completion elsewhere (a watch event stamped by its reader), or that has bookkeeping to
// do after its answer, returns that moment so that the difference is not charged to the server.
type Op func(ctx context.Context, call Call) (done time.Time, err error)

// Loop is a way to start operations for a while: Closed and Open, or Times where a while would be too long.
type Loop interface {
	// Run starts operations for the given duration, then waits for those under way. A cancelled context ends the cell
	// early with its error: a cell that was cut short is not a measurement.
	Run(ctx context.Context, cell Cell) (*Result, error)
	// Width is the number of workers: Call.Worker is below it.
	Width() int
	// String says how operations start, for the report.
	String() string
}

// Cell is one uninterrupted stretch of measuring: one arm, one scenario, one round, or a slice of that.
type Cell struct {
	// Op is done again and again.
	Op Op
	// First is the number of the first operation: 0, or how many there were in the slices before.
	First int64
	// Duration is the length of the cell, warm-up included.
	Duration time.Duration
	// WarmUp is the share of Duration (0 to below 1) whose operations are done and counted, but not measured.
	WarmUp float64
	// Reason names the class of an error in a few words; errors are counted by it.
	Reason func(error) string
}

func (c Cell) validate() error {
	switch {
	case c.Op == nil || c.Reason == nil:
		return fmt.Errorf("could not run the cell: it needs an operation and a way to name errors")
	case c.Duration <= 0:
		return fmt.Errorf("could not run the cell: duration %v is not positive", c.Duration)
	case c.WarmUp < 0 || c.WarmUp >= 1:
		return fmt.Errorf("could not run the cell: warm-up %v is not in [0, 1)", c.WarmUp)
	}
	return nil
}

// Result is what a cell measured.
type Result struct {
	// Latency of the successful operations, in nanoseconds.
	Latency *hdrhistogram.Histogram
	// FirstHalf and SecondHalf split Latency by time, in slices that were joined into early and late ones. A cell whose
	// halves differ was still warming up.
	FirstHalf, SecondHalf *hdrhistogram.Histogram
	// Lateness is how long after its intended time each operation started, in nanoseconds; nil in a closed loop.
	// It says whether the generator kept up, and is part of Latency already.
	Lateness *hdrhistogram.Histogram
	// Errors counts failed operations by reason, outside of the warm-up. Their times are in no histogram: failures are
	// often fast, and would flatter the arm.
	Errors map[string]int64
	// WarmUp counts the operations of the warm-up, failed ones included.
	WarmUp int64
	// Attempts counts all operations, in the warm-up and after it, failed ones included.
	Attempts int64
	// Elapsed is the measured time: in a closed loop from the first measured operation on, in an open one from the end of
	// the warm-up.
	Elapsed time.Duration
}

// Join puts together what the slices of a cell measured, which are in the order in which they were.
func Join(slices ...*Result) *Result {
	if len(slices) == 1 {
		return slices[0]
	}
	out := &Result{
		Latency: NewHistogram(), FirstHalf: NewHistogram(), SecondHalf: NewHistogram(), Errors: map[string]int64{},
	}
	for i, slice := range slices {
		out.Latency.Merge(slice.Latency)
		switch {
		case i < len(slices)/2:
			out.FirstHalf.Merge(slice.Latency)
		case i >= (len(slices)+1)/2:
			out.SecondHalf.Merge(slice.Latency)
		default:
			out.FirstHalf.Merge(slice.FirstHalf)
			out.SecondHalf.Merge(slice.SecondHalf)
		}
		out.count(slice.Lateness, slice.Errors, slice.WarmUp, slice.Attempts)
		out.Elapsed += slice.Elapsed
	}
	return out
}

// count adds what a part of the cell has beside its latencies.
func (r *Result) count(lateness *hdrhistogram.Histogram, errors map[string]int64, warmUp, attempts int64) {
	if lateness != nil {
		if r.Lateness == nil {
			r.Lateness = NewHistogram()
		}
		r.Lateness.Merge(lateness)
	}
	for reason, n := range errors {
		r.Errors[reason] += n
	}
	r.WarmUp += warmUp
	r.Attempts += attempts
}

// Range of a histogram, and its digits: what is shorter counts as a microsecond, what is longer as a minute.
const (
	lowest  = int64(time.Microsecond)
	highest = int64(time.Minute)
	digits  = 3
)

// NewHistogram returns an empty histogram of durations in nanoseconds, from a microsecond to a minute, good to three
// digits. All histograms of the benchmark have this shape, so that they can be merged.
func NewHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(lowest, highest, digits) }

func record(h *hdrhistogram.Histogram, d time.Duration) {
	// Clamped values are inside the range, and that is the only error there is.
	_ = h.RecordValue(min(max(int64(d), lowest), highest))
}
