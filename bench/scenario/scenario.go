// Package scenario says what is measured: each scenario is one operation that a client of an API does, with the loop
// that repeats it. A scenario is a value and one function; it sees an arm only through its client, so that all arms do
// the same. To add one, write a file like create.go and name the value in All.
package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Population is the number of objects in each arm's namespace during the whole run.
const Population = 500

// Scenario is one kind of operation and how it is repeated.
type Scenario struct {
	// Name is unique, short, and part of the schema of results.
	Name string
	// Title names the operation for a reader.
	Title string
	// Why says what the scenario shows that the others do not.
	Why string
	// Loop starts the operations.
	Loop load.Loop
	// Needs is what an arm must be able to do; one that is not has no part in the scenario.
	Needs arm.Ability
	// Length of a cell, as a multiple of the profile's: slow operations need longer for as many samples.
	Length float64
	// Start prepares one cell, outside of the measured time, and returns its operation. Stop, if not nil, ends what
	// the cell needed, and its error means that the cell's numbers cannot be trusted.
	Start func(ctx context.Context, subject *Subject, cell Cell) (op load.Op, stop func() error, err error)
}

// Fits is whether an arm has a part in the scenario.
func (s Scenario) Fits(a *arm.Arm) bool { return a.Target.Can() >= s.Needs }

// Cell is what a scenario may know of the cell that it starts.
type Cell struct {
	// Seed is the same for all arms of a round, and different from round to round.
	Seed uint64
	// Workers is the width of the loop.
	Workers int
}

// All returns every scenario, in the order in which a round runs them and a report shows them.
func All() []Scenario {
	return []Scenario{getOne, getMany, list500, create, update, watchDelivery}
}

// Named returns the scenarios of the given names, in the order of All.
func Named(names ...string) ([]Scenario, error) {
	var out []Scenario
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	var known []string
	for _, scenario := range All() {
		known = append(known, scenario.Name)
		if wanted[scenario.Name] {
			out = append(out, scenario)
			delete(wanted, scenario.Name)
		}
	}
	for _, name := range names {
		if wanted[name] {
			return nil, fmt.Errorf("unknown scenario %q; there are %q", name, known)
		}
	}
	return out, nil
}

// Subject is an arm with its population in place.
type Subject struct {
	// Arm is what is measured, Client its connection.
	Arm    *arm.Arm
	Client arm.Client

	// size is the least that an answer with one object has, in bytes: what a server adds is more than what it may omit.
	size              int
	created, revision atomic.Int64
}

// NewSubject connects to a prepared arm and fills its namespace.
func NewSubject(ctx context.Context, a *arm.Arm) (*Subject, error) {
	client, err := a.NewClient()
	if err != nil {
		return nil, err
	}
	s := &Subject{Arm: a, Client: client}
	if s.size, err = a.Kind.Size(a.Encoding); err == nil {
		err = s.populate(ctx)
	}
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("could not create the %d objects that arm %s is measured with: %w", Population, a.Name, err)
	}
	return s, nil
}

// Close drops the connection.
func (s *Subject) Close() { s.Client.Close() }

// populate creates the objects with a few workers: the time of these is nobody's measurement.
func (s *Subject) populate(ctx context.Context) error {
	const workers = 8
	group, ctx := errgroup.WithContext(ctx)
	for worker := range workers {
		group.Go(func() error {
			var answer bytes.Buffer
			for i := worker; i < Population; i += workers {
				object := arm.Object{Namespace: s.Arm.Namespace, Name: Member(i), Number: i}
				body, err := s.Arm.Kind.Append(nil, s.Arm.Encoding, object)
				if err != nil {
					return err
				}
				if _, err := s.Client.Create(ctx, s.Arm.Namespace, object.Name, body, &answer); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

const memberPrefix = "member-"

// Member is the name of object i of the population.
func Member(i int) string { return fmt.Sprintf(memberPrefix+"%06d", i) }

// errShort is an answer that is too small to hold what was asked for.
var errShort = errors.New("answer is shorter than what was asked for")
