package bench

import (
	_ "embed"
	"errors"
	"fmt"
	"math"

	"sigs.k8s.io/yaml"

	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/stats"
)

// DefaultGoals are what Duet asks of itself: bench/goals.yaml.
//
//go:embed goals.yaml
var DefaultGoals []byte

// Goal is one thing that a run is held against. Exactly one of Ratio and Harness is set.
type Goal struct {
	// Name is unique in a file. Why says where the number comes from.
	Name string `json:"name"`
	Why  string `json:"why"`
	// Ratio is a goal for a pair of arms.
	Ratio *RatioGoal `json:"ratio,omitempty"`
	// Harness is a goal for the benchmark itself.
	Harness *HarnessGoal `json:"harness,omitempty"`
}

// RatioGoal bounds the paired ratio of two arms. The whole interval has to keep the bound, not only its middle.
type RatioGoal struct {
	Scenario string        `json:"scenario"`
	Metric   report.Metric `json:"metric"`
	// Test is divided by Base.
	Test string `json:"test"`
	Base string `json:"base"`
	// AtMost is for the upper end of the interval.
	AtMost float64 `json:"atMost"`
}

// HarnessGoal bounds what the benchmark adds by itself. Every line of the run has to keep the bound.
type HarnessGoal struct {
	Check HarnessCheck `json:"check"`
	// Metric that the check is about, for NoiseHalfWidth.
	Metric report.Metric `json:"metric,omitempty"`
	// AtMost is a share of 1 for NoiseHalfWidth and GeneratorShare, milliseconds for Lateness.
	AtMost float64 `json:"atMost"`
}

// HarnessCheck is what a HarnessGoal looks at.
type HarnessCheck string

// The checks.
const (
	// NoiseHalfWidth: the ratio of two identical arms has 1 in its interval, and half of its width is at most so much.
	NoiseHalfWidth HarnessCheck = "noiseHalfWidth"
	// Lateness: of the operations of an open loop, 99 % start at most so many milliseconds after their time.
	Lateness HarnessCheck = "latenessMilliseconds"
	// GeneratorShare: the load generator takes at most this share of the processors.
	GeneratorShare HarnessCheck = "generatorShare"
)

