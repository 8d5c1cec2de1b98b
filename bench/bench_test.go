package bench_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench"
	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/internal/fakeapi"
	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
)

func options(t *testing.T, server *fakeapi.Server) bench.Options {
	t.Helper()
	kind, err := arm.MySQLInstances(7)
	if err != nil {
		t.Fatal(err)
	}
	newArm := func(name, form, repeats string) *arm.Arm {
		return &arm.Arm{
			Name: name, Form: form, Repeats: repeats, Plane: form, Target: arm.Kubernetes{Config: server.Config(), Admin: server.Config()}, Kind: kind,
		}
	}
	return bench.Options{
		Arms: []*arm.Arm{
			newArm("crd", "crd", ""), newArm("crd-again", "crd", "crd"), newArm("aggregated", "aggregated", ""),
		},
		Scenarios: named(t, "get-one", "update"),
		Profile: scenario.Profile{
			Name: "test", Weighs: true, Rounds: 6, Cell: 5 * time.Millisecond, Lead: 0.1, WarmUpCell: 5 * time.Millisecond, MaxWarmUps: 1,
		},
		Seed: 7,
	}
}

// named are the scenarios of those names.
func named(t *testing.T, names ...string) []scenario.Scenario {
	t.Helper()
	found, err := scenario.Named(names...)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRunMeasuresEveryCell(t *testing.T) {
	server := fakeapi.New(t)
	o := options(t, server)
	var phases []string
	last := bench.Progress{}
	o.Progress = func(p bench.Progress) {
		if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
			phases = append(phases, p.Phase)
		}
		if p.Phase == "measure" {
			last = p
		}
	}
	result, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"prepare", "warm up", "measure", "clean up"}, phases); diff != "" {
		t.Errorf("unexpected phases (-want +got):\n%s", diff)
	}
	if last.Done != 33 || last.Total != 36 || last.Round != 6 {
		t.Errorf("the last cells are %+v, want three after 33, in round 6", last)
	}
	if result.Rounds != 6 || result.Interrupted || len(result.Rows) != 36 {
		t.Errorf("%d rounds, interrupted %v, %d rows, want 6, false, 36", result.Rounds, result.Interrupted, len(result.Rows))
	}
	for _, row := range result.Rows {
		if row.Latency.Count == 0 || row.HDR == "" || len(row.Errors) != 0 {
			t.Errorf("round %d, %s on %s has %d samples and errors %v", row.Round, row.Scenario, row.Arm, row.Latency.Count,
				row.Errors)
		}
		if _, found := row.Usage[measure.Generator]; !found {
			t.Errorf("round %d, %s on %s does not say what the generator used", row.Round, row.Scenario, row.Arm)
		}
	}
	if len(result.Summaries) != 6 || len(result.Select(report.Primary, report.P50)) != 2 {
		t.Errorf("%d summaries and %d comparisons, want 6 and 2", len(result.Summaries),
			len(result.Select(report.Primary, report.P50)))
	}
	if got := server.Namespaces(); len(got) != 0 {
		t.Errorf("namespaces %v are left", got)
	}
	for _, a := range o.Arms {
		if a.Namespace != "" {
			t.Errorf("the caller's arm %s was changed", a.Name)
		}
	}
}

// Scenarios of another size have their own objects, in namespaces of their own, and arms that cannot take part have none.
func TestScenariosHaveTheirPopulation(t *testing.T) {
	server := fakeapi.New(t)
	o := options(t, server)
	o.Arms = o.Arms[:2]
	o.Arms[1].Target = arm.Bare{Config: server.Config()}
	o.Scenarios = named(t, "get-one", "get-16k")
	result, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	rows, creates := map[string]int{}, map[string]int{}
	for _, row := range result.Rows {
		rows[row.Scenario+" "+row.Arm]++
	}
	if diff := cmp.Diff(map[string]int{"get-one crd": 6, "get-one crd-again": 6, "get-16k crd": 6}, rows); diff != "" {
		t.Errorf("unexpected cells (-want +got):\n%s", diff)
	}
	for _, request := range server.Requests() {
		if namespace, found := strings.CutSuffix(request, "/mysqlinstances"); found && strings.HasPrefix(request, "POST ") {
			_, size, _ := strings.Cut(namespace, "-crd")
			creates[size]++
		}
	}
	if diff := cmp.Diff(map[string]int{"": 500, "-again": 500, "-16k": 64}, creates); diff != "" {
		t.Errorf("unexpected objects (-want +got):\n%s", diff)
	}
	if got := result.Scenarios[1]; got.Objects != 64 || got.PayloadBytes != 16384 {
		t.Errorf("the scenario says that there are %d objects of %d bytes", got.Objects, got.PayloadBytes)
	}
	if got := server.Namespaces(); len(got) != 0 {
		t.Errorf("namespaces %v are left", got)
	}
}

