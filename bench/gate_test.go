package bench_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
)

func TestGate(t *testing.T) {
	ratio := func(test string, atMost float64) bench.Goal {
		return bench.Goal{Ratio: &bench.RatioGoal{Scenario: "get-one", Metric: report.P50, Test: test, Base: "crd", AtMost: atMost}}
	}
	harness := func(check bench.HarnessCheck, atMost float64) bench.Goal {
		return bench.Goal{Harness: &bench.HarnessGoal{Check: check, Metric: report.P50, AtMost: atMost}}
	}
	tests := map[string]struct {
		goal   bench.Goal
		change func(*report.Bench)
		want   bench.Standing
		detail string
	}{
		"a ratio below its bound":          {ratio("aggregated", 1.6), nil, bench.Met, "1.500"},
		"a ratio above its bound":          {ratio("aggregated", 1.4), nil, bench.Missed, "1.500"},
		"an arm that the run has not":      {ratio("direct", 1.4), nil, bench.NotMeasured, "no arm direct"},
		"too few rounds for an interval":   {ratio("aggregated", 9), func(b *report.Bench) { b.Rows = b.Rows[:12] }, bench.NotMeasured, "3 rounds"},
		"noise within its bound":           {harness(bench.NoiseHalfWidth, 0.03), nil, bench.Met, "crd-again / crd"},
		"noise beyond its bound":           {harness(bench.NoiseHalfWidth, 0.01), nil, bench.Missed, "crd-again / crd"},
		"no open loop, so nobody was late": {harness(bench.Lateness, 1), nil, bench.NotMeasured, "nothing to check"},
		"somebody was late": {harness(bench.Lateness, 1), func(b *report.Bench) {
			for i := range b.Rows {
				b.Rows[i].Lateness = int64(2 * time.Millisecond)
			}
		}, bench.Missed, "get-one on"},
		"a generator that takes its share": {harness(bench.GeneratorShare, 0.99), nil, bench.Met, "get-one on"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := rows(t, 1.5)
			if test.change != nil {
				test.change(b)
			}
			bench.Analyse(b)
			got := bench.Gate(b, []bench.Goal{test.goal})[0]
			if got.Standing != test.want || !strings.Contains(got.Detail, test.detail) {
				t.Errorf("%s (%s), want %s with %q", got.Standing, got.Detail, test.want, test.detail)
			}
		})
	}
}

func TestGoalsThatAreRefused(t *testing.T) {
	tests := map[string]struct{ file, want string }{
		"nothing":              {``, "there is none"},
		"a misspelt field":     {`goals: [{name: a, why: b, ration: {}}]`, "ration"},
		"neither":              {`goals: [{name: a, why: b}]`, "either a ratio or a harness"},
		"no reason":            {`goals: [{name: a, harness: {check: generatorShare, atMost: 1}}]`, "a name and a why"},
		"an unknown metric":    {`goals: [{name: a, why: b, ratio: {scenario: s, test: t, base: c, metric: p42, atMost: 1}}]`, "p50, p99, cpu"},
		"an unknown check":     {`goals: [{name: a, why: b, harness: {check: luck, atMost: 1}}]`, `no check "luck"`},
		"no bound":             {`goals: [{name: a, why: b, harness: {check: generatorShare}}]`, "atMost above 0"},
		"noise without metric": {`goals: [{name: a, why: b, harness: {check: noiseHalfWidth, atMost: 1}}]`, "needs a metric"},
		"a name twice": {`goals: [{name: a, why: b, harness: {check: generatorShare, atMost: 1}},
			{name: a, why: b, harness: {check: generatorShare, atMost: 1}}]`, "twice"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := bench.ReadGoals([]byte(test.file)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// A goal about a scenario that is not there would never be measured.
func TestDefaultGoalsAreAboutWhatThereIs(t *testing.T) {
	goals, err := bench.ReadGoals(bench.DefaultGoals)
	if err != nil {
		t.Fatal(err)
	}
	for _, goal := range goals {
		if goal.Ratio == nil {
			continue
		}
		if _, err := scenario.Named(goal.Ratio.Scenario); err != nil {
			t.Errorf("%s: %v", goal.Name, err)
		}
		if diff := cmp.Diff(goal.Ratio.Test, goal.Ratio.Base); diff == "" {
			t.Errorf("%s compares an arm with itself", goal.Name)
		}
	}
}
