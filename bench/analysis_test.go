package bench_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench"
	"github.com/duet-api/duet/bench/load"
	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
	"github.com/duet-api/duet/bench/stats"
)

// row is a cell in which every operation took the same time.
func row(t *testing.T, round int, arm string, took time.Duration, plane string) report.Row {
	t.Helper()
	h := load.NewHistogram()
	for range 200 {
		if err := h.RecordValue(int64(took)); err != nil {
			t.Fatal(err)
		}
	}
	blob, err := h.EncodeV2()
	if err != nil {
		t.Fatal(err)
	}
	return report.Row{
		Round: round, Scenario: "get-one", Arm: arm, Elapsed: time.Second, Attempts: 250, WarmUp: 50, HDR: string(blob),
		Latency:   report.Latency{Count: 200, P50: int64(took), P99: int64(2 * took)},
		FirstHalf: int64(took), SecondHalf: int64(took),
		Usage: map[string]report.Usage{
			plane + "/kube-apiserver": {CPU: 250 * took, RSS: 1 << 20},
			"other/kube-apiserver":    {CPU: 20 * time.Millisecond},
			measure.Generator:         {CPU: time.Millisecond},
		},
	}
}

// rows are six rounds on a machine that gets slower all the time: crd takes 1, its repetition 1 give or take 2 %, and
// aggregated the given multiple.
func rows(t *testing.T, aggregated float64) *report.Bench {
	t.Helper()
	b := &report.Bench{
		Profile: scenario.Profile{Rounds: 8, Lead: 0.2}, Rounds: 8, Stationary: true, Cores: 2,
		Scenarios: []report.Scenario{{Name: "get-one", Title: "Get"}},
		Arms: []report.Arm{
			{Name: "configmap", Form: "built-in", Plane: "crd"}, {Name: "crd", Form: "crd", Plane: "crd"},
			{Name: "crd-again", Form: "crd", Repeats: "crd", Plane: "crd"},
			{Name: "aggregated", Form: "aggregated", Plane: "aggregated"},
		},
	}
	for round := 1; round <= 8; round++ {
		unit := time.Duration(round) * time.Millisecond
		again := unit + unit/50
		if round%2 == 0 {
			again = unit - unit/50
		}
		b.Rows = append(b.Rows, row(t, round, "configmap", unit/2, "crd"), row(t, round, "crd", unit, "crd"),
			row(t, round, "crd-again", again, "crd"),
			row(t, round, "aggregated", time.Duration(aggregated*float64(unit)), "aggregated"))
	}
	return b
}

func TestDriftCancelsInPairedRatios(t *testing.T) {
	for aggregated, want := range map[float64]stats.Verdict{
		1.5: stats.Slower, 0.6: stats.Faster, 1.01: stats.NoDifference, 1: stats.NoDifference,
	} {
		t.Run(fmt.Sprint(aggregated), func(t *testing.T) {
			b := rows(t, aggregated)
			bench.Analyse(b)
			for _, metric := range []report.Metric{report.P50, report.P99, report.CPU} {
				c := b.Select(report.Primary, metric)
				if len(c) != 1 || c[0].Test != "aggregated" || c[0].Base != "crd" {
					t.Fatalf("%s: comparisons %+v, want aggregated with crd", metric, c)
				}
				if c[0].Verdict != want || c[0].Ratio.Hi-c[0].Ratio.Lo > 0.001 {
					t.Errorf("%s: %s (%+v), want %s and a narrow interval", metric, c[0].Verdict, c[0].Ratio, want)
				}
				if c[0].Floor < 1.0199 || c[0].Floor > 1.0205 {
					t.Errorf("%s: noise floor %v, want 1.02", metric, c[0].Floor)
				}
			}
		})
	}
}

func TestRolesOfComparisons(t *testing.T) {
	b := rows(t, 1)
	bench.Analyse(b)
	bench.Analyse(b) // again, as for a report that is made from its file
	var got []string
	for _, c := range b.Comparisons {
		if c.Metric == report.P50 {
			got = append(got, fmt.Sprintf("%s %s/%s", c.Role, c.Test, c.Base))
		}
	}
	want := []string{
		"reference crd/configmap", "noise crd-again/crd", "reference aggregated/configmap", "primary aggregated/crd",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unexpected comparisons (-want +got):\n%s", diff)
	}
}

