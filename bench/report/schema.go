package report

import (
	"slices"
	"strings"
	"time"

	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/scenario"
	"github.com/duet-api/duet/bench/stats"
	"github.com/duet-api/duet/bench/trace"
	"github.com/duet-api/duet/e2e/behaviour"
)

// Schema identifies the format of results.json. Its number rises when a field changes its meaning or goes away; new
// fields may come without. All times are nanoseconds unless a name says otherwise, all sizes bytes.
const Schema = "duet.example.com/results/v1"

// Run is everything that one run of Duet found out: the root of results.json.
type Run struct {
	// Schema is the constant Schema.
	Schema string `json:"schema"`
	// Card says how the run was made.
	Card Card `json:"card"`
	// Bench is the benchmark, nil when it was not run.
	Bench *Bench `json:"bench,omitempty"`
	// Matrix has the behaviour checks, one result for each check and form; empty when they were not run.
	Matrix []behaviour.Result `json:"matrix,omitempty"`
}

// Card is the run card: what a reader needs to judge the run, and to repeat it.
type Card struct {
	// ID names the run, and its directory.
	ID string `json:"id"`
	// Started and Finished bound the run.
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// Command repeats the run.
	Command string `json:"command"`
	// Machine is where it took place.
	Machine measure.Machine `json:"machine"`
	// Revision is the source revision of this program, with "+changes" if it was built from a changed tree; empty if
	// the build does not know.
	Revision string `json:"revision,omitempty"`
	// Versions of what was measured and of what measured, by name.
	Versions map[string]string `json:"versions"`
	// Flags that the run was given, by name.
	Flags map[string]string `json:"flags,omitempty"`
	// Limits are the client-side limits in effect: a limiter that nobody mentions is the usual flaw of such numbers.
	Limits []string `json:"limits"`
	// Notes are conditions of this run that a reader should know of.
	Notes []string `json:"notes,omitempty"`
}

// Bench is a paired benchmark.
type Bench struct {
	// Profile says how much was measured.
	Profile scenario.Profile `json:"profile"`
	// Seed of the order of the arms and of the corpus.
	Seed uint64 `json:"seed"`
	// Arms and Scenarios, in the order in which they are shown.
	Arms      []Arm      `json:"arms"`
	Scenarios []Scenario `json:"scenarios"`
	// Rounds that were finished. With Interrupted, fewer than the profile asks for.
	Rounds      int  `json:"rounds"`
	Interrupted bool `json:"interrupted"`
	// Resumptions say where an interrupted run went on.
	Resumptions []Resumption `json:"resumptions,omitempty"`
	// Absent is what this run could not measure where it took place, and why.
	Absent []Absence `json:"absent,omitempty"`
	// Cores is the number of processor threads that the load generator may use: what its share of the machine is of.
	Cores int `json:"cores"`
	// Capacities are what arms got through, where scenarios were run at a share of that.
	Capacities []Capacity `json:"capacities,omitempty"`
	// WarmUps is the number of rounds before the first; Stationary whether the medians stood still after them.
	WarmUps    int  `json:"warmUps"`
	Stationary bool `json:"stationary"`
	// Rows are the raw measurements: one for each round, scenario and arm, in the order in which they were made.
	Rows []Row `json:"rows"`
	// Summaries and Comparisons follow from Rows.
	Summaries   []ArmSummary `json:"summaries"`
	Comparisons []Comparison `json:"comparisons"`
	// Accounts are what the servers said of themselves in one more cell of each scenario and arm, which is not measured.
	// Footprints are by how much they grew with an arm's population. Both are empty where nobody could ask them.
	Accounts   []Account   `json:"accounts,omitempty"`
	Footprints []Footprint `json:"footprints,omitempty"`
	// Traces say where the time of a request goes; nil when no requests were followed.
	Traces *trace.Result `json:"traces,omitempty"`
	// Warnings are doubts about the whole benchmark.
	Warnings []string `json:"warnings,omitempty"`
	// Goals are Duet's own, held against the run.
	Goals []Outcome `json:"goals,omitempty"`
}

// Resumption is where a run that was interrupted went on: with fresh servers, after warming up again.
type Resumption struct {
	At time.Time `json:"at"`
	// Rows that had been measured before.
	Rows int `json:"rows"`
	// Load1 is the load average of the last minute when it went on.
	Load1 float64 `json:"load1"`
}

