package bench_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duet-api/duet/bench"
	"github.com/duet-api/duet/bench/lineup"
	"github.com/duet-api/duet/bench/measure"
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
		want   report.Standing
		detail string
	}{
		"a ratio below its bound":        {ratio("aggregated", 1.6), nil, report.Met, "1.500"},
		"a ratio above its bound":        {ratio("aggregated", 1.4), nil, report.Missed, "1.500"},
		"an arm that the run has not":    {ratio("direct", 1.4), nil, report.NotMeasured, "no arm direct"},
		"too few rounds for an interval": {ratio("aggregated", 9), func(b *report.Bench) { b.Rows = b.Rows[:12] }, report.NotMeasured, "3 rounds"},
		"a round too slow for a p99": {bench.Goal{Ratio: &bench.RatioGoal{
			Scenario: "get-one", Metric: report.P99, Test: "aggregated", Base: "crd", AtMost: 9,
		}}, func(b *report.Bench) { b.Rows[1].Latency.Count = 99 }, report.NotMeasured, "not every round"},
		"noise within its bound":           {harness(bench.NoiseHalfWidth, 0.03), nil, report.Met, "crd-again / crd"},
		"noise beyond its bound":           {harness(bench.NoiseHalfWidth, 0.01), nil, report.Missed, "crd-again / crd"},
		"no open loop, so nobody was late": {harness(bench.Lateness, 1), nil, report.NotMeasured, "no line of that kind"},
		"somebody was late": {harness(bench.Lateness, 1), func(b *report.Bench) {
			for i := range b.Rows {
				b.Rows[i].Lateness = int64(2 * time.Millisecond)
			}
		}, report.Missed, "get-one on"},
		"what a closed loop gets through": {bench.Goal{Ratio: &bench.RatioGoal{
			Scenario: "get-one", Metric: bench.Pace, Test: "aggregated", Base: "crd", AtMost: 1.01,
		}}, nil, report.Met, "pace of get-one: 1.000"},
		"noise that is no noise": {harness(bench.NoiseHalfWidth, 0.5), func(b *report.Bench) {
			for i := range b.Rows {
				if b.Rows[i].Arm == "crd-again" {
					b.Rows[i].Latency.P50 *= 2
				}
			}
		}, report.Missed, "1 differ from 1 by more than chance"},
		"an independent client that agrees": {harness(bench.Witness, 1), func(b *report.Bench) {
			b.Arms = append(b.Arms, report.Arm{Name: "configmap-witness", Repeats: "configmap", Witness: true, Plane: "crd"})
			for _, r := range b.Rows {
				if r.Arm == "configmap" {
					r.Arm = "configmap-witness"
					b.Rows = append(b.Rows, r)
				}
			}
		}, report.Met, "configmap-witness / configmap: 1.000"},
		"an independent client that does not": {harness(bench.Witness, 1), func(b *report.Bench) {
			b.Arms = append(b.Arms, report.Arm{Name: "configmap-witness", Repeats: "configmap", Witness: true, Plane: "crd"})
			for _, r := range b.Rows {
				if r.Arm == "configmap" {
					r.Arm, r.Latency.P50 = "configmap-witness", 2*r.Latency.P50
					b.Rows = append(b.Rows, r)
				}
			}
		}, report.Missed, "configmap-witness / configmap: 2.000"},
		"an independent client that nobody can tell": {harness(bench.Witness, 1), func(b *report.Bench) {
			b.Arms = append(b.Arms, report.Arm{Name: "configmap-witness", Repeats: "configmap", Witness: true, Plane: "crd"})
			for _, r := range b.Rows {
				if r.Arm == "configmap" {
					r.Arm = "configmap-witness"
					r.Latency.P50 = r.Latency.P50 * int64(80+40*(r.Round%2)) / 100
					b.Rows = append(b.Rows, r)
				}
			}
		}, report.Missed, "(0.800 to 1.200)"},
		"a generator that takes its share": {harness(bench.GeneratorShare, 0.99), nil, report.Met, "get-one on"},
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
		"neither":              {`goals: [{name: a, why: b}]`, "exactly one of ratio, value"},
		"no reason":            {`goals: [{name: a, harness: {check: generatorShare, atMost: 1}}]`, "a name and a why"},
		"an unknown metric":    {`goals: [{name: a, why: b, ratio: {scenario: s, test: t, base: c, metric: p42, atMost: 1}}]`, "p50, p99, cpu"},
		"an unknown check":     {`goals: [{name: a, why: b, harness: {check: luck, atMost: 1}}]`, `no check "luck"`},
		"no bound":             {`goals: [{name: a, why: b, harness: {check: generatorShare}}]`, "atMost above 0"},
		"noise without metric": {`goals: [{name: a, why: b, harness: {check: noiseHalfWidth, atMost: 1}}]`, "needs a metric"},
		"a bare value":         {`goals: [{name: a, why: b, value: {scenario: s, arm: t, quantity: p99}}]`, "either atMost or atLeast"},
		"two bounds":           {`goals: [{name: a, why: b, value: {scenario: s, arm: t, quantity: p99, atMost: 1, atLeast: 1}}]`, "either"},
		"an unknown growth":    {`goals: [{name: a, why: b, growth: {quantity: hair, test: s, base: t, atMost: 1}}]`, "heap, storage"},
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
	about := func(goal, scenarioName string, names ...string) {
		found, err := scenario.Named(scenarioName)
		if err != nil {
			t.Errorf("%s: %v", goal, err)
			return
		}
		entries, err := lineup.Named(names...)
		if err != nil {
			t.Errorf("%s: %v", goal, err)
		}
		for _, e := range entries {
			if e.Reference && found[0].Level > scenario.Quick && !slices.Contains(e.For, scenarioName) {
				t.Errorf("%s: %s has no part in %s, and is not there for it", goal, e.Name, scenarioName)
			}
		}
	}
	for _, goal := range goals {
		switch {
		case goal.Ratio != nil:
			about(goal.Name, goal.Ratio.Scenario, goal.Ratio.Test, goal.Ratio.Base)
			if goal.Ratio.BaseScenario != "" {
				about(goal.Name, goal.Ratio.BaseScenario)
			} else if goal.Ratio.Test == goal.Ratio.Base {
				t.Errorf("%s compares an arm with itself", goal.Name)
			}
		case goal.Value != nil:
			about(goal.Name, goal.Value.Scenario, goal.Value.Arm)
		case goal.Growth != nil:
			about(goal.Name, "get-one", goal.Growth.Test, cmp.Or(goal.Growth.Base, goal.Growth.Test))
		}
	}
}

