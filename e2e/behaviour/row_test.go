package behaviour

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/duet-api/duet/shared/install"
)

// Every row is read by people, so what the compiler cannot ask of one is asked here.
func TestRowsAreComplete(t *testing.T) {
	ids := sets.New[string]()
	groups := sets.New(Machinery, Validation, Versioning, Subresource, Storage, Security, Failures, Operations, Clients)
	for _, row := range Rows() {
		if ids.Has(row.ID) {
			t.Errorf("%s: the ID is there twice", row.ID)
		}
		ids.Insert(row.ID)
		if !groups.Has(row.Group) {
			t.Errorf("%s: unknown group %q", row.ID, row.Group)
		}
		for what, text := range map[string]string{
			"title": row.Title, "source": row.Source, "expectation for crd": row.Expect.CRD,
			"expectation for aggregated": row.Expect.Aggregated,
		} {
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s: no %s", row.ID, what)
			}
		}
		if !strings.HasSuffix(row.Why, ".") || strings.Count(row.Why, ". ") > 0 {
			t.Errorf("%s: why is not one sentence: %q", row.ID, row.Why)
		}
		if row.Probe == nil {
			t.Errorf("%s: no probe", row.ID)
		}
	}
}

// A flag that says the forms differ, or do not, must agree with the expectations. Only a row about a document that is
// out of date may be either.
func TestFlagsAgreeWithExpectations(t *testing.T) {
	for _, row := range Rows() {
		same := row.Expect.CRD == row.Expect.Aggregated
		switch row.Flag {
		case Parity:
			if !same {
				t.Errorf("%s: flagged as parity, but expected to differ", row.ID)
			}
		case Documented, Undocumented:
			if same {
				t.Errorf("%s: flagged as a difference, but expected to be the same", row.ID)
			}
		case Outdated:
		default:
			t.Errorf("%s: unknown flag %q", row.ID, row.Flag)
		}
	}
}

// What is not observed is named with its reason, and nothing is both observed and not.
func TestUnobservedAreNoRows(t *testing.T) {
	rows, absent := sets.New[string](), sets.New[string]()
	for _, row := range Rows() {
		rows.Insert(row.ID)
	}
	for _, line := range Unobserved {
		if rows.Has(line.ID) || absent.Has(line.ID) {
			t.Errorf("%s: there is a row of that ID, or it is named twice", line.ID)
		}
		absent.Insert(line.ID)
		if line.ID == "" || line.Title == "" || !strings.HasSuffix(line.Reason, ".") {
			t.Errorf("incomplete: %+v", line)
		}
	}
}

func TestExpectationOfAForm(t *testing.T) {
	expect := Expectation{CRD: "one", Aggregated: "other", Profiles: map[string]string{"odd": "another"}}
	got := []string{expect.Of(install.CRD, ""), expect.Of(install.Aggregated, ""), expect.Of(install.Aggregated, "odd")}
	if diff := cmp.Diff([]string{"one", "other", "another"}, got); diff != "" {
		t.Errorf("unexpected expectations (-want +got):\n%s", diff)
	}
}
