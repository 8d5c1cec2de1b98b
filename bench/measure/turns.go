package measure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/duet-api/duet/shared/process"
)

const (
	// AtOnce is how many control planes run while one of them is measured: it, and the one that was measured before. With
	// one alone, the two that matter most would be stopped and woken at every slice.
	AtOnce = 2
	// waking is what a control plane that was woken gets to run all timers that it has missed.
	waking = 150 * time.Millisecond
)

// Turns let the control planes of a run take turns. One that is up and has nothing to do takes eight hundredths of a core
// all the same, and comes in between when it likes: with half a dozen of them on two cores the one that is measured takes
// twice as long. So those that have no part in a cell stand still, and every cell has as many beside it as any other.
type Turns struct {
	planes []*plane // the one whose turn it was last is the first
}

type plane struct {
	name   string
	runner process.Runner
	// resting are the processes that stand still, in the order in which they are woken.
	resting []string
}

// Add a control plane, which runs.
func (t *Turns) Add(name string, runner process.Runner) {
	t.planes = append(t.planes, &plane{name: name, runner: runner})
}

// Take gives a control plane its turn, and returns when it is up. Where there are no turns, everything is.
func (t *Turns) Take(ctx context.Context, name string) error {
	if t == nil {
		return nil
	}
	at := slices.IndexFunc(t.planes, func(p *plane) bool { return p.name == name })
	if at < 0 {
		return fmt.Errorf("could not give control plane %q a turn: there is none of that name", name)
	}
	next := t.planes[at]
	t.planes = slices.Insert(slices.Delete(t.planes, at, at+1), 0, next)
	for _, p := range t.planes[min(AtOnce, len(t.planes)):] {
		if err := p.rest(ctx); err != nil {
			return err
		}
	}
	if len(next.resting) == 0 {
		return nil
	}
	if err := next.wake(ctx); err != nil {
		return err
	}
	select {
	case <-time.After(waking):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Rests is whether a control plane stands still.
func (t *Turns) Rests(name string) bool {
	return t != nil && slices.ContainsFunc(t.planes, func(p *plane) bool { return p.name == name && len(p.resting) > 0 })
}

// End lets every control plane run.
func (t *Turns) End(ctx context.Context) error {
	if t == nil {
		return nil
	}
	var errs []error
	for _, p := range t.planes {
		errs = append(errs, p.wake(ctx))
	}
	return errors.Join(errs...)
}

// rest stops what runs, the last that was started first: nobody is to miss whom it depends on.
func (p *plane) rest(ctx context.Context) error {
	if len(p.resting) > 0 {
		return nil
	}
	processes, err := p.runner.List(ctx)
	if err != nil {
		return err
	}
	for _, one := range slices.Backward(processes) {
		if one.State != process.Running {
			continue
		}
		if err := p.runner.Pause(ctx, one.Spec.Name); err != nil {
			return fmt.Errorf("could not let control plane %s rest: %w", p.name, err)
		}
		p.resting = slices.Insert(p.resting, 0, one.Spec.Name)
	}
	return nil
}

func (p *plane) wake(ctx context.Context) error {
	for len(p.resting) > 0 {
		if err := p.runner.Resume(ctx, p.resting[0]); err != nil {
			return fmt.Errorf("could not wake control plane %s: %w", p.name, err)
		}
		p.resting = p.resting[1:]
	}
	return nil
}
