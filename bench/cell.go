package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
)

// cell is one scenario on one arm in one round: it is begun once, measured in one or more slices, and ended. What goes
// wrong on the server's side is a row with errors; only a failure of the harness, or the end of the context, is an error.
type cell struct {
	runner   *runner
	scenario scenario.Scenario
	subject  *scenario.Subject
	// length is that of all slices together, and spent how much of it is over.
	length, spent time.Duration
	row           report.Row
	described     scenario.Cell
	op            load.Op
	stop          func() error
	// witness does the operations instead of op, where an independent client measures.
	witness *witness
	wire    measure.Traffic
	results []*load.Result
}

// begin gives an arm's control plane its turn, and prepares the cell. One whose scenario could not start has nothing to
// measure, and says so in its row.
func (r *runner) begin(
	ctx context.Context, s scenario.Scenario, subject *scenario.Subject, round int, duration time.Duration,
) (*cell, error) {
	c := &cell{
		runner: r, scenario: r.rated(s, subject.Arm), subject: subject,
		length: time.Duration(float64(duration) * s.Length),
		row: report.Row{
			Round: round, Scenario: s.Name, Arm: subject.Arm.Name, Errors: map[string]int64{},
		},
	}
	if err := r.Turns.Take(ctx, subject.Arm.Plane); err != nil {
		return nil, err
	}
	// A connection may not have outlived a rest of its control plane: it is opened now, and not while is measured. That there is
	// nobody of that name is no matter.
	_, _ = subject.Client.Get(ctx, subject.Arm.Namespace, "nobody", new(bytes.Buffer))
	if open, ok := c.scenario.Loop.(load.Open); ok {
		c.row.Rate = open.Rate
	}
	c.described = c.scenario.Cell(r.Seed+uint64(round), c.length)
	var err error
	if subject.Arm.Witness {
		c.witness, err = newWitness(c.scenario, subject)
	} else {
		c.op, c.stop, err = c.scenario.Start(ctx, subject, c.described)
	}
	c.row.Started = time.Now()
	if ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), c.abandon(ctx))
	}
	if err != nil {
		c.distrust("could not begin", err)
		c.spent = max(c.length, 1)
	}
	c.wire = subject.Arm.Wire.Read()
	return c, nil
}

// distrust the row: what the scenario needs beside its operations was not there, or not all the time.
func (c *cell) distrust(what string, err error) {
	c.row.Errors[what+": "+arm.Reason(err)]++
	c.row.Untrusted = true
}

// over is whether what is left of the cell is less than half of a slice.
func (c *cell) over(slice time.Duration) bool { return c.spent > 0 && c.spent+slice/2 > c.length }

// slice measures for so long, of which the lead is a share.
func (c *cell) slice(ctx context.Context, length time.Duration, lead float64) error {
	r := c.runner
	if err := r.Turns.Take(ctx, c.subject.Arm.Plane); err != nil {
		return err
	}
	changes, err := measure.Around(ctx, r.Usage, func() (err error) {
		began := time.Now()
		if c.spent == 0 {
			c.row.Started = began
		}
		if c.witness == nil {
			err = c.measure(ctx, length, lead)
		} else if err = c.witness.measure(ctx, length, lead); err != nil {
			c.row.Errors[arm.Reason(err)]++
			c.spent, err = c.length, ctx.Err() // it is over
		}
		took := max(time.Since(began), 1)
		c.row.Took += took
		c.spent += took
		if r.slices(c.scenario) == 1 {
			c.spent = max(c.spent, c.length) // its loop has ended, however early
		}
		return err
	})
	if err == nil && c.witness == nil {
		c.used(changes)
	}
	return err
}

// used adds what the components used in a slice. One that was not there in all of them has no sum.
func (c *cell) used(changes map[string]measure.Change) {
	if c.row.Usage == nil {
		c.row.Usage = map[string]report.Usage{}
		for name := range changes {
			c.row.Usage[name] = report.Usage{}
		}
	}
	for name, before := range c.row.Usage {
		change, found := changes[name]
		if !found {
			delete(c.row.Usage, name)
			continue
		}
		c.row.Usage[name] = report.Usage{CPU: before.CPU + change.CPU, RSS: change.RSSBytes}
	}
}

func (c *cell) measure(ctx context.Context, length time.Duration, lead float64) error {
	slice := load.Cell{Op: c.op, Duration: length, WarmUp: lead, Reason: arm.Reason}
	for _, earlier := range c.results {
		slice.First += earlier.Attempts
	}
	result, err := c.scenario.Loop.Run(ctx, slice)
	if err == nil {
		c.results = append(c.results, result)
	}
	return err
}

// end removes what the cell needed, and returns its row.
func (c *cell) end(ctx context.Context) (report.Row, error) {
	var err error
	switch {
	case c.witness != nil:
		err = c.witness.fill(&c.row)
	case len(c.results) > 0:
		err = fill(&c.row, load.Join(c.results...))
		traffic := c.subject.Arm.Wire.Read().Since(c.wire)
		c.row.Wire = &traffic
	}
	if failed := c.abandon(ctx); failed != nil {
		c.distrust("could not end", failed)
	}
	c.row.Events = c.described.Events.Counts()
	return c.row, err
}