func TestSummaryOfAnArm(t *testing.T) {
	b := rows(t, 1.5)
	bench.Analyse(b)
	s := b.Summary("get-one", "aggregated")
	if s == nil {
		t.Fatal("no summary")
	}
	if got, want := time.Duration(s.P50.Median), 6750*time.Microsecond; got != want {
		t.Errorf("p50 = %v, want %v, the median of 1.5 to 12 ms", got, want)
	}
	if got, want := time.Duration(s.CPU.Median), 6750*time.Microsecond; got != want {
		t.Errorf("CPU = %v, want %v: of its own control plane, without the generator", got, want)
	}
	if s.Pooled.Count != 1600 || s.PerSecond.Median != 200 {
		t.Errorf("pooled %d, per second %v, want 1600 and 200", s.Pooled.Count, s.PerSecond.Median)
	}
	if _, found := s.Components["other/kube-apiserver"]; found || len(s.Components) != 2 {
		t.Errorf("components %v, want those of its control plane and the generator", s.Components)
	}
	if len(s.Flags) != 0 {
		t.Errorf("flags %v on a clean line", s.Flags)
	}
}

func TestDoubts(t *testing.T) {
	tests := map[string]struct {
		change func(*report.Row)
		want   string
	}{
		"errors":         {func(r *report.Row) { r.Errors = map[string]int64{"429 TooManyRequests": 1} }, "0.4 % of the"},
		"few operations": {func(r *report.Row) { r.Latency.Count = 99 }, "About 99 operations"},
		"not stationary": {func(r *report.Row) { r.SecondHalf = r.FirstHalf * 13 / 10 }, "second half of a cell takes 1.30"},
		"late generator": {func(r *report.Row) { r.Lateness = int64(3 * time.Millisecond) }, "was late"},
		"busy generator": {func(r *report.Row) {
			r.Usage[measure.Generator] = report.Usage{CPU: 800 * time.Millisecond} // of 1.25 s on two cores
		}, "took 32 % of the machine"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := rows(t, 1)
			for i := range b.Rows {
				if b.Rows[i].Arm == "crd" {
					test.change(&b.Rows[i])
				}
			}
			bench.Analyse(b)
			flags := b.Summary("get-one", "crd").Flags
			if len(flags) != 1 || !strings.Contains(flags[0], test.want) {
				t.Errorf("flags %q, want one with %q", flags, test.want)
			}
			if other := b.Summary("get-one", "aggregated").Flags; len(other) != 0 {
				t.Errorf("another arm has flags %q", other)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	tests := map[string]struct {
		change func(*report.Bench)
		want   string
	}{
		"interrupted":    {func(b *report.Bench) { b.Interrupted, b.Profile.Rounds = true, 9 }, "8 of 9 rounds"},
		"not stationary": {func(b *report.Bench) { b.Stationary, b.WarmUps = false, 2 }, "still moved"},
		"few rounds": {func(b *report.Bench) {
			b.Rounds = 5
			b.Rows = slices.DeleteFunc(b.Rows, func(r report.Row) bool { return r.Round > 5 })
		}, "no 95 % interval"},
		"no A/A pair": {func(b *report.Bench) { b.Arms = slices.Delete(b.Arms, 2, 3) }, "nothing is claimed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := rows(t, 1.5)
			test.change(b)
			bench.Analyse(b)
			if len(b.Warnings) != 1 || !strings.Contains(b.Warnings[0], test.want) {
				t.Errorf("warnings %q, want one with %q", b.Warnings, test.want)
			}
			undecided := name == "few rounds" || name == "no A/A pair"
			if got := b.Select(report.Primary, report.P50)[0].Verdict; (got == stats.Undecided) != undecided {
				t.Errorf("verdict %q", got)
			}
		})
	}
}

// Of many comparisons some clear the floor by chance, and of too few rounds none can be told from those.
func TestClaimsAreCorrectedForTheirNumber(t *testing.T) {
	b := rows(t, 1.5)
	bench.Analyse(b)
	for _, c := range b.Select(report.Primary, report.P50) {
		if c.Family != 3 || c.P >= c.Corrected || c.Corrected > stats.Significance || c.Verdict != stats.Slower {
			t.Errorf("p %v, corrected %v in a family of %d: %s, want a claim in a family of 3", c.P, c.Corrected, c.Family, c.Verdict)
		}
	}
	b = rows(t, 1.5)
	b.Rows = slices.DeleteFunc(b.Rows, func(r report.Row) bool { return r.Round > stats.MinRounds })
	b.Rounds = stats.MinRounds
	bench.Analyse(b)
	for _, c := range b.Select(report.Primary, report.P50) {
		if c.Verdict != stats.Undecided {
			t.Errorf("%d rounds: %s (corrected %v), want undecided", stats.MinRounds, c.Verdict, c.Corrected)
		}
	}
}

// The times of those that succeeded say nothing where many did not, and nothing follows from a cell whose surroundings failed.
func TestFailuresDecideNothing(t *testing.T) {
	b := rows(t, 1.5)
	last := &b.Rows[len(b.Rows)-1] // of aggregated
	last.Errors = map[string]int64{"504 Timeout": 3}
	bench.Analyse(b)
	for _, metric := range []report.Metric{report.P50, report.CPU} {
		if c := b.Select(report.Primary, metric)[0]; c.Verdict != stats.Undecided || c.Margin != 1 {
			t.Errorf("%s is %s by %v, although operations failed", metric, c.Verdict, c.Margin)
		}
	}
	last.Errors, last.Untrusted = map[string]int64{"could not end: 504 Timeout": 1}, true
	bench.Analyse(b)
	if c := b.Select(report.Primary, report.P50)[0]; c.Verdict != stats.Slower || c.Ratio.N != 7 {
		t.Errorf("%s over %d rounds, want slower over the 7 that can be trusted", c.Verdict, c.Ratio.N)
	}
	summary := b.Summary("get-one", "aggregated")
	if got := strings.Join(summary.Flags, " "); !strings.Contains(got, "1 of 8 rounds have no part") || strings.Contains(got, "failed") {
		t.Errorf("flags %q", got)
	}
	if summary.Pooled.Count != 7*200 || len(summary.Errors) != 1 {
		t.Errorf("%d operations, errors %v", summary.Pooled.Count, summary.Errors)
	}
}

// A slow round has too few operations for a p99: leaving it out alone would flatter the arm.
func TestP99IsOfAllRoundsOrOfNone(t *testing.T) {
	b := rows(t, 1.5)
	last := &b.Rows[len(b.Rows)-1] // of aggregated
	last.Latency.Count = report.MinForP99 - 1
	bench.Analyse(b)
	if got := b.Summary("get-one", "aggregated"); got.P99.N != 0 || got.P50.N != 8 {
		t.Errorf("a slow round leaves a p99 of %d rounds and a median of %d, want none and 8", got.P99.N, got.P50.N)
	}
	if got := b.Summary("get-one", "crd").P99.N; got != 8 {
		t.Errorf("the p99 of the other arm is of %d rounds, want 8", got)
	}
	if got := len(b.Select(report.Primary, report.P99)); got != 0 {
		t.Errorf("%d comparisons of a p99 that is not there", got)
	}
	last.Latency = report.Latency{} // nothing succeeded, which says nothing of how fast the round was
	bench.Analyse(b)
	if got := b.Summary("get-one", "aggregated").P99.N; got != 7 {
		t.Errorf("a round without success leaves a p99 of %d rounds, want 7", got)
	}
}

// On a cluster there is one form, and what is built in is what it is compared with.
func TestOneFormIsComparedWithWhatIsBuiltIn(t *testing.T) {
	b := rows(t, 1.5)
	b.Arms = slices.DeleteFunc(b.Arms, func(a report.Arm) bool { return a.Name == "aggregated" })
	bench.Analyse(b)
	got := b.Select(report.Primary, report.P50)
	if len(got) != 1 || got[0].Test != "crd" || got[0].Base != "configmap" || got[0].Verdict != stats.Slower {
		t.Errorf("primary comparisons %+v, want crd slower than configmap", got)
	}
}
