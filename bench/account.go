package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
)

// commit is the longest that etcd keeps a write before its database has it, and says so in its metrics.
const commit = 150 * time.Millisecond

// enough objects for their memory to stand out from what else a server does.
const enough = 1000

// weigh populates an arm, and notes by how much its servers grow with objects: live heap, resident memory, and the
// database. The garbage of both moments is collected first, so that what is left is the objects and what a server keeps
// with them. A small population is not enough for that, and what a server makes once for a kind would be counted with it:
// then more objects are created once it is there, and removed.
func (r *runner) weigh(ctx context.Context, i int, population scenario.Population) (*scenario.Subject, error) {
	a := r.Arms[i]
	small := population.Objects < enough
	if r.Inspect == nil || !r.Profile.Weighs || a.Repeats != "" || a.Target.Can() < arm.Keep || small && population != scenario.Small {
		return r.populate(ctx, i, population)
	}
	weighed := population
	if small {
		weighed.Objects = enough
	}
	if r.weighed(a.Name, weighed) {
		return r.populate(ctx, i, population)
	}
	if !small {
		var subject *scenario.Subject
		err := r.grow(ctx, a, weighed, func() (err error) {
			subject, err = r.populate(ctx, i, population)
			return err
		})
		if err != nil && subject != nil {
			subject.Close()
		}
		return subject, err
	}
	subject, err := r.populate(ctx, i, population)
	if err != nil {
		return nil, err
	}
	remove := func(context.Context) error { return nil }
	err = r.grow(ctx, a, weighed, func() (err error) {
		remove, err = subject.Fill(ctx, enough)
		return err
	})
	if err = errors.Join(err, remove(ctx)); err != nil {
		subject.Close()
		return nil, err
	}
	return subject, nil
}

// grow notes by how much the servers of an arm grow when its objects are created.
func (r *runner) grow(ctx context.Context, a *arm.Arm, by scenario.Population, create func() error) error {
	before, memory, err := r.look(ctx, a.Plane)
	if err != nil {
		return err
	}
	if err := create(); err != nil {
		return err
	}
	after, memoryAfter, err := r.look(ctx, a.Plane)
	if err != nil {
		return err
	}
	footprint := report.Footprint{
		Arm: a.Name, Objects: by.Objects, PayloadBytes: by.Bytes, Components: map[string]report.Growth{},
	}
	for name, change := range measure.Between(memory, memoryAfter) {
		if !report.Serves(name, a.Plane) {
			continue
		}
		growth := report.Growth{RSS: change.RSSDeltaBytes}
		if then, found := before[name]; found {
			growth.Heap = int64(after[name].HeapBytes) - int64(then.HeapBytes)
			growth.Storage = int64(after[name].StorageBytes) - int64(then.StorageBytes)
		}
		footprint.Components[name] = growth
	}
	r.result.Footprints = append(r.result.Footprints, footprint)
	return nil
}

// weighed is whether an earlier part of the run has it.
func (r *runner) weighed(arm string, population scenario.Population) bool {
	for _, f := range r.result.Footprints {
		if f.Arm == arm && f.Objects == population.Objects && f.PayloadBytes == population.Bytes {
			return true
		}
	}
	return false
}

// look at the processes of a control plane when nothing happens.
func (r *runner) look(
	ctx context.Context, plane string,
) (map[string]measure.State, map[string]measure.Usage, error) {
	select {
	case <-time.After(commit):
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	states, err := r.Inspect(ctx, plane, true)
	if err != nil {
		return nil, nil, err
	}
	usage, err := r.Usage.Read(ctx)
	return states, usage, err
}

// account runs one more cell of each scenario on each arm, which is not measured, and asks the servers before and after
// it what they did. Around a measured cell that would disturb: an API server takes longer to list its metrics than to
// answer a request.
func (r *runner) account(ctx context.Context) error {
	for done, s := range r.Scenarios {
		for i, a := range r.Arms {
			if !r.unaccounted(s, a) {
				continue
			}
			r.Progress(Progress{Phase: "account", Done: done, Total: len(r.Scenarios), Arm: a.Name, Scenario: s.Name})
			account, err := r.accountOf(ctx, s, r.subjects[i][s.Population])
			if err != nil {
				return fmt.Errorf("could not account for scenario %s on arm %s: %w", s.Name, a.Name, err)
			}
			r.result.Accounts = append(r.result.Accounts, account)
		}
	}
	return nil
}

// unaccounted is whether an account is to be made, and was not.
func (r *runner) unaccounted(s scenario.Scenario, a *arm.Arm) bool {
	return r.Inspect != nil && a.Repeats == "" && s.Fits(a) && r.result.Account(s.Name, a.Name) == nil
}

func (r *runner) accountOf(ctx context.Context, s scenario.Scenario, subject *scenario.Subject) (report.Account, error) {
	out := report.Account{Scenario: s.Name, Arm: subject.Arm.Name, Components: map[string]measure.State{}}
	if err := r.Turns.Take(ctx, subject.Arm.Plane); err != nil {
		return out, err
	}
	collect := s.Watchers > 0 // what they take is exact then
	var before, begun map[string]measure.State
	var err error
	if collect {
		if before, err = r.states(ctx, subject.Arm.Plane, collect); err != nil {
			return out, err
		}
	}
	row, err := r.cellAround(ctx, s, subject, r.Profile.Rounds+1, r.Profile.Cell, func(ctx context.Context) (err error) {
		begun, err = r.states(ctx, subject.Arm.Plane, false)
		return err
	}, func(ctx context.Context) error {
		after, err := r.states(ctx, subject.Arm.Plane, collect)
		for name, state := range after {
			if then, found := begun[name]; found {
				if since, whole := state.Since(then); whole {
					out.Components[name] = since
				}
			}
			if then, found := before[name]; found {
				out.Watchers = append(out.Watchers, report.WatcherCost{
					Component:  name,
					Goroutines: float64(state.Goroutines-then.Goroutines) / float64(s.Watchers),
					Heap:       (float64(state.HeapBytes) - float64(then.HeapBytes)) / float64(s.Watchers),
				})
			}
		}
		return err
	})
	slices.SortFunc(out.Watchers, func(a, b report.WatcherCost) int { return strings.Compare(a.Component, b.Component) })
	out.Attempts, out.Elapsed = row.Attempts, row.Elapsed
	return out, err
}

// states of the processes of a control plane, and of this one.
func (r *runner) states(ctx context.Context, plane string, collect bool) (map[string]measure.State, error) {
	states, err := r.Inspect(ctx, plane, collect)
	if err != nil {
		return nil, err
	}
	out := maps.Clone(states)
	out[measure.Generator] = measure.SelfState()
	return out, nil
}
