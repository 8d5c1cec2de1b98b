package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Summary writes what fits on a screen, and where the report is.
func Summary(w io.Writer, run Run, paths Paths) error {
	matrix := NewMatrix(run.Matrix)
	if matrix.Total() > 0 {
		fmt.Fprintf(w, "%s\n", matrix)
		for _, group := range matrix.Groups {
			for _, row := range group.Rows {
				if row.Unexpected {
					fmt.Fprintf(w, "  unexpected: %s\n", clip(printable(strings.Join(append([]string{row.Title}, row.Problems...), "; ")), lineLength))
				}
			}
		}
		fmt.Fprintln(w)
	}
	if run.Bench != nil {
		if err := summaryTable(w, run.Bench); err != nil {
			return err
		}
	}
	for _, h := range Headlines(run.Bench) {
		fmt.Fprintf(w, "%s\n%s\n\n", sentenceCase(h.Sentence), h.CPU)
	}
	if run.Bench != nil {
		fmt.Fprintln(w, barSentence(run.Bench))
		for _, absent := range run.Bench.Absent {
			fmt.Fprintf(w, "  not available here: %s, which %s\n", absent.What, absent.Why)
		}
		fmt.Fprintln(w)
	}
	_, err := fmt.Fprintf(w, "Report:  %s\nText:    %s\nData:    %s\n", paths.HTML, paths.Markdown, paths.JSON)
	return err
}

// lineLength keeps a line of the summary a line.
const lineLength = 110

// clip shortens a text to a number of characters.
func clip(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}

func summaryTable(w io.Writer, b *Bench) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	arms, headlines := compared(b), Headlines(b)
	fmt.Fprint(table, "ms, median (p99)")
	for _, a := range arms {
		fmt.Fprintf(table, "\t%s", a.Name)
	}
	for _, h := range headlines {
		fmt.Fprintf(table, "\t%s/%s\tnoise\tverdict", h.Test, h.Base)
	}
	fmt.Fprintln(table)
	for _, s := range b.Scenarios {
		o := newOperation(b, s, arms, headlines)
		fmt.Fprint(table, o.Title)
		for _, c := range o.Cells {
			fmt.Fprintf(table, "\t%s", c.Text())
		}
		for _, p := range o.Pairs {
			fmt.Fprintf(table, "\t%s (%s)\t%s\t%s", ratio(p.P50.Ratio.Median), interval(p.P50.Ratio), floorText(p.P50.Floor), p.P50.Verdict)
		}
		fmt.Fprintln(table)
	}
	if references, ok := newReferences(b); ok {
		fmt.Fprintf(table, "\nms, median (times %s)", references.Base.Name)
		for _, a := range references.Arms {
			fmt.Fprintf(table, "\t%s", a.Name)
		}
		fmt.Fprintln(table)
		for _, line := range references.Lines {
			fmt.Fprint(table, line.Title)
			for _, c := range line.Cells {
				fmt.Fprintf(table, "\t%s", c.Text())
			}
			fmt.Fprintln(table)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("could not write the summary: %w", err)
	}
	for _, s := range b.Summaries {
		if len(s.Errors) > 0 {
			fmt.Fprintf(w, "errors in %s on %s: %s\n", s.Scenario, s.Arm, clip(errorText(s.Errors), lineLength))
		}
	}
	fmt.Fprintln(w)
	return nil
}
