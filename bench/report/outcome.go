package report

import (
	"fmt"
	"strings"
)

// Standing is what a goal came to.
type Standing string

// The standings.
const (
	Met    Standing = "met"
	Missed Standing = "missed"
	// NotMeasured: the run has not what the goal is about, or too few rounds for an interval.
	NotMeasured Standing = "not measured in this run"
)

// Outcome is a goal held against a run.
type Outcome struct {
	Goal string `json:"goal"`
	// Why the goal is what it is.
	Why string `json:"why"`
	// Harness: it is about the benchmark itself, and not about the forms.
	Harness  bool     `json:"harness,omitempty"`
	Standing Standing `json:"standing"`
	// Bound that Value has to keep: it is the most, or with AtLeast the least, that it may be.
	Bound   float64 `json:"bound"`
	AtLeast bool    `json:"atLeast,omitempty"`
	// Value that was held against the bound: the end of an interval that is nearer to it, or the worst line. Zero if not
	// measured.
	Value float64 `json:"value,omitempty"`
	// Detail says where the value comes from, or what is missing.
	Detail string `json:"detail"`
}

// BoundText and ValueText are for a table.
func (o Outcome) BoundText() string {
	if o.AtLeast {
		return fmt.Sprintf("≥ %.4g", o.Bound)
	}
	return fmt.Sprintf("≤ %.4g", o.Bound)
}

// ValueText is a dash where nothing was measured.
func (o Outcome) ValueText() string {
	if o.Standing == NotMeasured {
		return "–"
	}
	return fmt.Sprintf("%.4g", o.Value)
}

// outcomes are the goals about the harness, or the others.
func outcomes(b *Bench, harness bool) []Outcome {
	var out []Outcome
	for _, o := range b.Goals {
		if o.Harness == harness {
			out = append(out, o)
		}
	}
	return out
}

// barSentence says how the benchmark itself did, in a sentence that stands beside the verdict: what the forms differ by is
// worth as much as that.
func barSentence(b *Bench) string {
	names := map[Standing][]string{}
	bars := outcomes(b, true)
	for _, o := range bars {
		names[o.Standing] = append(names[o.Standing], o.Goal)
	}
	if len(bars) == 0 {
		return "The run was not held against what the harness asks of itself."
	}
	text := fmt.Sprintf("Of what the harness asks of itself this run keeps %d of %d.", len(names[Met]), len(bars))
	if missed := names[Missed]; len(missed) > 0 {
		text += " It misses " + strings.Join(missed, ", ") + "."
	}
	if open := names[NotMeasured]; len(open) > 0 {
		text += " Not measured: " + strings.Join(open, ", ") + "."
	}
	return text
}

// missedBars are the threats that the harness itself is.
func missedBars(b *Bench) []string {
	var out []string
	for _, o := range outcomes(b, true) {
		if o.Standing == Missed {
			out = append(out, fmt.Sprintf("The harness misses its own bar %s (%s, bound %s): %s.", o.Goal, o.ValueText(), o.BoundText(),
				o.Detail))
		}
	}
	return out
}
