package report

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/duet-api/duet/bench/stats"
)

func TestReferences(t *testing.T) {
	median := func(ms float64) stats.Estimate { return stats.Estimate{Median: ms * 1e6, N: 10} }
	b := &Bench{
		Arms: []Arm{{Name: "crd"}, {Name: "aggregated"}, {Name: "crd-again", Repeats: "crd"}, {Name: "etcd", Reference: true},
			{Name: "etcd-again", Repeats: "etcd", Reference: true}},
		Scenarios: []Scenario{{Name: "get", Title: "Get"}, {Name: "create", Title: "Create"}, {Name: "apply", Title: "Apply"}},
		Summaries: []ArmSummary{
			{Scenario: "get", Arm: "crd", P50: median(2)}, {Scenario: "get", Arm: "etcd", P50: median(0.5)},
			{Scenario: "create", Arm: "crd", P50: median(4)}, {Scenario: "create", Arm: "etcd", P50: median(2)},
			{Scenario: "apply", Arm: "crd", P50: median(3)}, {Scenario: "apply", Arm: "etcd"},
		},
		Comparisons: []Comparison{
			{Scenario: "get", Metric: P50, Test: "etcd", Base: "crd", Ratio: stats.Estimate{Median: 0.26, N: 3}},
			{Scenario: "create", Metric: P50, Test: "etcd", Base: "crd",
				Ratio: stats.Estimate{Median: 0.5, Lo: 0.4, Hi: 0.6, Bounded: true, N: 10}},
		},
	}
	var out bytes.Buffer
	buffered := bufio.NewWriter(&out)
	markdownOperations(buffered, b)
	markdownReferences(buffered, b)
	if err := buffered.Flush(); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for _, want := range []string{
		"| Operation | crd | aggregated |\n", // the table of what is compared
		"| Operation | crd | etcd |\n", "| Get | 2.00 | 0.500 (0.26 ×) |\n", "| Create | 4.00 | 2.00 (0.50 ×, 0.40 to 0.60) |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	// Nobody but the first form takes part in it.
	if strings.Count(got, "| Apply |") != 1 {
		t.Errorf("an operation without a reference is in the table of references:\n%s", got)
	}
	b.Arms = b.Arms[:3]
	if _, ok := newReferences(b); ok {
		t.Error("a run without references has a table of them")
	}
}
