package bench

import (
	"fmt"
	"math"
	"slices"

	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/stats"
)

// Gate holds a run against goals, one outcome for each.
func Gate(b *report.Bench, goals []Goal) []report.Outcome {
	out := make([]report.Outcome, 0, len(goals))
	for _, goal := range goals {
		var o report.Outcome
		switch {
		case goal.Ratio != nil:
			o = gateRatio(b, *goal.Ratio)
		case goal.Value != nil:
			o = gateValue(b, *goal.Value)
		case goal.Growth != nil:
			o = gateGrowth(b, *goal.Growth)
		default:
			o = gateHarness(b, *goal.Harness)
			o.Harness = true
		}
		o.Goal, o.Why = goal.Name, goal.Why
		out = append(out, o)
	}
	return out
}

// unmeasured is an outcome for want of something.
func unmeasured(bound float64, missing string) report.Outcome {
	return report.Outcome{Standing: report.NotMeasured, Bound: bound, Detail: missing}
}

func standing(met bool) report.Standing {
	if met {
		return report.Met
	}
	return report.Missed
}

// missingArm says which of some arms a run has not; empty if it has all.
func missingArm(b *report.Bench, names ...string) string {
	for _, name := range names {
		if !slices.ContainsFunc(b.Arms, func(a report.Arm) bool { return a.Name == name }) {
			return "the run has no arm " + name
		}
	}
	return ""
}

// missingScenario is the same for scenarios.
func missingScenario(b *report.Bench, names ...string) string {
	for _, name := range names {
		if !slices.ContainsFunc(b.Scenarios, func(s report.Scenario) bool { return s.Name == name }) {
			return "the run has no scenario " + name
		}
	}
	return ""
}

func armNamed(b *report.Bench, name string) report.Arm {
	return b.Arms[slices.IndexFunc(b.Arms, func(a report.Arm) bool { return a.Name == name })]
}

func gateRatio(b *report.Bench, r RatioGoal) report.Outcome {
	baseScenario := r.BaseScenario
	if baseScenario == "" {
		baseScenario = r.Scenario
	}
	if missing := missingArm(b, r.Test, r.Base); missing != "" {
		return unmeasured(r.AtMost, missing)
	}
	if missing := missingScenario(b, r.Scenario, baseScenario); missing != "" {
		return unmeasured(r.AtMost, missing)
	}
	ratio := stats.Of(stats.Ratios(series(b, r.Scenario, armNamed(b, r.Test), r.Metric),
		series(b, baseScenario, armNamed(b, r.Base), r.Metric)))
	if ratio.N == 0 && r.Metric == report.P99 {
		return unmeasured(r.AtMost, fmt.Sprintf("not every round of %s on both arms has the %d operations of a p99",
			r.Scenario, report.MinForP99))
	}
	if !ratio.Bounded {
		return unmeasured(r.AtMost, fmt.Sprintf("%d rounds of %s on both arms: too few for an interval", ratio.N, r.Scenario))
	}
	detail := fmt.Sprintf("%s of %s: %.3f (%.3f to %.3f) over %d rounds", r.Metric, r.Scenario, ratio.Median, ratio.Lo, ratio.Hi, ratio.N)
	if baseScenario != r.Scenario {
		detail += fmt.Sprintf("; %s was measured at another time, so that drift of the machine is in it", baseScenario)
	}
	return report.Outcome{Standing: standing(ratio.Hi <= r.AtMost), Bound: r.AtMost, Value: ratio.Hi, Detail: detail}
}

func gateValue(b *report.Bench, v ValueGoal) report.Outcome {
	bound, least := v.AtMost, v.AtLeast > 0
	if least {
		bound = v.AtLeast
	}
	missing := missingArm(b, v.Arm)
	if missing == "" {
		missing = missingScenario(b, v.Scenario)
	}
	var value float64
	if missing == "" {
		value, missing = v.of(b)
	}
	out := unmeasured(bound, missing)
	if missing == "" {
		out = report.Outcome{
			Standing: standing(value <= bound && !least || value >= bound && least), Bound: bound, Value: value,
			Detail: fmt.Sprintf("%s of %s on %s", v.Quantity, v.Scenario, v.Arm),
		}
	}
	out.AtLeast = least
	return out
}

// of is the value, or what is missing for it.
func (v ValueGoal) of(b *report.Bench) (value float64, missing string) {
	if count, ok := counted[v.Quantity]; ok {
		return perRequest(b, v, count)
	}
	s := b.Summary(v.Scenario, v.Arm)
	switch {
	case s == nil || s.Pooled.Count == 0:
		return 0, fmt.Sprintf("%s was not measured on %s", v.Scenario, v.Arm)
	case v.Quantity == Milliseconds99 && s.Pooled.Count < report.MinForP99:
		return 0, fmt.Sprintf("%d operations of %s in all: too few for a p99", s.Pooled.Count, v.Scenario)
	case v.Quantity == PerSecond && !s.PerSecond.Bounded:
		return 0, fmt.Sprintf("%d rounds of %s: too few for an interval", s.PerSecond.N, v.Scenario)
	case v.Quantity == PerSecond:
		return s.PerSecond.Lo, ""
	}
	nanoseconds := map[Quantity]int64{
		Milliseconds50: s.Pooled.P50, Milliseconds95: s.Pooled.P95, Milliseconds99: s.Pooled.P99,
	}[v.Quantity]
	return float64(nanoseconds) / 1e6, ""
}

