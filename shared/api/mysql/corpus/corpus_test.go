package corpus

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/sets"
)

// TestCorpus holds the corpus to its own promise: every rule has an object that keeps it and one that breaks it.
func TestCorpus(t *testing.T) {
	cases, err := Cases()
	if err != nil {
		t.Fatal(err)
	}
	kept, broken := sets.New[string](), sets.New[string]()
	versions := map[string]int{}
	for _, c := range cases {
		rule := c.Version + ": " + c.Rule
		if c.Want.Accepted {
			kept.Insert(rule)
		} else {
			broken.Insert(rule)
		}
		versions[c.Version]++
	}
	for _, rule := range sets.List(kept.Union(broken)) {
		if !kept.Has(rule) || !broken.Has(rule) {
			t.Errorf("%s: accepted %v, refused %v", rule, kept.Has(rule), broken.Has(rule))
		}
	}
	for version, least := range map[string]int{"v1": 100, "v1alpha1": 40} {
		if versions[version] < least {
			t.Errorf("only %d cases of %s", versions[version], version)
		}
	}
}

func TestDiff(t *testing.T) {
	refused := func(causes ...Cause) Verdict { return Verdict{Causes: causes} }
	a := Cause{Field: "spec.a", Reason: "FieldValueInvalid"}
	also := Cause{Field: "spec.a", Reason: "FieldValueRequired"}
	b := Cause{Field: "spec.b", Reason: "FieldValueInvalid"}
	tests := map[string]struct {
		want, got Verdict
		wantSame  bool
	}{
		"both accept":         {Verdict{Accepted: true}, Verdict{Accepted: true}, true},
		"the same cause":      {refused(a), refused(a), true},
		"a second reason":     {refused(a), refused(a, also), true},
		"the order":           {refused(a, b), refused(b, a), true},
		"accepted by mistake": {refused(a), Verdict{Accepted: true}, false},
		"refused by mistake":  {Verdict{Accepted: true}, refused(a), false},
		"a second field":      {refused(a), refused(a, b), false},
		"a field is missing":  {refused(a, b), refused(a), false},
		"another reason":      {refused(a), refused(also), false},
		"another status":      {refused(a), Verdict{Reason: "BadRequest", Causes: []Cause{a}}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := tc.want.Diff(tc.got); (diff == "") != tc.wantSame {
				t.Errorf("got %q", diff)
			}
		})
	}
}

func TestExpect(t *testing.T) {
	refused := Verdict{Causes: []Cause{{Field: "spec.a", Reason: "FieldValueInvalid"}}}
	other := Difference{Verdict: Verdict{Accepted: true}, Why: "it has a reason"}
	tests := map[string]struct {
		c     Case
		judge Judge
		want  string
	}{
		"at home":           {Case{Home: Schema, Want: refused}, SchemaInProcess, refused.String()},
		"not at home":       {Case{Home: Go, Want: refused}, CRDSchemaOnly, "accepted"},
		"by a webhook":      {Case{Home: LookUp, Want: refused}, CRDWebhooks, refused.String()},
		"before validation": {Case{Home: Decoding, Want: refused}, Aggregated, "refused as BadRequest ()"},
		"by its name":       {Case{Home: Schema, Want: refused, Differs: map[string]Difference{"aggregated": other}}, Aggregated, "accepted"},
		"by its family":     {Case{Home: Schema, Want: refused, Differs: map[string]Difference{"typed": other}}, GoInProcess, "accepted"},
		"by another one's":  {Case{Home: Schema, Want: refused, Differs: map[string]Difference{"schema": other}}, Aggregated, refused.String()},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.c.Expect(tc.judge).String(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