// ReadGoals reads a file of goals, strictly: a goal that is misspelt would be met for ever.
func ReadGoals(data []byte) ([]Goal, error) {
	var file struct {
		Goals []Goal `json:"goals"`
	}
	if err := yaml.UnmarshalStrict(data, &file); err != nil {
		return nil, fmt.Errorf("could not read the goals: %w", err)
	}
	seen := map[string]bool{}
	var errs []error
	for i, goal := range file.Goals {
		if err := goal.validate(); err != nil {
			errs = append(errs, fmt.Errorf("goal %d (%q): %w", i+1, goal.Name, err))
		}
		if seen[goal.Name] {
			errs = append(errs, fmt.Errorf("goal %d: the name %q is there twice", i+1, goal.Name))
		}
		seen[goal.Name] = true
	}
	if len(file.Goals) == 0 {
		errs = append(errs, errors.New("there is none"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("could not read the goals: %w", err)
	}
	return file.Goals, nil
}

func (g Goal) validate() error {
	metric := func(m report.Metric) bool { return m == report.P50 || m == report.P99 || m == report.CPU }
	switch {
	case g.Name == "" || g.Why == "":
		return errors.New("it needs a name and a why")
	case (g.Ratio == nil) == (g.Harness == nil):
		return errors.New("it needs either a ratio or a harness")
	case g.Ratio != nil:
		r := g.Ratio
		if r.Scenario == "" || r.Test == "" || r.Base == "" || !metric(r.Metric) || r.AtMost <= 0 {
			return errors.New("a ratio needs scenario, test, base, a metric (p50, p99, cpu) and atMost above 0")
		}
	case g.Harness.AtMost <= 0:
		return errors.New("a harness needs atMost above 0")
	case g.Harness.Check == NoiseHalfWidth && !metric(g.Harness.Metric):
		return errors.New("noiseHalfWidth needs a metric (p50, p99, cpu)")
	case g.Harness.Check != NoiseHalfWidth && g.Harness.Check != Lateness && g.Harness.Check != GeneratorShare:
		return fmt.Errorf("there is no check %q", g.Harness.Check)
	}
	return nil
}

// Bound that the goal's value may not exceed.
func (g Goal) Bound() float64 {
	if g.Ratio != nil {
		return g.Ratio.AtMost
	}
	return g.Harness.AtMost
}

// Standing is what a goal came to.
type Standing string

// The standings.
const (
	Met    Standing = "met"
	Missed Standing = "missed"
	// NotMeasured: the run has not what the goal is about, or too few rounds for an interval.
	NotMeasured Standing = "not measured"
)

// Outcome is a goal held against a run.
type Outcome struct {
	Goal     Goal     `json:"goal"`
	Standing Standing `json:"standing"`
	// Value that was held against the bound: the upper end of an interval, or the worst line. Zero if not measured.
	Value float64 `json:"value,omitempty"`
	// Ratio is the whole estimate, for a ratio.
	Ratio *stats.Estimate `json:"ratio,omitempty"`
	// Detail says where the value comes from, or what is missing.
	Detail string `json:"detail,omitempty"`
}

// Gate holds a run against goals.
func Gate(b *report.Bench, goals []Goal) []Outcome {
	out := make([]Outcome, 0, len(goals))
	for _, goal := range goals {
		if goal.Ratio != nil {
			out = append(out, gateRatio(b, goal))
		} else {
			out = append(out, gateHarness(b, goal))
		}
	}
	return out
}

func gateRatio(b *report.Bench, goal Goal) Outcome {
	out := Outcome{Goal: goal, Standing: NotMeasured}
	r := goal.Ratio
	test, base := armNamed(b, r.Test), armNamed(b, r.Base)
	switch {
	case test == nil:
		out.Detail = "the run has no arm " + r.Test
		return out
	case base == nil:
		out.Detail = "the run has no arm " + r.Base
		return out
	}
	ratio := stats.Of(stats.Ratios(series(b, r.Scenario, *test, r.Metric), series(b, r.Scenario, *base, r.Metric)))
	if !ratio.Bounded {
		out.Detail = fmt.Sprintf("%d rounds of %s on both arms: too few for an interval", ratio.N, r.Scenario)
		return out
	}
	out.Ratio, out.Value = &ratio, ratio.Hi
	out.Standing = standing(ratio.Hi <= r.AtMost)
	out.Detail = fmt.Sprintf("%.3f (%.3f to %.3f) over %d rounds", ratio.Median, ratio.Lo, ratio.Hi, ratio.N)
	return out
}

func gateHarness(b *report.Bench, goal Goal) Outcome {
	out := Outcome{Goal: goal, Standing: NotMeasured, Detail: "the run has nothing to check"}
	met := true
	judge := func(value float64, good bool, where string) {
		met = met && good
		if out.Standing == NotMeasured || value > out.Value {
			out.Value, out.Detail = value, where
		}
		out.Standing = standing(met)
	}
	atMost := goal.Harness.AtMost
	if goal.Harness.Check == NoiseHalfWidth {
		for _, c := range b.Select(report.Noise, goal.Harness.Metric) {
			if c.Ratio.Bounded {
				half := (c.Ratio.Hi - c.Ratio.Lo) / 2
				contains := c.Ratio.Lo <= 1 && c.Ratio.Hi >= 1
				judge(half, half <= atMost && contains, fmt.Sprintf("%s, %s / %s: %.3f to %.3f", c.Scenario, c.Test, c.Base, c.Ratio.Lo,
					c.Ratio.Hi))
			}
		}
		return out
	}
	for _, s := range b.Scenarios {
		for _, a := range b.Arms {
			value := harnessValue(b, goal.Harness.Check, rowsOf(b, s.Name, a.Name))
			if !math.IsNaN(value) {
				judge(value, value <= atMost, s.Name+" on "+a.Name)
			}
		}
	}
	return out
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

func standing(met bool) Standing {
	if met {
		return Met
	}
	return Missed
}

func armNamed(b *report.Bench, name string) *report.Arm {
	for i := range b.Arms {
		if b.Arms[i].Name == name {
			return &b.Arms[i]
		}
	}
	return nil
}
