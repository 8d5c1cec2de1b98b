package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/duet-api/duet/e2e/behaviour"
)

// WriteComparison writes the page that stands beside the official comparison: first the questions of a chooser, each
// answered by what was observed, then the official tables line by line with what was observed to them, then every row.
func WriteComparison(w io.Writer, run Run) error {
	out := bufio.NewWriter(w)
	matrix := NewMatrix(run.Matrix)
	rows := map[string]MatrixRow{}
	for _, group := range matrix.Groups {
		for _, row := range group.Rows {
			rows[row.ID] = row
		}
	}
	fmt.Fprintf(out, `# CRD or aggregated API server: what was observed

<!-- Written by "make comparison" from a run. Change the rows in e2e/behaviour, not this page. -->

The same API, MySQLInstance, is served as a CustomResourceDefinition and by an aggregated API server, and each line below
was looked at on both, on %s. %s
What each form does is what it was seen to do; the requests and answers are in the run's report
(`+"`duet matrix`"+` writes one). A form's profile matters: this run had %s.

`, versionsText(run.Card.Versions), matrix, profilesText(run.Matrix))
	for _, question := range behaviour.Questions {
		writeQuestion(out, question, rows, matrix.Forms)
	}
	writeOfficial(out, rows, matrix.Forms)
	writeAllRows(out, matrix)
	writeUnobserved(out)
	return out.Flush()
}

func versionsText(versions map[string]string) string {
	return fmt.Sprintf("Kubernetes %s with etcd %s", versions["Kubernetes"], versions["etcd"])
}

// profilesText lists the profiles of a run's forms.
func profilesText(results []behaviour.Result) string {
	var texts []string
	seen := map[string]bool{}
	for _, result := range results {
		if text := result.Form + " " + result.Profile; !seen[text] {
			seen[text] = true
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, " and ")
}

// writeQuestion answers a question with the rows that differ; those that turned out the same are told in one line.
func writeQuestion(out io.Writer, question behaviour.Question, rows map[string]MatrixRow, forms []string) {
	fmt.Fprintf(out, "## %s\n\n%s\n\n", question.Title, question.Ask)
	var differ, same []MatrixRow
	for _, id := range question.Rows {
		switch row, found := rows[id]; {
		case !found:
		case row.State == Same:
			same = append(same, row)
		default:
			differ = append(differ, row)
		}
	}
	if len(differ) > 0 {
		tableHeader(out, "Row", "What", forms)
		for _, row := range differ {
			tableRow(out, row, row.Title+". "+row.Why)
		}
		fmt.Fprintln(out)
	}
	if len(same) > 0 {
		fmt.Fprintln(out, "No difference here:")
		fmt.Fprintln(out)
		for _, row := range same {
			fmt.Fprintf(out, "* %s %s: %s\n", anchor(row.ID), cell(row.Title), cell(observedText(row.Results[0])))
		}
		fmt.Fprintln(out)
	}
}

// writeOfficial goes through the official tables.
func writeOfficial(out io.Writer, rows map[string]MatrixRow, forms []string) {
	fmt.Fprintf(out, "## The official tables, line by line\n\n"+
		"The left columns are the words of [the official comparison](%s); the right ones are what Kubernetes 1.36 was\n"+
		"seen to do. Where several rows look at a line, each is named.\n", behaviour.OfficialPage)
	for _, table := range behaviour.Official {
		fmt.Fprintf(out, "\n### %s\n\n| Feature | Docs say: CRD | Docs say: aggregated | Kubernetes 1.36 does | |\n"+
			"| --- | --- | --- | --- | --- |\n", table.Title)
		for _, line := range table.Lines {
			aggregated := line.Aggregated
			if aggregated == line.CRD {
				aggregated = "the same"
			}
			fmt.Fprintf(out, "| **%s** | %s | %s | %s | %s |\n", cell(line.Feature), cell(line.CRD), cell(aggregated),
				observations(line.Rows, rows, forms), cell(line.Note))
		}
	}
}

// observations of several rows, in one cell of a table.
func observations(ids []string, rows map[string]MatrixRow, forms []string) string {
	var lines []string
	for _, id := range ids {
		row, found := rows[id]
		if !found {
			continue
		}
		text := anchor(id) + " " + cell(row.Title) + ": "
		if row.State == Same {
			text += "both: " + cell(observedText(row.Results[0]))
		} else {
			var each []string
			for i, result := range row.Results {
				each = append(each, forms[i]+": "+cell(observedText(result)))
			}
			text += strings.Join(each, "; ")
		}
		lines = append(lines, text)
	}
	if len(lines) == 0 {
		return "not looked at"
	}
	return strings.Join(lines, "<br>")
}

// writeAllRows lists every row by group, where the links of the parts above lead.
func writeAllRows(out io.Writer, matrix Matrix) {
	fmt.Fprintf(out, "\n## Every row\n")
	for _, group := range matrix.Groups {
		fmt.Fprintf(out, "\n### %s\n\n", group.Name)
		tableHeader(out, "Row", "Behaviour", matrix.Forms, "Documentation", "Source")
		for _, row := range group.Rows {
			tableRow(out, row, row.Title, row.Flag, row.Source)
		}
	}
}

// writeUnobserved says what nobody looked at, and why.
func writeUnobserved(out io.Writer) {
	if len(behaviour.Unobserved) == 0 {
		return
	}
	fmt.Fprintf(out, "\n## Not looked at\n\n| Row | Behaviour | Why not |\n| --- | --- | --- |\n")
	for _, absent := range behaviour.Unobserved {
		fmt.Fprintf(out, "| %s | %s | %s |\n", cell(absent.ID), cell(absent.Title), cell(absent.Reason))
	}
}

func tableHeader(out io.Writer, id, what string, forms []string, more ...string) {
	columns := append(append([]string{id, what}, forms...), more...)
	fmt.Fprintf(out, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)))
}

// tableRow writes one row. Where the forms do the same, the second column points to the first.
func tableRow(out io.Writer, row MatrixRow, what string, more ...string) {
	id := anchor(row.ID)
	if len(more) > 0 {
		id = fmt.Sprintf(`<a id="%s"></a>%s`, strings.ToLower(row.ID), row.ID)
	}
	columns := []string{id, cell(what)}
	for i, result := range row.Results {
		if i > 0 && row.State == Same {
			columns = append(columns, "=")
			continue
		}
		columns = append(columns, cell(observedText(result)))
	}
	for _, text := range more {
		columns = append(columns, cell(text))
	}
	fmt.Fprintf(out, "| %s |\n", strings.Join(columns, " | "))
}

// anchor links to a row in the list of every row.
func anchor(id string) string { return fmt.Sprintf("[%s](#%s)", id, strings.ToLower(id)) }
