package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes the page for a pull request or an issue: the verdicts, the table, and which checks differ. Raw
// data and evidence are in the other files.
func WriteMarkdown(w io.Writer, run Run) error {
	out := bufio.NewWriter(w)
	matrix := NewMatrix(run.Matrix)
	fmt.Fprintf(out, "# Duet %s\n", cell(run.Card.ID))
	for _, h := range Headlines(run.Bench) {
		fmt.Fprintf(out, "\n**%s**\n\n%s\n", cell(sentenceCase(h.Sentence)), cell(h.CPU))
	}
	if run.Bench != nil {
		fmt.Fprintf(out, "\n%s\n", cell(barSentence(run.Bench)))
	}
	if matrix.Total() > 0 {
		fmt.Fprintf(out, "\n%s\n", matrix)
	}
	for _, h := range Headlines(run.Bench) {
		fmt.Fprintf(out, "\n## What would flip it\n\n")
		for _, flip := range h.Flips {
			fmt.Fprintf(out, "* %s\n", cell(flip))
		}
	}
	if run.Bench != nil {
		markdownOperations(out, run.Bench)
		markdownReferences(out, run.Bench)
		markdownTime(out, run.Bench)
		markdownResources(out, run.Bench)
		markdownOutcomes(out, "The harness's own bar", barSentence(run.Bench), outcomes(run.Bench, true))
		markdownOutcomes(out, "Goals", "The upper end of a ratio's interval has to keep the bound.", outcomes(run.Bench, false))
	}
	if matrix.Total() > 0 {
		markdownMatrix(out, matrix)
	}
	if doubts := threats(run); len(doubts) > 0 {
		fmt.Fprintf(out, "\n## Threats to validity\n\n")
		for _, doubt := range doubts {
			fmt.Fprintf(out, "* %s\n", cell(doubt))
		}
	}
	fmt.Fprintf(out, "\n## Run card\n\n")
	for _, fact := range facts(run) {
		fmt.Fprintf(out, "* %s: %s\n", cell(fact.Name), cell(fact.Value))
	}
	for _, note := range run.Card.Notes {
		fmt.Fprintf(out, "* Note: %s\n", cell(note))
	}
	return out.Flush()
}

func markdownOperations(out io.Writer, b *Bench) {
	fmt.Fprintf(out, "\n## Operations\n\nMilliseconds: median (p99), each the median over %d rounds. Ratios are paired by "+
		"round, with an interval of at least 95 %%.\n\n", b.Rounds)
	arms, headlines := compared(b), Headlines(b)
	header, rule := "| Operation", "| ---"
	for _, a := range arms {
		header, rule = header+" | "+cell(a.Name), rule+" | ---:"
	}
	for _, h := range headlines {
		header += fmt.Sprintf(" | %s / %s | Noise floor | Verdict", cell(h.Test), cell(h.Base))
		rule += " | ---: | ---: | ---"
	}
	fmt.Fprintf(out, "%s |\n%s |\n", header, rule)
	var notes []string
	for _, s := range b.Scenarios {
		o := newOperation(b, s, arms, headlines)
		for _, note := range o.Notes {
			notes = append(notes, o.Title+", "+note)
		}
		fmt.Fprintf(out, "| %s", cell(o.Title))
		for _, c := range o.Cells {
			fmt.Fprintf(out, " | %s", c.Text())
			if c.Errors != "" {
				fmt.Fprintf(out, " errors: %s", cell(c.Errors))
			}
		}
		for _, p := range o.Pairs {
			fmt.Fprintf(out, " | %s (%s) | %s | %s", ratio(p.P50.Ratio.Median), interval(p.P50.Ratio), floorText(p.P50.Floor), p.P50.Verdict)
		}
		fmt.Fprint(out, " |\n")
	}
	if len(notes) > 0 {
		fmt.Fprint(out, "\nOf single lines. Where each arm has a share of its own capacity, the rates differ: compared is the wait "+
			"at the same load of the server, not for the same work.\n\n")
	}
	for _, note := range notes {
		fmt.Fprintf(out, "* %s\n", cell(note))
	}
}

func markdownReferences(out io.Writer, b *Bench) {
	references, ok := newReferences(b)
	if !ok {
		return
	}
	base := cell(references.Base.Name)
	fmt.Fprintf(out, "\n## What explains it\n\nMilliseconds, median; in brackets how many times that of %s, paired by round. "+
		"What each arm is there for: `duet bench --list`.\n\n| Operation | %s", base, base)
	for _, a := range references.Arms {
		fmt.Fprintf(out, " | %s", cell(a.Name))
	}
	fmt.Fprintf(out, " |\n| ---%s |\n", strings.Repeat(" | ---:", len(references.Arms)+1))
	for _, line := range references.Lines {
		fmt.Fprintf(out, "| %s | %s", cell(line.Title), millis(line.Base.Median))
		for _, c := range line.Cells {
			fmt.Fprintf(out, " | %s", c.Text())
		}
		fmt.Fprint(out, " |\n")
	}
}

func markdownOutcomes(out io.Writer, title, lede string, all []Outcome) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(out, "\n## %s\n\n%s\n\n| Goal | Standing | Bound | Value | From |\n| --- | --- | ---: | ---: | --- |\n", title,
		cell(lede))
	for _, o := range all {
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", cell(o.Goal), o.Standing, o.BoundText(), o.ValueText(), cell(o.Detail))
	}
}

func markdownMatrix(out io.Writer, m Matrix) {
	fmt.Fprint(out, "\n## Behaviour\n\n| Check")
	for _, form := range m.Forms {
		fmt.Fprintf(out, " | %s", cell(form))
	}
	fmt.Fprintf(out, " | Result |\n| ---%s | --- |\n", strings.Repeat(" | ---", len(m.Forms)))
	for _, group := range m.Groups {
		for _, row := range group.Rows {
			state := string(row.State)
			if row.Unexpected {
				state += ", **unexpected**"
			}
			if len(row.Problems) > 0 {
				state += " (" + cell(strings.Join(row.Problems, "; ")) + ")"
			}
			fmt.Fprintf(out, "| %s", cell(row.Title))
			for _, result := range row.Results {
				fmt.Fprintf(out, " | %s", cell(observedText(result)))
			}
			fmt.Fprintf(out, " | %s |\n", state)
		}
	}
}

// cell makes a string safe inside a line of Markdown: nothing in it is a column, a tag or a line break.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "\r", " ", "\n", " ", "`", "'",
		"*", `\*`, "_", `\_`, "[", `\[`).Replace(s)
}

func sentenceCase(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
