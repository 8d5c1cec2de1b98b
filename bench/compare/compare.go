// Package compare is Duet's main job: a control plane for each form, the form installed on it, every behaviour row
// looked at on both, the paired benchmark over both, and one report. It owns the order of these steps and that nothing
// is left running after them, and leaves each step to the package that knows it.
package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/duet-api/duet/bench"
	"github.com/duet-api/duet/bench/arm"
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
	// Forms to compare, and the profile of each by the form's name; a form that is not named gets its default.
	Forms    install.Forms
	Profiles map[string]string
	// Out is the directory that gets a directory for this run.
	Out string
	// Bench says how much is measured; Seed decides the objects and the order.
	Bench scenario.Profile
	Seed  uint64
	// Keep leaves the control planes' data beside the report, for a look at what happened.
	Keep bool
	// Command that repeats the run, and the flags that it was given, for the run card.
	Command string
	Flags   map[string]string
	// Progress receives one line for each step.
	Progress io.Writer
}

// steps of a run, for "[n/steps]" in the progress.
const steps = 5

// Run compares, and returns the run and the directory it was written to. When the context ends early, what was finished
// is written all the same. An error beside a directory is about the finish: the report is there.
func Run(ctx context.Context, options Options) (run report.Run, dir string, err error) {
	run = report.Run{Schema: report.Schema, Card: report.NewCard(time.Now(), options.Command, options.Flags)}
	dir, err = filepath.Abs(filepath.Join(options.Out, run.Card.ID))
	if err != nil {
		return run, "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return run, "", fmt.Errorf("could not create the run's directory: %w", err)
	}
	c := &comparison{Options: options, dir: dir}
	defer func() { err = errors.Join(err, c.sides.Close(context.WithoutCancel(ctx), c.Keep)) }()

	if err := c.start(ctx); err != nil {
		return run, "", err
	}
	run.Matrix = c.matrix(ctx)
	run.Card.Notes = c.notes()
	if ctx.Err() == nil {
		if run.Bench, err = c.bench(ctx); err != nil && run.Bench == nil {
			return run, "", err
		}
	}
	run.Card.Finished = time.Now()
	c.step(5, "writing the report")
	return run, dir, errors.Join(err, report.Write(dir, run))
}

type comparison struct {
	Options
	dir   string
	sides matrix.Sides
}

func (c *comparison) step(n int, format string, args ...any) {
	fmt.Fprintf(c.Progress, "[%d/%d] %s\n", n, steps, fmt.Sprintf(format, args...))
}

// start brings up a control plane for each form and installs the form on it.
func (c *comparison) start(ctx context.Context) (err error) {
	c.step(1, "starting a control plane for each form (Kubernetes %s, etcd %s)", assets.KubernetesVersion, assets.EtcdVersion)
	c.sides, err = matrix.StartSides(ctx, matrix.SidesOptions{
		Forms: c.Forms, Known: c.Forms, Profiles: c.Profiles, Dir: c.dir, Progress: c.Progress,
	})
	if err != nil {
		return err
	}
	c.step(2, "installing the forms")
	return c.sides.Install(ctx)
}

// matrix looks at every behaviour row on all forms at once.
func (c *comparison) matrix(ctx context.Context) []behaviour.Result {
	rows := behaviour.Rows()
	c.step(3, "looking at %d behaviours on %d forms", len(rows), len(c.sides))
	return matrix.Look(ctx, c.sides.Subjects(), rows, c.Progress)
}

// bench measures all arms, with the controllers stopped: they would answer every write of the benchmark with writes of
// their own, on the arms of the forms and not on the baseline.
func (c *comparison) bench(ctx context.Context) (*report.Bench, error) {
	var arms []*arm.Arm
	for i, s := range c.sides {
		if err := s.Installer.StopController(ctx); err != nil {
			return nil, err
		}
		own, err := armsOf(s, c.Seed, i == 0)
		if err != nil {
			return nil, err
		}
		arms = append(arms, own...)
	}
	scenarios := scenario.All()
	c.step(4, "benchmark %q: %d arms, %d scenarios, %d rounds, about %s", c.Bench.Name, len(arms), len(scenarios), c.Bench.Rounds,
		c.Bench.Duration(len(arms), scenarios).Round(time.Second))
	return bench.Run(ctx, bench.Options{
		Arms: arms, Scenarios: scenarios, Profile: c.Bench, Seed: c.Seed, Usage: c.usage, Progress: c.progress(),
	})
}

// progress tells the phases and every tenth of the cells.
func (c *comparison) progress() func(bench.Progress) {
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
			fmt.Fprintf(c.Progress, "      %s\n", p.Phase)
		} else if p.Total > 0 {
			fmt.Fprintf(c.Progress, "      %s: %d of %d cells\n", p.Phase, p.Done, p.Total)
		}
		phase, tenth = p.Phase, now
	}
}

// usage reads all processes of all control planes.
func (c *comparison) usage(ctx context.Context) (map[string]measure.Usage, error) {
	all := map[string]measure.Usage{}
	for _, s := range c.sides {
		processes, err := s.Plane.Runner().List(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range processes {
			all[s.Form.Name()+"/"+p.Spec.Name] = measure.Usage{CPU: p.CPU, RSSBytes: p.RSSBytes}
		}
	}
	return all, nil
}

// notes are what a reader of the numbers has to know about this run.
func (c *comparison) notes() []string {
	notes := []string{
		"Everything runs on this one machine, load generator included, over loopback: ratios say more than times.",
		"The controllers are stopped while the benchmark runs: what is measured is the API, not what a controller does with it.",
		"etcd writes to this machine's disk, with fsync.",
	}
	for _, s := range c.sides {
		notes = append(notes, fmt.Sprintf("%s: profile %s, objects in %s.", s.Form.Name(), s.Profile, s.Form.Storage(s.Profile)))
	}
	return notes
}
