package bench

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/stats"
	"github.com/duet-api/duet/shared/install"
)

// Analyse derives summaries, comparisons and warnings from the rows, replacing those that are there.
func Analyse(b *report.Bench) {
	b.Summaries, b.Comparisons, b.Warnings = nil, nil, nil
	for _, s := range b.Scenarios {
		for _, a := range b.Arms {
			b.Summaries = append(b.Summaries, summarise(b, s, a))
		}
		for _, metric := range []report.Metric{report.P50, report.P99, report.CPU} {
			b.Comparisons = append(b.Comparisons, compare(b, s.Name, metric)...)
		}
	}
	correct(b.Comparisons)
	if b.Interrupted {
		b.Warnings = append(b.Warnings, interruption(b))
	}
	for _, r := range b.Resumptions {
		b.Warnings = append(b.Warnings, fmt.Sprintf("The run was interrupted and went on at %s, with fresh servers and a load of "+
			"%.1f on the machine, after %d of %d cells. Arms are compared within a round, and each round is whole.",
			r.At.UTC().Format(time.RFC3339), r.Load1, r.Rows, len(b.Rows)))
	}
	if b.Rounds < stats.MinRounds {
		b.Warnings = append(b.Warnings, fmt.Sprintf("%d rounds give no 95 %% interval; %d do.", b.Rounds, stats.MinRounds))
	}
	if !b.Stationary && b.WarmUps > 1 { // One alone shows nothing of that.
		b.Warnings = append(b.Warnings, fmt.Sprintf("After %d warm-up rounds some medians still moved by more than a "+
			"quarter: the machine was busy, or a server was not yet warm.", b.WarmUps))
	}
	if goals, err := ReadGoals(DefaultGoals); err == nil { // which a test makes sure of
		b.Goals = Gate(b, goals)
	}
	if len(b.Select(report.Noise, report.P50)) == 0 {
		b.Warnings = append(b.Warnings, "No arm repeats another one: the noise floor is not known, so nothing is claimed.")
	}
}

// interruption says what is missing.
func interruption(b *report.Bench) string {
	var behind []string
	for _, s := range b.Scenarios {
		rounds := 0
		for _, row := range b.Rows {
			if row.Scenario == s.Name {
				rounds = max(rounds, row.Round)
			}
		}
		if rounds < b.Rounds {
			behind = append(behind, fmt.Sprintf("%s %d", s.Name, rounds))
		}
	}
	text := fmt.Sprintf("The run was interrupted: %d of %d rounds are in it", b.Rounds, b.Profile.Rounds)
	switch {
	case len(behind) > 0:
		text += ", and of some scenarios fewer: " + strings.Join(behind, ", ")
	case b.Rounds == b.Profile.Rounds:
		text += ", and not all of what servers say of themselves, or of single requests"
	}
	return text + "."
}

// rowsOf returns the rows of one arm in one scenario, by round.
func rowsOf(b *report.Bench, scenario, arm string) []report.Row {
	var out []report.Row
	for _, row := range b.Rows {
		if row.Scenario == scenario && row.Arm == arm {
			out = append(out, row)
		}
	}
	return out
}

// value of a metric in a row; false when the row has none. Row must be of an arm on the plane.
func value(row report.Row, metric report.Metric, plane string) (float64, bool) {
	switch {
	case metric == report.P50:
		return float64(row.Latency.P50), row.Latency.Count > 0
	case metric == report.P99:
		return float64(row.Latency.P99), row.Latency.Count > 0
	case metric == Pace:
		return float64(row.Elapsed) / float64(max(row.Latency.Count, 1)), row.Latency.Count > 0
	case row.Attempts == 0:
		return 0, false
	}
	cpu := row.ServerCPU(plane)
	return float64(cpu) / float64(row.Attempts), cpu > 0
}

func series(b *report.Bench, scenario string, a report.Arm, metric report.Metric) map[int]float64 {
	out := map[int]float64{}
	rows := rowsOf(b, scenario, a.Name)
	if metric == report.P99 && !report.HaveP99(rows) {
		return out
	}
	for _, row := range rows {
		if v, ok := value(row, metric, a.Plane); ok && !row.Untrusted {
			out[row.Round] = v
		}
	}
	return out
}

func estimate(b *report.Bench, scenario string, a report.Arm, metric report.Metric) stats.Estimate {
	return stats.Of(slices.Collect(maps.Values(series(b, scenario, a, metric))))
}

