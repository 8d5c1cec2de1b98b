package scenario_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/internal/fakeapi"
	"github.com/duet-api/duet/bench/load"
	"github.com/duet-api/duet/bench/scenario"
)

func newSubject(t *testing.T, server *fakeapi.Server) *scenario.Subject {
	t.Helper()
	kind, err := arm.ConfigMaps(7)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := scenario.NewSubject(t.Context(), &arm.Arm{
		Name: "configmap", Form: arm.BuiltIn, Target: arm.Kubernetes{Config: server.Config(), Admin: server.Config()}, Namespace: "ns", Kind: kind,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(subject.Close)
	return subject
}

func named(t *testing.T, name string) scenario.Scenario {
	t.Helper()
	found, err := scenario.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return found[0]
}

// do runs so many operations of a scenario, one after the other, and returns their errors by reason.
func do(t *testing.T, s scenario.Scenario, subject *scenario.Subject, operations int) map[string]int {
	t.Helper()
	op, stop, err := s.Start(t.Context(), subject, scenario.Cell{Seed: 1, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	errors := map[string]int{}
	for n := range operations {
		before := time.Now()
		done, err := op(t.Context(), load.Call{N: int64(n)})
		switch {
		case err != nil:
			errors[arm.Reason(err)]++
		case done.Before(before) || done.After(time.Now()):
			t.Errorf("operation %d says it was done at %v, which is not while it ran", n, done)
		}
	}
	if stop != nil {
		if err := stop(); err != nil {
			t.Errorf("the cell did not end well: %v", err)
		}
	}
	return errors
}

// count the requests of a verb whose path ends so.
func count(requests []string, verb, suffix string) int {
	n := 0
	for _, request := range requests {
		if strings.HasPrefix(request, verb+" ") && strings.HasSuffix(request, suffix) {
			n++
		}
	}
	return n
}

func TestPopulationIsThere(t *testing.T) {
	server := fakeapi.New(t)
	newSubject(t, server)
	names := server.Names("ns")
	if len(names) != scenario.Population || names[0] != "member-000000" || names[499] != "member-000499" {
		t.Errorf("%d objects from %s to %s, want 500 members", len(names), names[0], names[len(names)-1])
	}
}

func TestEveryScenarioSucceedsOnAGoodServer(t *testing.T) {
	for _, s := range scenario.All() {
		t.Run(s.Name, func(t *testing.T) {
			server := fakeapi.New(t)
			subject := newSubject(t, server)
			for range 2 { // a scenario starts again in every round
				if diff := cmp.Diff(map[string]int{}, do(t, s, subject, 20)); diff != "" {
					t.Errorf("unexpected errors (-want +got):\n%s", diff)
				}
			}
			if got := len(server.Names("ns")); got != scenario.Population {
				t.Errorf("the population has %d objects now, want %d", got, scenario.Population)
			}
		})
	}
}

func TestEveryScenarioRunsInItsLoop(t *testing.T) {
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	for _, s := range scenario.All() {
		t.Run(s.Name, func(t *testing.T) {
			op, stop, err := s.Start(t.Context(), subject, scenario.Cell{Seed: 1, Workers: s.Loop.Width()})
			if err != nil {
				t.Fatal(err)
			}
			cell := load.Cell{Op: op, Duration: 50 * time.Millisecond, Reason: arm.Reason}
			result, err := s.Loop.Run(t.Context(), cell)
			if err != nil {
				t.Fatal(err)
			}
			if stop != nil {
				if err := stop(); err != nil {
					t.Error(err)
				}
			}
			if result.Succeeded() == 0 || result.Failed() != 0 {
				t.Errorf("%d succeeded and %v failed", result.Succeeded(), result.Errors)
			}
		})
	}
}

func TestCreateUsesNewNamesInTheScratchNamespace(t *testing.T) {
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	for range 2 {
		do(t, named(t, "create"), subject, 10)
	}
	if got := len(server.Names("ns-scratch")); got != 20 {
		t.Errorf("%d objects were created, want 20", got)
	}
}

func TestGetsReadOneNameOrMany(t *testing.T) {
	for name, test := range map[string]struct{ low, high int }{"get-one": {1, 1}, "get-many": {15, 20}} {
		t.Run(name, func(t *testing.T) {
			server := fakeapi.New(t)
			subject := newSubject(t, server)
			before := len(server.Requests())
			do(t, named(t, name), subject, 20)
			distinct := slices.Compact(slices.Sorted(slices.Values(server.Requests()[before:])))
			if len(distinct) < test.low || len(distinct) > test.high {
				t.Errorf("%d different objects were read, want %d to %d", len(distinct), test.low, test.high)
			}
		})
	}
}

func TestUpdateReallyChangesTheObject(t *testing.T) {
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	if errors := do(t, named(t, "update"), subject, 5); len(errors) != 0 {
		t.Fatal(errors)
	}
	if got := count(server.Requests(), "PUT", "/member-000100"); got != 5 {
		t.Errorf("%d updates, want 5 of one object", got)
	}
	// A server that short-cuts the update answers with the object as it was.
	var stale []byte
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			_, _ = w.Write(stale)
			return true
		}
		return false
	}
	s := named(t, "update")
	op, _, err := s.Start(t.Context(), subject, scenario.Cell{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	stale = []byte(`{"metadata":{"resourceVersion":"605"}}`) // 100 + 500 creates + 5 updates
	if _, err := op(t.Context(), load.Call{}); err == nil || arm.Reason(err) != "resourceVersion did not change" {
		t.Errorf("an update that changed nothing gave %v", err)
	}
}

func TestUpdateRecoversFromAConflict(t *testing.T) {
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	var puts atomic.Int64
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && puts.Add(1) == 2 {
			fakeapi.Fail(w, http.StatusConflict, "Conflict", "somebody was faster")
			return true
		}
		return false
	}
	if diff := cmp.Diff(map[string]int{"409 Conflict": 1}, do(t, named(t, "update"), subject, 5)); diff != "" {
		t.Errorf("unexpected errors (-want +got):\n%s", diff)
	}
}

func TestListNoticesAMissingObject(t *testing.T) {
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	s := named(t, "list-500")
	op, _, err := s.Start(t.Context(), subject, scenario.Cell{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		_, _ = w.Write([]byte(`{"metadata":{"resourceVersion":"1"},"items":[]}`))
		return true
	}
	if _, err := op(t.Context(), load.Call{}); err == nil {
		t.Error("an empty list counts as a success")
	}
	if _, _, err := s.Start(t.Context(), subject, scenario.Cell{Workers: 1}); err == nil {
		t.Error("a cell begins on an empty list")
	}
}

// The watch's operation ends with the event, not with the answer to the write.
func TestWatchWaitsForTheEvent(t *testing.T) {
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	s := named(t, "watch")
	release, writing := make(chan struct{}), make(chan struct{})
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			close(writing)
		}
		if r.URL.Query().Get("watch") == "" {
			return false
		}
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		select {
		case <-release: // 100 + 500 creates + this update
			_, _ = w.Write([]byte(`{"type":"MODIFIED","object":{"metadata":{"name":"member-000200","resourceVersion":"601"}}}`))
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
		}
		<-r.Context().Done()
		return true
	}
	op, stop, err := s.Start(t.Context(), subject, scenario.Cell{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	var done, written time.Time
	go func() {
		var err error
		done, err = op(t.Context(), load.Call{})
		ended <- err
	}()
	select {
	case <-writing:
	case err := <-ended:
		t.Fatalf("the operation ended before its write: %v", err)
	}
	written = time.Now()
	close(release)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if done.Before(written) {
		t.Errorf("done at %v, before the event was sent at %v", done, written)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestWatchGivesUpWithTheContext(t *testing.T) {
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("watch") == "" {
			return false
		}
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done() // a watch that never delivers
		return true
	}
	op, stop, err := named(t, "watch").Start(t.Context(), subject, scenario.Cell{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := op(ctx, load.Call{})
		ended <- err
	}()
	cancel()
	if err := <-ended; err == nil {
		t.Error("a write whose event never came counts as a success")
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestNamed(t *testing.T) {
	got, err := scenario.Named("watch", "get-one")
	if err != nil || len(got) != 2 || got[0].Name != "get-one" || got[1].Name != "watch" {
		t.Errorf("Named() = %v, %v, want both, in the order of All", got, err)
	}
	if _, err := scenario.Named("get-one", "nothing"); err == nil || !strings.Contains(err.Error(), `"nothing"`) {
		t.Errorf("Named() = %v, want an error that names it", err)
	}
}

func TestScenariosAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenario.All() {
		if s.Name == "" || s.Title == "" || s.Why == "" || s.Loop == nil || s.Length <= 0 || s.Start == nil {
			t.Errorf("scenario %q is not complete", s.Name)
		}
		if seen[s.Name] {
			t.Errorf("two scenarios are named %q", s.Name)
		}
		seen[s.Name] = true
	}
}

func TestProfiles(t *testing.T) {
	for _, p := range scenario.Profiles() {
		got, err := scenario.ProfileNamed(p.Name)
		if err != nil || got != p {
			t.Errorf("ProfileNamed(%q) = %v, %v", p.Name, got, err)
		}
		if p.Rounds < 6 {
			t.Errorf("profile %s has %d rounds: too few for an interval", p.Name, p.Rounds)
		}
	}
	if _, err := scenario.ProfileNamed("nothing"); err == nil || !strings.Contains(err.Error(), "quick") {
		t.Errorf("ProfileNamed() = %v, want an error that names the known ones", err)
	}
	quick, err := scenario.ProfileNamed("quick")
	if err != nil {
		t.Fatal(err)
	}
	if got := quick.Duration(4, scenario.All()); got > 2*time.Minute {
		t.Errorf("the quick profile measures for %v, which is not quick", got)
	}
}
