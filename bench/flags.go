package bench

import (
	"fmt"
	"time"

	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/stats"
)

// Bounds beyond which a line of the report carries a doubt.
const (
	maxErrorShare     = 0.001
	minSamplesForP99  = 100
	maxDrift          = 1.1
	maxLateness       = time.Millisecond
	maxGeneratorShare = 0.25
)

// flags are the doubts about one arm in one scenario.
func flags(rows []report.Row, attempts int64, b *report.Bench) []string {
	var out []string
	doubt := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }

	var failed int64
	var halves, counts, shares, lateness []float64
	for _, row := range rows {
		for _, n := range row.Errors {
			failed += n
		}
		counts = append(counts, float64(row.Latency.Count))
		lateness = append(lateness, float64(row.Lateness))
		if row.FirstHalf > 0 && row.SecondHalf > 0 {
			halves = append(halves, float64(row.SecondHalf)/float64(row.FirstHalf))
		}
		if share, ok := generatorShare(b, row); ok {
			shares = append(shares, share)
		}
	}
	if share := float64(failed) / float64(max(attempts, 1)); share > maxErrorShare {
		doubt("%.2g %% of the operations failed; the percentiles are of the others.", 100*share)
	}
	if n := stats.Of(counts).Median; n < minSamplesForP99 {
		doubt("About %.0f operations in a round: p99 is nearly the maximum.", n)
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
	return out
}

// generatorShare is the share of the processors that the load generator took during a cell.
func generatorShare(b *report.Bench, row report.Row) (float64, bool) {
	if row.Elapsed <= 0 || b.Cores <= 0 {
		return 0, false
	}
	whole := float64(row.Elapsed) / (1 - b.Profile.Lead) // the lead is part of the usage, and not of the measured time
	return float64(row.Usage[measure.Generator].CPU) / (whole * float64(b.Cores)), true
}
