package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/duet-api/duet/bench/stats"
)

// Headline is what a reader who reads nothing else should take away from a benchmark, for one pair of forms.
type Headline struct {
	Test, Base string
	// Sentence counts the verdicts on the median latency.
	Sentence string
	// Groups are the verdicts, each with the operations that it holds for.
	Groups []VerdictGroup
	// CPU says the same of the processor time for one operation.
	CPU string
	// Flips say what would turn the verdict around.
	Flips []string
}

// VerdictGroup is the operations with one verdict.
type VerdictGroup struct {
	Verdict    stats.Verdict
	Operations []VerdictOperation
}

// VerdictOperation is one operation and its comparison.
type VerdictOperation struct {
	Title string
	Comparison
}

// Headlines of a benchmark, one for each pair of forms in it. Where there is one form only, as on a cluster of somebody
// else's, it is held against the first kind that is built in.
func Headlines(b *Bench) []Headline {
	if b == nil {
		return nil
	}
	var out []Headline
	for _, c := range b.Select(Primary, P50) {
		if !slices.ContainsFunc(out, func(h Headline) bool { return h.Test == c.Test && h.Base == c.Base }) {
			out = append(out, headline(b, c.Test, c.Base))
		}
	}
	return out
}

// pair returns the comparisons of two arms in a metric, in the order of scenarios.
func (b *Bench) pair(test, base string, metric Metric) []Comparison {
	var out []Comparison
	for _, c := range b.Comparisons {
		if c.Test == test && c.Base == base && c.Metric == metric {
			out = append(out, c)
		}
	}
	return out
}

// comparison of two arms in one scenario; nil if there is none.
func (b *Bench) comparison(scenario, test, base string, metric Metric) *Comparison {
	for _, c := range b.pair(test, base, metric) {
		if c.Scenario == scenario {
			return &c
		}
	}
	return nil
}

// order of verdicts in a headline.
var order = []stats.Verdict{stats.Faster, stats.Slower, stats.NoDifference, stats.Undecided}

func headline(b *Bench, test, base string) Headline {
	h := Headline{Test: test, Base: base}
	h.Groups = group(b, P50, test, base)
	h.Sentence = sentence(h.Groups, test, base, "is", words(P50))
	h.CPU = "Processor time of the servers was not measured."
	if cpu := group(b, CPU, test, base); len(cpu) > 0 {
		h.CPU = "Processor time of all server processes for one operation: " + sentence(cpu, test, base, "takes", words(CPU))
	}
	h.Flips = slices.Concat(nearest(h.Groups), unseen(h.Groups), unproven(h.Groups))
	h.Flips = append(h.Flips, "Outside this run, and able to turn a line around: "+strings.Join(outside(b), ", ")+".")
	return h
}

// manyAtATime matches how a load.Closed with several workers describes itself.
var manyAtATime = regexp.MustCompile(`([2-9]|\d\d) at a time$`)

// outside is what a run could have measured and has not, and what none can on one machine.
func outside(b *Bench) []string {
	var out []string
	if len(b.payloads()) == 1 {
		out = append(out, "larger objects")
	}
	named := func(part string) bool {
		return slices.ContainsFunc(b.Arms, func(a Arm) bool { return strings.Contains(a.Name, part) })
	}
	if !named("protobuf") {
		out = append(out, "protobuf clients")
	}
	if !slices.ContainsFunc(b.Scenarios, func(s Scenario) bool { return s.Capacity != "" || manyAtATime.MatchString(s.Loop) }) {
		out = append(out, "many clients at once")
	}
	if !named("direct") {
		out = append(out, "a call without the aggregator")
	}
	return append(out, "a network between the servers", "other types")
}

