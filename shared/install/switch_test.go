package install

import (
	"strings"
	"testing"
)

func TestGoOn(t *testing.T) {
	there := SwitchState{From: SwitchSide{Form: CRD}, To: SwitchSide{Form: Aggregated}}
	back := SwitchState{From: SwitchSide{Form: Aggregated}, To: SwitchSide{Form: CRD}, Rollback: true}
	with := func(state SwitchState, change func(*SwitchState)) SwitchState {
		change(&state)
		return state
	}
	for name, test := range map[string]struct {
		state SwitchState
		want  []string // in this order
		not   string
	}{
		"a switch":               {there, []string{"--to aggregated", "goes on", "--rollback", "takes it back"}, ""},
		"one that is taken back": {with(there, func(s *SwitchState) { s.TakingBack = true }), []string{"--rollback", "goes on", "--to aggregated", "begins anew"}, ""},
		"a rollback":             {back, []string{"--rollback", "goes on", "--to aggregated", "takes it back"}, ""},
		"a rollback of a part":   {with(back, func(s *SwitchState) { s.MidSwitch = true }), []string{"--rollback", "goes on"}, "--to"},
		"a rollback that serves": {with(back, func(s *SwitchState) { s.Flipping = true }), []string{"--rollback", "goes on"}, "--to"},
		"a rollback that is taken back": {
			with(back, func(s *SwitchState) { s.TakingBack = true }), []string{"--to aggregated", "goes on", "--rollback", "begins anew"}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := test.state.GoOn(" --name test")
			rest := text
			for _, want := range test.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%q does not say %q in its place", text, test.want)
				}
				rest = after
			}
			if test.not != "" && strings.Contains(text, test.not) || !strings.Contains(text, "duet switch --name test --rollback") {
				t.Errorf("it says %q", text)
			}
		})
	}
}