// Capacity is what an arm gets through when it is asked for as much as it can do, as measured before its first round.
type Capacity struct {
	// Scenario that it was measured with, and the arm. An arm that repeats another one has the other's: the two are
	// identical, and so is what is asked of them.
	Scenario string `json:"scenario"`
	Arm      string `json:"arm"`
	// PerSecond is the median of Cells, each the successful operations per second of a cell.
	PerSecond float64   `json:"perSecond"`
	Cells     []float64 `json:"cells"`
}

// Absence is something that a run could not measure.
type Absence struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Arm describes one of the things compared.
type Arm struct {
	Name string `json:"name"`
	// Why it is there, in one sentence; empty in runs of versions that did not say.
	Why string `json:"why,omitempty"`
	// Form is the implementation that serves it, or "built-in".
	Form string `json:"form"`
	// Repeats is the arm that this one is identical to (an A/A pair).
	Repeats string `json:"repeats,omitempty"`
	// Witness: an independent client measured this one, to check the numbers of the arm that it repeats.
	Witness bool `json:"witness,omitempty"`
	// Reference: it explains what the others differ by, and had a part only in what it is there for.
	Reference bool `json:"reference,omitempty"`
	// Plane is the control plane behind it; component names begin with it and a slash.
	Plane string `json:"plane"`
	// Resource is group, version and resource.
	Resource string `json:"resource"`
	// PayloadBytes is the size of an object as the client sends it, where the scenario has none of its own.
	PayloadBytes int `json:"payloadBytes"`
}

// Scenario describes one operation.
type Scenario struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Why   string `json:"why"`
	// Loop says how operations start.
	Loop string `json:"loop"`
	// Capacity is the scenario whose throughput each arm's rate is a share of; empty when the rates are the same.
	Capacity string `json:"capacity,omitempty"`
	// Objects is the number of objects that are there, PayloadBytes the size of each as the client sends it; 0 in runs of
	// versions that had one size only.
	Objects      int `json:"objects,omitempty"`
	PayloadBytes int `json:"payloadBytes,omitempty"`
}

// Row is one cell: one arm in one scenario in one round.
type Row struct {
	// Round counts from 1. Position is the arm's place, from 1, in the order of its round and scenario.
	Round    int    `json:"round"`
	Position int    `json:"position"`
	Scenario string `json:"scenario"`
	Arm      string `json:"arm"`
	// Started is the wall clock at the begin of the cell, Elapsed the measured time, and Took that of all slices together,
	// lead included; 0 in runs of versions that did not say.
	Started time.Time     `json:"started"`
	Elapsed time.Duration `json:"elapsed"`
	Took    time.Duration `json:"took,omitempty"`
	// Rate is how many operations per second were asked for; 0 in a closed loop, and in runs of versions that did not say.
	Rate float64 `json:"rate,omitempty"`
	// Attempts counts all operations of the cell, WarmUp those in its lead, which are not measured.
	Attempts int64 `json:"attempts"`
	WarmUp   int64 `json:"warmUp"`
	// Errors counts the failed operations by reason. Latency is of the others.
	Errors  map[string]int64 `json:"errors,omitempty"`
	Latency Latency          `json:"latency"`
	// Untrusted: what had to go on beside the operations could not begin or end, as Errors say. Nothing follows from the row.
	Untrusted bool `json:"untrusted,omitempty"`
	// Events counts what happened in the cell beside its operations and is no failure, lead included: conflicts after which
	// a client tried again, watches that the server ended.
	Events map[string]int64 `json:"events,omitempty"`
	// FirstHalf and SecondHalf are the medians of the cell's halves; 0 when a half is empty.
	FirstHalf  int64 `json:"firstHalfP50"`
	SecondHalf int64 `json:"secondHalfP50"`
	// Lateness is the 99th percentile of how late operations started; 0 in a closed loop.
	Lateness int64 `json:"latenessP99,omitempty"`
	// HDR is the whole latency distribution: HdrHistogram V2 encoding, compressed, base64.
	HDR string `json:"hdr"`
	// Usage of each component during the cell, lead included.
	Usage map[string]Usage `json:"usage,omitempty"`
	// Wire is what passed through the arm's connections during the cell, lead included; nil in runs of versions that did not
	// count it.
	Wire *measure.Traffic `json:"wire,omitempty"`
}

