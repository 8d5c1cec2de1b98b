package scenario_test

import (
	"context"
	"math"
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
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
	"github.com/duet-api/duet/bench/stats"
)

// newArm is one that every scenario fits.
func newArm(t *testing.T, server *fakeapi.Server) *arm.Arm {
	t.Helper()
	kind, err := arm.MySQLInstances(7)
	if err != nil {
		t.Fatal(err)
	}
	kind.OldVersion = "v1alpha1"
	return &arm.Arm{
		Name: "crd", Form: "crd", Namespace: "ns", Kind: kind,
		Target: arm.Kubernetes{Config: server.Config(), Admin: server.Config()},
	}
}

func newSubject(t *testing.T, server *fakeapi.Server) *scenario.Subject {
	t.Helper()
	return subjectWith(t, server, scenario.Small)
}

func subjectWith(t *testing.T, server *fakeapi.Server, population scenario.Population) *scenario.Subject {
	t.Helper()
	sized, err := population.On(newArm(t, server))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := scenario.NewSubject(t.Context(), sized, population)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(subject.Close)
	return subject
}

// subjectsOn are those of all populations on one server.
func subjectsOn(t *testing.T, server *fakeapi.Server) map[scenario.Population]*scenario.Subject {
	t.Helper()
	out := map[scenario.Population]*scenario.Subject{}
	for _, population := range []scenario.Population{scenario.Small, scenario.Medium, scenario.Large, scenario.Thousand} {
		out[population] = subjectWith(t, server, population)
	}
	return out
}

// tried are the scenarios that the tests run: those on many objects differ from others in nothing but that.
func tried() []scenario.Scenario {
	return slices.DeleteFunc(scenario.All(), func(s scenario.Scenario) bool {
		return s.Population.Objects > scenario.Thousand.Objects || s.Needs == arm.Own // see site_test.go
	})
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
	op, stop, err := s.Start(t.Context(), subject, scenario.Cell{Seed: 1, Workers: 1, Operations: int64(operations)})
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
	if len(names) != 500 || names[0] != "member-000000" || names[499] != "member-000499" {
		t.Errorf("%d objects from %s to %s, want 500 members", len(names), names[0], names[len(names)-1])
	}
}

func TestEveryScenarioSucceedsOnAGoodServer(t *testing.T) {
	server := fakeapi.New(t)
	subjects := subjectsOn(t, server)
	for _, s := range tried() {
		t.Run(s.Name, func(t *testing.T) {
			subject := subjects[s.Population]
			operations := 6
			if s.Title[0] == 'L' {
				operations = 2 // each is of 500 objects
			}
			before := len(server.Names(subject.Arm.Scratch()))
			var left [2]int
			for round := range left { // a scenario starts again in every round
				if diff := cmp.Diff(map[string]int{}, do(t, s, subject, operations)); diff != "" {
					t.Errorf("unexpected errors (-want +got):\n%s", diff)
				}
				left[round] = len(server.Names(subject.Arm.Scratch())) - before
			}
			if got := len(server.Names(subject.Arm.Namespace)); got != s.Population.Objects {
				t.Errorf("the population has %d objects now, want %d", got, s.Population.Objects)
			}
			if left[0] > 1 || left[1] != left[0] {
				t.Errorf("%d objects are left after each round, want at most one, and no more in the second", left)
			}
		})
	}
}

// What a scenario changes keeps its size: later rounds read it.
func TestChangesDoNotGrow(t *testing.T) {
	for _, name := range []string{
		"update", "update-old-version", "status", "merge-patch", "apply", "apply-5", "apply-20", "conflict-storm", "mix-32",
		"watch", "watch-resume", "watch-slow",
	} {
		t.Run(name, func(t *testing.T) {
			server := fakeapi.New(t)
			s := named(t, name)
			subject := subjectWith(t, server, s.Population)
			do(t, s, subject, 9)
			was := server.Bytes()
			do(t, s, subject, 9)
			if got := server.Bytes(); got != was {
				t.Errorf("%d bytes are stored, after %d", got, was)
			}
		})
	}
}

func TestEveryScenarioRunsInItsLoop(t *testing.T) {
	subjects := subjectsOn(t, fakeapi.New(t))
	for _, s := range tried() {
		t.Run(s.Name, func(t *testing.T) {
			const length = 20 * time.Millisecond
			s = s.At(1000) // for the loops that need to know what a server can do
			op, stop, err := s.Start(t.Context(), subjects[s.Population], s.Cell(1, length))
			if err != nil {
				t.Fatal(err)
			}
			cell := load.Cell{Op: op, Duration: length, Reason: arm.Reason}
			result, err := s.Loop.Run(t.Context(), cell)
			if err != nil {
				t.Fatal(err)
			}
			if stop != nil {
				// On a busy machine the writes of list-busy may be too few, and it says so.
				if err := stop(); err != nil && s.Name != "list-busy" {
					t.Error(err)
				}
			}
			if result.Latency.TotalCount() == 0 || len(result.Errors) > 0 {
				t.Errorf("%d succeeded and %v failed", result.Latency.TotalCount(), result.Errors)
			}
		})
	}
}

