package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/switching"
)

func TestPrintSwitch(t *testing.T) {
	for name, test := range map[string]struct {
		result switching.Result
		want   []string
	}{
		"a whole switch": {
			result: switching.Result{From: "crd", To: "aggregated", Profile: "shared-etcd", Strategy: switching.Shared, Finished: true,
				Steps: []switching.StepResult{
					{Name: switching.Preflight, Took: metav1.Duration{Duration: time.Second}, Checks: []string{"one", "two"}},
					{Name: switching.Fence},
				},
				Windows: switching.Windows{WriteRefused: metav1.Duration{Duration: 40 * time.Millisecond}, Writes: 7, WatchRestarts: 2},
			},
			want: []string{"preflight   1s     one", "two", "aggregated serves, with profile shared-etcd (strategy shared)",
				"writes refused for 40ms, of 7 tried", "opened again 2 times"},
		},
		"one through the API": {
			result: switching.Result{From: "crd", To: "aggregated", Profile: "dedicated-etcd", Strategy: switching.API, Finished: true,
				Steps: []switching.StepResult{{Name: switching.Park}, {Name: switching.Confirm}},
				Moved: &switching.Moved{Objects: 3, Children: 21, Export: "/dir/switch/x-crd.jsonl"},
			},
			want: []string{"3 objects were made anew, with new UIDs, and 21 children", "kept in /dir/switch/x-crd.jsonl"},
		},
		"the end of one": {
			result: switching.Result{From: "crd", To: "aggregated", Profile: "shared-etcd", Strategy: switching.Shared, Finished: true,
				Steps: []switching.StepResult{{Name: switching.Confirm}}},
			want: []string{"aggregated serves, with profile shared-etcd"},
		},
		"a part of one": {
			result: switching.Result{From: "crd", To: "aggregated", Strategy: switching.Shared},
			want:   []string{"from crd to aggregated is not done yet"},
		},
		"a rehearsal": {
			result: switching.Result{From: "crd", To: "aggregated", Strategy: switching.Shared, DryRun: true},
			want:   []string{"nothing was changed"},
		},
		"one that was taken back": {
			result: switching.Result{From: "crd", To: "aggregated", Finished: true, Rollback: true, Withdrawn: true,
				Steps: []switching.StepResult{{Name: switching.Park}}},
			want: []string{"is taken back; crd has served all the time"},
		},
		"none": {
			result: switching.Result{From: "crd", To: "crd", Profile: "webhooks", Finished: true},
			want:   []string{"crd serves already, with profile webhooks"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := printSwitch(&out, &test.result, "table"); err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("got\n%s\nwithout %q", out.String(), want)
				}
			}
		})
	}
}

func TestSwitchLine(t *testing.T) {
	state := &install.SwitchState{Phase: install.Switching, From: install.SwitchSide{Form: "crd"},
		To: install.SwitchSide{Form: "aggregated"}, Strategy: "shared", Step: "flip"}
	if got := switchLine(state); !strings.Contains(got, "at step flip") {
		t.Errorf("got %q, which does not say where it stands", got)
	}
	state.Phase = install.Switched
	if got := switchLine(state); !strings.Contains(got, "done at") {
		t.Errorf("got %q, which does not say that it is done", got)
	}
	state.Phase = install.TakenBack
	if switchLine(state) != "" || switchLine(nil) != "" {
		t.Error("a switch that left nothing is shown")
	}
}
