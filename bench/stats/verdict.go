package stats

import "math"

// Verdict is what a comparison may claim.
type Verdict string

// The verdicts. All quantities of the benchmark are better when they are lower.
const (
	// Faster: the whole interval is below 1, by more than the noise floor.
	Faster Verdict = "faster"
	// Slower: the whole interval is above 1, by more than the noise floor.
	Slower Verdict = "slower"
	// NoDifference: the interval does not clear the noise floor. It does not say that there is no difference.
	NoDifference Verdict = "no difference found"
	// Undecided: too few rounds for an interval, no noise floor to hold it against, or an interval that clears the floor by
	// itself, but not as one among so many.
	Undecided Verdict = "undecided"
)

// Floor is the noise floor that A/A comparisons show: the largest factor, at least 1, by which the interval of two
// identical arms reaches away from 1 on either side. It is 0 when no interval is bounded, which means "unknown".
func Floor(same ...Estimate) float64 {
	floor := 0.0
	for _, e := range same {
		if e.Bounded && e.Lo > 0 {
			floor = math.Max(floor, math.Max(1, math.Max(e.Hi, 1/e.Lo)))
		}
	}
	return floor
}

// Judge compares the interval of a ratio with the noise floor of the same quantity. Overlapping is never a claim: the
// bound of the interval that is nearest to 1 must lie beyond the floor.
func Judge(ratio Estimate, floor float64) Verdict {
	switch {
	case !ratio.Bounded || floor < 1:
		return Undecided
	case ratio.Lo > floor:
		return Slower
	case ratio.Hi < 1/floor:
		return Faster
	}
	return NoDifference
}

// InFamily is the verdict of a comparison that is one of many. A claim stands if its p-value, corrected for their number,
// is small enough. If it is not, nothing was decided.
func (v Verdict) InFamily(corrected float64) Verdict {
	if (v == Faster || v == Slower) && corrected > Significance {
		return Undecided
	}
	return v
}

// Margin is how far a verdict is from flipping: the factor, at least 1, by which the nearest bound of the interval
// clears the noise floor. It is 1 for a verdict that claims nothing.
func Margin(ratio Estimate, floor float64) float64 {
	switch Judge(ratio, floor) {
	case Slower:
		return ratio.Lo / floor
	case Faster:
		return 1 / (floor * ratio.Hi)
	}
	return 1
}
