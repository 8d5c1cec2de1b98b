// Package bench runs a paired benchmark: it takes arms and a profile, and measures every scenario on every arm, round
// by round. It owns what makes the numbers comparable, and nothing else does: one machine drifts by more than the
// forms differ, so the arms take turns in short cells, in an order that is random, balanced and recorded, and are only
// ever compared within a round.
package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	utilrand "k8s.io/apimachinery/pkg/util/rand"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
)

// Options say what to measure.
type Options struct {
	// Arms in the order in which they are shown. Each later arm is compared with each earlier one. An arm without a
	// namespace gets one of its own.
	Arms []*arm.Arm
	// Scenarios to run; nil means those of the profile.
	Scenarios []scenario.Scenario
	// Profile says how much.
	Profile scenario.Profile
	// Seed decides the order of the arms. Use the seed of the arms' corpus.
	Seed uint64
	// Usage reads the components' CPU time and memory; nil measures the load generator only.
	Usage measure.Source
	// Turns let rest whatever has no part in a cell, and know the planes of all arms; nil lets everything run.
	Turns *measure.Turns
	// Disposable: the control planes end with the run, so that what is there at its end does not have to be removed.
	Disposable bool
	// Inspect reads what the servers say of themselves, outside of the measured cells; nil leaves that out.
	Inspect measure.Inspector
	// Resume is a run that was interrupted and is to go on: its rounds are kept, and what is missing is measured, in the
	// order in which it would have been. Everything else has to be as it was.
	Resume *report.Bench
	// Progress, if set, is called before each step.
	Progress func(Progress)
	// Keep, if set, is called after each round with what there is so far, which has the rows only: a run that is killed goes on
	// from there.
	Keep func(*report.Bench) error
}

// Progress says what Run is about to do.
type Progress struct {
	// Phase is "prepare", "gauge", "warm up", "measure", "account" or "clean up".
	Phase string
	// Done cells of Total. In phases of unknown length Total is an upper bound, or 0.
	Done, Total int
	// Round, Arm and Scenario of the cell that begins, as far as the phase has them.
	Round    int
	Arm      string
	Scenario string
}

// Run prepares the arms, warms up, measures, asks the servers what they did, and cleans up, stage after stage. When the context
// ends after at least one whole round, the finished rounds are the result, marked as interrupted, and there is no error. An error
// with a result is about a clean-up or a later round: what is in the result is good.
func Run(ctx context.Context, options Options) (_ *report.Bench, err error) {
	if options.Scenarios == nil {
		options.Scenarios = options.Profile.Scenarios()
	}
	if options.Progress == nil {
		options.Progress = func(Progress) {}
	}
	if options.Keep == nil {
		options.Keep = func(*report.Bench) error { return nil }
	}
	options.Arms = copies(options.Arms)
	if err := options.validate(); err != nil {
		return nil, err
	}
	result, err := options.begin(time.Now())
	if err != nil {
		return nil, err
	}
	stages := scenario.Stages(options.Scenarios)
	for i, scenarios := range stages {
		r := &runner{
			Options: options, result: result, from: finished(result, scenarios),
			order: newOrder(options.Seed+uint64(i), options.Arms, len(scenarios)),
			last:  i == len(stages)-1,
		}
		r.Scenarios = scenarios
		if r.cells(1) == 0 || r.complete() {
			continue
		}
		if ctx.Err() != nil || err != nil {
			result.Interrupted = true
			break
		}
		err = r.run(ctx)
		if result.Rounds == 0 {
			return nil, err
		}
		if !r.complete() {
			result.Interrupted = true
		}
	}
	if last := len(result.Resumptions) - 1; last >= 0 && result.Resumptions[last].Rows == len(result.Rows) {
		result.Resumptions = result.Resumptions[:last] // it did not get as far as a round
	}
	Analyse(result)
	return result, err
}

// complete is whether a stage has all its rounds, and all that the servers say of them.
func (r *runner) complete() bool {
	if finished(r.result, r.Scenarios) < r.Profile.Rounds {
		return false
	}
	return !slices.ContainsFunc(r.Scenarios, func(s scenario.Scenario) bool {
		return slices.ContainsFunc(r.Arms, func(a *arm.Arm) bool { return r.unaccounted(s, a) })
	})
}

// run measures one stage: scenarios whose objects are there at the same time. When the context ends after at least one
// round of the run, that is no error.
func (r *runner) run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	steps := []func(context.Context) error{r.prepare, r.gauge, r.warmUp, r.measure, r.account}
	if r.from == r.Profile.Rounds {
		steps = []func(context.Context) error{r.prepare, r.gauge, r.account}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil && r.result.Rounds > 0 {
				return nil
			}
			return err
		}
	}
	return nil
}

