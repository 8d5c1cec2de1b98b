package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/e2e/behaviour"
)

func TestMatrixStates(t *testing.T) {
	crd := func(r behaviour.Result) behaviour.Result { r.Form = "crd"; return r }
	aggregated := func(r behaviour.Result) behaviour.Result { r.Form = "aggregated"; return r }
	tests := map[string]struct {
		results    []behaviour.Result
		want       State
		unexpected bool
	}{
		"same": {
			[]behaviour.Result{crd(behaviour.Result{Observed: "200"}), aggregated(behaviour.Result{Observed: "200"})}, Same, false,
		},
		"different": {
			[]behaviour.Result{crd(behaviour.Result{Observed: "200"}), aggregated(behaviour.Result{Observed: "415"})}, Different,
			false,
		},
		"same, and neither as expected": {
			[]behaviour.Result{
				crd(behaviour.Result{Observed: "200", Unexpected: true}), aggregated(behaviour.Result{Observed: "200", Unexpected: true}),
			}, Same, true,
		},
		"of one form": {[]behaviour.Result{crd(behaviour.Result{Observed: "200"})}, Alone, false},
		"of one form, and not": {
			[]behaviour.Result{crd(behaviour.Result{Error: "refused", Unexpected: true})}, Incomplete, true,
		},
		"not applicable to one": {
			[]behaviour.Result{crd(behaviour.Result{NotApplicable: "no server"}), aggregated(behaviour.Result{Observed: "200"})},
			Incomplete, false,
		},
		"not observed on one": {
			[]behaviour.Result{
				crd(behaviour.Result{Observed: "200"}), aggregated(behaviour.Result{Error: "refused", Unexpected: true}),
			}, Incomplete, true,
		},
		"not looked at on one": {
			[]behaviour.Result{crd(behaviour.Result{Observed: "200"}), aggregated(behaviour.Result{ID: "other"})}, Incomplete, false,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := NewMatrix(test.results)
			row := m.Groups[0].Rows[0]
			if row.State != test.want || row.Unexpected != test.unexpected {
				t.Errorf("state %q, unexpected %v, want %q, %v", row.State, row.Unexpected, test.want, test.unexpected)
			}
		})
	}
}

func TestMatrixSaysWhatElseWentWrong(t *testing.T) {
	m := NewMatrix([]behaviour.Result{
		{Form: "crd", Observed: "200"}, {Form: "aggregated", Observed: "200", Error: "left a namespace behind", Unexpected: true},
	})
	want := []string{"aggregated: left a namespace behind"}
	if diff := cmp.Diff(want, m.Groups[0].Rows[0].Problems); diff != "" {
		t.Errorf("unexpected problems (-want +got):\n%s", diff)
	}
}

func TestMatrixKeepsTheOrderOfResults(t *testing.T) {
	var results []behaviour.Result
	for _, form := range []string{"crd", "aggregated"} {
		for _, id := range []string{"z", "a", "m"} {
			results = append(results, behaviour.Result{ID: id, Group: behaviour.Group("group of " + id), Form: form, Observed: id})
		}
	}
	m := NewMatrix(results)
	var got []string
	for _, group := range m.Groups {
		for _, row := range group.Rows {
			got = append(got, group.Name+": "+row.ID)
			for i, result := range row.Results {
				if result.Form != m.Forms[i] || result.ID != row.ID {
					t.Errorf("the result of %s in row %s is %s of %s", m.Forms[i], row.ID, result.ID, result.Form)
				}
			}
		}
	}
	if diff := cmp.Diff([]string{"group of z: z", "group of a: a", "group of m: m"}, got); diff != "" {
		t.Errorf("unexpected rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"crd", "aggregated"}, m.Forms); diff != "" {
		t.Errorf("unexpected forms (-want +got):\n%s", diff)
	}
}

func TestMatrixSumsUp(t *testing.T) {
	for want, m := range map[string]Matrix{
		"No behaviour was checked.": {},
		"3 behaviour checks: 2 are the same on both forms, 1 differs; all as expected.":                    {Same: 2, Different: 1},
		"4 behaviour checks: 1 is the same on both forms, 2 differ, 1 was not observed on both; 2 are not": {Same: 1, Different: 2, Incomplete: 1, Unexpected: 2},
		"3 behaviour checks of crd: 2 observed, 1 not; all as expected.":                                   {Forms: []string{"crd"}, Alone: 2, Incomplete: 1},
		"1 behaviour check: 0 are the same on both forms, 1 differs; 1 is not as expected.":                {Different: 1, Unexpected: 1},
	} {
		if got := m.String(); !strings.HasPrefix(got, want) {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}
