package bench

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/duet-api/duet/bench/report"
)

// maxMisjudged is how far the share that an arm was asked for may be from the one that is meant.
const maxMisjudged = 0.1

// realised is the share of what an arm got through in the rounds that it was asked for. It is not the one that is meant where
// the machine has become faster or slower since the capacity was measured; false where that was not measured again.
func realised(b *report.Bench, s report.Scenario, a report.Arm, rows []report.Row) (float64, bool) {
	if s.Capacity == "" || len(rows) == 0 {
		return 0, false
	}
	pace := estimate(b, s.Capacity, a, Pace)
	if pace.N == 0 {
		return 0, false
	}
	return rows[0].Rate * pace.Median / 1e9, true
}

// misjudged is the doubt about a line whose share is not the one that is meant.
func misjudged(b *report.Bench, s report.Scenario, a report.Arm, rows []report.Row) []string {
	share, ok := realised(b, s, a, rows)
	capacity := b.Capacity(s.Capacity, a)
	if !ok || capacity == 0 {
		return nil
	}
	meant := rows[0].Rate / capacity
	if share/meant < 1+maxMisjudged && meant/share < 1+maxMisjudged {
		return nil
	}
	return []string{fmt.Sprintf("It was asked for %.0f %% of what it got through in the rounds, and not for %.0f %%.", 100*share,
		100*meant)}
}

// notes are what a reader has to know of one arm in one scenario: the rate, where it is not that of the other arms, and
// what happened beside the operations.
func notes(b *report.Bench, s report.Scenario, a report.Arm, rows []report.Row, attempts int64) []string {
	var out []string
	if capacity := b.Capacity(s.Capacity, a); capacity > 0 && len(rows) > 0 {
		text := fmt.Sprintf("%.0f per second were asked for, of the %.0f that %s had reached on this arm before the first round",
			rows[0].Rate, capacity, s.Capacity)
		if share, ok := realised(b, s, a, rows); ok {
			text += fmt.Sprintf("; of what it reached in the rounds that is %.0f %%", 100*share)
		}
		out = append(out, text+".")
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
