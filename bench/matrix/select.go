package matrix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/onsi/ginkgo/v2/types"

	"github.com/duet-api/duet/e2e/behaviour"
)

// Selection says which rows to look at. Empty fields select everything; what several fields ask for must all hold.
type Selection struct {
	// Groups by name, or by the beginning of it, in any case.
	Groups []string
	// IDs of rows.
	IDs []string
	// Labels is a filter in Ginkgo's language over a row's labels, group and ID: "!slow && !disruptive".
	Labels string
}

// Select returns the rows that are asked for. It is an error if a word of the selection finds nothing: a typing mistake
// must not look like a comparison without surprises.
func Select(rows []behaviour.Row, by Selection) ([]behaviour.Row, error) {
	labels := func([]string) bool { return true }
	if by.Labels != "" {
		filter, err := types.ParseLabelFilter(by.Labels)
		if err != nil {
			// The library's own words are for a screen: several lines, in colours.
			return nil, fmt.Errorf("could not read the label filter %q: write it like \"slow && !disruptive\"", by.Labels)
		}
		labels = filter
	}
	for _, id := range by.IDs {
		if !slices.ContainsFunc(rows, func(row behaviour.Row) bool { return strings.EqualFold(row.ID, id) }) {
			return nil, fmt.Errorf("there is no row %q: list them with --list", id)
		}
	}
	for _, group := range by.Groups {
		if !slices.ContainsFunc(rows, func(row behaviour.Row) bool { return inGroup(row, group) }) {
			return nil, fmt.Errorf("there is no group %q: the groups are %s", group, strings.Join(groups(rows), ", "))
		}
	}
	var selected []behaviour.Row
	for _, row := range rows {
		inIDs := len(by.IDs) == 0 || slices.ContainsFunc(by.IDs, func(id string) bool { return strings.EqualFold(row.ID, id) })
		inGroups := len(by.Groups) == 0 || slices.ContainsFunc(by.Groups, func(group string) bool { return inGroup(row, group) })
		if inIDs && inGroups && labels(row.AllLabels()) {
			selected = append(selected, row)
		}
	}
	if len(selected) == 0 {
		return nil, fmt.Errorf("no row is in all that was asked for: list them with --list")
	}
	return selected, nil
}

func inGroup(row behaviour.Row, name string) bool {
	return strings.HasPrefix(strings.ToLower(string(row.Group)), strings.ToLower(name))
}

func groups(rows []behaviour.Row) []string {
	var names []string
	for _, row := range rows {
		if !slices.Contains(names, string(row.Group)) {
			names = append(names, string(row.Group))
		}
	}
	return names
}
