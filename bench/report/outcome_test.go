package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/duet-api/duet/bench"
	"github.com/duet-api/duet/bench/report"
)

// oneForm is a run on a cluster of somebody else's: one form, what is built in, and no processor times of servers.
func oneForm() report.Run {
	run := fixture()
	b := *run.Bench
	b.Arms = b.Arms[:3]
	b.Rows = nil
	for _, row := range run.Bench.Rows {
		if row.Arm != "aggregated" {
			row.Usage = nil
			b.Rows = append(b.Rows, row)
		}
	}
	b.Absent = []report.Absence{{What: "arm etcd", Why: "needs a way to the cluster's etcd"}}
	bench.Analyse(&b)
	run.Bench, run.Matrix = &b, nil
	return run
}

func TestOneFormIsHeldAgainstWhatIsBuiltIn(t *testing.T) {
	got := report.Headlines(oneForm().Bench)
	if len(got) != 1 || got[0].Test != "crd" || got[0].Base != "configmap" {
		t.Fatalf("headlines %+v, want one of crd and configmap", got)
	}
	if want := "CRD is slower than configmap in 6 of 6 operations."; got[0].Sentence != want {
		t.Errorf("sentence %q, want %q", got[0].Sentence, want)
	}
	if want := "Processor time of the servers was not measured."; got[0].CPU != want {
		t.Errorf("processor time %q, want %q", got[0].CPU, want)
	}
}

// What a run misses of its own bar, and what it could not measure, is beside the verdict in every format.
func TestMissesAreNotHidden(t *testing.T) {
	run := oneForm()
	formats := map[string]string{}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"summary":  func(b *bytes.Buffer) error { return report.Summary(b, run, report.Paths{}) },
		"markdown": func(b *bytes.Buffer) error { return report.WriteMarkdown(b, run) },
		"html":     func(b *bytes.Buffer) error { return report.WriteHTML(b, run) },
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatal(err)
		}
		formats[name] = out.String()
	}
	var missed []string
	for _, o := range run.Bench.Goals {
		if o.Harness && o.Standing == report.Missed {
			missed = append(missed, o.Goal)
		}
	}
	if len(missed) == 0 {
		t.Fatalf("the fixture misses nothing: %+v", run.Bench.Goals)
	}
	for name, text := range formats {
		for _, want := range []string{"It misses " + strings.Join(missed, ", ") + ".", "Not measured: ", "arm etcd, which needs a way"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", name, want)
			}
		}
	}
	for _, name := range []string{"markdown", "html"} {
		if !strings.Contains(formats[name], "The harness misses its own bar "+missed[0]) {
			t.Errorf("%s does not name the miss among the threats to validity", name)
		}
	}
}

func TestOutcomeTexts(t *testing.T) {
	tests := map[string]struct {
		outcome      report.Outcome
		bound, value string
	}{
		"at most":      {report.Outcome{Standing: report.Met, Bound: 1.2, Value: 1.1}, "≤ 1.2", "1.1"},
		"at least":     {report.Outcome{Standing: report.Missed, Bound: 2000, AtLeast: true, Value: 512.25}, "≥ 2000", "512.2"},
		"not measured": {report.Outcome{Standing: report.NotMeasured, Bound: 0.35}, "≤ 0.35", "–"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.outcome.BoundText() != test.bound || test.outcome.ValueText() != test.value {
				t.Errorf("%q and %q, want %q and %q", test.outcome.BoundText(), test.outcome.ValueText(), test.bound, test.value)
			}
		})
	}
}