func gateHarness(b *report.Bench, h HarnessGoal) report.Outcome {
	switch h.Check {
	case NoiseHalfWidth:
		return gateNoise(b, h)
	case Witness:
		return gateWitness(b, h)
	}
	var lines bar
	for _, s := range b.Scenarios {
		for _, a := range b.Arms {
			if a.Witness {
				continue // what its loop uses is nobody's measurement
			}
			if value := harnessValue(b, h.Check, rowsOf(b, s.Name, a.Name)); !math.IsNaN(value) {
				lines.add(value, value <= h.AtMost, s.Name+" on "+a.Name)
			}
		}
	}
	return lines.outcome(h.AtMost, "the run has no line of that kind")
}

// bar collects the lines that a harness goal is about. The worst of them is its value.
type bar struct {
	total, missed int
	worst         float64
	where         string
}

func (l *bar) add(value float64, good bool, where string) {
	if l.total == 0 || value > l.worst {
		l.worst, l.where = value, where
	}
	l.total++
	if !good {
		l.missed++
	}
}

func (l *bar) outcome(bound float64, none string) report.Outcome {
	if l.total == 0 {
		return unmeasured(bound, none)
	}
	return report.Outcome{
		Standing: standing(l.missed == 0), Bound: bound, Value: l.worst,
		Detail: fmt.Sprintf("kept by %d of %d lines; worst: %s", l.total-l.missed, l.total, l.where),
	}
}

// gateNoise looks at all pairs of identical arms. That an interval leaves 1 out happens to one in twenty by chance, so
// it counts only if it does with the correction for their number.
func gateNoise(b *report.Bench, h HarnessGoal) report.Outcome {
	var pairs []report.Comparison
	var p []float64
	for _, c := range b.Select(report.Noise, h.Metric) {
		if c.Ratio.Bounded {
			pairs = append(pairs, c)
			p = append(p, stats.PValue(stats.Ratios(series(b, c.Scenario, armNamed(b, c.Test), h.Metric),
				series(b, c.Scenario, armNamed(b, c.Base), h.Metric)), 1))
		}
	}
	var lines bar
	without := 0
	for i, corrected := range stats.Holm(p) {
		c := pairs[i]
		half := (c.Ratio.Hi - c.Ratio.Lo) / 2
		contains := corrected > stats.Significance
		if !contains {
			without++
		}
		lines.add(half, half <= h.AtMost && contains, fmt.Sprintf("%s, %s / %s: %.3f to %.3f", c.Scenario, c.Test, c.Base,
			c.Ratio.Lo, c.Ratio.Hi))
	}
	out := lines.outcome(h.AtMost, "no arm repeats another one, or there are too few rounds for an interval")
	if without > 0 {
		out.Detail += fmt.Sprintf("; %d differ from 1 by more than chance", without)
	}
	return out
}

// gateWitness looks at where an independent client measured the same as the benchmark's own: the whole interval of the two
// has to be within the noise floor. Its value is how many times as wide it reaches.
func gateWitness(b *report.Bench, h HarnessGoal) report.Outcome {
	var lines bar
	for _, c := range b.Select(report.Witness, h.Metric) {
		if c.Ratio.Bounded && c.Floor >= 1 {
			reach := max(c.Ratio.Hi, 1/c.Ratio.Lo) / c.Floor
			lines.add(reach, reach <= h.AtMost, fmt.Sprintf("%s, %s / %s: %.3f (%.3f to %.3f), noise floor %.3f", c.Scenario,
				c.Test, c.Base, c.Ratio.Median, c.Ratio.Lo, c.Ratio.Hi, c.Floor))
		}
	}
	return lines.outcome(h.AtMost, "no independent client measured beside this run")
}

// harnessValue of one line: the median over its rounds, or not a number if the check says nothing about it.
func harnessValue(b *report.Bench, check HarnessCheck, rows []report.Row) float64 {
	var values []float64
	for _, row := range rows {
		switch check {
		case Lateness:
			if row.Lateness > 0 {
				values = append(values, float64(row.Lateness)/1e6)
			}
		case GeneratorShare:
			if share, ok := generatorShare(b, row); ok {
				values = append(values, share)
			}
		}
	}
	if len(values) == 0 {
		return math.NaN()
	}
	return stats.Of(values).Median
}
