package report

import (
	"fmt"
	"slices"

	"github.com/duet-api/duet/e2e/behaviour"
)

// Matrix is the behaviour checks as a comparison: results of one check on several forms, side by side.
type Matrix struct {
	// Forms in the order of their first result.
	Forms  []string
	Groups []MatrixGroup
	// Same, Different, Alone, Unexpected and Incomplete count rows. Unexpected rows are also in one of the others.
	Same, Different, Alone, Unexpected, Incomplete int
}

// MatrixGroup is the rows of one group.
type MatrixGroup struct {
	Name string
	Rows []MatrixRow
}

// State of a row.
type State string

// The states.
const (
	// Same: all forms were observed to do the same.
	Same State = "same"
	// Different: the forms were observed to differ.
	Different State = "differs"
	// Alone: it was observed of the only form that was looked at, with nothing to compare it to.
	Alone State = "observed"
	// Incomplete: at least one form could not be observed, or the check says nothing about it.
	Incomplete State = "incomplete"
)

// MatrixRow is one check on every form.
type MatrixRow struct {
	ID, Title, Why, Source, Flag string
	State                        State
	// Unexpected is whether a form did something else than the check expects of it.
	Unexpected bool
	// Results in the order of Matrix.Forms; nil where a form has none.
	Results []*behaviour.Result
	// Problems say, for each form that was observed and had one, what else went wrong.
	Problems []string
}

// NewMatrix arranges results. Groups and rows keep the order of their first result.
func NewMatrix(results []behaviour.Result) Matrix {
	var m Matrix
	type place struct{ group, row int }
	places := map[string]place{}
	groups := map[string]int{}
	for _, result := range results {
		if !slices.Contains(m.Forms, result.Form) {
			m.Forms = append(m.Forms, result.Form)
		}
	}
	for _, result := range results {
		group, known := groups[string(result.Group)]
		if !known {
			group = len(m.Groups)
			groups[string(result.Group)] = group
			m.Groups = append(m.Groups, MatrixGroup{Name: string(result.Group)})
		}
		at, known := places[result.ID]
		if !known {
			at = place{group, len(m.Groups[group].Rows)}
			places[result.ID] = at
			m.Groups[group].Rows = append(m.Groups[group].Rows, MatrixRow{
				ID: result.ID, Title: result.Title, Why: result.Why, Source: result.Source, Flag: string(result.Flag),
				Results: make([]*behaviour.Result, len(m.Forms)),
			})
		}
		m.Groups[at.group].Rows[at.row].Results[slices.Index(m.Forms, result.Form)] = &result
	}
	for g := range m.Groups {
		for r := range m.Groups[g].Rows {
			m.count(&m.Groups[g].Rows[r])
		}
	}
	return m
}

func (m *Matrix) count(row *MatrixRow) {
	row.State = Same
	if len(m.Forms) == 1 {
		row.State = Alone
	}
	for _, result := range row.Results {
		if result != nil && result.Unexpected {
			row.Unexpected = true
		}
		if result != nil && result.Observed != "" && result.Error != "" {
			row.Problems = append(row.Problems, result.Form+": "+result.Error)
		}
		switch {
		case result == nil || result.Observed == "":
			row.State = Incomplete
		case row.State == Same && row.Results[0] != nil && result.Observed != row.Results[0].Observed:
			row.State = Different
		}
	}
	switch row.State {
	case Same:
		m.Same++
	case Different:
		m.Different++
	case Alone:
		m.Alone++
	case Incomplete:
		m.Incomplete++
	}
	if row.Unexpected {
		m.Unexpected++
	}
}

// Total is the number of checks.
func (m Matrix) Total() int { return m.Same + m.Different + m.Alone + m.Incomplete }

// String sums the matrix up.
func (m Matrix) String() string {
	if m.Total() == 0 {
		return "No behaviour was checked."
	}
	text := count(m.Total(), "behaviour check", "behaviour checks")
	if len(m.Forms) == 1 {
		text += fmt.Sprintf(" of %s: %d observed, %d not", m.Forms[0], m.Alone, m.Incomplete)
	} else {
		text += ": " + count(m.Same, "is", "are") + " the same on both forms, " + count(m.Different, "differs", "differ")
		if m.Incomplete > 0 {
			text += ", " + count(m.Incomplete, "was", "were") + " not observed on both"
		}
	}
	if m.Unexpected > 0 {
		return text + "; " + count(m.Unexpected, "is", "are") + " not as expected."
	}
	return text + "; all as expected."
}

// observedText is what to say of one form in one line.
func observedText(result *behaviour.Result) string {
	switch {
	case result == nil:
		return "not looked at"
	case result.Observed != "":
		return result.Observed
	case result.NotApplicable != "":
		return "not applicable: " + result.NotApplicable
	}
	return "not observed: " + result.Error
}
