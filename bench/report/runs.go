package report

import (
	"fmt"
	"io"

	"k8s.io/cli-runtime/pkg/printers"

	"github.com/duet-api/duet/bench/stats"
)

// Agreement is one comparison of two arms in two runs.
type Agreement struct {
	Scenario string `json:"scenario"`
	Metric   Metric `json:"metric"`
	Test     string `json:"test"`
	Base     string `json:"base"`
	// Old and New are what each run made of it; nil where a run has it not.
	Old *Comparison `json:"old,omitempty"`
	New *Comparison `json:"new,omitempty"`
	// Agree: both have it, with the same verdict.
	Agree bool `json:"agree"`
	// Moved: the intervals of the two ratios do not meet, so something beside chance has changed.
	Moved bool `json:"moved"`
}

// Agreements holds two runs against each other, comparison by comparison, in the order of the new one. What only the old
// one has comes last. Comparisons of an arm with its own repetition are left out.
func Agreements(old, now *Bench) []Agreement {
	type key struct {
		scenario, test, base string
		metric               Metric
	}
	keyOf := func(c Comparison) key { return key{c.Scenario, c.Test, c.Base, c.Metric} }
	before := map[key]Comparison{}
	for _, c := range old.Comparisons {
		before[keyOf(c)] = c
	}
	var out []Agreement
	add := func(c Comparison, was, is *Comparison) {
		if c.Role == Noise {
			return
		}
		a := Agreement{Scenario: c.Scenario, Metric: c.Metric, Test: c.Test, Base: c.Base, Old: was, New: is}
		if was != nil && is != nil {
			a.Agree = was.Verdict == is.Verdict
			a.Moved = was.Ratio.Bounded && is.Ratio.Bounded && (was.Ratio.Hi < is.Ratio.Lo || is.Ratio.Hi < was.Ratio.Lo)
		}
		out = append(out, a)
	}
	for _, c := range now.Comparisons {
		if was, found := before[keyOf(c)]; found {
			add(c, &was, &c)
			delete(before, keyOf(c))
			continue
		}
		add(c, nil, &c)
	}
	for _, c := range old.Comparisons {
		if _, left := before[keyOf(c)]; left {
			add(c, &c, nil)
		}
	}
	return out
}

// WriteAgreements writes a table for a terminal, and how many verdicts agree. Lines where neither run claims anything are
// left out unless they moved: agreeing that nothing is known is no agreement.
func WriteAgreements(w io.Writer, all []Agreement) error {
	table := printers.GetNewTabWriter(w)
	fmt.Fprintln(table, "SCENARIO\tMETRIC\tRATIO\tOLD\tNEW\t")
	claims, agree, contrary, moved := 0, 0, 0, 0
	for _, a := range all {
		if a.claims() {
			claims++
			if a.Agree {
				agree++
			}
			if a.contrary() {
				contrary++
			}
		}
		if a.Moved {
			moved++
		}
		if a.claims() || a.Moved {
			fmt.Fprintf(table, "%s\t%s\t%s / %s\t%s\t%s\t%s\n", a.Scenario, a.Metric, a.Test, a.Base, agreementText(a.Old),
				agreementText(a.New), a.note())
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("could not write the table: %w", err)
	}
	_, err := fmt.Fprintf(w, "\n%s: %d that both runs make, %d that one of them does not make, %d in which they contradict each "+
		"other. %s moved by more than chance.\n",
		count(claims, "claim", "claims"), agree, claims-agree-contrary, contrary, count(moved, "ratio", "ratios"))
	return err
}

// claims is whether either run claims a difference.
func (a Agreement) claims() bool {
	for _, c := range []*Comparison{a.Old, a.New} {
		if c != nil && (c.Verdict == stats.Faster || c.Verdict == stats.Slower) {
			return true
		}
	}
	return false
}

// contrary is whether one run claims the opposite of what the other one claims.
func (a Agreement) contrary() bool {
	return a.Old != nil && a.New != nil && (a.Old.Verdict == stats.Faster && a.New.Verdict == stats.Slower ||
		a.Old.Verdict == stats.Slower && a.New.Verdict == stats.Faster)
}

func (a Agreement) note() string {
	switch {
	case a.Old == nil || a.New == nil:
		return "in one run only"
	case a.contrary():
		return "the verdicts contradict each other"
	case !a.Agree && a.Moved:
		return "the verdicts differ (moved)"
	case !a.Agree:
		return "the verdicts differ"
	case a.Moved:
		return "moved"
	}
	return ""
}

func agreementText(c *Comparison) string {
	if c == nil {
		return "–"
	}
	return fmt.Sprintf("%s (%s) %s", ratio(c.Ratio.Median), interval(c.Ratio), c.Verdict)
}
