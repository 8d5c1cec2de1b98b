package report

import "github.com/duet-api/duet/bench/stats"

// References are the arms that explain what the forms differ by, in the operations that one of them has a part in, beside
// the first form: how many times its median each of them takes.
type References struct {
	Base  Arm
	Arms  []Arm
	Lines []referenceLine
}

type referenceLine struct {
	Title string
	Base  stats.Estimate
	Cells []referenceCell
}

// referenceCell is empty where the arm has no part.
type referenceCell struct {
	P50, Ratio stats.Estimate
}

// compared are the arms of the table of operations: neither repetitions nor references.
func compared(b *Bench) []Arm {
	var out []Arm
	for _, a := range b.Arms {
		if a.Repeats == "" && !a.Reference {
			out = append(out, a)
		}
	}
	return out
}

// newReferences is false if the run has none.
func newReferences(b *Bench) (References, bool) {
	arms := compared(b)
	if len(arms) == 0 {
		return References{}, false
	}
	out := References{Base: arms[0]}
	for _, a := range b.Arms {
		if a.Repeats == "" && a.Reference {
			out.Arms = append(out.Arms, a)
		}
	}
	for _, s := range b.Scenarios {
		line, measured := referenceLine{Title: s.Title}, false
		if base := b.Summary(s.Name, out.Base.Name); base != nil {
			line.Base = base.P50
		}
		for _, a := range out.Arms {
			var cell referenceCell
			if summary := b.Summary(s.Name, a.Name); summary != nil && summary.P50.N > 0 {
				cell.P50, measured = summary.P50, true
			}
			if c := b.comparison(s.Name, a.Name, out.Base.Name, P50); c != nil {
				cell.Ratio = c.Ratio
			}
			line.Cells = append(line.Cells, cell)
		}
		if measured {
			out.Lines = append(out.Lines, line)
		}
	}
	return out, len(out.Lines) > 0
}

// Text is the cell in one line.
func (c referenceCell) Text() string {
	if c.P50.N == 0 {
		return "–"
	}
	text := millis(c.P50.Median)
	if c.Ratio.N > 0 {
		text += " (" + ratio(c.Ratio.Median) + " ×"
		if c.Ratio.Bounded {
			text += ", " + interval(c.Ratio)
		}
		text += ")"
	}
	return text
}
