// Package scenario says what is measured: each scenario is one operation that a client of an API does, with the loop
// that repeats it and the objects that it is done on. A scenario is a value and one function; it sees an arm only
// through its client, so that all arms do the same. To add one, write a value like those in create.go and name it in
// All.
//
// A scenario looks at every answer, since a server that answers nothing is fast, and leaves behind what it found: what
// it creates it removes when its cell has ended, and what it changes keeps its size. Otherwise the rounds would not be
// repetitions of each other.
package scenario

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Scenario is one kind of operation and how it is repeated.
type Scenario struct {
	// Name is unique, short, and part of the schema of results.
	Name string
	// Title names the operation for a reader.
	Title string
	// Why says what the scenario shows that the others do not.
	Why string
	// Level is that of the shortest profile that it belongs to.
	Level Level
	// Loop starts the operations.
	Loop load.Loop
	// Capacity names the scenario, of the same population, whose throughput is the capacity that a load.Share is of; empty
	// for the other loops.
	Capacity string
	// Population is the objects that are there. Scenarios of another one are in a namespace of their own.
	Population Population
	// Needs is what an arm must be able to do, and Kind, unless it is nil, what its kind must have. An arm that does not
	// qualify has no part in the scenario.
	Needs arm.Ability
	Kind  func(*arm.Kind) bool
	// Watchers is how many there are while a cell lasts, where they are enough for what they take to stand out; 0 otherwise.
	Watchers int
	// Length of a cell, as a multiple of the profile's: slow operations need longer for as many samples.
	Length float64
	// Alone: what a cell has beside its operations would disturb that of another arm.
	Alone bool
	// Takes is about how long a cell takes on top of that: the operations of one that does not repeat them, and what is
	// prepared and removed. It is for estimates only.
	Takes time.Duration
	// Start prepares one cell, outside of the measured time, and returns its operation. Stop, if not nil, ends what
	// the cell needed, and its error means that the cell's numbers cannot be trusted.
	Start func(ctx context.Context, subject *Subject, cell Cell) (op load.Op, stop func() error, err error)
}

// Repeats is whether the operation is repeated for the length of a cell.
func (s Scenario) Repeats() bool {
	_, few := s.Loop.(load.Times)
	return !few
}

// Sliced is whether arms may take turns within a cell: where one operation follows the other. What comes at a rate, or many
// at once, needs time for its queues to build up.
func (s Scenario) Sliced() bool {
	closed, ok := s.Loop.(load.Closed)
	return ok && closed.Workers == 1 && !s.Alone
}

// Fits is whether an arm has a part in the scenario.
func (s Scenario) Fits(a *arm.Arm) bool {
	return (!a.Reference || s.Level <= Quick || slices.Contains(a.For, s.Name)) &&
		(!a.Witness || witnessed[s.Name] != nil) && a.Target.Can() >= s.Needs && (s.Kind == nil || s.Kind(a.Kind))
}

// At is the scenario on an arm of that capacity, in operations per second.
func (s Scenario) At(capacity float64) Scenario {
	if share, ok := s.Loop.(load.Share); ok {
		s.Loop = share.At(capacity)
	}
	return s
}

// Cell is what a scenario may know of the cell that it starts.
type Cell struct {
	// Seed is the same for all arms of a round, and different from round to round.
	Seed uint64
	// Workers is the width of the loop.
	Workers int
	// Operations is how many the loop will start; 0 if that depends on how fast they are.
	Operations int64
	// Events counts what happens beside the operations.
	Events *Events
}

// sources are what each worker draws from: the same for all arms of a round, but for those with the same objects. A server
// that remembers what it has answered would otherwise have the answers for one from the other.
func (c Cell) sources(s *Subject) []*rand.Rand {
	sources := make([]*rand.Rand, c.Workers)
	for worker := range sources {
		sources[worker] = rand.New(rand.NewPCG(c.Seed, s.stream+uint64(worker)))
	}
	return sources
}

// Cell is a cell of the scenario that lasts so long.
func (s Scenario) Cell(seed uint64, length time.Duration) Cell {
	cell := Cell{Seed: seed, Workers: s.Loop.Width(), Events: &Events{}}
	if open, ok := s.Loop.(load.Open); ok {
		cell.Operations = open.Operations(length)
	}
	return cell
}

// All returns every scenario, in the order in which a round runs them and a report shows them.
func All() []Scenario {
	return slices.Concat([]Scenario{
		getOne, getMany, getCached, getMany8, getMany32, getRate, get16K, get128K, getOldVersion,
		list500, listCached, listPages, listLabel, listField, listMetadata, listTable, listGzip, listBusy, list4, list16K,
		listOldVersion,
		create, create8, create32, createRate, create16K, create128K, createOldVersion,
		update, update16K, update128K, updateOldVersion, updateStatus, mergePatch, apply, apply5, apply20, conflictStorm,
		deleteOne, deleteCollection, mix32, mix32At16K,
		watchDelivery, watch10, watch100, watch1000, watch128K, watchSlow, watchList, watchResume, watchStorm,
	}, shares(), scaled(), []Scenario{
		coldStart10K, settleOne, settleMany, resync, installList, installCreate, coldStart,
	})
}

// Stages puts together what is measured together: those of one size of population, or of the small ones, which are all there
// at the same time. The largest comes last: removing a hundred thousand objects takes as long as making them, and those of the
// last stage go with their control planes.
func Stages(scenarios []Scenario) [][]Scenario {
	var out [][]Scenario
	at := map[Population]int{}
	for _, s := range scenarios {
		key := s.Population
		if !key.Scales() && key != None {
			key = Small
		}
		stage, found := at[key]
		if !found {
			stage, at[key] = len(out), len(out)
			out = append(out, nil)
		}
		out[stage] = append(out[stage], s)
	}
	scale := func(stage []Scenario) int {
		if population := stage[0].Population; population.Scales() {
			return population.Objects
		}
		return 0
	}
	slices.SortStableFunc(out, func(a, b []Scenario) int { return cmp.Compare(scale(a), scale(b)) })
	return out
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
