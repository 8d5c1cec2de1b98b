package bench

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/duet-api/duet/bench/report"
)

// notes are what a reader has to know of one arm in one scenario: the rate, where it is not that of the other arms, and
// what happened beside the operations.
func notes(b *report.Bench, s report.Scenario, a report.Arm, rows []report.Row, attempts int64) []string {
	var out []string
	if capacity := b.Capacity(s.Capacity, a); capacity > 0 && len(rows) > 0 {
		out = append(out, fmt.Sprintf("%.0f per second were asked for, of the %.0f that %s reaches on this arm.", rows[0].Rate,
			capacity, s.Capacity))
	}
	if account := b.Account(s.Name, a.Name); account != nil && len(account.Watchers) > 0 {
		var parts []string
		for _, c := range account.Watchers {
			_, name, server := strings.Cut(c.Component, "/")
			// What grows by less than a goroutine for each does not hold them.
			if server && c.Goroutines >= 0.5 {
				parts = append(parts, fmt.Sprintf("%.1f goroutines in %s", c.Goroutines, name))
			}
		}
		if len(parts) > 0 {
			out = append(out, "Each watcher takes "+strings.Join(parts, ", ")+".")
		}
	}
	events := map[string]int64{}
	for _, row := range rows {
		for event, times := range row.Events {
			events[event] += times
		}
	}
	for _, event := range slices.Sorted(maps.Keys(events)) {
		out = append(out, fmt.Sprintf("%d %s; in %d rounds, and %.2g for each operation.", events[event], event, len(rows),
			float64(events[event])/float64(max(attempts, 1))))
	}
	return out
}
