package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/duet-api/duet/bench/load"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
)

// witness measures a cell by the independent client. Its percentiles are read off the sorted times, and not off a
// histogram, which is there for the drawings only.
type witness struct {
	client   *scenario.Witness
	measured []time.Duration
	attempts int64
	elapsed  time.Duration
}

func newWitness(s scenario.Scenario, subject *scenario.Subject) (*witness, error) {
	client, err := s.Witness(subject)
	if err != nil {
		return nil, err
	}
	return &witness{client: client}, nil
}

// measure for so long, of which a share is the lead. What began in the lead does not count, unless there is nothing else.
func (w *witness) measure(ctx context.Context, length time.Duration, lead float64) error {
	began, took, err := w.client.Measure(ctx, length)
	if err != nil {
		return err
	}
	first, _ := slices.BinarySearch(began, time.Duration(float64(length)*lead))
	first = min(first, len(took)-1)
	w.measured = append(w.measured, took[first:]...)
	w.attempts += int64(len(took))
	w.elapsed += began[len(began)-1] + took[len(took)-1] - began[first]
	return nil
}

// fill copies what was measured into a row.
func (w *witness) fill(row *report.Row) error {
	if len(w.measured) == 0 {
		return nil
	}
	row.Attempts, row.WarmUp, row.Elapsed = w.attempts, w.attempts-int64(len(w.measured)), w.elapsed
	histogram := load.NewHistogram()
	var sum time.Duration
	for _, t := range w.measured {
		sum += t
		if err := histogram.RecordValue(int64(t)); err != nil {
			return fmt.Errorf("could not record a time: %w", err)
		}
	}
	blob, err := histogram.EncodeV2()
	if err != nil {
		return fmt.Errorf("could not encode a histogram: %w", err)
	}
	slices.Sort(w.measured)
	at := func(share float64) int64 { return int64(w.measured[int(share*float64(len(w.measured)-1)+0.5)]) }
	row.HDR = string(blob)
	row.Latency = report.Latency{
		Count: int64(len(w.measured)), Mean: float64(sum) / float64(len(w.measured)),
		P50: at(0.5), P90: at(0.9), P95: at(0.95), P99: at(0.99), P999: at(0.999), Max: at(1),
	}
	return nil
}

func (w *witness) close(ctx context.Context) error { return w.client.Close(ctx) }
