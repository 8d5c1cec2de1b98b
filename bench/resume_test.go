package bench_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench"
	"github.com/duet-api/duet/bench/internal/fakeapi"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
)

// interruptedIn runs until a cell of that round and scenario begins.
func interruptedIn(t *testing.T, o bench.Options, round int, scenario string) *report.Bench {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Progress = func(p bench.Progress) {
		if p.Phase == "measure" && p.Round == round && p.Scenario == scenario {
			cancel()
		}
	}
	result, err := bench.Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// cells are the order of a run.
func cells(b *report.Bench) []string {
	var out []string
	for _, row := range b.Rows {
		out = append(out, strings.Join([]string{string(rune('0' + row.Round)), row.Scenario, row.Arm}, " "))
	}
	return out
}

func TestResumedRunIsTheRunThatWasInterrupted(t *testing.T) {
	server := fakeapi.New(t)
	whole, err := bench.Run(t.Context(), options(t, server))
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, server)
	o.Resume = interruptedIn(t, o, 4, "update")
	kept := slices.Clone(o.Resume.Rows)
	result, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cells(whole), cells(result)); diff != "" {
		t.Errorf("unexpected order of cells (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(kept, result.Rows[:18]); diff != "" || len(kept) != 18 {
		t.Errorf("the %d rows of the first 3 rounds were changed (-want +got):\n%s", len(kept), diff)
	}
	if result.Interrupted || result.Rounds != 6 || len(result.Resumptions) != 1 || result.Resumptions[0].Rows != 18 {
		t.Errorf("interrupted %v, %d rounds, resumptions %+v", result.Interrupted, result.Rounds, result.Resumptions)
	}
	if got := strings.Join(result.Warnings, " "); !strings.Contains(got, "went on at") || strings.Contains(got, "of 6 rounds") {
		t.Errorf("warnings %q", got)
	}
	if got := server.Namespaces(); len(got) != 0 {
		t.Errorf("namespaces %v are left", got)
	}
}

func TestResumedRunCanBeInterruptedAgain(t *testing.T) {
	o := options(t, fakeapi.New(t))
	for _, round := range []int{2, 3, 5} {
		o.Resume = interruptedIn(t, o, round, "get-one")
		if !o.Resume.Interrupted || o.Resume.Rounds != round-1 || len(o.Resume.Rows) != 6*(round-1) {
			t.Fatalf("interrupted %v, %d rounds, %d rows in round %d", o.Resume.Interrupted, o.Resume.Rounds, len(o.Resume.Rows), round)
		}
	}
	if got := len(o.Resume.Resumptions); got != 2 {
		t.Errorf("%d resumptions, want 2", got)
	}
}

// A failure of the harness half way ends the run and keeps what was measured, as an interruption does.
func TestFailureKeepsFinishedRounds(t *testing.T) {
	o := options(t, fakeapi.New(t))
	round := 0
	o.Progress = func(p bench.Progress) { round = p.Round }
	o.Usage = failingIn(&round, 3)
	result, err := bench.Run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "broken usage") {
		t.Errorf("error %v, want one about the usage", err)
	}
	if result == nil || !result.Interrupted || result.Rounds != 2 {
		t.Fatalf("result %+v, want two rounds", result)
	}
	o.Usage, o.Progress, o.Resume = nil, nil, result
	if result, err = bench.Run(t.Context(), o); err != nil || result.Rounds != 6 {
		t.Errorf("Run() = %v, want the rest", err)
	}
}

func TestRefusesToGoOnWithAnotherRun(t *testing.T) {
	server := fakeapi.New(t)
	interrupted := interruptedIn(t, options(t, server), 2, "get-one")
	tests := map[string]struct {
		change func(*bench.Options)
		want   string
	}{
		"another seed":      {func(o *bench.Options) { o.Seed = 8 }, "its seed is 7, and would now be 8"},
		"another profile":   {func(o *bench.Options) { o.Profile.Rounds = 7 }, "its profile is"},
		"fewer arms":        {func(o *bench.Options) { o.Arms = o.Arms[:2] }, "its arms are [crd crd-again aggregated]"},
		"another scenario":  {func(o *bench.Options) { o.Scenarios = o.Scenarios[:1] }, "its scenarios are [get-one update]"},
		"another arm":       {func(o *bench.Options) { o.Arms[2].Plane = "elsewhere" }, "of the same name is not what it was"},
		"another scenario'": {func(o *bench.Options) { o.Scenarios[0].Population = scenario.Medium }, "of the same name is not"},
		"a complete run":    {func(o *bench.Options) { o.Resume.Interrupted = false }, "it is complete"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := options(t, server)
			before := *interrupted
			o.Resume = &before
			test.change(&o)
			if _, err := bench.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Run() = %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestLeft(t *testing.T) {
	scenarios := named(t, "get-one", "controller", "get-of-10k")
	profile := scenario.Profile{Rounds: 3}
	names := func(of *report.Bench) []string {
		var out []string
		for _, s := range bench.Left(of, profile, scenarios) {
			out = append(out, s.Name)
		}
		return out
	}
	if diff := cmp.Diff([]string{"get-one", "controller", "get-of-10k"}, names(nil)); diff != "" {
		t.Errorf("of a run that has not begun (-want +got):\n%s", diff)
	}
	earlier := &report.Bench{Rows: []report.Row{
		{Scenario: "get-one", Round: 3}, {Scenario: "controller", Round: 2},
	}}
	if diff := cmp.Diff([]string{"controller", "get-of-10k"}, names(earlier)); diff != "" {
		t.Errorf("of one that was interrupted in its second stage (-want +got):\n%s", diff)
	}
}
