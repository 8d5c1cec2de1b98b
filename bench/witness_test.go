package bench_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench"
	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/internal/fakeapi"
	"github.com/duet-api/duet/bench/report"
)

// withWitness are options with a witness of the arm crd, and the scenarios that it has a part in, and one that it has not.
func withWitness(t *testing.T, server *fakeapi.Server) bench.Options {
	t.Helper()
	o := options(t, server)
	witness := *o.Arms[0]
	witness.Name, witness.Repeats, witness.Witness = "crd-witness", "crd", true
	o.Arms = append(o.Arms, &witness)
	o.Scenarios = named(t, "get-one", "list-500", "create", "update")
	return o
}

func TestWitnessMeasuresTheSameRequests(t *testing.T) {
	server := fakeapi.New(t)
	result, err := bench.Run(t.Context(), withWitness(t, server))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{}
	for _, row := range result.Rows {
		if row.Arm != "crd-witness" {
			continue
		}
		rows[row.Scenario]++
		l := row.Latency
		if l.Count == 0 || l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.Max || row.Attempts != row.WarmUp+l.Count || len(row.Errors) > 0 {
			t.Errorf("%s: %+v, %d attempts, %d to warm up, errors %v", row.Scenario, l, row.Attempts, row.WarmUp, row.Errors)
		}
	}
	if diff := cmp.Diff(map[string]int{"get-one": 6, "list-500": 6, "create": 6}, rows); diff != "" {
		t.Errorf("unexpected rows (-want +got):\n%s", diff)
	}
	if got := result.Select(report.Witness, report.P50); len(got) != 3 || got[0].Base != "crd" {
		t.Errorf("comparisons %+v, want one for each", got)
	}
	for _, c := range result.Select(report.Noise, report.P50) {
		if c.Test == "crd-witness" {
			t.Error("an independent client counts as noise")
		}
	}
	if got := server.Namespaces(); len(got) != 0 {
		t.Errorf("namespaces %v are left", got)
	}
}

func TestWitnessSeesFailures(t *testing.T) {
	server := fakeapi.New(t)
	o := withWitness(t, server)
	broken := false
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if broken && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "-crd-witness/") {
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
		failed := row.Errors["503 ServiceUnavailable"] > 0
		if failed != (row.Arm == "crd-witness" && row.Scenario != "create") {
			t.Errorf("%s on %s has errors %v", row.Scenario, row.Arm, row.Errors)
		}
	}
}

// The core group has another path than all others.
func TestWitnessOfTheCoreGroup(t *testing.T) {
	server := fakeapi.New(t)
	o := withWitness(t, server)
	kind, err := arm.ConfigMaps(7)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range o.Arms {
		a.Kind = kind
	}
	o.Scenarios, o.Profile.Rounds = o.Scenarios[:1], 1
	if _, err := bench.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	seen := false
	for _, request := range server.Requests() {
		if strings.HasPrefix(request, "GET ") && strings.Contains(request, "-crd-witness/configmaps/") {
			seen = true
			if !strings.HasPrefix(request, "GET /api/v1/namespaces/") {
				t.Fatalf("an independent client asked for %s", request)
			}
		}
	}
	if !seen {
		t.Error("an independent client asked for nothing")
	}
}