// In each scenario the order of a round is random, and that of the next is its reverse; the seed decides.
func TestArmsTakeTurns(t *testing.T) {
	orders := func(seed uint64) map[string][][]string {
		o := options(t, fakeapi.New(t))
		o.Seed = seed
		result, err := bench.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string][][]string{}
		for _, row := range result.Rows {
			for len(out[row.Scenario]) < row.Round {
				out[row.Scenario] = append(out[row.Scenario], nil)
			}
			at := &out[row.Scenario][row.Round-1]
			*at = append(*at, row.Arm)
			if len(*at) != row.Position {
				t.Errorf("position %d of %s is recorded as %d", len(*at), row.Arm, row.Position)
			}
		}
		return out
	}
	first := orders(7)
	for name, rounds := range first {
		if len(rounds) != 6 {
			t.Fatalf("%s has %d rounds, want 6", name, len(rounds))
		}
		for i := 0; i < len(rounds); i += 2 {
			reversed := slices.Clone(rounds[i+1])
			slices.Reverse(reversed)
			if diff := cmp.Diff(rounds[i], reversed); diff != "" {
				t.Errorf("%s: round %d is not the reverse of round %d:\n%s", name, i+2, i+1, diff)
			}
		}
	}
	if diff := cmp.Diff(first, orders(7)); diff != "" {
		t.Errorf("the same seed gives another order:\n%s", diff)
	}
	if cmp.Equal(first, orders(8)) && cmp.Equal(first, orders(9)) {
		t.Error("the order does not depend on the seed")
	}
}

func TestInterruptionKeepsFinishedRounds(t *testing.T) {
	server := fakeapi.New(t)
	o := options(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Progress = func(p bench.Progress) {
		if p.Phase == "measure" && p.Round == 3 && p.Scenario == "update" {
			cancel()
		}
	}
	result, err := bench.Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if !result.Interrupted || result.Rounds != 2 || len(result.Rows) != 12 {
		t.Errorf("interrupted %v, %d rounds, %d rows, want true, 2, 12", result.Interrupted, result.Rounds, len(result.Rows))
	}
	if got := strings.Join(result.Warnings, " "); !strings.Contains(got, "2 of 6 rounds") {
		t.Errorf("warnings %q do not say so", got)
	}
	if got := server.Namespaces(); len(got) != 0 {
		t.Errorf("namespaces %v are left", got)
	}
}

// A run that is killed goes on from its last finished round.
func TestEachRoundIsKept(t *testing.T) {
	o := options(t, fakeapi.New(t))
	var kept []report.Bench
	o.Keep = func(b *report.Bench) error {
		kept = append(kept, *b)
		return nil
	}
	result, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(kept) != 6 || result.Interrupted {
		t.Fatalf("%d rounds were kept, interrupted %v", len(kept), result.Interrupted)
	}
	for i, b := range kept {
		if !b.Interrupted || b.Rounds != i+1 || len(b.Rows) != 6*(i+1) {
			t.Errorf("round %d: interrupted %v, %d rounds, %d rows", i+1, b.Interrupted, b.Rounds, len(b.Rows))
		}
	}
	o.Keep, o.Resume = nil, &kept[3]
	if result, err = bench.Run(t.Context(), o); err != nil || result.Interrupted || result.Rounds != 6 {
		t.Errorf("Run() = %+v, %v, want the rest", result, err)
	}
	o.Keep, o.Resume = func(*report.Bench) error { return errors.New("no space") }, nil
	if result, err = bench.Run(t.Context(), o); err == nil || result == nil || result.Rounds != 1 {
		t.Errorf("Run() = %+v, %v, want one round, and what was wrong", result, err)
	}
}

// What the servers say of themselves comes after the rounds, and a run without it is not complete.
func TestInterruptionBeforeTheAccounts(t *testing.T) {
	o := options(t, fakeapi.New(t))
	o.Inspect = func(context.Context, string, bool) (map[string]measure.State, error) {
		return map[string]measure.State{}, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Progress = func(p bench.Progress) {
		if p.Phase == "account" && p.Scenario == "update" {
			cancel()
		}
	}
	result, err := bench.Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	made := len(result.Accounts)
	if !result.Interrupted || result.Rounds != 6 || made == 0 {
		t.Errorf("interrupted %v, %d rounds, %d accounts", result.Interrupted, result.Rounds, made)
	}
	if got := strings.Join(result.Warnings, " "); !strings.Contains(got, "not all of what servers say") {
		t.Errorf("warnings %q do not say so", got)
	}
	rows := len(result.Rows)
	o.Resume, o.Progress = result, func(p bench.Progress) {
		if p.Phase == "measure" {
			t.Errorf("round %d is measured again", p.Round)
		}
	}
	if result, err = bench.Run(t.Context(), o); err != nil || result.Interrupted || len(result.Rows) != rows || len(result.Accounts) <= made {
		t.Errorf("Run() = %v, interrupted %v, %d rows, %d accounts", err, result.Interrupted, len(result.Rows), len(result.Accounts))
	}
}

func TestInterruptionBeforeARoundIsAnError(t *testing.T) {
	server := fakeapi.New(t)
	o := options(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Progress = func(p bench.Progress) {
		if p.Phase == "measure" {
			cancel()
		}
	}
	result, err := bench.Run(ctx, o)
	if result != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("Run() = %v, %v, want no result and the context's error", result, err)
	}
	if got := server.Namespaces(); len(got) != 0 {
		t.Errorf("namespaces %v are left", got)
	}
}

func TestServerErrorsAreRowsAndNotTheEnd(t *testing.T) {
	server := fakeapi.New(t)
	o := options(t, server)
	broken := false
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if broken && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "-aggregated/") {
			fakeapi.Fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "no backend")
			return true
		}
		return false
	}
	o.Progress = func(p bench.Progress) { broken = p.Phase == "measure" }
	result, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range result.Rows {
		failed := row.Errors["503 ServiceUnavailable"] + row.Errors["could not begin: 503 ServiceUnavailable"]
		if (failed > 0) != (row.Arm == "aggregated") || (row.Latency.Count > 0) == (row.Arm == "aggregated") {
			t.Errorf("%s on %s has %d samples and errors %v", row.Scenario, row.Arm, row.Latency.Count, row.Errors)
		}
	}
	for _, c := range result.Select(report.Primary, report.P50) {
		if c.Verdict != "undecided" {
			t.Errorf("the verdict on %s is %q without a measurement", c.Scenario, c.Verdict)
		}
	}
}