// abandon removes what the cell needed.
func (c *cell) abandon(ctx context.Context) error {
	if c.witness != nil {
		return c.witness.close(ctx)
	}
	return stopped(c.stop)
}

// cell measures one scenario on one arm in one piece.
func (r *runner) cell(
	ctx context.Context, s scenario.Scenario, subject *scenario.Subject, round int, duration time.Duration,
) (report.Row, error) {
	nothing := func(context.Context) error { return nil }
	return r.cellAround(ctx, s, subject, round, duration, nothing, nothing)
}

// cellAround is cell with something that is done right before the operations and right after them, when all that they need is
// there.
func (r *runner) cellAround(
	ctx context.Context, s scenario.Scenario, subject *scenario.Subject, round int, duration time.Duration,
	begun, ended func(context.Context) error,
) (report.Row, error) {
	c, err := r.begin(ctx, s, subject, round, duration)
	if err != nil {
		return report.Row{}, err
	}
	settle()
	if !c.over(c.length) {
		if err = begun(ctx); err == nil {
			err = c.slice(ctx, c.length, r.Profile.Lead)
		}
		if err == nil {
			err = ended(ctx)
		}
		if err != nil {
			return c.row, errors.Join(err, c.abandon(ctx))
		}
	}
	return c.end(ctx)
}

// together measures a scenario on some arms. They take turns slice by slice, each as often before as after another one:
// what disturbs a machine for a tenth of a second, or a second, disturbs all of them alike.
func (r *runner) together(
	ctx context.Context, s scenario.Scenario, subjects []*scenario.Subject, round int,
) (rows []report.Row, err error) {
	var cells []*cell
	defer func() {
		if err == nil {
			return
		}
		for _, c := range cells {
			err = errors.Join(err, c.abandon(ctx))
		}
	}()
	for _, subject := range subjects {
		c, err := r.begin(ctx, s, subject, round, r.Profile.Cell)
		if err != nil {
			return nil, err
		}
		cells = append(cells, c)
	}
	slice, lead := r.sliced(s, subjects)
	left := func(c *cell) bool { return !c.over(slice) }
	for pass := 0; slices.ContainsFunc(cells, left); pass++ {
		settle()
		for _, c := range turns(cells, pass) {
			if !left(c) {
				continue
			}
			if err := c.slice(ctx, slice, lead); err != nil {
				return nil, err
			}
		}
	}
	for len(cells) > 0 {
		row, err := cells[0].end(ctx)
		cells = cells[1:]
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// sliced is the length of a slice, and the share of it that is its lead. The first operations after another arm's turn are
// left out, unless those of one of the arms are so slow that there would be little left: that is decided by the warm-up, for
// all arms alike, since a choice by how long an operation took would choose the slow ones.
func (r *runner) sliced(s scenario.Scenario, subjects []*scenario.Subject) (length time.Duration, lead float64) {
	const several = 4
	pieces := r.slices(s)
	length = time.Duration(float64(r.Profile.Cell)*s.Length) / time.Duration(pieces)
	if pieces == 1 {
		return length, r.Profile.Lead
	}
	for _, subject := range subjects {
		if several*r.warm[cellKey{s.Name, subject.Arm.Name}] > int64(length) {
			return length, 0
		}
	}
	return length, r.Profile.Lead
}

// slices that cells of a scenario are measured in.
func (r *runner) slices(s scenario.Scenario) int {
	if !s.Sliced() {
		return 1
	}
	return max(r.Profile.Slices, 1)
}

// turns are the cells in the order of a pass: forwards and backwards, and in every second pass somebody else is the first.
func turns(cells []*cell, pass int) []*cell {
	first := pass / 2 % len(cells)
	order := slices.Concat(cells[first:], cells[:first])
	if pass%2 == 1 {
		slices.Reverse(order)
	}
	return order
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
	maps.Copy(row.Errors, result.Errors)
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
// create) would otherwise be charged to whoever comes first. What is done only a few times in a cell is tried once, and so
// is what only explains.
func (r *runner) warmUp(ctx context.Context) error {
	const near = 1.25 // short cells are noisy; this catches what is still settling by more than that
	r.warm = map[cellKey]int64{}
	total := r.Profile.MaxWarmUps * r.cells(1)
	done, stationary := 0, false
	for round := 1; round <= r.Profile.MaxWarmUps && !stationary; round++ {
		still := round > 1 || !slices.ContainsFunc(r.Scenarios, scenario.Scenario.Repeats)
		for _, s := range r.Scenarios {
			if round > 1 && !s.Repeats() {
				continue
			}
			for i, a := range r.Arms {
				if !s.Fits(a) || round > 1 && a.Reference {
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
				k := cellKey{s.Name, subject.Arm.Name}
				ratio := float64(row.Latency.P50) / float64(r.warm[k])
				still = still && (ratio < near && ratio > 1/near || !s.Repeats())
				r.warm[k] = row.Latency.P50
				done++
			}
		}
		r.result.WarmUps, stationary = max(r.result.WarmUps, round), still
	}
	r.result.Stationary = r.result.Stationary && stationary
	return nil
}
