package behaviour

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/sets"
)

// A line of the official comparison that points to a row which is not there would be printed as if nobody had looked.
func TestOfficialLinesPointToRows(t *testing.T) {
	known := sets.New[string]()
	for _, row := range Rows() {
		known.Insert(row.ID)
	}
	check := func(where string, ids []string) {
		for _, id := range ids {
			if !known.Has(id) {
				t.Errorf("%s: there is no row %s", where, id)
			}
		}
	}
	for _, table := range Official {
		for _, line := range table.Lines {
			check(line.Feature, line.Rows)
			if line.CRD == "" || line.Aggregated == "" {
				t.Errorf("%s: the official words are missing", line.Feature)
			}
			if len(line.Rows) == 0 && line.Note == "" {
				t.Errorf("%s: no row looks at it, and no note says why", line.Feature)
			}
		}
	}
	for _, question := range Questions {
		check(question.Title, question.Rows)
	}
}
