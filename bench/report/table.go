package report

import (
	"fmt"
	"io"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"
)

// columnLength keeps a column of the table a column.
const columnLength = 60

// WriteTable writes the behaviour checks for a terminal, one line each. The wide form adds why a row matters and what
// the documentation says.
func WriteTable(w io.Writer, run Run, wide bool) error {
	matrix := NewMatrix(run.Matrix)
	table := printers.GetNewTabWriter(w)
	header := append([]string{"ROW", "BEHAVIOUR"}, upper(matrix.Forms)...)
	header = append(header, "RESULT")
	if wide {
		header = append(header, "GROUP", "DOCUMENTATION", "WHY")
	}
	fmt.Fprintln(table, strings.Join(header, "\t"))
	for _, group := range matrix.Groups {
		for _, row := range group.Rows {
			columns := []string{row.ID, row.Title}
			for i, result := range row.Results {
				if i > 0 && row.State == Same {
					columns = append(columns, "=")
				} else {
					columns = append(columns, observedText(result))
				}
			}
			state := string(row.State)
			if row.Unexpected {
				state += ", unexpected"
			}
			columns = append(columns, state)
			if wide {
				columns = append(columns, group.Name, row.Flag, row.Why)
			}
			for i := range columns {
				columns[i] = printable(columns[i])
				if !wide {
					columns[i] = clip(columns[i], columnLength)
				}
			}
			fmt.Fprintln(table, strings.Join(columns, "\t"))
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("could not write the table: %w", err)
	}
	_, err := fmt.Fprintf(w, "\n%s\n", matrix)
	return err
}

func upper(names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, strings.ToUpper(name))
	}
	return out
}
