// Package stats answers the only statistical question that the benchmark asks: by how much do two arms differ, and is
// that more than chance and this machine's noise? The unit of replication is the round, not the request, because the
// requests of one round share one state of the machine; two arms are compared by the ratio of their values within each
// round, which cancels what the rounds do not share.
//
// The estimates come from golang.org/x/perf/benchmath without an assumption on the distribution: the median and its
// exact confidence interval by order statistics. Nothing here is a test of its own making.
package stats

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// Confidence is the level asked of every interval. With few rounds the exact interval is wider than asked, never
// narrower; Estimate.Confidence has the level that it really has.
const Confidence = 0.95

// MinRounds is the fewest rounds that give a finite 95 % interval of a median.
const MinRounds = 6

// Estimate is the median of some values, one for each round, and its confidence interval.
type Estimate struct {
	// Median of the values; 0 when there are none.
	Median float64 `json:"median"`
	// Lo and Hi are the bounds of the confidence interval; both are 0 when Bounded is false.
	Lo float64 `json:"lo"`
	Hi float64 `json:"hi"`
	// Bounded is whether there were enough rounds for an interval.
	Bounded bool `json:"bounded"`
	// Confidence is the exact level of the interval, 0 to 1.
	Confidence float64 `json:"confidence"`
	// N is the number of values.
	N int `json:"n"`
}

// Of estimates the median of values.
func Of(values []float64) Estimate {
	if len(values) == 0 {
		return Estimate{}
	}
	// NewSample sorts in place, and the caller's order is that of the rounds.
	sample := benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
	summary := benchmath.AssumeNothing.Summary(sample, Confidence)
	out := Estimate{Median: summary.Center, N: len(values)}
	if !math.IsInf(summary.Lo, 0) && !math.IsInf(summary.Hi, 0) {
		out.Lo, out.Hi, out.Bounded, out.Confidence = summary.Lo, summary.Hi, true, summary.Confidence
	}
	return out
}

// Ratios pairs two arms by round and divides. A round that one of them lacks, or in which the base is zero, has no
// pair and is left out. The result is in the order of rounds.
func Ratios(test, base map[int]float64) []float64 {
	rounds := make([]int, 0, len(test))
	for round := range test {
		if base[round] > 0 {
			rounds = append(rounds, round)
		}
	}
	slices.Sort(rounds)
	out := make([]float64, len(rounds))
	for i, round := range rounds {
		out[i] = test[round] / base[round]
	}
	return out
}
