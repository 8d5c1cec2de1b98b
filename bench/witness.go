package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
)

// witness measures a cell by the independent client. Its percentiles are read off the sorted times, and not off a
// histogram, which is there for the drawings only.
func (r *runner) witness(
	ctx context.Context, s scenario.Scenario, subject *scenario.Subject, round int, length time.Duration,
) (report.Row, error) {
	row := report.Row{Round: round, Scenario: s.Name, Arm: subject.Arm.Name, Started: settle(), Errors: map[string]int64{}}
	began, took, err := s.Witness(ctx, subject, length)
	if err != nil {
		row.Errors[arm.Reason(err)]++
		return row, ctx.Err()
	}
	lead := time.Duration(float64(length) * r.Profile.Lead)
	first, _ := slices.BinarySearch(began, lead)
	first = min(first, len(took)-1)
	measured := slices.Clone(took[first:])
	row.Attempts, row.WarmUp = int64(len(took)), int64(first)
	row.Elapsed = began[len(began)-1] + took[len(took)-1] - began[first]
	histogram := load.NewHistogram()
	var sum time.Duration
	for _, t := range measured {
		sum += t
		if err := histogram.RecordValue(int64(t)); err != nil {
			return row, fmt.Errorf("could not record a time: %w", err)
		}
	}
	blob, err := histogram.EncodeV2()
	if err != nil {
		return row, fmt.Errorf("could not encode a histogram: %w", err)
	}
	slices.Sort(measured)
	at := func(share float64) int64 { return int64(measured[int(share*float64(len(measured)-1)+0.5)]) }
	row.HDR = string(blob)
	row.Latency = report.Latency{
		Count: int64(len(measured)), Mean: float64(sum) / float64(len(measured)),
		P50: at(0.5), P90: at(0.9), P95: at(0.95), P99: at(0.99), P999: at(0.999), Max: at(1),
	}
	return row, nil
}
