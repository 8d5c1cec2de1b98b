package bench

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/stats"
)

// Bounds beyond which a line of the report carries a doubt.
const (
	maxErrorShare     = 0.001
	maxDrift          = 1.1
	maxLateness       = time.Millisecond
	maxGeneratorShare = 0.25
	// maxBusy is the share of the machine's processors that all processes together may take: beyond it they wait for each
	// other, and the loser's time is charged to whoever it worked for.
	maxBusy = 0.9
	// maxLimited is the share of a cell that a process may spend waiting for its own rate limiter.
	maxLimited = 0.01
	// maxQueued is what a request may wait for a seat of priority and fairness, on average.
	maxQueued = time.Millisecond
	// maxCollecting is the share of a process's CPU time that garbage collection may take, of at least minCollected.
	maxCollecting = 0.25
	minCollected  = 100 * time.Millisecond
)

// flags are the doubts about one arm in one scenario.
func flags(rows []report.Row, b *report.Bench) []string {
	if len(rows) == 0 {
		return nil // the arm has no part in the scenario
	}
	var out []string
	doubt := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }

	untrusted, opened := 0, 0
	var halves, counts, shares, busy, lateness []float64
	for _, row := range rows {
		if row.Untrusted {
			untrusted++
			continue
		}
		if row.Wire != nil && row.Wire.Opened > 0 && row.Latency.Count > 1 { // what is done once may be a start of the server
			opened++
		}
		counts = append(counts, float64(row.Latency.Count))
		lateness = append(lateness, float64(row.Lateness))
		if row.FirstHalf > 0 && row.SecondHalf > 0 {
			halves = append(halves, float64(row.SecondHalf)/float64(row.FirstHalf))
		}
		if share, ok := generatorShare(b, row); ok {
			shares, busy = append(shares, share), append(busy, busyShare(b, row))
		}
	}
	if share := errorShare(rows); share > maxErrorShare {
		doubt("%.2g %% of the operations failed; the percentiles are of the others.", 100*share)
	}
	if untrusted > 0 {
		doubt("%d of %d rounds have no part in it: what had to go on beside the operations could not begin or end.", untrusted,
			len(rows))
	}
	if opened > 0 {
		doubt("In %d of %d rounds a connection was opened: its handshake is in the bytes on the wire, and may be in the times.",
			opened, len(rows))
	}
	if n := stats.Of(counts).Median; n < report.MinForP99 {
		doubt("About %.0f operations in a round: too few for a p99 in each.", n)
	}
	if drift := stats.Of(halves); drift.Bounded && (drift.Lo > maxDrift || drift.Hi < 1/maxDrift) {
		doubt("Not stationary: the second half of a cell takes %.2f times the first.", drift.Median)
	}
	if late := stats.Of(lateness); late.Median > float64(maxLateness) {
		doubt("The generator was late: 99 %% of the operations started within %v of their time, not within %v.",
			time.Duration(late.Median).Round(10*time.Microsecond), maxLateness)
	}
	if share := stats.Of(shares).Median; share > maxGeneratorShare {
		doubt("The load generator itself took %.0f %% of the machine.", 100*share)
	}
	if share := stats.Of(busy).Median; share > maxBusy {
		doubt("The machine was saturated: its processors were busy for %.0f %% of the time.", 100*share)
	}
	return out
}

// throttling are the doubts that the servers themselves raise, by what they said around one more cell.
func throttling(a report.Account) []string {
	var out []string
	doubt := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, full := range slices.Sorted(maps.Keys(a.Components)) {
		used := a.Components[full]
		_, name, found := strings.Cut(full, "/")
		if !found {
			name = full
		}
		if share := float64(used.LimiterWait) / float64(max(a.Elapsed, 1)); share > maxLimited {
			doubt("%s's own clients waited for their rate limiter for %v in %v (%d SubjectAccessReviews).", name,
				used.LimiterWait.Round(time.Millisecond), a.Elapsed.Round(time.Millisecond), used.Reviews)
		}
		if used.Rejected > 0 {
			doubt("Priority and fairness of %s rejected %d requests.", name, used.Rejected)
		}
		if wait := used.QueueWait / time.Duration(max(a.Attempts, 1)); wait > maxQueued {
			doubt("Priority and fairness of %s let requests queue for %v on average.", name, wait.Round(10*time.Microsecond))
		}
		if full == measure.Generator {
			continue // it collects before each cell, so that it does not have to in one
		}
		if share := float64(used.GC) / float64(max(used.CPU, 1)); used.CPU >= minCollected && share > maxCollecting {
			doubt("Garbage collection took %.0f %% of the CPU time of %s.", 100*share, name)
		}
	}
	return out
}

// generatorShare is the share of the processors that the load generator took during a cell.
func generatorShare(b *report.Bench, row report.Row) (float64, bool) {
	if row.Elapsed <= 0 || b.Cores <= 0 {
		return 0, false
	}
	return float64(row.Usage[measure.Generator].CPU) / processorTime(b, row), true
}

// busyShare is the share of the processors that everything measured took together during a cell.
func busyShare(b *report.Bench, row report.Row) float64 {
	var all time.Duration
	for _, used := range row.Usage {
		all += used.CPU
	}
	return float64(all) / processorTime(b, row)
}

// processorTime that there was in a cell, lead included, as in the usage.
func processorTime(b *report.Bench, row report.Row) float64 {
	took := float64(row.Took)
	if took == 0 {
		took = float64(row.Elapsed) / (1 - b.Profile.Lead)
	}
	return took * float64(b.Cores)
}
