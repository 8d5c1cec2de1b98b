// Package compare is Duet's main job: a control plane for each form, the form installed on it, every behaviour row
// looked at on both, the paired benchmark over both, and one report. It owns the order of these steps and that nothing
// is left running after them, and leaves each step to the package that knows it.
package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/duet-api/duet/bench"
	"github.com/duet-api/duet/bench/lineup"
	"github.com/duet-api/duet/bench/matrix"
	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/shared/controlplane/assets"
	"github.com/duet-api/duet/shared/install"
)

// Options of a comparison.
type Options struct {
	// Forms that there are.
	Forms install.Forms
	// Arms of the benchmark; the control planes follow from them.
	Arms []lineup.Entry
	// Profiles of the forms, by the name of the control plane; one that is not named gets that of the lineup.
	Profiles map[string]string
	// Rows to look at, on the first control plane of each form.
	Rows []behaviour.Row
	// Scenarios to measure; none means no benchmark.
	Scenarios []scenario.Scenario
	// Out is the directory that gets a directory for this run.
	Out string
	// Bench says how much is measured; Seed decides the objects and the order.
	Bench scenario.Profile
	Seed  uint64
	// Traces adds a pass that says where the time of a request goes, on control planes of its own.
	Traces bool
	// Resume is a run that was interrupted and is to go on, in its own directory; nil begins a new one.
	Resume *Interrupted
	// Keep leaves the control planes' data beside the report, for a look at what happened.
	Keep bool
	// Command that repeats the run, and the flags that it was given, for the run card.
	Command string
	Flags   map[string]string
	// Progress receives one line for each step.
	Progress io.Writer
}

// Run compares, and returns the run and the directory it was written to. When the context ends early, what was finished
// is written all the same. An error beside a directory is about the finish: the report is there.
func Run(ctx context.Context, options Options) (run report.Run, dir string, err error) {
	run, dir, err = options.open(time.Now())
	if err != nil {
		return run, "", err
	}
	c := &comparison{Options: options, dir: dir}
	defer func() { err = errors.Join(err, c.sides.Close(context.WithoutCancel(ctx), c.Keep)) }()

	if err := c.start(ctx); err != nil {
		return run, "", err
	}
	if len(c.Rows) > 0 {
		run.Matrix = c.matrix(ctx)
	}
	run.Card.Notes = c.notes()
	if len(c.Scenarios) > 0 && ctx.Err() == nil {
		run.Bench, err = c.bench(ctx, func(b *report.Bench) error { return keep(dir, run, b) })
		if run.Bench == nil && len(run.Matrix) == 0 {
			return run, "", err
		}
	}
	if run.Bench != nil && c.follows() {
		if ctx.Err() == nil {
			traces, tracesErr := c.traces(ctx)
			run.Bench.Traces, err = traces, errors.Join(err, tracesErr)
		}
		if run.Bench.Traces == nil { // interrupted, or failed: either is made up for by a run that goes on
			run.Bench.Interrupted = true
			bench.Analyse(run.Bench)
		}
	}
	run.Card.Finished = time.Now()
	c.step("writing the report")
	return run, dir, errors.Join(err, report.Write(dir, run))
}

// keep what a run has measured so far.
func keep(dir string, run report.Run, measured *report.Bench) error {
	run.Bench = measured
	return report.Save(dir, run)
}

type comparison struct {
	Options
	dir   string
	sides matrix.Sides
	turns *measure.Turns
	// done counts the steps so far.
	done int
}

// step says what begins, and how far the run is: starting, installing and writing, and in between what was asked for.
func (c *comparison) step(format string, args ...any) {
	steps := 3
	if len(c.Rows) > 0 {
		steps++
	}
	if len(c.Scenarios) > 0 {
		steps++
	}
	if len(c.Scenarios) > 0 && c.follows() {
		steps++
	}
	c.done++
	fmt.Fprintf(c.Progress, "[%d/%d] %s\n", c.done, steps, fmt.Sprintf(format, args...))
}

// start brings up the control planes that the arms need, and installs a form on each.
func (c *comparison) start(ctx context.Context) error {
	sides, err := lineup.Sides(c.Forms, c.Arms, c.Profiles)
	if err != nil {
		return err
	}
	c.step("starting %d control planes (Kubernetes %s, etcd %s)", len(sides), assets.KubernetesVersion, assets.EtcdVersion)
	c.sides, err = matrix.StartSides(ctx, matrix.SidesOptions{Sides: sides, Forms: c.Forms, Dir: c.planesDir(), Progress: c.Progress})
	if err != nil {
		return err
	}
	c.step("installing the forms")
	return c.sides.Install(ctx)
}