// Serves is whether a component belongs to a control plane.
func Serves(component, plane string) bool {
	return component != measure.Generator && strings.HasPrefix(component, plane+"/")
}

// ServerCPU is what the processes of a control plane took during the cell.
func (r Row) ServerCPU(plane string) time.Duration {
	var cpu time.Duration
	for name, usage := range r.Usage {
		if Serves(name, plane) {
			cpu += usage.CPU
		}
	}
	return cpu
}

// Failed operations.
func (r Row) Failed() int64 {
	var failed int64
	for _, n := range r.Errors {
		failed += n
	}
	return failed
}

// MinForP99 is how many operations there have to be for a p99 that is not their maximum.
const MinForP99 = 100

// HaveP99 is whether the rounds of one arm in one scenario have a p99: all of them, but those in which nothing succeeded, have
// enough operations. A slow round has fewer than a fast one, so the p99 of those that have enough would be too good.
func HaveP99(rounds []Row) bool {
	return !slices.ContainsFunc(rounds, func(r Row) bool { return 0 < r.Latency.Count && r.Latency.Count < MinForP99 })
}

// Latency has the percentiles of a distribution. With no operations all are 0.
type Latency struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean"`
	P50   int64   `json:"p50"`
	P90   int64   `json:"p90"`
	P95   int64   `json:"p95"`
	P99   int64   `json:"p99"`
	P999  int64   `json:"p99_9"`
	Max   int64   `json:"max"`
}

// Usage is what a component used during a cell.
type Usage struct {
	// CPU time, in nanoseconds. Where the system does not tell better, other processes are read in steps of 10 ms.
	CPU time.Duration `json:"cpu"`
	// RSS is the resident memory at the end of the cell.
	RSS uint64 `json:"rss"`
}

// Account is what the servers of an arm did in one cell of a scenario.
type Account struct {
	Scenario string `json:"scenario"`
	Arm      string `json:"arm"`
	// Attempts counts all operations of the cell, Elapsed is its length without the lead.
	Attempts int64         `json:"attempts"`
	Elapsed  time.Duration `json:"elapsed"`
	// Components are what each process did from when the cell was prepared until its operations had ended: its counters are
	// those of that time, its heap and goroutines those at the end. A process that was restarted meanwhile is not among them.
	Components map[string]measure.State `json:"components"`
	// Watchers are what each watcher of the scenario took in each process, by how much they had grown at the end; empty where
	// there are few.
	Watchers []WatcherCost `json:"watchers,omitempty"`
}

// WatcherCost is what one open watch takes in a process.
type WatcherCost struct {
	Component  string  `json:"component"`
	Goroutines float64 `json:"goroutines"`
	// Heap is live memory, in bytes, after a garbage collection where a process can be asked for one. What a server frees at
	// the next one only is noise in it, of some kilobytes for each of a thousand watchers: no report shows it.
	Heap float64 `json:"heap"`
}

// Footprint is by how much the servers of an arm grew when its population was created.
type Footprint struct {
	Arm string `json:"arm"`
	// Objects that were created, PayloadBytes the size of each as the client sends it.
	Objects      int               `json:"objects"`
	PayloadBytes int               `json:"payloadBytes"`
	Components   map[string]Growth `json:"components"`
}

// Growth of a process, in bytes. Negative numbers are noise that is larger than the growth.
type Growth struct {
	// Heap is live memory, after a garbage collection; 0 for processes that cannot be asked for one.
	Heap int64 `json:"heap,omitempty"`
	// RSS is resident memory, which a Go program keeps for a while after it needs it no more.
	RSS int64 `json:"rss"`
	// Storage is what is in use in the database of an etcd.
	Storage int64 `json:"storage,omitempty"`
}

