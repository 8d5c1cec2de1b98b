package switching

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/duet-api/duet/shared/install"
)

// form has a name and profiles that differ in where they store, and nothing behind them.
type form struct {
	name     string
	profiles []string
	storage  map[string]install.Storage
}

func (f form) Name() string                                   { return f.name }
func (f form) Profiles() []string                             { return f.profiles }
func (f form) Storage(profile string) install.Storage         { return f.storage[profile] }
func (form) Capabilities(string) sets.Set[install.Capability] { return nil }
func (form) Versions(string) []string                         { return []string{"v1"} }
func (form) Park(*install.Plan) []*unstructured.Unstructured  { return nil }
func (form) Plan(context.Context, *install.Environment, string) (*install.Plan, error) {
	return &install.Plan{}, nil
}

var testForms = install.Forms{
	form{install.CRD, []string{"webhooks"}, map[string]install.Storage{"webhooks": install.ControlPlaneEtcd}},
	form{install.Aggregated, []string{"shared-etcd", "dedicated-etcd"}, map[string]install.Storage{
		"shared-etcd": install.ControlPlaneEtcd, "dedicated-etcd": install.DedicatedEtcd,
	}},
}

var (
	crd       = install.SwitchSide{Form: install.CRD, Profile: "webhooks"}
	shared    = install.SwitchSide{Form: install.Aggregated, Profile: "shared-etcd"}
	dedicated = install.SwitchSide{Form: install.Aggregated, Profile: "dedicated-etcd"}
)

func underWay(step Step) *install.SwitchState {
	return &install.SwitchState{Phase: install.Switching, From: crd, To: shared, Strategy: string(Shared), Step: string(step)}
}

// anew is a switch through the API at a step.
func anew(step Step) *install.SwitchState {
	return &install.SwitchState{Phase: install.Switching, From: crd, To: dedicated, Strategy: string(API), Step: string(step)}
}

func done(from, to install.SwitchSide, strategy Strategy) *install.SwitchState {
	return &install.SwitchState{Phase: install.Switched, From: from, To: to, Strategy: string(strategy)}
}