func TestRefusesWhatItCannotRun(t *testing.T) {
	tests := map[string]struct {
		change func(*bench.Options)
		want   string
	}{
		"no arms":      {func(o *bench.Options) { o.Arms = nil }, "0 arms"},
		"no rounds":    {func(o *bench.Options) { o.Profile.Rounds = 0 }, "0 rounds"},
		"two of one":   {func(o *bench.Options) { o.Arms = append(o.Arms, o.Arms[0]) }, `two arms are named "crd"`},
		"a half A/A":   {func(o *bench.Options) { o.Arms = o.Arms[1:] }, `repeats "crd", which is not an arm`},
		"half an arm":  {func(o *bench.Options) { o.Arms[0] = &arm.Arm{Name: "x"} }, "has no form"},
		"broken usage": {func(o *bench.Options) { o.Usage = brokenUsage }, "broken usage"},
		"no part":      {func(o *bench.Options) { o.Scenarios = named(t, "cold-start") }, "none of the arms has a part"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := fakeapi.New(t)
			o := options(t, server)
			test.change(&o)
			if _, err := bench.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Run() = %v, want an error with %q", err, test.want)
			}
			if got := server.Namespaces(); len(got) != 0 {
				t.Errorf("namespaces %v are left", got)
			}
		})
	}
}

// failingIn is a usage that cannot be read in one round.
func failingIn(now *int, round int) measure.Source {
	return func(ctx context.Context) (map[string]measure.Usage, error) {
		if *now == round {
			return brokenUsage(ctx)
		}
		return map[string]measure.Usage{}, nil
	}
}

func brokenUsage(context.Context) (map[string]measure.Usage, error) {
	return nil, errors.New("broken usage")
}

// However many references there are, those that the run is about follow each other, in every round.
func TestReferencesAreABlockOfTheirOwn(t *testing.T) {
	server := fakeapi.New(t)
	o := options(t, server)
	o.Arms[1].Name, o.Arms[1].Repeats, o.Arms[1].Reference = "reference", "", true
	result, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range result.Rows {
		if row.Arm == "reference" && row.Position == 2 {
			t.Errorf("round %d, %s: the reference came between the others", row.Round, row.Scenario)
		}
	}
}

