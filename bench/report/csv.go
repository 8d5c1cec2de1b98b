package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"
)

// WriteCSV writes every row for a spreadsheet: one line for each round, scenario and arm, times in nanoseconds and, of
// the whole cell, bytes on the wire. The CPU time of each component is a column of its own, named "cpu:" and the component. What
// was not there, or not counted, is empty.
func WriteCSV(w io.Writer, run Run) error {
	components := map[string]bool{}
	for _, row := range run.Bench.Rows {
		for name := range row.Usage {
			components[name] = true
		}
	}
	names := slices.Sorted(maps.Keys(components))
	header := []string{
		"round", "position", "scenario", "arm", "started", "elapsed_ns", "attempts", "errors", "count", "mean_ns", "p50_ns",
		"p90_ns", "p95_ns", "p99_ns", "p999_ns", "max_ns", "lateness_p99_ns",
		"rate_per_second", "untrusted", "sent_bytes", "received_bytes",
	}
	for _, name := range names {
		header = append(header, "cpu:"+name)
	}
	out := csv.NewWriter(w)
	if err := out.Write(header); err != nil {
		return fmt.Errorf("could not write the CSV: %w", err)
	}
	integer := func(n int64) string { return strconv.FormatInt(n, 10) }
	rate := func(perSecond float64) string {
		if perSecond == 0 {
			return "" // one after the other
		}
		return strconv.FormatFloat(perSecond, 'f', -1, 64)
	}
	for _, row := range run.Bench.Rows {
		record := []string{
			strconv.Itoa(row.Round), strconv.Itoa(row.Position), row.Scenario, row.Arm, row.Started.UTC().Format(time.RFC3339Nano),
			integer(int64(row.Elapsed)), integer(row.Attempts), integer(row.Failed()), integer(row.Latency.Count),
			strconv.FormatFloat(row.Latency.Mean, 'f', 0, 64), integer(row.Latency.P50), integer(row.Latency.P90),
			integer(row.Latency.P95), integer(row.Latency.P99), integer(row.Latency.P999), integer(row.Latency.Max),
			integer(row.Lateness), rate(row.Rate), strconv.FormatBool(row.Untrusted),
		}
		sent, received := "", ""
		if row.Wire != nil {
			sent, received = integer(row.Wire.Sent), integer(row.Wire.Received)
		}
		record = append(record, sent, received)
		for _, name := range names {
			used := ""
			if usage, found := row.Usage[name]; found {
				used = integer(int64(usage.CPU))
			}
			record = append(record, used)
		}
		if err := out.Write(record); err != nil {
			return fmt.Errorf("could not write the CSV: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("could not write the CSV: %w", err)
	}
	return nil
}