func TestCreateUsesNewNamesInTheScratchNamespaceAndRemovesThem(t *testing.T) {
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	names := map[string]bool{}
	for range 2 {
		op, stop, err := named(t, "create").Start(t.Context(), subject, scenario.Cell{Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if _, err := op(t.Context(), load.Call{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range server.Names("ns-scratch") {
			names[name] = true
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if left := server.Names("ns-scratch"); len(left) != 0 {
			t.Errorf("%q are left", left)
		}
	}
	if len(names) != 20 {
		t.Errorf("%d objects were created, want 20", len(names))
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

func TestStagesEndWithTheLargest(t *testing.T) {
	var sizes []int
	for _, stage := range scenario.Stages(scenario.All()) {
		sizes = append(sizes, stage[0].Population.Objects)
	}
	if diff := cmp.Diff([]int{500, 0, 1_000, 10_000, 100_000}, sizes); diff != "" {
		t.Errorf("objects of the stages (-want +got):\n%s", diff)
	}
}

func TestScenariosAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenario.All() {
		if s.Name == "" || s.Title == "" || s.Why == "" || s.Loop == nil || s.Start == nil ||
			s.Population.Bytes == 0 || s.Repeats() && s.Length <= 0 || !s.Repeats() && s.Takes <= 0 {
			t.Errorf("scenario %q is not complete", s.Name)
		}
		if seen[s.Name] {
			t.Errorf("two scenarios are named %q", s.Name)
		}
		if _, share := s.Loop.(load.Share); share != (s.Capacity != "") {
			t.Errorf("scenario %q has the loop %q and the capacity %q", s.Name, s.Loop, s.Capacity)
		}
		if s.Capacity != "" {
			// The same arms have a part in both, and the same objects.
			of := named(t, s.Capacity)
			if _, closed := of.Loop.(load.Closed); !closed || of.Population != s.Population || of.Needs != s.Needs {
				t.Errorf("%s does not say what is the capacity for %s", of.Name, s.Name)
			}
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
}

// What the profiles promise, with what comes on top of Duration taken to be 25 seconds, and two or three minutes for the
// longer ones: the four of a run that does not say which, and a few more.
func TestProfilesKeepTheirTime(t *testing.T) {
	tests := map[string]struct {
		arms int
		most time.Duration
		want []string
	}{
		"smoke": {4, 35 * time.Second, []string{"get-one", "list-500", "create", "watch"}},
		"quick": {4, 3 * time.Minute, []string{"get-one", "get-many", "list-500", "create", "update", "watch"}},
		"standard": {5, 22 * time.Minute, []string{
			"get-one", "get-many", "get-cached", "get-many-8", "get-rate", "get-16k", "get-old-version",
			"list-500", "list-cached", "list-pages", "list-label", "list-metadata", "list-table", "list-busy", "list-16k",
			"list-old-version",
			"create", "create-8", "create-rate", "create-16k", "update", "status", "merge-patch", "apply", "delete",
			"watch", "watch-10", "watch-resume", "get-of-10k", "page-of-10k", "create-beside-10k",
			"controller",
		}},
		"full": {4, 118 * time.Minute, namesOf(scenario.All())},
	}
	for _, p := range scenario.Profiles() {
		test := tests[p.Name]
		if diff := cmp.Diff(test.want, namesOf(p.Scenarios())); diff != "" {
			t.Errorf("%s: unexpected scenarios (-want +got):\n%s", p.Name, diff)
		}
		if got := p.Duration(lineOf(t, test.arms), p.Scenarios()); got > test.most || got < test.most/2 {
			t.Errorf("profile %s with %d arms takes %v, want at most %v, and to use it", p.Name, test.arms, got, test.most)
		}
		// The shortest cell of an open loop has something to measure behind its lead.
		for _, s := range p.Scenarios() {
			length := time.Duration(s.Length * float64(p.WarmUpCell))
			if cell := s.Cell(1, length); s.Repeats() && cell.Operations > 0 && float64(cell.Operations)*(1-p.Lead) < 2 {
				t.Errorf("profile %s: a cell of %s has %d operations", p.Name, s.Name, cell.Operations)
			}
		}
		// In the longest, what comes at a rate has a p99, and who does not read a watch more events than lie in between.
		least := map[string]float64{
			"get-rate": report.MinForP99, "create-rate": report.MinForP99, "delete": report.MinForP99, "watch-slow": 135,
		}
		for _, s := range p.Scenarios() {
			open, ok := s.Loop.(load.Open)
			if !ok || p.Level < scenario.Full {
				continue
			}
			length := time.Duration(s.Length * float64(p.Cell))
			lead := math.Ceil(open.Rate * p.Lead * length.Seconds())
			if measured := float64(open.Operations(length)) - lead; measured < least[s.Name] {
				t.Errorf("profile %s: %v operations of %s are measured in a cell", p.Name, measured, s.Name)
			}
		}
		// Three metrics are compared for each scenario. If all rounds agree, each comparison must be able to make a claim.
		if least := 3 * len(p.Scenarios()); math.Ldexp(float64(least), 1-p.Rounds) > stats.Significance {
			t.Errorf("profile %s: %d rounds can claim nothing among %d comparisons", p.Name, p.Rounds, least)
		}
	}
}

// lineOf so many arms: what a run has that does not say which, and then more of the form on sites of others.
func lineOf(t *testing.T, n int) []*arm.Arm {
	t.Helper()
	server := fakeapi.New(t)
	kind, err := arm.ConfigMaps(7)
	if err != nil {
		t.Fatal(err)
	}
	var out []*arm.Arm
	for i := range n {
		out = append(out, newArm(t, server))
		if i < 3 {
			out[i].Target = arm.Kubernetes{Config: server.Config(), Admin: server.Config(), Site: &fakeSite{}}
		}
	}
	out[2].Repeats, out[3].Kind = out[0].Name, kind
	if n > 4 {
		out[4].Repeats = out[1].Name
	}
	return out
}

func namesOf(scenarios []scenario.Scenario) []string {
	var names []string
	for _, s := range scenarios {
		names = append(names, s.Name)
	}
	return names
}
