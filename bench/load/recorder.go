package load

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// recorder keeps what one worker sees. Each worker has its own and they are merged at the end: a shared histogram
// would make workers wait for each other inside the measurement.
type recorder struct {
	begin, measured, middle, end time.Time
	// from is when the measured time begins.
	from   time.Time
	reason func(error) string

	first, second, lateness *hdrhistogram.Histogram
	errors                  map[string]int64
	warmUp, attempts        int64
}

func newRecorder(begin time.Time, cell Cell, open bool) *recorder {
	warm := time.Duration(float64(cell.Duration) * cell.WarmUp)
	r := &recorder{
		begin:    begin,
		measured: begin.Add(warm),
		middle:   begin.Add(warm + (cell.Duration-warm)/2),
		end:      begin.Add(cell.Duration),
		reason:   cell.Reason,
		first:    NewHistogram(),
		second:   NewHistogram(),
		errors:   map[string]int64{},
	}
	if open {
		r.lateness, r.from = NewHistogram(), r.measured
	}
	return r
}

// add accounts for one operation. due is when its clock started, started when it was really begun.
func (r *recorder) add(due, started, done time.Time, err error) {
	r.attempts++
	if due.Before(r.measured) {
		r.warmUp++
		return
	}
	if r.from.IsZero() {
		r.from = started
	}
	if r.lateness != nil {
		record(r.lateness, started.Sub(due))
	}
	if err != nil {
		r.errors[r.reason(err)]++
		return
	}
	half := r.first
	if !due.Before(r.middle) {
		half = r.second
	}
	record(half, done.Sub(due))
}

// merge sums up the workers. finished is when the last of them returned.
func merge(recorders []*recorder, finished time.Time) *Result {
	out := &Result{
		Latency:    NewHistogram(),
		FirstHalf:  NewHistogram(),
		SecondHalf: NewHistogram(),
		Errors:     map[string]int64{},
	}
	for _, r := range recorders {
		out.Elapsed = max(out.Elapsed, finished.Sub(r.from))
		out.FirstHalf.Merge(r.first)
		out.SecondHalf.Merge(r.second)
		out.count(r.lateness, r.errors, r.warmUp, r.attempts)
	}
	out.Latency.Merge(out.FirstHalf)
	out.Latency.Merge(out.SecondHalf)
	return out
}
