package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench/stats"
)

// benchOf has one operation for each verdict, on the median and on CPU time alike.
func benchOf(verdicts ...stats.Verdict) *Bench {
	b := &Bench{Arms: []Arm{{Name: "crd", Plane: "crd"}, {Name: "aggregated", Plane: "aggregated"}}}
	for i, verdict := range verdicts {
		name := string(rune('a' + i))
		b.Scenarios = append(b.Scenarios, Scenario{Name: name, Title: "Operation " + name})
		for _, metric := range []Metric{P50, CPU} {
			b.Comparisons = append(b.Comparisons, Comparison{
				Scenario: name, Metric: metric, Role: Primary, Test: "aggregated", Base: "crd", Verdict: verdict, Floor: 1.05,
				Ratio:  stats.Estimate{Median: 1.2, Lo: 1.1 + float64(i)/10, Hi: 1.3 + float64(i)/10, Bounded: true},
				Margin: 1.1 - float64(i)/100, P: 0.01, Corrected: 0.5, Family: 90,
			})
		}
	}
	return b
}

func TestHeadlineSentence(t *testing.T) {
	const faster, slower, none, undecided = stats.Faster, stats.Slower, stats.NoDifference, stats.Undecided
	tests := map[string]struct {
		verdicts  []stats.Verdict
		want, cpu string
	}{
		"the larger claim comes first": {
			[]stats.Verdict{slower, faster, faster, none},
			"aggregated is faster than CRD in 2 of 4 operations and slower in 1; no difference found in 1.",
			"aggregated takes less than CRD in 2 of 4 operations and more in 1; no difference found in 1.",
		},
		"one kind of claim": {
			[]stats.Verdict{slower, slower}, "aggregated is slower than CRD in 2 of 2 operations.",
			"aggregated takes more than CRD in 2 of 2 operations.",
		},
		"one operation": {
			[]stats.Verdict{faster}, "aggregated is faster than CRD in 1 of 1 operation.",
			"aggregated takes less than CRD in 1 of 1 operation.",
		},
		"nothing found": {
			[]stats.Verdict{none, none}, "no difference found between aggregated and CRD in any of 2 operations.", "",
		},
		"nothing found, and not all known": {
			[]stats.Verdict{none, none, undecided},
			"no difference found between aggregated and CRD in 2 of 3 operations; 1 undecided.", "",
		},
		"nothing known": {[]stats.Verdict{undecided}, "nothing can be said of aggregated against CRD yet", ""},
		"some unknown":  {[]stats.Verdict{slower, undecided}, "in 1 of 2 operations; 1 undecided.", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := Headlines(benchOf(test.verdicts...))
			if len(got) != 1 || !strings.Contains(got[0].Sentence, test.want) {
				t.Fatalf("headlines %+v, want one that says %q", got, test.want)
			}
			if !strings.HasSuffix(got[0].CPU, test.cpu) {
				t.Errorf("CPU %q, want %q", got[0].CPU, test.cpu)
			}
		})
	}
}

func TestHeadlinesOfNothing(t *testing.T) {
	for name, b := range map[string]*Bench{"no benchmark": nil, "no pair of forms": {}} {
		if got := Headlines(b); len(got) != 0 {
			t.Errorf("%s: headlines %+v", name, got)
		}
	}
}

func TestWhatWouldFlip(t *testing.T) {
	tests := map[string]struct {
		verdicts []stats.Verdict
		want     []string
		not      string
	}{
		"the weakest claim is named": {
			[]stats.Verdict{stats.Slower, stats.Slower, stats.NoDifference},
			[]string{"“Operation b” (slower)", "by 9.0 %", "Operation c (ratio 1.30 to 1.50, floor ± 5.0 %)", "Outside this run"}, "",
		},
		"no claim is near to flipping if there is none": {
			[]stats.Verdict{stats.NoDifference}, []string{"Operation a"}, "Nearest",
		},
		"what only the correction hides": {
			[]stats.Verdict{stats.Slower, stats.Undecided}, []string{"Undecided though beyond the noise floor, because some of 90", "Operation b"}, "",
		},
		"nothing hides where everything is found": {[]stats.Verdict{stats.Faster}, []string{"Nearest"}, "is not “none”"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(Headlines(benchOf(test.verdicts...))[0].Flips, "\n")
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("%q is not in:\n%s", want, got)
				}
			}
			if test.not != "" && strings.Contains(got, test.not) {
				t.Errorf("%q is in:\n%s", test.not, got)
			}
		})
	}
}

// What a run has measured is not outside it.
func TestOutside(t *testing.T) {
	b := &Bench{Arms: []Arm{{Name: "crd", PayloadBytes: 2000}}, Scenarios: []Scenario{{Name: "get", Loop: "closed loop, 1 at a time"}}}
	want := []string{"larger objects", "protobuf clients", "many clients at once", "a call without the aggregator",
		"a network between the servers", "other types"}
	if diff := cmp.Diff(want, outside(b)); diff != "" {
		t.Errorf("outside a small run (-want +got):\n%s", diff)
	}
	b.Arms = append(b.Arms, Arm{Name: "aggregated-protobuf", PayloadBytes: 2000}, Arm{Name: "aggregated-direct", PayloadBytes: 2000})
	b.Scenarios = append(b.Scenarios, Scenario{Name: "get-16k", PayloadBytes: 16000}, Scenario{Name: "get-many-8", Loop: "closed loop, 8 at a time"})
	if diff := cmp.Diff(want[4:], outside(b)); diff != "" {
		t.Errorf("outside a large run (-want +got):\n%s", diff)
	}
}

func TestThreatOfTwoControlPlanes(t *testing.T) {
	const said = "on control planes of their own"
	b := benchOf(stats.Slower)
	if got := planeThreat(b); !strings.Contains(got, said) {
		t.Errorf("forms on two control planes: %q", got)
	}
	b.Arms = append(b.Arms, Arm{Name: "crd-again", Plane: "crd", Repeats: "crd"})
	if got := planeThreat(b); !strings.Contains(got, said) {
		t.Errorf("an A/A pair on one of two control planes: %q", got)
	}
	b.Arms = append(b.Arms, Arm{Name: "crd-there", Plane: "aggregated", Repeats: "crd"})
	if got := planeThreat(b); got != "" {
		t.Errorf("an A/A pair across control planes shows what they make: %q", got)
	}
	b = benchOf(stats.Slower)
	b.Arms[1].Plane = "crd"
	if got := planeThreat(b); got != "" {
		t.Errorf("forms on one control plane: %q", got)
	}
}