func summarise(b *report.Bench, s report.Scenario, a report.Arm) report.ArmSummary {
	out := report.ArmSummary{
		Scenario: s.Name, Arm: a.Name,
		P50:        estimate(b, s.Name, a, report.P50),
		P99:        estimate(b, s.Name, a, report.P99),
		CPU:        estimate(b, s.Name, a, report.CPU),
		Components: map[string]report.ComponentUse{},
		Errors:     map[string]int64{},
	}
	rows := rowsOf(b, s.Name, a.Name)
	pooled := load.NewHistogram()
	var rates, sent, received []float64
	var attempts int64
	cpu := map[string]time.Duration{}
	for _, row := range rows {
		for reason, n := range row.Errors {
			out.Errors[reason] += n
		}
		if row.Untrusted {
			continue
		}
		if h, err := hdrhistogram.Decode([]byte(row.HDR)); err == nil {
			pooled.Merge(h)
		}
		if row.Elapsed > 0 {
			rates = append(rates, float64(row.Latency.Count)/row.Elapsed.Seconds())
		}
		attempts += row.Attempts
		if row.Wire != nil && row.Attempts > 0 {
			sent = append(sent, float64(row.Wire.Sent)/float64(row.Attempts))
			received = append(received, float64(row.Wire.Received)/float64(row.Attempts))
		}
		for name, usage := range row.Usage {
			if report.Serves(name, a.Plane) || name == measure.Generator {
				cpu[name] += usage.CPU
				out.Components[name] = report.ComponentUse{RSS: usage.RSS}
			}
		}
	}
	for name, used := range cpu {
		use := out.Components[name]
		use.CPUPerOperation = float64(used) / float64(max(attempts, 1))
		out.Components[name] = use
	}
	out.PerSecond, out.Sent, out.Received = stats.Of(rates), stats.Of(sent), stats.Of(received)
	out.Pooled = latency(pooled)
	if blob, err := pooled.EncodeV2(); err == nil {
		out.HDR = string(blob)
	}
	out.Flags, out.Notes = flags(rows, b), notes(b, s, a, rows, attempts)
	out.Flags = append(out.Flags, misjudged(b, s, a, rows)...)
	if account := b.Account(s.Name, a.Name); account != nil {
		out.Flags = append(out.Flags, throttling(*account)...)
	}
	return out
}

// compare makes the comparisons of one scenario and metric: each arm with each one before it. Repetitions are compared
// with what they repeat only, and the widest of those intervals is the noise floor of the others.
func compare(b *report.Bench, scenario string, metric report.Metric) []report.Comparison {
	var out []report.Comparison
	var same []stats.Estimate
	var ratios [][]float64
	compared, failing := contestants(b), map[string]bool{}
	for _, a := range b.Arms {
		failing[a.Name] = errorShare(rowsOf(b, scenario, a.Name)) > maxErrorShare
	}
	for i, test := range b.Arms {
		for _, base := range b.Arms[:i] {
			role := report.Reference
			switch {
			case test.Repeats == base.Name && test.Witness:
				role = report.Witness
			case test.Repeats == base.Name:
				role = report.Noise
			case test.Repeats != "" || base.Repeats != "":
				continue
			case slices.Contains(compared, test.Name) && slices.Contains(compared, base.Name):
				role = report.Primary
			}
			each := stats.Ratios(series(b, scenario, test, metric), series(b, scenario, base, metric))
			if len(each) == 0 {
				continue // one of them has no part in the scenario
			}
			ratio := stats.Of(each)
			if role == report.Noise {
				same = append(same, ratio)
			}
			ratios = append(ratios, each)
			out = append(out, report.Comparison{
				Scenario: scenario, Metric: metric, Role: role, Test: test.Name, Base: base.Name, Ratio: ratio,
			})
		}
	}
	floor := stats.Floor(same...)
	for i := range out {
		out[i].Floor, out[i].P = floor, stats.PValue(ratios[i], floor)
		out[i].Verdict, out[i].Margin = stats.Judge(out[i].Ratio, floor), stats.Margin(out[i].Ratio, floor)
		// The times of those that succeeded say nothing about an arm on which many do not.
		if failing[out[i].Test] || failing[out[i].Base] {
			out[i].Verdict, out[i].Margin, out[i].P = stats.Undecided, 1, 1
		}
	}
	return out
}

// errorShare is how many of the operations of some rows failed.
func errorShare(rows []report.Row) float64 {
	var failed, attempts int64
	for _, row := range rows {
		if !row.Untrusted {
			failed, attempts = failed+row.Failed(), attempts+row.Attempts
		}
	}
	return float64(failed) / float64(max(attempts, 1))
}

// contestants are the names of the two arms that the verdict is about: the first of each form, or the first of the only form
// and the first that is built in. The others show what the difference between those two is made of.
func contestants(b *report.Bench) []string {
	var out []string
	for _, form := range []string{install.CRD, install.Aggregated, arm.BuiltIn} {
		at := slices.IndexFunc(b.Arms, func(a report.Arm) bool { return a.Form == form })
		if at >= 0 && len(out) < 2 {
			out = append(out, b.Arms[at].Name)
		}
	}
	return out
}

// correct the claims for their number: of many comparisons some clear the floor by chance. The comparisons of a role are
// one family, since they are read together.
func correct(all []report.Comparison) {
	families := map[report.Role][]int{}
	for i, c := range all {
		families[c.Role] = append(families[c.Role], i)
	}
	for _, family := range families {
		p := make([]float64, len(family))
		for i, at := range family {
			p[i] = all[at].P
		}
		for i, corrected := range stats.Holm(p) {
			c := &all[family[i]]
			c.Corrected, c.Family = corrected, len(family)
			c.Verdict = c.Verdict.InFamily(corrected)
			if c.Verdict == stats.NoDifference || c.Verdict == stats.Undecided {
				c.Margin = 1
			}
		}
	}
}
