package bench_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench"
	"github.com/duet-api/duet/bench/report"
)

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