// ArmSummary is one arm in one scenario over all rounds.
type ArmSummary struct {
	Scenario string `json:"scenario"`
	Arm      string `json:"arm"`
	// P50 and P99 are medians, over the rounds, of each round's percentile, with their confidence intervals.
	P50 stats.Estimate `json:"p50"`
	P99 stats.Estimate `json:"p99"`
	// PerSecond is the median rate of successful operations. In an open loop it is the rate that was asked for.
	PerSecond stats.Estimate `json:"perSecond"`
	// CPU is the server processes' CPU time for one operation: the median over the rounds.
	CPU stats.Estimate `json:"cpuPerOperation"`
	// Sent and Received are the bytes on the wire for one operation, TLS included, seen from the client: medians over the
	// rounds.
	Sent     stats.Estimate `json:"sentPerOperation"`
	Received stats.Estimate `json:"receivedPerOperation"`
	// Components splits CPU by component, as means over all rounds; memory is that of the last round.
	Components map[string]ComponentUse `json:"components,omitempty"`
	// Pooled is the distribution of all rounds together, HDR the same as a blob.
	Pooled Latency `json:"pooled"`
	HDR    string  `json:"hdr"`
	// Errors counts the failed operations of all rounds by reason.
	Errors map[string]int64 `json:"errors,omitempty"`
	// Flags are doubts about this line, Notes what a reader has to know of it and is no doubt, both as sentences.
	Flags []string `json:"flags,omitempty"`
	Notes []string `json:"notes,omitempty"`
}

// ComponentUse is the use of one component by one arm in one scenario.
type ComponentUse struct {
	// CPUPerOperation in nanoseconds.
	CPUPerOperation float64 `json:"cpuPerOperation"`
	// RSS at the end of the last cell.
	RSS uint64 `json:"rss"`
}

// Metric is a quantity that is compared. All are better when lower.
type Metric string

// The metrics.
const (
	P50 Metric = "p50"
	P99 Metric = "p99"
	CPU Metric = "cpu"
)

// Role says what a comparison is for.
type Role string

// The roles.
const (
	// Primary compares the two forms, or in a run with one of them that one with what is built in.
	Primary Role = "primary"
	// Reference compares what explains: any two arms that are none of the others.
	Reference Role = "reference"
	// Noise compares an arm with its repetition.
	Noise Role = "noise"
	// Witness compares what an independent client measured with what the benchmark did.
	Witness Role = "witness"
)

// Comparison is the ratio of two arms in one scenario and metric.
type Comparison struct {
	Scenario string `json:"scenario"`
	Metric   Metric `json:"metric"`
	Role     Role   `json:"role"`
	// Test is divided by Base: above 1, Test is slower.
	Test string `json:"test"`
	Base string `json:"base"`
	// Ratio is the median of the rounds' ratios, with its confidence interval.
	Ratio stats.Estimate `json:"ratio"`
	// Floor is the noise floor, a factor, of this scenario and metric; 0 when it is not known.
	Floor float64 `json:"floor"`
	// P is the smallest level at which a difference beyond the floor may be claimed, Corrected the same with Holm's
	// correction for all comparisons of the role, of which there are Family.
	P         float64 `json:"p"`
	Corrected float64 `json:"pCorrected"`
	Family    int     `json:"family"`
	// Verdict is what may be claimed, Margin the factor by which it clears the floor.
	Verdict stats.Verdict `json:"verdict"`
	Margin  float64       `json:"margin"`
}

// Capacity of an arm, by the scenario that it was measured with; 0 when it was not.
func (b *Bench) Capacity(scenario string, a Arm) float64 {
	name := a.Name
	if a.Repeats != "" {
		name = a.Repeats
	}
	for _, c := range b.Capacities {
		if c.Scenario == scenario && c.Arm == name {
			return c.PerSecond
		}
	}
	return 0
}

// Summary of one arm in one scenario, or nil.
func (b *Bench) Summary(scenario, arm string) *ArmSummary {
	for i := range b.Summaries {
		if b.Summaries[i].Scenario == scenario && b.Summaries[i].Arm == arm {
			return &b.Summaries[i]
		}
	}
	return nil
}

// Account of one arm in one scenario, or nil.
func (b *Bench) Account(scenario, arm string) *Account {
	for i := range b.Accounts {
		if b.Accounts[i].Scenario == scenario && b.Accounts[i].Arm == arm {
			return &b.Accounts[i]
		}
	}
	return nil
}

// Select returns the comparisons of a role and metric, in the order of scenarios.
func (b *Bench) Select(role Role, metric Metric) []Comparison {
	var out []Comparison
	for _, c := range b.Comparisons {
		if c.Role == role && c.Metric == metric {
			out = append(out, c)
		}
	}
	return out
}
