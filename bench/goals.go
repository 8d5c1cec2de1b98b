package bench

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/duet-api/duet/bench/report"
)

// DefaultGoals are what Duet asks of itself: bench/goals.yaml.
//
//go:embed goals.yaml
var DefaultGoals []byte

// Goal is one thing that a run is held against. Exactly one of Ratio, Value, Growth and Harness is set.
type Goal struct {
	// Name is unique in a file. Why says where the number comes from.
	Name string `json:"name"`
	Why  string `json:"why"`
	// Ratio is a goal for a pair of arms, Value for one arm, Growth for what objects take in the servers of a pair.
	Ratio  *RatioGoal  `json:"ratio,omitempty"`
	Value  *ValueGoal  `json:"value,omitempty"`
	Growth *GrowthGoal `json:"growth,omitempty"`
	// Harness is a goal for the benchmark itself.
	Harness *HarnessGoal `json:"harness,omitempty"`
}

// Pace is the time for one operation of all that are under way: the inverse of what a closed loop gets through. It is a
// metric of goals only, for the comparisons have the latency, from which it follows.
const Pace report.Metric = "pace"

// RatioGoal bounds the paired ratio of two arms. The whole interval has to keep the bound, not only its middle.
type RatioGoal struct {
	Scenario string        `json:"scenario"`
	Metric   report.Metric `json:"metric"`
	// Test is divided by Base, in the scenario BaseScenario if it is another one: then the two may be one arm.
	Test         string `json:"test"`
	Base         string `json:"base"`
	BaseScenario string `json:"baseScenario,omitempty"`
	// AtMost is for the upper end of the interval.
	AtMost float64 `json:"atMost"`
}

// ValueGoal bounds what one arm showed, whatever the others did. It depends on the machine. One bound is set.
type ValueGoal struct {
	Scenario string   `json:"scenario"`
	Arm      string   `json:"arm"`
	Quantity Quantity `json:"quantity"`
	AtMost   float64  `json:"atMost,omitempty"`
	AtLeast  float64  `json:"atLeast,omitempty"`
}

// Quantity is what a ValueGoal or a GrowthGoal is about.
type Quantity string

// The quantities of a ValueGoal: percentiles of all rounds together, in milliseconds; the lower end of the interval of
// the operations per second; and, for each request, the questions to kube-apiserver whether its user may, and what is read
// from and written to the database of etcd, by anybody.
const (
	Milliseconds50 Quantity = "p50"
	Milliseconds95 Quantity = "p95"
	Milliseconds99 Quantity = "p99"
	PerSecond      Quantity = "perSecond"
	Reviews        Quantity = "reviewsPerRequest"
	StorageReads   Quantity = "storageReadsPerRequest"
	StorageWrites  Quantity = "storageWritesPerRequest"
)

// GrowthGoal bounds what the servers of an arm grew by for each object of the largest population, in bytes, or, with a base,
// its ratio to that of another arm, of the largest population that both had.
type GrowthGoal struct {
	Quantity Quantity `json:"quantity"`
	Test     string   `json:"test"`
	Base     string   `json:"base,omitempty"`
	AtMost   float64  `json:"atMost"`
}

// The quantities of a GrowthGoal: the live heap of all servers of the control plane, and its database.
const (
	Heap    Quantity = "heap"
	Storage Quantity = "storage"
)

// HarnessGoal bounds what the benchmark adds by itself. Every line of the run has to keep the bound.
type HarnessGoal struct {
	Check HarnessCheck `json:"check"`
	// Metric that the check is about, for NoiseHalfWidth and Witness.
	Metric report.Metric `json:"metric,omitempty"`
	// AtMost is a share of 1 for NoiseHalfWidth and GeneratorShare, milliseconds for Lateness, a factor for Witness.
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
	// Witness: where an independent client measured the same, the interval of its ratio to the benchmark's own reaches at most
	// so many times as far as the noise floor; 1 is agreement within the noise.
	Witness HarnessCheck = "witness"
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
	if g.Name == "" || g.Why == "" {
		return errors.New("it needs a name and a why")
	}
	kinds := 0
	for _, set := range []bool{g.Ratio != nil, g.Value != nil, g.Growth != nil, g.Harness != nil} {
		if set {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return errors.New("it needs exactly one of ratio, value, growth and harness")
	case g.Ratio != nil:
		return g.Ratio.validate()
	case g.Value != nil:
		return g.Value.validate()
	case g.Growth != nil:
		return g.Growth.validate()
	}
	return g.Harness.validate()
}

func compared(m report.Metric) bool { return m == report.P50 || m == report.P99 || m == report.CPU }

func (r RatioGoal) validate() error {
	if r.Scenario == "" || r.Test == "" || r.Base == "" || !compared(r.Metric) && r.Metric != Pace || r.AtMost <= 0 {
		return errors.New("a ratio needs scenario, test, base, a metric (p50, p99, cpu, pace) and atMost above 0")
	}
	return nil
}

func (v ValueGoal) validate() error {
	known := []Quantity{Milliseconds50, Milliseconds95, Milliseconds99, PerSecond, Reviews, StorageReads, StorageWrites}
	if v.Scenario == "" || v.Arm == "" || !slices.Contains(known, v.Quantity) || (v.AtMost > 0) == (v.AtLeast > 0) {
		return fmt.Errorf("a value needs scenario, arm, a quantity of %q, and either atMost or atLeast above 0", known)
	}
	return nil
}

func (g GrowthGoal) validate() error {
	if g.Test == "" || g.Quantity != Heap && g.Quantity != Storage || g.AtMost <= 0 {
		return errors.New("a growth needs test, a quantity (heap, storage) and atMost above 0; with a base it is a ratio")
	}
	return nil
}

func (h HarnessGoal) validate() error {
	about := h.Check == NoiseHalfWidth || h.Check == Witness
	switch {
	case h.AtMost <= 0:
		return errors.New("a harness needs atMost above 0")
	case about && !compared(h.Metric):
		return fmt.Errorf("%s needs a metric (p50, p99, cpu)", h.Check)
	case !about && h.Check != Lateness && h.Check != GeneratorShare:
		return fmt.Errorf("there is no check %q", h.Check)
	}
	return nil
}
