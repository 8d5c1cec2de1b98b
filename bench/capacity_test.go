package bench_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/duet-api/duet/bench"
	"github.com/duet-api/duet/bench/internal/fakeapi"
	"github.com/duet-api/duet/bench/report"
)

// Each arm is asked for a share of what it was seen to do, an arm that repeats another one for as much as that, and the
// report says so.
func TestSharesOfCapacity(t *testing.T) {
	server := fakeapi.New(t)
	o := options(t, server)
	o.Scenarios = named(t, "get-one", "get-at-25", "get-at-75")
	var gauged []string
	o.Progress = func(p bench.Progress) {
		if p.Phase == "gauge" {
			gauged = append(gauged, p.Arm+" "+p.Scenario)
		}
	}
	result, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(gauged) != 20 || slices.ContainsFunc(gauged, func(s string) bool { return strings.Contains(s, "again") }) {
		t.Errorf("gauged %q, want ten cells of each arm that repeats none", gauged)
	}
	if len(result.Capacities) != 2 {
		t.Fatalf("%d capacities, want those of two arms", len(result.Capacities))
	}
	for _, c := range result.Capacities {
		if c.Scenario != "get-many-32" || c.PerSecond <= 0 || len(c.Cells) != 9 || !slices.Contains(c.Cells, c.PerSecond) {
			t.Errorf("capacity %+v is not the median of nine cells of get-many-32", c)
		}
	}
	shares := map[string]float64{"get-one": 0, "get-at-25": 0.25, "get-at-75": 0.75}
	for _, row := range result.Rows {
		capacity := result.Capacity("get-many-32", report.Arm{Name: strings.TrimSuffix(row.Arm, "-again")})
		if want := shares[row.Scenario] * capacity; row.Rate < want-0.5 || row.Rate > want+0.5 {
			t.Errorf("%s on %s was asked for %v per second, want %v", row.Scenario, row.Arm, row.Rate, want)
		}
	}
	for _, s := range result.Summaries {
		told := len(s.Notes) == 1 && strings.Contains(s.Notes[0], "that get-many-32 had reached on this arm before the first round.")
		if told != (s.Scenario != "get-one") {
			t.Errorf("%s on %s: the report says %q", s.Scenario, s.Arm, s.Notes)
		}
	}
}

// A run that goes on keeps its rates, or its rounds would not be repetitions of each other.
func TestResumptionKeepsTheCapacities(t *testing.T) {
	server := fakeapi.New(t)
	o := options(t, server)
	o.Scenarios = named(t, "get-at-50")
	whole, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	part := *whole
	part.Rounds, part.Interrupted = 1, true
	part.Rows = slices.DeleteFunc(slices.Clone(whole.Rows), func(r report.Row) bool { return r.Round > 1 })
	o.Resume = &part
	o.Progress = func(p bench.Progress) {
		if p.Phase == "gauge" {
			t.Errorf("%s was gauged again", p.Arm)
		}
	}
	resumed, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	rates := map[string]float64{}
	for _, row := range whole.Rows {
		rates[row.Arm] = row.Rate
	}
	if len(resumed.Rows) != len(whole.Rows) {
		t.Errorf("%d cells, want %d", len(resumed.Rows), len(whole.Rows))
	}
	for _, row := range resumed.Rows {
		if row.Rate != rates[row.Arm] {
			t.Errorf("round %d on %s has rate %v, and it was %v", row.Round, row.Arm, row.Rate, rates[row.Arm])
		}
	}
}
