package report

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchunit"
)

// benchUnit is a value of a row in the Go benchmark format. Times are written in nanoseconds and tidied to seconds, as
// the format's own reader does.
type benchUnit struct {
	name, better string
	// value of a row of an arm on that control plane.
	value func(row Row, plane string) (float64, bool)
}

// p99Unit is left out where the rounds of an arm have no p99.
const p99Unit = "p99-ns"

var benchUnits = []benchUnit{
	{"p50-ns", "lower", func(r Row, _ string) (float64, bool) { return float64(r.Latency.P50), r.Latency.Count > 0 }},
	{"p90-ns", "lower", func(r Row, _ string) (float64, bool) { return float64(r.Latency.P90), r.Latency.Count > 0 }},
	{p99Unit, "lower", func(r Row, _ string) (float64, bool) { return float64(r.Latency.P99), r.Latency.Count > 0 }},
	{"mean-ns", "lower", func(r Row, _ string) (float64, bool) { return r.Latency.Mean, r.Latency.Count > 0 }},
	{"server-cpu-ns/op", "lower", func(r Row, plane string) (float64, bool) {
		cpu := r.ServerCPU(plane)
		return float64(cpu) / float64(max(r.Attempts, 1)), cpu > 0 && r.Attempts > 0
	}},
	{"ops/s", "higher", func(r Row, _ string) (float64, bool) {
		return float64(r.Latency.Count) / r.Elapsed.Seconds(), r.Elapsed > 0
	}},
	{"errors/op", "lower", func(r Row, _ string) (float64, bool) {
		return float64(r.Failed()) / float64(max(r.Attempts, 1)), r.Attempts > 0
	}},
}

// WriteBenchText writes every row in the Go benchmark format, one line for each round, so that benchstat can repeat the
// statistics: `benchstat -col /arm bench.txt`. The CPU time is that of the servers of the arm's control plane. Rows that
// nothing follows from are left out. The run must have a benchmark; so it must for the other formats of one.
func WriteBenchText(w io.Writer, run Run) error {
	out := benchfmt.NewWriter(w)
	for _, unit := range benchUnits {
		_, tidied := benchunit.Tidy(0, unit.name)
		for _, meta := range []struct{ key, value string }{{"better", unit.better}, {"assume", "nothing"}} {
			if err := out.Write(&benchfmt.UnitMetadata{
				UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: tidied, Key: meta.key}, OrigUnit: unit.name, Value: meta.value,
			}); err != nil {
				return fmt.Errorf("could not write the benchmark text: %w", err)
			}
		}
	}
	type line struct{ scenario, arm string }
	rounds := map[line][]Row{}
	planes := map[string]string{}
	for _, a := range run.Bench.Arms {
		planes[a.Name] = a.Plane
	}
	for _, row := range run.Bench.Rows {
		rounds[line{row.Scenario, row.Arm}] = append(rounds[line{row.Scenario, row.Arm}], row)
	}
	for _, row := range run.Bench.Rows {
		result := &benchfmt.Result{
			Config: benchConfig(run),
			// The number of processors, as testing.B writes it: a reader would take it from the end of an arm's name otherwise.
			Name:  benchfmt.Name(fmt.Sprintf("%s/arm=%s-%d", camel(row.Scenario), row.Arm, run.Bench.Cores)),
			Iters: int(row.Latency.Count),
		}
		for _, unit := range benchUnits {
			value, ok := unit.value(row, planes[row.Arm])
			if unit.name == p99Unit {
				ok = ok && HaveP99(rounds[line{row.Scenario, row.Arm}])
			}
			if ok {
				result.Values = append(result.Values, benchValue(unit.name, value))
			}
		}
		if len(result.Values) == 0 || result.Iters == 0 || row.Untrusted {
			continue // results.json has the errors
		}
		if err := out.Write(result); err != nil {
			return fmt.Errorf("could not write the benchmark text: %w", err)
		}
	}
	return nil
}

// benchConfig is the head of the file.
func benchConfig(run Run) []benchfmt.Config {
	var config []benchfmt.Config
	for _, entry := range []struct{ key, value string }{
		{"run", run.Card.ID}, {"goos", runtime.GOOS}, {"goarch", run.Card.Machine.Arch},
		{"cpu", run.Card.Machine.CPU}, {"kubernetes", run.Card.Versions["Kubernetes"]}, {"profile", run.Bench.Profile.Name},
		{"seed", fmt.Sprint(run.Bench.Seed)}, {"revision", run.Card.Revision},
	} {
		if value := printable(entry.value); value != "" {
			config = append(config, benchfmt.Config{Key: entry.key, Value: []byte(value), File: true})
		}
	}
	return config
}

func benchValue(name string, value float64) benchfmt.Value {
	tidied, unit := benchunit.Tidy(value, name)
	if unit == name {
		return benchfmt.Value{Value: value, Unit: name}
	}
	return benchfmt.Value{Value: tidied, Unit: unit, OrigValue: value, OrigUnit: name}
}

// camel makes a benchmark's name of a scenario's: get-one becomes GetOne.
func camel(scenario string) string {
	words := strings.Split(scenario, "-")
	for i, word := range words {
		if word != "" {
			words[i] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}