func TestGateOnServers(t *testing.T) {
	footprint := func(arm string, objects int, heap, storage int64) report.Footprint {
		return report.Footprint{Arm: arm, Objects: objects, PayloadBytes: 2048, Components: map[string]report.Growth{
			arm + "/kube-apiserver": {Heap: heap / 2}, arm + "/etcd": {Heap: heap / 2, Storage: storage},
		}}
	}
	account := func(reviews int64) report.Account {
		return report.Account{Scenario: "get-one", Arm: "aggregated", Attempts: 100, Components: map[string]measure.State{
			"aggregated/duet-apiserver": {Reviews: reviews}, "aggregated/etcd": {StorageWrites: 105},
		}}
	}
	growth := func(q bench.Quantity, atMost float64) bench.Goal {
		return bench.Goal{Growth: &bench.GrowthGoal{Quantity: q, Test: "aggregated", Base: "crd", AtMost: atMost}}
	}
	value := func(q bench.Quantity, atMost, atLeast float64) bench.Goal {
		return bench.Goal{Value: &bench.ValueGoal{Scenario: "get-one", Arm: "aggregated", Quantity: q, AtMost: atMost, AtLeast: atLeast}}
	}
	tests := map[string]struct {
		goal   bench.Goal
		want   report.Standing
		detail string
	}{
		// The smaller population says something else, and is only a part of what there is.
		"heap below its bound": {growth(bench.Heap, 0.5), report.Met, "1000 objects of 2048 bytes: 40 and 100 bytes"},
		"heap above its bound": {growth(bench.Heap, 0.3), report.Missed, "40 and 100"},
		"bytes": {bench.Goal{Growth: &bench.GrowthGoal{Quantity: bench.Heap, Test: "aggregated", AtMost: 41}}, report.Met,
			"1000 objects of 2048 bytes, in bytes"},
		"few writes":               {value(bench.StorageWrites, 1.1, 0), report.Met, "storageWritesPerRequest of get-one"},
		"reads that nobody counts": {value(bench.StorageReads, 1.1, 0), report.NotMeasured, "etcd did not say"},
		"storage":                  {growth(bench.Storage, 0.9), report.Met, "9 and 10"},
		"few reviews":              {value(bench.Reviews, 0.05, 0), report.Met, "reviewsPerRequest of get-one"},
		"too many reviews":         {value(bench.Reviews, 0.01, 0), report.Missed, ""},
		"fast enough":              {value(bench.PerSecond, 0, 150), report.Met, ""},
		"not fast enough":          {value(bench.PerSecond, 0, 250), report.Missed, ""},
		"a percentile":             {value(bench.Milliseconds95, 12.1, 0), report.Met, "p95 of get-one"},
		"a percentile that is not": {value(bench.Milliseconds95, 11, 0), report.Missed, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := rows(t, 1.5)
			b.Footprints = []report.Footprint{
				footprint("crd", 500, 1, 1), footprint("crd", 1000, 100_000, 10_000),
				footprint("aggregated", 500, 1, 1), footprint("aggregated", 1000, 40_000, 9_000),
			}
			b.Accounts = []report.Account{account(4)}
			bench.Analyse(b)
			got := bench.Gate(b, []bench.Goal{test.goal})[0]
			if got.Standing != test.want || !strings.Contains(got.Detail, test.detail) {
				t.Errorf("%s, %v (%s), want %s with %q", got.Standing, got.Value, got.Detail, test.want, test.detail)
			}
		})
	}
}

// A run of another version, or of fewer arms, has no such numbers, and no goal is met for want of them.
func TestGateWithoutNumbers(t *testing.T) {
	goals, err := bench.ReadGoals(bench.DefaultGoals)
	if err != nil {
		t.Fatal(err)
	}
	for _, outcome := range bench.Gate(&report.Bench{Profile: scenario.Profile{Rounds: 1}}, goals) {
		if outcome.Standing != report.NotMeasured || outcome.Detail == "" {
			t.Errorf("%s is %s (%q)", outcome.Goal, outcome.Standing, outcome.Detail)
		}
	}
}
