package stats

import (
	"cmp"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// Significance is the chance, at most, with which a family of claims has one that is false.
const Significance = 1 - Confidence

// PValue is the smallest level at which the values' median may still be claimed to lie beyond the noise floor, on the
// side where it lies: 1 minus the confidence of the widest exact interval that clears the floor. It is 1 when not even
// the narrowest one does. The intervals are the library's; only their levels are tried one after the other.
func PValue(values []float64, floor float64) float64 {
	if len(values) == 0 || floor < 1 {
		return 1
	}
	p := 1.0
	sample := benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
	for level := 0.0; ; {
		summary := benchmath.AssumeNothing.Summary(sample, level)
		if math.IsInf(summary.Lo, 0) || math.IsInf(summary.Hi, 0) || summary.Confidence < level {
			return p // the values have no wider interval
		}
		if summary.Lo <= floor && summary.Hi >= 1/floor {
			return p
		}
		p = 1 - summary.Confidence
		level = math.Nextafter(summary.Confidence, 1)
	}
}

// Holm corrects the p-values of a family of claims for their number, by Holm's step-down method: the claims whose
// corrected value is at most Significance may all be made together. The result is in the order of the argument.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	corrected := make([]float64, len(p))
	least := 0.0
	for rank, i := range order {
		least = max(least, min(1, p[i]*float64(len(p)-rank)))
		corrected[i] = least
	}
	return corrected
}
