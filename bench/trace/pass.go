package trace

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/scenario"
	"github.com/duet-api/duet/e2e/otlp"
)

// Options of a pass.
type Options struct {
	// Arms on control planes whose servers report to the receiver. Those that speak no HTTP are left out.
	Arms []*arm.Arm
	// Scenarios whose requests are followed; see Scenarios.
	Scenarios []scenario.Scenario
	// Requests of each scenario on each arm.
	Requests int
	// Seed decides the objects.
	Seed     uint64
	Receiver *Receiver
	// Turns that the arms' control planes take; nil if all run all the time.
	Turns *measure.Turns
}

// block is how many requests each arm of a control plane gets while it has its turn.
const block = 10

// WarmUps are requests before the first that is followed: connections, caches and remembered authorizations.
const WarmUps = 10

// arrival bounds the wait for spans: servers send them in batches, every five seconds.
const arrival = 15 * time.Second

// Run sends the requests, one after the other and the arms in turn, and says where their time went. It leaves its
// objects where they are: control planes that report what they do are there for this alone.
func Run(ctx context.Context, options Options) (_ *Result, err error) {
	defer func() { err = errors.Join(err, options.Turns.End(context.WithoutCancel(ctx))) }()
	var subjects []*scenario.Subject
	defer func() {
		for _, s := range subjects {
			s.Close()
		}
	}()
	for _, original := range options.Arms {
		a, speaks := announcing(original)
		if !speaks || a.Repeats != "" {
			continue
		}
		if err := a.Prepare(ctx); err != nil {
			return nil, err
		}
		s, err := scenario.NewSubject(ctx, a, scenario.Small)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, s)
	}
	var taken []sample
	for _, s := range options.Scenarios {
		samples, err := follow(ctx, s, subjects, options)
		if err != nil {
			return nil, err
		}
		taken = append(taken, samples...)
	}
	if err := options.Turns.End(ctx); err != nil { // who rests sends no spans
		return nil, err
	}
	spans, missing := options.Receiver.await(ctx, taken)
	return newResult(taken, spans, missing), nil
}

// sample is the requests of one scenario on one arm.
type sample struct {
	scenario scenario.Scenario
	arm      *arm.Arm
	requests []Request
}

// follow sends the requests of one scenario to all arms, in blocks: the arms of a control plane in turn, and then those of the
// next one.
func follow(
	ctx context.Context, s scenario.Scenario, subjects []*scenario.Subject, options Options,
) (_ []sample, err error) {
	var samples []sample
	var ops []load.Op
	for _, subject := range subjects {
		if !s.Fits(subject.Arm) {
			continue
		}
		if err := options.Turns.Take(ctx, subject.Arm.Plane); err != nil {
			return nil, err
		}
		op, stop, err := s.Start(ctx, subject, s.Cell(options.Seed, 0))
		if err != nil {
			return nil, fmt.Errorf("could not follow requests of scenario %s on arm %s: %w", s.Name, subject.Arm.Name, err)
		}
		if stop != nil {
			defer func() {
				err = errors.Join(err, options.Turns.Take(context.WithoutCancel(ctx), subject.Arm.Plane), stop())
			}()
		}
		samples, ops = append(samples, sample{scenario: s, arm: subject.Arm}), append(ops, op)
	}
	var planes []string
	of := map[string][]int{} // the samples of a control plane
	for i, sample := range samples {
		plane := sample.arm.Plane
		if of[plane] == nil {
			planes = append(planes, plane)
		}
		of[plane] = append(of[plane], i)
	}
	send := func(n, i int) error {
		request, err := timed(ctx, func(ctx context.Context) (time.Time, error) { return ops[i](ctx, load.Call{N: int64(n)}) })
		if err != nil {
			return fmt.Errorf("could not follow a request of scenario %s on arm %s: %w", s.Name, samples[i].arm.Name, err)
		}
		if n >= WarmUps {
			samples[i].requests = append(samples[i].requests, request)
		}
		return nil
	}
	all := WarmUps + options.Requests
	for first := 0; first < all; first += block {
		for _, plane := range planes {
			if err := options.Turns.Take(ctx, plane); err != nil {
				return nil, err
			}
			for n := first; n < min(first+block, all); n++ {
				for _, i := range of[plane] {
					if err := send(n, i); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	return samples, nil
}

// await the spans of the requests, and say of how many not all came in time.
func (r *Receiver) await(ctx context.Context, taken []sample) (spans []otlp.Span, missing int) {
	const every = 200 * time.Millisecond
	_ = wait.PollUntilContextTimeout(ctx, every, arrival, true, func(context.Context) (bool, error) {
		spans = r.Spans()
		missing = incomplete(taken, spans)
		return missing == 0, nil
	}) // what is missing is told
	return spans, missing
}
