package main

import (
	"strings"
	"testing"
	"time"

	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/shared/controlplane/assets"
)

// written is the directory of a run that was interrupted after one of its rounds, in which the generator was late.
func written(t *testing.T, change func(*report.Run)) string {
	t.Helper()
	profile, err := scenario.ProfileNamed("smoke")
	if err != nil {
		t.Fatal(err)
	}
	run := report.Run{
		Card: report.NewCard(time.Now(), "duet bench --profile=smoke", map[string]string{
			"profile": "smoke", "seed": "1", "arm": "crd", "scenario": "get-one", "references": "full", "traces": "false",
		}),
		Bench: &report.Bench{
			Profile: profile, Seed: 1, Rounds: 1, Interrupted: true, Cores: 2,
			Arms: []report.Arm{{Name: "crd", Form: "crd", Plane: "crd"}}, Scenarios: []report.Scenario{{Name: "get-one"}},
			Rows: []report.Row{{Round: 1, Scenario: "get-one", Arm: "crd", Elapsed: time.Second, Lateness: int64(5 * time.Millisecond)}},
		},
	}
	change(&run)
	dir := t.TempDir()
	if err := report.Write(dir, run); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Each refusal comes before anything is started, and says which part of the run card is another one.
func TestResumeRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*report.Run)
		args   []string
		want   string
	}{
		"another machine": {func(r *report.Run) { r.Card.Machine.Cores = 1000 }, nil, "machine: it was"},
		"another version": {func(r *report.Run) { r.Card.Versions["Kubernetes"] = "v1.1.0" }, nil, "version of Kubernetes: it was v1.1.0"},
		"another seed":    {func(*report.Run) {}, []string{"--seed", "2"}, "flag seed: it was 1, and is 2"},
		"another version, with traces asked for": {func(r *report.Run) {
			r.Card.Versions["Kubernetes"], r.Card.Flags["traces"] = "v1.1.0", "true"
		}, nil, ": version of Kubernetes: it was v1.1.0, and is " + assets.KubernetesVersion + ". Start a new one"},
		"another arm":     {func(*report.Run) {}, []string{"--arm", "configmap"}, "flag arm: it was crd, and is configmap"},
		"a complete run":  {func(r *report.Run) { r.Bench.Interrupted = false }, nil, "it is complete. Start a new run with: duet bench --profile=smoke"},
		"another command": {func(r *report.Run) { r.Matrix = []behaviour.Result{{ID: "A1"}} }, nil, "it is not a run of duet bench"},
		"no benchmark":    {func(r *report.Run) { r.Bench = nil }, nil, "it is not a run of duet bench"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := parse(append([]string{"bench", "--resume", written(t, test.change)}, test.args...)...)
			if code != exitFailure || stdout != "" || !strings.Contains(stderr, test.want) {
				t.Errorf("got exit code %d, %q, %q, want an error with %q", code, stdout, stderr, test.want)
			}
		})
	}
}

func TestGateTellsAMissedGoalFromAFailure(t *testing.T) {
	code, stdout, stderr := parse("bench", "gate", written(t, func(*report.Run) {}))
	if code != exitMissed || !strings.Contains(stderr, "goals were missed") {
		t.Errorf("got exit code %d, %q, want %d", code, stderr, exitMissed)
	}
	for _, want := range []string{"lateness", "missed", "≤ 1", "5", "get-one on crd", "not measured in this run", " missed, "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the table does not say %q:\n%s", want, stdout)
		}
	}
	onTime := func(r *report.Run) { r.Bench.Rows[0].Lateness = int64(time.Microsecond) }
	for name, test := range map[string]struct {
		change func(*report.Run)
		code   int
		want   string
	}{
		"all that was measured is met": {func(r *report.Run) { onTime(r); r.Bench.Interrupted = false }, 0, ""},
		"the run is not complete":      {onTime, exitFailure, "is not complete"},
		"nothing was measured": {
			func(r *report.Run) { r.Bench.Rows, r.Bench.Interrupted = nil, false }, exitFailure, "has measured nothing",
		},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := parse("bench", "gate", written(t, test.change))
			if code != test.code || !strings.Contains(stderr, test.want) {
				t.Errorf("got exit code %d, %q, want %d and %q", code, stderr, test.code, test.want)
			}
		})
	}
}

func TestReportPrintsMarkdown(t *testing.T) {
	code, stdout, stderr := parse("report", "-o", "markdown", written(t, func(*report.Run) {}))
	if code != 0 || stderr != "" || !strings.HasPrefix(stdout, "# Duet ") || !strings.Contains(stdout, "## The harness's own bar") {
		t.Errorf("got exit code %d, %q, %q", code, stderr, stdout)
	}
}
