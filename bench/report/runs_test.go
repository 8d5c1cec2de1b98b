package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/stats"
)

func TestAgreements(t *testing.T) {
	of := func(scenario string, lo, hi float64, verdict stats.Verdict) report.Comparison {
		return report.Comparison{
			Scenario: scenario, Metric: report.P50, Role: report.Primary, Test: "aggregated", Base: "crd",
			Ratio: stats.Estimate{Median: (lo + hi) / 2, Lo: lo, Hi: hi, Bounded: true}, Verdict: verdict,
		}
	}
	noise := of("get", 0.9, 1.1, stats.NoDifference)
	noise.Role, noise.Test = report.Noise, "crd-again"
	old := &report.Bench{Comparisons: []report.Comparison{
		noise, of("get", 1.2, 1.3, stats.Slower), of("list", 0.4, 0.5, stats.Faster), of("watch", 0.9, 1.1, stats.NoDifference),
		of("gone", 2, 3, stats.Slower), of("odd", 1.2, 1.3, stats.Slower),
	}}
	now := &report.Bench{Comparisons: []report.Comparison{
		noise, of("get", 1.25, 1.4, stats.Slower), of("list", 0.7, 0.9, stats.NoDifference),
		of("watch", 0.95, 1.05, stats.NoDifference), of("odd", 0.7, 0.8, stats.Faster), of("new", 2, 3, stats.Slower),
	}}
	all := report.Agreements(old, now)
	type line struct {
		Scenario     string
		Old, New     bool
		Agree, Moved bool
	}
	var got []line
	for _, a := range all {
		got = append(got, line{a.Scenario, a.Old != nil, a.New != nil, a.Agree, a.Moved})
	}
	want := []line{
		{"get", true, true, true, false}, {"list", true, true, false, true}, {"watch", true, true, true, false},
		{"odd", true, true, false, true}, {"new", false, true, false, false}, {"gone", true, false, false, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unexpected agreements (-want +got):\n%s", diff)
	}
	var out bytes.Buffer
	if err := report.WriteAgreements(&out, all); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"5 claims: 1 that both runs make, 3 that one of them does not make, 1 in which they contradict each other. 2 ratios moved",
		"the verdicts differ (moved)", "in one run only", "the verdicts contradict each other",
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %q in\n%s", part, out.String())
		}
	}
	if strings.Contains(out.String(), "watch") {
		t.Errorf("a line without a claim is shown:\n%s", out.String())
	}
}

func TestCardChanges(t *testing.T) {
	tests := map[string]struct {
		change func(*report.Card)
		want   []string
	}{
		"nothing":            {func(*report.Card) {}, nil},
		"a busier machine":   {func(c *report.Card) { c.Machine.Load1 = 7 }, nil},
		"a later time":       {func(c *report.Card) { c.Started = c.Started.Add(time.Hour) }, nil},
		"another machine":    {func(c *report.Card) { c.Machine.Cores = 64 }, []string{"machine: "}},
		"another program":    {func(c *report.Card) { c.Revision = "other" }, []string{"source revision: it was f82df68c1d, and is other"}},
		"another etcd":       {func(c *report.Card) { c.Versions["etcd"] = "v4" }, []string{"version of etcd: it was v3.6.8, and is v4"}},
		"another seed":       {func(c *report.Card) { c.Flags["seed"] = "8" }, []string{"flag seed: it was 7, and is 8"}},
		"a flag more":        {func(c *report.Card) { c.Flags["arm"] = "crd" }, []string{"flag arm: it was , and is crd"}},
		"a flag less":        {func(c *report.Card) { delete(c.Flags, "profile") }, []string{"flag profile: it was quick, and is "}},
		"two things at once": {func(c *report.Card) { c.Flags, c.Revision = nil, "" }, []string{"source revision", "flag profile", "flag seed"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			was, is := fixture().Card, fixture().Card
			test.change(&is)
			got := was.Changes(is)
			if len(got) != len(test.want) {
				t.Fatalf("changes %q, want %q", got, test.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], test.want[i]) {
					t.Errorf("change %q, want %q", got[i], test.want[i])
				}
			}
		})
	}
}
