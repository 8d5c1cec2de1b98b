package bench_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench"
	"github.com/duet-api/duet/bench/report"
)

// A share of a capacity is of what an arm got through before the rounds. In them it may have been another.
func TestNotesOfShares(t *testing.T) {
	for name, test := range map[string]struct {
		rate float64 // of 200 per second that the arm gets through in the rounds
		note string
		flag bool
	}{
		"as meant":            {rate: 100, note: "of what it reached in the rounds that is 50 %."},
		"of a slower machine": {rate: 120, note: "of what it reached in the rounds that is 60 %.", flag: true},
		"of a faster machine": {rate: 80, note: "of what it reached in the rounds that is 40 %.", flag: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := rows(t, 1)
			b.Capacities = []report.Capacity{{Scenario: "get-one", Arm: "crd", PerSecond: 2 * test.rate}}
			b.Scenarios = append(b.Scenarios, report.Scenario{Name: "get-at-50", Capacity: "get-one"})
			for _, r := range b.Rows {
				if r.Arm == "crd" {
					r.Scenario, r.Rate = "get-at-50", test.rate
					b.Rows = append(b.Rows, r)
				}
			}
			bench.Analyse(b)
			s := b.Summary("get-at-50", "crd")
			if len(s.Notes) != 1 || !strings.HasSuffix(s.Notes[0], test.note) {
				t.Errorf("notes %q, want one that ends in %q", s.Notes, test.note)
			}
			if flagged := slices.ContainsFunc(s.Flags, func(f string) bool { return strings.HasPrefix(f, "It was asked for") }); flagged != test.flag {
				t.Errorf("flags %q", s.Flags)
			}
		})
	}
}

// What happens beside the operations is told with the line, and is no doubt about it.
func TestNotes(t *testing.T) {
	b := rows(t, 1)
	for i := range b.Rows {
		if b.Rows[i].Arm == "crd" {
			b.Rows[i].Events = map[string]int64{"conflicts": 125}
		}
	}
	b.Accounts = []report.Account{{Scenario: "get-one", Arm: "aggregated", Watchers: []report.WatcherCost{
		{Component: "aggregated/duet-apiserver", Goroutines: 2.04, Heap: 10 << 10},
		{Component: "aggregated/etcd", Goroutines: 0.01, Heap: 3},
		{Component: "aggregated/kube-apiserver", Goroutines: 5, Heap: 20 << 10},
		{Component: "load-generator", Goroutines: 3, Heap: 1 << 10},
	}}}
	bench.Analyse(b)
	want := map[string][]string{
		"crd": {"1000 conflicts; in 8 rounds, and 0.5 for each operation."},
		"aggregated": {
			"Each watcher takes 2.0 goroutines in duet-apiserver, 5.0 goroutines in kube-apiserver.",
		},
	}
	got := map[string][]string{}
	for _, s := range b.Summaries {
		if len(s.Notes) > 0 {
			got[s.Arm] = s.Notes
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unexpected notes (-want +got):\n%s", diff)
	}
}