// Arms take turns within a cell, slice by slice, and forwards as often as backwards; what needs time to itself does not.
func TestArmsTakeTurnsWithinACell(t *testing.T) {
	turns := func(name string) (perRound float64) {
		server := fakeapi.New(t)
		o := options(t, server)
		o.Arms = []*arm.Arm{o.Arms[0], o.Arms[2]}
		o.Profile.Slices, o.Profile.Cell, o.Profile.WarmUpCell = 4, 40*time.Millisecond, 40*time.Millisecond
		o.Scenarios = named(t, name)
		begin := 0
		o.Progress = func(p bench.Progress) {
			if p.Phase == "measure" && begin == 0 {
				begin = len(server.Requests())
			}
		}
		if _, err := bench.Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		last, changes := "", 0
		for _, request := range server.Requests()[begin:] {
			if !strings.Contains(request, "/member-") {
				continue
			}
			if now := request[:strings.Index(request, "/member-")]; now != last {
				last, changes = now, changes+1
			}
		}
		return float64(changes) / float64(o.Profile.Rounds)
	}
	// Two arms in four passes, of which each begins with the arm that the last one ended with; on a busy machine the last
	// slices are left out.
	if got := turns("get-one"); got < 3 || got > 6 {
		t.Errorf("the arms of a closed loop change %.1f times in a round, want 4 or 5", got)
	}
	if got := turns("get-rate"); got > 2 {
		t.Errorf("the arms of an open loop change %.1f times in a round, want 1 or 2", got)
	}
}

// What only explains is measured in fewer rounds, all of which are whole.
func TestReferencesHaveAPartInSomeRounds(t *testing.T) {
	o := options(t, fakeapi.New(t))
	o.Arms[1].Name, o.Arms[1].Repeats, o.Arms[1].Reference = "reference", "", true
	o.Profile.Explained = 3
	last := bench.Progress{}
	o.Progress = func(p bench.Progress) {
		if p.Phase == "measure" {
			last = p
		}
	}
	result, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	rounds := map[string][]int{}
	for _, row := range result.Rows {
		if row.Scenario == "update" {
			rounds[row.Arm] = append(rounds[row.Arm], row.Round)
		}
	}
	want := map[string][]int{"crd": {1, 2, 3, 4, 5, 6}, "aggregated": {1, 2, 3, 4, 5, 6}, "reference": {1, 2}}
	if diff := cmp.Diff(want, rounds); diff != "" {
		t.Errorf("unexpected rounds (-want +got):\n%s", diff)
	}
	if result.Interrupted || last.Total != 28 {
		t.Errorf("interrupted %v, %d cells in all, want false, 28", result.Interrupted, last.Total)
	}
}

// What comes at a rate has as many operations as it would have in one piece, and all of them are measured but for the lead.
func TestOpenLoopsAreMeasuredInOnePiece(t *testing.T) {
	o := options(t, fakeapi.New(t))
	o.Profile.Slices, o.Profile.Cell, o.Profile.WarmUpCell = 8, 200*time.Millisecond, 100*time.Millisecond
	o.Scenarios = named(t, "delete", "watch-10")
	lengths := map[string]float64{}
	for _, s := range o.Scenarios {
		lengths[s.Name] = s.Length
	}
	result, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range result.Rows {
		want := int64(row.Rate * o.Profile.Cell.Seconds() * lengths[row.Scenario])
		if row.Attempts != want || row.WarmUp != want/10 || len(row.Errors) > 0 {
			t.Errorf("round %d, %s on %s has %d operations, %d of them in the lead, and errors %v; want %d, %d, none", row.Round,
				row.Scenario, row.Arm, row.Attempts, row.WarmUp, row.Errors, want, want/10)
		}
	}
}

// What is about to end with its control planes is left there; the stages before are not, which the next one would feel.
func TestDisposablePlanesAreLeftAsTheyAre(t *testing.T) {
	server := fakeapi.New(t)
	o := options(t, server)
	o.Disposable, o.Arms = true, o.Arms[:1]
	o.Scenarios = named(t, "get-one", "get-of-1k")
	if _, err := bench.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range server.Namespaces() {
		if !strings.Contains(namespace, "-n1000") {
			t.Errorf("namespace %s of an earlier stage is left", namespace)
		}
	}
	if len(server.Namespaces()) == 0 {
		t.Error("the last stage was cleaned up, for nobody")
	}
}
