package report

import "fmt"

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
