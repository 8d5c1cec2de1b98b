package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
)

// cell measures one scenario on one arm for a while. What goes wrong on the server's side is a row with errors; only a
// failure of the harness, or the end of the context, is an error.
func (r *runner) cell(
	ctx context.Context, s scenario.Scenario, subject *scenario.Subject, round int, duration time.Duration,
) (report.Row, error) {
	return r.cellUntil(ctx, s, subject, round, duration, func(context.Context) error { return nil })
}

// cellUntil is cell with something that is done when the operations have ended, and all that they need is still there.
func (r *runner) cellUntil(
	ctx context.Context, s scenario.Scenario, subject *scenario.Subject, round int, duration time.Duration,
	ended func(context.Context) error,
) (report.Row, error) {
	row := report.Row{Round: round, Scenario: s.Name, Arm: subject.Arm.Name}
	if err := r.Turns.Take(ctx, subject.Arm.Plane); err != nil {
		return row, err
	}
	s = r.rated(s, subject.Arm)
	if open, ok := s.Loop.(load.Open); ok {
		row.Rate = open.Rate
	}
	duration = time.Duration(float64(duration) * s.Length)
	if subject.Arm.Witness {
		return r.witness(ctx, s, subject, round, duration)
	}
	cell := s.Cell(r.Seed+uint64(round), duration)
	op, stop, err := s.Start(ctx, subject, cell)
	if err != nil {
		row.Started = time.Now()
		row.Errors = map[string]int64{"could not begin: " + arm.Reason(err): 1}
		return row, ctx.Err()
	}
	row.Started = settle()
	wire := subject.Arm.Wire.Read()
	before, err := r.usage(ctx)
	if err != nil {
		return row, errors.Join(err, stopped(stop))
	}
	result, err := s.Loop.Run(ctx, load.Cell{Op: op, Duration: duration, WarmUp: r.Profile.Lead, Reason: arm.Reason})
	if err != nil {
		return row, errors.Join(err, stopped(stop))
	}
	after, err := r.usage(ctx)
	if err != nil {
		return row, errors.Join(err, stopped(stop))
	}
	if err := errors.Join(fill(&row, result), ended(ctx)); err != nil {
		return row, errors.Join(err, stopped(stop))
	}
	traffic := subject.Arm.Wire.Read().Since(wire)
	row.Wire = &traffic
	row.Usage = map[string]report.Usage{}
	for name, change := range measure.Between(before, after) {
		row.Usage[name] = report.Usage{CPU: change.CPU, RSS: change.RSSBytes}
	}
	if err := stopped(stop); err != nil {
		row.Errors["could not end: "+arm.Reason(err)]++
	}
	row.Events = cell.Events.Counts()
	return row, nil
}

func stopped(stop func() error) error {
	if stop == nil {
		return nil
	}
	return stop()
}

// fill copies a result into its row.
func fill(row *report.Row, result *load.Result) error {
	blob, err := result.Latency.EncodeV2()
	if err != nil {
		return fmt.Errorf("could not encode a histogram: %w", err)
	}
	row.Elapsed, row.Attempts, row.WarmUp = result.Elapsed, result.Attempts, result.WarmUp
	row.Errors = result.Errors
	row.Latency = latency(result.Latency)
	row.FirstHalf = result.FirstHalf.ValueAtPercentile(50)
	row.SecondHalf = result.SecondHalf.ValueAtPercentile(50)
	if result.Lateness != nil {
		row.Lateness = result.Lateness.ValueAtPercentile(99)
	}
	row.HDR = string(blob)
	return nil
}

func latency(h *hdrhistogram.Histogram) report.Latency {
	at := h.ValueAtPercentiles([]float64{50, 90, 95, 99, 99.9})
	return report.Latency{
		Count: h.TotalCount(), Mean: h.Mean(), Max: h.Max(),
		P50: at[50], P90: at[90], P95: at[95], P99: at[99], P999: at[99.9],
	}
}

// warmUp runs rounds that are not kept until the median of each cell is near that of the round before. Caches,
// connections and just-in-time decisions of servers (a CRD that was established less than two seconds ago delays every
// create) would otherwise be charged to whoever comes first. What is done only a few times in a cell is tried once.
func (r *runner) warmUp(ctx context.Context) error {
	const near = 1.25 // short cells are noisy; this catches what is still settling by more than that
	type key struct{ scenario, arm string }
	before := map[key]int64{}
	total := r.Profile.MaxWarmUps * r.cells()
	done, stationary := 0, false
	for round := 1; round <= r.Profile.MaxWarmUps && !stationary; round++ {
		still := round > 1 || !slices.ContainsFunc(r.Scenarios, scenario.Scenario.Repeats)
		for _, s := range r.Scenarios {
			if round > 1 && !s.Repeats() {
				continue
			}
			for i, a := range r.Arms {
				if !s.Fits(a) {
					continue
				}
				subject := r.subjects[i][s.Population]
				r.Progress(Progress{Phase: "warm up", Done: done, Total: total, Round: round,
					Arm: subject.Arm.Name, Scenario: s.Name})
				row, err := r.cell(ctx, s, subject, -round, r.Profile.WarmUpCell)
				if err != nil {
					return err
				}
				if row.Latency.Count == 0 {
					return fmt.Errorf("could not warm up scenario %s on arm %s: no operation succeeded: %v",
						s.Name, subject.Arm.Name, row.Errors)
				}
				k := key{s.Name, subject.Arm.Name}
				ratio := float64(row.Latency.P50) / float64(before[k])
				still = still && (ratio < near && ratio > 1/near || !s.Repeats())
				before[k] = row.Latency.P50
				done++
			}
		}
		r.result.WarmUps, stationary = max(r.result.WarmUps, round), still
	}
	r.result.Stationary = r.result.Stationary && stationary
	return nil
}