func TestDecide(t *testing.T) {
	rolledBack := &install.SwitchState{Phase: install.Switching, From: shared, To: crd, Strategy: string(Shared),
		Step: string(Fence), Rollback: true, MidSwitch: true}
	// backAgain is a rollback of a switch that was complete, which has not flipped anything.
	backAgain := &install.SwitchState{Phase: install.Switching, From: shared, To: crd, Strategy: string(Shared),
		Step: string(Verify), Rollback: true}
	with := func(state *install.SwitchState, change func(*install.SwitchState)) *install.SwitchState {
		changed := *state
		change(&changed)
		return &changed
	}
	takingBack := func(s *install.SwitchState) { s.TakingBack = true }
	flipping := func(s *install.SwitchState) { s.Flipping = true }
	copying := install.SwitchState{Phase: install.Switching, From: crd, To: dedicated, Strategy: string(Dedicated), Step: string(Park),
		Raised: 7000}
	for name, test := range map[string]struct {
		now     situation
		options Options
		want    intent
		state   install.SwitchState
		refused string // part of the refusal
	}{
		"a first switch": {
			now: situation{serving: crd}, options: Options{To: install.Aggregated}, want: begin,
			state: install.SwitchState{Phase: install.Switching, From: crd, To: shared, Strategy: string(Shared), Step: string(Preflight)},
		},
		"one to another storage": {
			now: situation{serving: crd}, options: Options{To: install.Aggregated, Strategy: Dedicated}, want: begin,
			state: install.SwitchState{Phase: install.Switching, From: crd, To: dedicated, Strategy: string(Dedicated),
				Step: string(Preflight)},
		},
		"a profile means a strategy": {
			now: situation{serving: crd}, options: Options{To: install.Aggregated, Profile: "dedicated-etcd"}, want: begin,
			state: install.SwitchState{Phase: install.Switching, From: crd, To: dedicated, Strategy: string(Dedicated),
				Step: string(Preflight)},
		},
		"back from another storage": {
			now: situation{serving: dedicated}, options: Options{To: install.CRD}, want: begin,
			state: install.SwitchState{Phase: install.Switching, From: dedicated, To: crd, Strategy: string(Dedicated),
				Step: string(Preflight)},
		},
		"the form that serves": {
			now: situation{serving: crd}, options: Options{To: install.CRD}, want: nothing,
			state: install.SwitchState{From: crd, To: crd},
		},
		"another profile of it": {
			now: situation{serving: shared}, options: Options{To: install.Aggregated, Profile: "dedicated-etcd"},
			refused: "and not the profile",
		},
		"nothing to switch from": {options: Options{To: install.CRD}, refused: "duet install"},
		"somebody else's group":  {now: situation{foreign: "a/b"}, options: Options{To: install.CRD}, refused: "a/b"},
		"shared, where storage is not": {
			now: situation{serving: dedicated}, options: Options{To: install.CRD, Strategy: Shared}, refused: "use strategy dedicated",
		},
		"dedicated, where storage is shared": {
			now: situation{serving: shared}, options: Options{To: install.CRD, Strategy: Dedicated}, refused: "use strategy shared",
		},
		"a strategy and a profile that contradict": {
			now:     situation{serving: crd},
			options: Options{To: install.Aggregated, Strategy: Shared, Profile: "dedicated-etcd"}, refused: "use strategy dedicated",
		},
		"through the API": {
			now: situation{serving: crd}, options: Options{To: install.Aggregated, Strategy: API}, want: begin,
			state: install.SwitchState{Phase: install.Switching, From: crd, To: dedicated, Strategy: string(API),
				Step: string(Preflight)},
		},
		"through the API, and back": {
			now: situation{serving: dedicated}, options: Options{To: install.CRD, Strategy: API}, want: begin,
			state: install.SwitchState{Phase: install.Switching, From: dedicated, To: crd, Strategy: string(API),
				Step: string(Preflight)},
		},
		"through the API, where storage is shared": {
			now: situation{serving: shared}, options: Options{To: install.CRD, Strategy: API}, refused: "use strategy shared",
		},
		"back through the API before the flip": {
			now: situation{serving: crd, last: anew(Flip)}, options: Options{Rollback: true}, want: undo, state: *anew(Flip),
		},
		"back through the API in the middle of the flip": {
			now: situation{serving: crd, last: anew(Flip), flipped: true}, options: Options{Rollback: true}, want: finish,
			state: *anew(Flip),
		},
		"back through the API after the flip": {
			now: situation{serving: dedicated, last: anew(Park), flipped: true}, options: Options{Rollback: true}, want: finish,
			state: *anew(Park),
		},
		"a profile that there is not": {
			now: situation{serving: crd}, options: Options{To: install.Aggregated, Profile: "fast"}, refused: "shared-etcd",
		},
		"going on": {
			now: situation{serving: crd, last: underWay(Import)}, options: Options{To: install.Aggregated}, want: goOn,
			state: *underWay(Import),
		},
		"going on elsewhere": {
			now: situation{serving: crd, last: underWay(Import)}, options: Options{To: install.CRD}, refused: "under way, at step import",
		},
		"going on otherwise": {
			now:     situation{serving: crd, last: underWay(Import)},
			options: Options{To: install.Aggregated, Strategy: Dedicated}, refused: "under way, at step import",
		},
		"back before the flip": {
			now: situation{serving: crd, last: underWay(Verify)}, options: Options{Rollback: true}, want: undo, state: *underWay(Verify),
		},
		"back when the flip was to begin": {
			now: situation{serving: crd, last: underWay(Flip)}, options: Options{Rollback: true}, want: undo, state: *underWay(Flip),
		},
		"back in the middle of the flip": {
			now: situation{serving: crd, last: underWay(Flip), flipped: true}, options: Options{Rollback: true}, want: goOn,
			state: *rolledBack,
		},
		"back after the flip": {
			now: situation{serving: shared, last: underWay(Park), flipped: true}, options: Options{Rollback: true}, want: goOn,
			state: *rolledBack,
		},
		"back when the flip had begun, and nothing shows it": {
			now: situation{serving: crd, last: with(underWay(Flip), flipping)}, options: Options{Rollback: true}, want: goOn,
			state: *rolledBack,
		},
		"back from a copy that nobody was let write to": {
			now: situation{serving: dedicated, last: &copying, flipped: true}, options: Options{Rollback: true}, want: goOn,
			state: install.SwitchState{Phase: install.Switching, From: dedicated, To: crd, Strategy: string(Dedicated), Step: string(Fence),
				Rollback: true, MidSwitch: true, Restores: true, Raised: 7000},
		},
		"back from a copy that is written to": {
			now:     situation{serving: dedicated, last: with(&copying, func(s *install.SwitchState) { s.Opened = true }), flipped: true},
			options: Options{Rollback: true}, want: goOn,
			state: install.SwitchState{Phase: install.Switching, From: dedicated, To: crd, Strategy: string(Dedicated), Step: string(Fence),
				Rollback: true, MidSwitch: true, Raised: 7000},
		},
		"going on to take back": {
			now: situation{serving: crd, last: with(underWay(Flip), takingBack)}, options: Options{Rollback: true}, want: undo,
			state: *with(underWay(Flip), takingBack),
		},
		"forth while it is taken back": {
			now: situation{serving: crd, last: with(underWay(Flip), takingBack)}, options: Options{To: install.Aggregated}, want: again,
			state: *with(underWay(Flip), takingBack),
		},
		"elsewhere while it is taken back": {
			now: situation{serving: crd, last: with(underWay(Flip), takingBack)}, options: Options{To: install.CRD}, refused: "being taken back",
		},
		"a rollback taken back before its flip": {
			now: situation{serving: shared, last: backAgain}, options: Options{To: install.Aggregated}, want: undo, state: *backAgain,
		},
		"a rollback taken back after that": {
			now: situation{serving: shared, last: with(backAgain, flipping)}, options: Options{To: install.Aggregated}, refused: "as a rollback",
		},
		"a rollback that is being taken back": {
			now: situation{serving: shared, last: with(backAgain, takingBack)}, options: Options{Rollback: true}, want: again,
			state: *with(backAgain, takingBack),
		},
		"going on back": {
			now: situation{serving: shared, last: rolledBack}, options: Options{Rollback: true}, want: goOn, state: *rolledBack,
		},
		"forth while going back": {
			now: situation{serving: shared, last: rolledBack}, options: Options{To: install.CRD}, refused: "as a rollback",
		},
		"back after the end": {
			now: situation{serving: dedicated, last: done(crd, dedicated, Dedicated)}, options: Options{Rollback: true}, want: begin,
			state: install.SwitchState{Phase: install.Switching, From: dedicated, To: crd, Strategy: string(Dedicated),
				Step: string(Preflight), Rollback: true},
		},
		"back after the end of one that has left a file": {
			now:     situation{serving: dedicated, last: with(done(crd, dedicated, API), func(s *install.SwitchState) { s.Export = "file" })},
			options: Options{Rollback: true}, want: begin,
			state: install.SwitchState{Phase: install.Switching, From: dedicated, To: crd, Strategy: string(API),
				Step: string(Preflight), Rollback: true, PreviousExport: "file"},
		},
		"back after a rollback": {
			now: situation{serving: crd, last: &install.SwitchState{Phase: install.Switched, From: shared, To: crd,
				Strategy: string(Shared), Rollback: true}},
			options: Options{Rollback: true}, want: nothing, state: install.SwitchState{From: crd, To: crd},
		},
		"back without a switch": {
			now: situation{serving: crd}, options: Options{Rollback: true}, refused: "no switch to take back",
		},
		"back after another installation": {
			now: situation{serving: crd, last: done(crd, shared, Shared)}, options: Options{Rollback: true},
			refused: "no switch to take back",
		},
		"back to a form": {
			now: situation{serving: crd}, options: Options{Rollback: true, To: install.CRD}, refused: "takes neither",
		},
	} {
		t.Run(name, func(t *testing.T) {
			what, state, err := decide(testForms, test.now, test.options)
			if test.refused != "" {
				if refused := (*RefusedError)(nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), test.refused) {
					t.Errorf("got error %v, want a refusal with %q", err, test.refused)
				}
				return
			}
			if err != nil || what != test.want {
				t.Fatalf("decide() = %v, %v, want %v", what, err, test.want)
			}
			if diff := cmp.Diff(test.state, state, cmpopts.IgnoreTypes(metav1.Time{})); diff != "" {
				t.Errorf("another switch (-want +got):\n%s", diff)
			}
		})
	}
}