func (o Options) validate() error {
	if len(o.Arms) == 0 || len(o.Scenarios) == 0 || o.Profile.Rounds < 1 {
		return fmt.Errorf("could not start a benchmark of %d arms, %d scenarios and %d rounds: at least one of each is "+
			"needed", len(o.Arms), len(o.Scenarios), o.Profile.Rounds)
	}
	seen := map[string]bool{}
	for _, a := range o.Arms {
		if err := a.Validate(); err != nil {
			return err
		}
		if seen[a.Name] {
			return fmt.Errorf("could not start a benchmark: two arms are named %q", a.Name)
		}
		seen[a.Name] = true
	}
	for _, a := range o.Arms {
		if a.Repeats != "" && !seen[a.Repeats] {
			return fmt.Errorf("could not start a benchmark: arm %q repeats %q, which is not an arm", a.Name, a.Repeats)
		}
	}
	if !slices.ContainsFunc(o.Scenarios, func(s scenario.Scenario) bool { return slices.ContainsFunc(o.Arms, s.Fits) }) {
		return errors.New("could not start a benchmark: none of the arms has a part in any of the scenarios. `duet bench --list` " +
			"says what each is for")
	}
	return nil
}

// copies are the arms with what a run gives to each: a fresh namespace, if it has none, and the rounds that it is in.
func copies(arms []*arm.Arm) []*arm.Arm {
	suffix := utilrand.String(5)
	// References that nobody asks for an explanation are what the run is about; and a witness and what it repeats have to be
	// able to disagree, which takes many rounds.
	alone := !slices.ContainsFunc(arms, func(a *arm.Arm) bool { return !a.Reference })
	out := make([]*arm.Arm, len(arms))
	for i, original := range arms {
		a := *original
		a.Wire = &measure.Wire{}
		a.Throughout = alone || a.Witness || slices.ContainsFunc(arms, func(other *arm.Arm) bool {
			return other.Witness && other.Repeats == a.Name
		})
		if a.Namespace == "" {
			a.Namespace = "duet-bench-" + suffix + "-" + a.Name
		}
		out[i] = &a
	}
	return out
}

func describe(o Options) *report.Bench {
	// As many as the process may keep busy: a container may have less than the machine.
	out := &report.Bench{Profile: o.Profile, Seed: o.Seed, Cores: runtime.GOMAXPROCS(0), Stationary: true}
	for _, a := range o.Arms {
		out.Arms = append(out.Arms, report.Arm{
			Name: a.Name, Why: a.Why, Form: a.Form, Repeats: a.Repeats, Witness: a.Witness, Reference: a.Reference, Plane: a.Plane,
			Resource:     a.Kind.Resource.GroupVersion().String() + "/" + a.Kind.Resource.Resource,
			PayloadBytes: a.Kind.Bytes,
		})
	}
	for _, s := range o.Scenarios {
		out.Scenarios = append(out.Scenarios, report.Scenario{
			Name: s.Name, Title: s.Title, Why: s.Why, Loop: s.Loop.String(), Capacity: s.Capacity,
			Objects: s.Population.Objects, PayloadBytes: s.Population.Bytes,
		})
	}
	return out
}

// runner is one stage of a run.
type runner struct {
	Options
	order *order
	// from is the number of rounds that an earlier run has measured. last: no stage follows.
	from    int
	last    bool
	touched []*arm.Arm // those that may have left something behind
	// subjects are each arm with each population that its scenarios need.
	subjects []map[scenario.Population]*scenario.Subject
	// warm are the medians of the warm-up, in nanoseconds.
	warm   map[cellKey]int64
	result *report.Bench
}

// cellKey names a cell within a round.
type cellKey struct{ scenario, arm string }

func (r *runner) prepare(ctx context.Context) error {
	for i, a := range r.Arms {
		r.Progress(Progress{Phase: "prepare", Done: i, Total: len(r.Arms), Arm: a.Name})
		r.subjects = append(r.subjects, map[scenario.Population]*scenario.Subject{})
		for _, s := range r.Scenarios {
			if !s.Fits(a) || r.subjects[i][s.Population] != nil {
				continue
			}
			subject, err := r.weigh(ctx, i, s.Population)
			if err != nil {
				return err
			}
			r.subjects[i][s.Population] = subject
		}
	}
	return nil
}

// populate prepares an arm for a population, and fills it in. An arm that repeats another one on the same control
// plane takes part in the other's population if that is a large one.
func (r *runner) populate(ctx context.Context, i int, population scenario.Population) (*scenario.Subject, error) {
	a := r.Arms[i]
	sized, err := population.On(a)
	if err != nil {
		return nil, err
	}
	if population.Scales() {
		for j, other := range r.Arms[:i] {
			if shared := r.subjects[j][population]; shared != nil && a.IsTwinOf(other) {
				return shared.Again(sized)
			}
		}
	}
	r.touched = append(r.touched, sized)
	if err := sized.Prepare(ctx); err != nil {
		return nil, err
	}
	return scenario.NewSubject(ctx, sized, population)
}