// matrix looks at the behaviour rows, on the first side of each form.
func (c *comparison) matrix(ctx context.Context) []behaviour.Result {
	var sides matrix.Sides
	for _, s := range c.sides {
		if !slices.ContainsFunc(sides, func(other *matrix.Side) bool { return other.Form.Name() == s.Form.Name() }) {
			sides = append(sides, s)
		}
	}
	c.step("looking at %d behaviours on %d forms", len(c.Rows), len(sides))
	return matrix.Look(ctx, sides.Subjects(), c.Rows, c.Progress)
}

// bench measures all arms, with the controllers stopped: they would answer every write of the benchmark with writes of
// their own, on the arms of the forms and not on the baseline.
func (c *comparison) bench(ctx context.Context, keep func(*report.Bench) error) (*report.Bench, error) {
	if err := stopControllers(ctx, c.sides); err != nil {
		return nil, err
	}
	arms, err := lineup.Arms(ctx, c.Arms, c.sides, c.Seed)
	if err != nil {
		return nil, err
	}
	left := bench.Left(c.earlier(), c.Bench, c.Scenarios)
	c.step("benchmark %q: %d arms, %d scenarios, %d rounds, about %s", c.Bench.Name, len(c.Arms), len(left), c.Bench.Rounds,
		c.Bench.Duration(arms, left).Round(time.Second))
	c.turns = turnsOf(c.sides)
	return bench.Run(ctx, bench.Options{
		Arms: arms, Scenarios: c.Scenarios, Profile: c.Bench, Seed: c.Seed, Usage: c.usage, Inspect: c.inspect,
		Turns: c.turns, Disposable: true, Progress: c.progress(), Keep: keep, Resume: c.earlier(),
	})
}

// turnsOf control planes.
func turnsOf(sides matrix.Sides) *measure.Turns {
	turns := &measure.Turns{}
	for _, s := range sides {
		turns.Add(s.Name, s.Plane.Runner())
	}
	return turns
}

// stopControllers of all control planes.
func stopControllers(ctx context.Context, sides matrix.Sides) error {
	for _, s := range sides {
		if err := s.Installer.StopController(ctx); err != nil {
			return err
		}
	}
	return nil
}

// progress tells the phases and every tenth of the cells.
func (o Options) progress() func(bench.Progress) {
	phase, tenth := "", -1
	return func(p bench.Progress) {
		now := 0
		if p.Total > 0 {
			now = 10 * p.Done / p.Total
		}
		if p.Phase == phase && now == tenth {
			return
		}
		if p.Phase != phase {
			fmt.Fprintf(o.Progress, "      %s\n", p.Phase)
		} else if p.Total > 0 {
			fmt.Fprintf(o.Progress, "      %s: %d of %d cells\n", p.Phase, p.Done, p.Total)
		}
		phase, tenth = p.Phase, now
	}
}

// usage reads the processes of all control planes that do not rest.
func (c *comparison) usage(ctx context.Context) (map[string]measure.Usage, error) {
	all := map[string]measure.Usage{}
	for _, s := range c.sides {
		if c.turns.Rests(s.Name) {
			continue
		}
		processes, err := s.Plane.Runner().List(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range processes {
			all[s.Name+"/"+p.Spec.Name] = measure.Usage{CPU: p.CPU, RSSBytes: p.RSSBytes}
		}
	}
	return all, nil
}

// notes are what a reader of the numbers has to know about this run.
func (c *comparison) notes() []string {
	notes := []string{
		"Everything runs on this one machine, load generator included, over loopback: ratios say more than times.",
		"The controllers are stopped while the benchmark runs, but in the scenarios that are about them: what is measured is the API, " +
			"not what a controller does with it.",
		"etcd writes to this machine's disk, with fsync.",
	}
	for _, s := range c.sides {
		notes = append(notes, fmt.Sprintf("%s: form %s, profile %s, objects in %s.", s.Name, s.Form.Name(), s.Profile, s.Form.Storage(s.Profile)))
	}
	return notes
}