func group(b *Bench, metric Metric, test, base string) []VerdictGroup {
	titles := map[string]string{}
	for _, s := range b.Scenarios {
		if s.Capacity == "" { // Otherwise the arms do not the same work, see the lines below the table of operations.
			titles[s.Name] = s.Title
		}
	}
	var out []VerdictGroup
	for _, verdict := range order {
		g := VerdictGroup{Verdict: verdict}
		for _, c := range b.pair(test, base, metric) {
			if title, counts := titles[c.Scenario]; counts && c.Verdict == verdict {
				g.Operations = append(g.Operations, VerdictOperation{Title: title, Comparison: c})
			}
		}
		if len(g.Operations) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// words are what the verdicts are called for a metric.
func words(metric Metric) map[stats.Verdict]string {
	out := map[stats.Verdict]string{}
	for _, verdict := range order {
		out[verdict] = string(verdict)
	}
	if metric == CPU {
		out[stats.Faster], out[stats.Slower] = "less", "more"
	}
	return out
}

// spoken is the name of an arm in a sentence.
func spoken(arm string) string { return strings.ReplaceAll(arm, "crd", "CRD") }

// sentence counts verdicts: "aggregated is slower than CRD in 3 of 6 operations and faster in 2; no difference ...".
func sentence(groups []VerdictGroup, test, base, verb string, word map[stats.Verdict]string) string {
	test, base = spoken(test), spoken(base)
	n := map[stats.Verdict]int{}
	total := 0
	for _, g := range groups {
		n[g.Verdict] = len(g.Operations)
		total += len(g.Operations)
	}
	type claim struct {
		word string
		n    int
	}
	claims := []claim{{word[stats.Slower], n[stats.Slower]}, {word[stats.Faster], n[stats.Faster]}}
	if n[stats.Faster] > n[stats.Slower] {
		slices.Reverse(claims)
	}
	of := " of " + count(total, "operation", "operations")
	var text string
	switch {
	case claims[0].n == 0 && n[stats.Undecided] == total:
		return fmt.Sprintf("nothing can be said of %s against %s yet: too few rounds for so many comparisons, or no noise floor.", test, base)
	case claims[0].n == 0 && n[stats.NoDifference] == total:
		return fmt.Sprintf("no difference found between %s and %s in any%s.", test, base, of)
	case claims[0].n == 0:
		return fmt.Sprintf("no difference found between %s and %s in %d%s; %d undecided.", test, base, n[stats.NoDifference], of,
			n[stats.Undecided])
	case claims[1].n == 0:
		text = fmt.Sprintf("%s %s %s than %s in %d%s", test, verb, claims[0].word, base, claims[0].n, of)
	default:
		text = fmt.Sprintf("%s %s %s than %s in %d%s and %s in %d", test, verb, claims[0].word, base, claims[0].n, of,
			claims[1].word, claims[1].n)
	}
	if none := n[stats.NoDifference]; none > 0 {
		text += fmt.Sprintf("; no difference found in %d", none)
	}
	if undecided := n[stats.Undecided]; undecided > 0 {
		text += fmt.Sprintf("; %d undecided", undecided)
	}
	return text + "."
}

// nearest names the claim that the least would flip.
func nearest(groups []VerdictGroup) []string {
	var least *VerdictOperation
	for _, g := range groups {
		for i, o := range g.Operations {
			claims := o.Verdict == stats.Faster || o.Verdict == stats.Slower
			if claims && (least == nil || o.Margin < least.Margin) {
				least = &g.Operations[i]
			}
		}
	}
	if least == nil {
		return nil
	}
	return []string{fmt.Sprintf("Nearest to flipping is “%s” (%s): its interval, %s, clears the noise floor of this "+
		"machine, %s, by %s.", least.Title, least.Verdict, interval(least.Ratio), floorText(least.Floor),
		percent(least.Margin))}
}

// unseen says how large a difference "no difference found" may hide.
func unseen(groups []VerdictGroup) []string {
	for _, g := range groups {
		if g.Verdict != stats.NoDifference {
			continue
		}
		var parts []string
		for _, o := range g.Operations {
			parts = append(parts, fmt.Sprintf("%s (ratio %s, floor %s)", o.Title, interval(o.Ratio), floorText(o.Floor)))
		}
		return []string{"“No difference found” is not “none”: a quieter machine or more rounds could still show one " +
			"for " + strings.Join(parts, "; ") + "."}
	}
	return nil
}

// unproven names what clears the noise floor by itself, and not as one of so many.
func unproven(groups []VerdictGroup) []string {
	var parts []string
	family := 0
	for _, g := range groups {
		for _, o := range g.Operations {
			if o.Verdict == stats.Undecided && o.Corrected > o.P && o.P <= stats.Significance {
				parts = append(parts, fmt.Sprintf("%s (ratio %s, floor %s, p %.2g)", o.Title, interval(o.Ratio), floorText(o.Floor), o.Corrected))
				family = o.Family
			}
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("Undecided though beyond the noise floor, because some of %d comparisons are by chance, and more rounds "+
		"would decide: %s.", family, strings.Join(parts, "; "))}
}

// threats to validity that follow from how a benchmark was made.
func threats(run Run) []string {
	b := run.Bench
	if b == nil {
		return nil
	}
	out := append(missedBars(b),
		"Servers, etcd and load generator share one machine and its disk: absolute times are this machine's, and only "+
			"ratios within a round are compared. There is no network between the parts.",
		"Most operations are sent one at a time: that is latency without queues. What queues add is in those whose title says how "+
			"many are under way, or at which rate.",
		fmt.Sprintf("%s as sent, one type, %d rounds of short cells.", b.sizes(), b.Rounds),
		"Each interval is at 95 % by itself. Claims are corrected for their number (Holm), so that at most one family in "+
			"twenty has a false one; the noise floor itself is an estimate.",
		"CPU time of servers includes what they do in the background while they are measured, and not what they put off until "+
			"another arm's turn.",
	)
	if m := run.Card.Machine; m.Load1 > float64(m.Cores)/2 {
		out = append(out, fmt.Sprintf("The machine was busy before the run began: a load of %.1f on %s. Its noise floor says "+
			"how much that hides.", m.Load1, count(m.Cores, "core", "cores")))
	}
	for _, absent := range b.Absent {
		out = append(out, fmt.Sprintf("Not available here: %s, which %s.", absent.What, absent.Why))
	}
	if text := planeThreat(b); text != "" {
		out = append(out, text)
	}
	return append(out, b.Warnings...)
}

// planeThreat is about forms on different control planes when no A/A pair shows what that alone makes.
func planeThreat(b *Bench) string {
	planes := map[string]string{}
	for _, a := range b.Arms {
		planes[a.Name] = a.Plane
	}
	for _, a := range b.Arms {
		if a.Repeats != "" && planes[a.Repeats] != a.Plane {
			return ""
		}
	}
	for _, c := range b.Select(Primary, P50) {
		if planes[c.Test] != planes[c.Base] {
			return fmt.Sprintf("%s and %s are on control planes of their own, and the repeated arm that sets the noise "+
				"floor is not: what two control planes differ by, beside the form, is in the ratio.", c.Test, c.Base)
		}
	}
	return ""
}

// sizes are those of the objects, in words.
func (b *Bench) sizes() string {
	all := b.payloads()
	if len(all) == 1 {
		return fmt.Sprintf("One object size, %d bytes", all[0])
	}
	return fmt.Sprintf("Object sizes of %s bytes", strings.Trim(fmt.Sprint(all), "[]"))
}

// payloads are the sizes of the objects, in bytes.
func (b *Bench) payloads() []int {
	var all []int
	for _, a := range b.Arms {
		all = append(all, a.PayloadBytes)
	}
	for _, s := range b.Scenarios {
		if s.PayloadBytes > 0 {
			all = append(all, s.PayloadBytes)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
