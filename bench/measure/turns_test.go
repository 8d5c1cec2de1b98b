package measure

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/shared/process"
)

// journal is a runner that notes what it is asked to do.
type journal struct {
	process.Runner
	order  []string
	states map[string]process.State
	notes  []string
}

func newJournal(exited string, names ...string) *journal {
	j := &journal{order: names, states: map[string]process.State{}}
	for _, name := range names {
		j.states[name] = process.Running
	}
	if exited != "" {
		j.states[exited] = process.Exited
	}
	return j
}

func (j *journal) List(context.Context) ([]process.Status, error) {
	var out []process.Status
	for _, name := range j.order {
		out = append(out, process.Status{Spec: process.Spec{Name: name}, State: j.states[name]})
	}
	return out, nil
}

func (j *journal) Pause(_ context.Context, name string) error {
	return j.note("pause", name, process.Running, process.Paused)
}

func (j *journal) Resume(_ context.Context, name string) error {
	return j.note("resume", name, process.Paused, process.Running)
}

func (j *journal) note(what, name string, from, to process.State) error {
	if j.states[name] != from {
		return &process.NotRunningError{Name: name}
	}
	j.states[name] = to
	j.notes = append(j.notes, what+" "+name)
	return nil
}

func TestTurns(t *testing.T) {
	journals := map[string]*journal{}
	turns := &Turns{}
	for _, name := range []string{"a", "b", "c"} {
		journals[name] = newJournal(name+"3", name+"1", name+"2", name+"3")
		turns.Add(name, journals[name])
	}
	running := func() string {
		var out []string
		for _, name := range slices.Sorted(maps.Keys(journals)) {
			if journals[name].states[name+"1"] == process.Running && journals[name].states[name+"2"] == process.Running {
				out = append(out, name)
			}
		}
		return strings.Join(out, "")
	}
	for _, step := range []struct{ take, running string }{
		{"a", "ab"}, {"b", "ab"}, {"c", "bc"}, {"c", "bc"}, {"a", "ac"},
	} {
		if err := turns.Take(t.Context(), step.take); err != nil {
			t.Fatal(err)
		}
		if got := running(); got != step.running {
			t.Errorf("after %s had its turn %q run, want %q", step.take, got, step.running)
		}
	}
	if err := turns.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := running(); got != "abc" {
		t.Errorf("in the end %q run, want all", got)
	}
	want := []string{"pause c2", "pause c1", "resume c1", "resume c2"}
	if diff := cmp.Diff(want, journals["c"].notes); diff != "" {
		t.Errorf("unexpected order on one control plane (-want +got):\n%s", diff)
	}
	if err := turns.Take(t.Context(), "d"); err == nil || !strings.Contains(err.Error(), `"d"`) {
		t.Errorf("a control plane that there is not was given a turn: %v", err)
	}
}