// close removes what prepare made, unless nobody is disturbed by it, on all arms at once: it is waiting, mostly.
func (r *runner) close(ctx context.Context) error {
	r.Progress(Progress{Phase: "clean up"})
	all := []error{r.Turns.End(context.WithoutCancel(ctx))}
	for _, populations := range r.subjects {
		for _, subject := range populations {
			subject.Close()
		}
	}
	if r.Disposable && (r.last || ctx.Err() != nil) {
		return errors.Join(all...)
	}
	failures := make(chan error, len(r.touched))
	for _, a := range r.touched {
		go func() { failures <- a.Cleanup(ctx) }()
	}
	for range r.touched {
		all = append(all, <-failures)
	}
	if err := errors.Join(all...); err != nil {
		return fmt.Errorf("could not clean up after the benchmark: %w", err)
	}
	return nil
}

// measure runs the rounds that are missing. Only whole rounds are kept.
func (r *runner) measure(ctx context.Context) error {
	total, done := 0, 0
	for round := 1; round <= r.Profile.Rounds; round++ {
		if total += r.cells(round); round == r.from {
			done = total
		}
	}
	for round := 1; round <= r.Profile.Rounds; round++ {
		var rows []report.Row
		r.order.next()
		if round <= r.from {
			continue
		}
		for s, one := range r.Scenarios {
			position := 0
			for _, subjects := range r.parties(s, round) {
				r.Progress(Progress{Phase: "measure", Done: done + len(rows), Total: total, Round: round,
					Arm: subjects[0].Arm.Name, Scenario: one.Name})
				measured, err := r.together(ctx, one, subjects, round)
				if err != nil {
					return err
				}
				for _, row := range measured {
					position++
					row.Position = position
					rows = append(rows, row)
				}
			}
		}
		done += len(rows)
		r.result.Rows = append(r.result.Rows, rows...)
		r.result.Rounds = max(r.result.Rounds, round)
		kept := *r.result
		kept.Interrupted = true
		if err := r.Keep(&kept); err != nil {
			return err
		}
	}
	return nil
}

// parties are who is measured together in one scenario of a round, in the order of the round. Where slices would not do,
// each is a party of its own.
func (r *runner) parties(s, round int) [][]*scenario.Subject {
	var out [][]*scenario.Subject
	for _, block := range r.order.of(s) {
		var party []*scenario.Subject
		for _, index := range block {
			if r.takesPart(index, s, round) {
				party = append(party, r.subjects[index][r.Scenarios[s].Population])
			}
		}
		switch {
		case len(party) == 0:
		case r.Scenarios[s].Sliced():
			out = append(out, party)
		default:
			out = slices.AppendSeq(out, slices.Chunk(party, 1))
		}
	}
	return out
}

// takesPart is whether an arm is measured in a scenario in this round.
func (r *runner) takesPart(arm, s, round int) bool {
	return r.Scenarios[s].Fits(r.Arms[arm]) && r.Profile.Measures(r.Arms[arm], round)
}

// cells of a round. The first one has all that there are.
func (r *runner) cells(round int) int {
	n := 0
	for s := range r.Scenarios {
		for a := range r.Arms {
			if r.takesPart(a, s, round) {
				n++
			}
		}
	}
	return n
}

// order of the arms in each scenario: random, and reversed in every second round (ABBA), so that a drift of the machine
// within two rounds hits all arms alike. The arms that the run is about are apart from the references, so that what they
// are compared with is near, however many of those there are; and apart are those whose control planes do not run at the
// same time, since one that rests has to be woken.
type order struct {
	random  *rand.Rand
	blocks  [][]int
	reverse bool
	current [][][]int // by scenario, by block
}

func newOrder(seed uint64, arms []*arm.Arm, scenarios int) *order {
	const stream = 0x0d3e7 // any constant: the corpus uses the seed with small ones
	o := &order{random: rand.New(rand.NewPCG(seed, stream)), reverse: true, current: make([][][]int, scenarios)}
	type key struct {
		reference bool
		planes    int
	}
	at, planes := map[key]int{}, map[string]int{}
	for i, a := range arms {
		if _, found := planes[a.Plane]; !found {
			planes[a.Plane] = len(planes)
		}
		of := key{a.Reference, planes[a.Plane] / measure.AtOnce}
		block, found := at[of]
		if !found {
			block, at[of] = len(o.blocks), len(o.blocks)
			o.blocks = append(o.blocks, nil)
		}
		o.blocks[block] = append(o.blocks[block], i)
	}
	return o
}

func (o *order) next() {
	o.reverse = !o.reverse
	for i, was := range o.current {
		o.current[i] = nil
		if o.reverse {
			for _, block := range slices.Backward(was) {
				block = slices.Clone(block)
				slices.Reverse(block)
				o.current[i] = append(o.current[i], block)
			}
			continue
		}
		for _, at := range o.random.Perm(len(o.blocks)) {
			var block []int
			for _, member := range o.random.Perm(len(o.blocks[at])) {
				block = append(block, o.blocks[at][member])
			}
			o.current[i] = append(o.current[i], block)
		}
	}
}

func (o *order) of(scenario int) [][]int { return o.current[scenario] }

// settle gives the generator a clean heap, so that a collection of one arm's answers does not hit the next arm.
func settle() { runtime.GC() }
