package report

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/stats"
	"github.com/duet-api/duet/e2e/behaviour"
)

//go:embed page
var page embed.FS

var pageTemplate = template.Must(template.New("report.html.tmpl").Funcs(template.FuncMap{
	"millis":       millis,
	"ratio":        ratio,
	"interval":     interval,
	"floor":        floorText,
	"verdictClass": verdictClass,
	"verdictMark":  verdictMark,
	"outcomeClass": outcomeClass,
	"lines":        exchangeText,
	"observed":     observedText,
	"cpuWord":      func(v stats.Verdict) string { return words(CPU)[v] },
	"spoken":       spoken,
	"add":          func(a, b float64) float64 { return a + b },
}).ParseFS(page, "page/*.tmpl"))

// view is what the page shows.
type view struct {
	Run
	Style         template.CSS
	Script        template.JS
	Data          template.JS
	Title         string
	Headlines     []Headline
	Operations    []operationView
	Noted         bool  // whether an operation has notes
	Arms          []Arm // without repetitions and references
	References    *References
	Forests       []Forest
	Distributions []Distribution
	Legend        []legendEntry
	Waterfalls    *Waterfalls
	Curves        []Curve
	Resources     *Resources
	Matrix        Matrix
	Bars, Goals   []Outcome
	BarSentence   string
	Threats       []string
	Facts         []fact
}

type legendEntry struct{ Name, Class, Note string }

type fact struct{ Name, Value string }

// operationView is a line of the table of operations.
type operationView struct {
	Scenario
	Cells []operationCell
	Pairs []pairView
	// Flags are doubts about the line, Notes are none.
	Flags, Notes []string
}

type operationCell struct {
	Arm      string
	P50, P99 stats.Estimate
	// Failed counts operations; Errors says why.
	Failed int64
	Errors string
}

// Text is the median and the p99, if the rounds have one.
func (c operationCell) Text() string {
	if c.P99.N == 0 {
		return millis(c.P50.Median)
	}
	return fmt.Sprintf("%s (%s)", millis(c.P50.Median), millis(c.P99.Median))
}

// pairView is one pair of forms in one operation.
type pairView struct {
	Test, Base string
	P50        Comparison
	P99, CPU   *Comparison
}

// WriteHTML writes the page: one file that loads nothing.
func WriteHTML(w io.Writer, run Run) error {
	run.Schema = Schema
	style, err := page.ReadFile("page/report.css")
	if err != nil {
		return err
	}
	script, err := page.ReadFile("page/report.js")
	if err != nil {
		return err
	}
	// Marshal escapes <, > and &, so that no string of a server can end the script element.
	data, err := json.Marshal(run)
	if err != nil {
		return fmt.Errorf("could not encode the results: %w", err)
	}
	v := view{
		Run: run, Style: template.CSS(style), Script: template.JS(script), Data: template.JS(data),
		Title: "Duet " + run.Card.ID, Headlines: Headlines(run.Bench), Matrix: NewMatrix(run.Matrix),
		Threats: threats(run), Facts: facts(run),
	}
	if run.Bench != nil {
		v.addBench(run.Bench)
	}
	return pageTemplate.Execute(w, v)
}

func (v *view) addBench(b *Bench) {
	v.Bars, v.Goals = outcomes(b, true), outcomes(b, false)
	v.BarSentence = barSentence(b)
	for i, a := range b.Arms {
		v.Legend = append(v.Legend, legendEntry{Name: a.Name, Class: armClass(b.Arms, i), Note: armNote(a)})
	}
	v.Arms = compared(b)
	if r, ok := newReferences(b); ok {
		v.References = &r
	}
	for _, h := range v.Headlines {
		v.Forests = append(v.Forests, newForest(b, h.Test, h.Base))
	}
	for _, s := range b.Scenarios {
		o := newOperation(b, s, v.Arms, v.Headlines)
		v.Operations, v.Noted = append(v.Operations, o), v.Noted || len(o.Notes) > 0
		if d, ok := newDistribution(b, s); ok {
			v.Distributions = append(v.Distributions, d)
		}
	}
	if w, ok := newWaterfalls(b); ok {
		v.Waterfalls = &w
	}
	v.Curves = newCurves(b)
	if r, ok := newResources(b); ok {
		v.Resources = &r
	}
}

func armNote(a Arm) string {
	switch {
	case a.Witness:
		return "the same as " + a.Repeats + ", measured by an independent client, to check the benchmark's own numbers"
	case a.Repeats != "":
		return "the same as " + a.Repeats + ", again: what they differ by is noise"
	case a.Form == arm.BuiltIn:
		return a.Resource + ", served by kube-apiserver itself: the in-tree baseline"
	}
	if a.Why != "" {
		return a.Why
	}
	return a.Resource + ", " + a.Form
}

func newOperation(b *Bench, s Scenario, arms []Arm, headlines []Headline) operationView {
	out := operationView{Scenario: s}
	for _, a := range arms {
		cell := operationCell{Arm: a.Name}
		if summary := b.Summary(s.Name, a.Name); summary != nil {
			cell.P50, cell.P99, cell.Errors = summary.P50, summary.P99, errorText(summary.Errors)
			for _, n := range summary.Errors {
				cell.Failed += n
			}
		}
		out.Cells = append(out.Cells, cell)
	}
	for _, a := range b.Arms {
		if summary := b.Summary(s.Name, a.Name); summary != nil {
			if len(summary.Errors) > 0 {
				out.Flags = append(out.Flags, a.Name+": failed operations: "+errorText(summary.Errors)+".")
			}
			for _, flag := range summary.Flags {
				out.Flags = append(out.Flags, a.Name+": "+flag)
			}
			for _, note := range summary.Notes {
				out.Notes = append(out.Notes, a.Name+": "+note)
			}
		}
	}
	for _, h := range headlines {
		pair := pairView{Test: h.Test, Base: h.Base}
		if c := b.comparison(s.Name, h.Test, h.Base, P50); c != nil {
			pair.P50 = *c
		}
		pair.P99, pair.CPU = b.comparison(s.Name, h.Test, h.Base, P99), b.comparison(s.Name, h.Test, h.Base, CPU)
		out.Pairs = append(out.Pairs, pair)
	}
	return out
}

func errorText(errors map[string]int64) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(errors)) {
		parts = append(parts, fmt.Sprintf("%d × %s", errors[reason], reason))
	}
	return printable(strings.Join(parts, "; "))
}

// facts are the run card.
func facts(run Run) []fact {
	card := run.Card
	var out []fact
	say := func(name, value string) {
		if value != "" {
			out = append(out, fact{name, value})
		}
	}
	say("Command", card.Command)
	say("Started", card.Started.Format(time.RFC1123Z))
	if card.Finished.After(card.Started) {
		took := card.Finished.Sub(card.Started).Round(time.Second).String()
		if run.Bench != nil && len(run.Bench.Resumptions) > 0 {
			took += ", with what passed before it was resumed"
		}
		say("Took", took)
	}
	m := card.Machine
	say("Machine", fmt.Sprintf("%s, %s of memory, %s", count(m.Cores, "core", "cores"), bytesText(m.MemoryBytes), m.Arch))
	say("Processor", m.CPU)
	say("System", strings.Trim(m.OS+", "+m.Kernel, ", "))
	say("Load before", fmt.Sprintf("%.2f (one-minute average)", m.Load1))
	say("Go", m.Go)
	say("Source revision", card.Revision)
	for _, name := range slices.Sorted(maps.Keys(card.Versions)) {
		say(name, card.Versions[name])
	}
	if b := run.Bench; b != nil {
		say("Profile", fmt.Sprintf("%s: %s", b.Profile.Name, b.Profile.Purpose))
		say("Rounds", fmt.Sprintf("%d of %d, after %d to warm up; cells of %v", b.Rounds, b.Profile.Rounds, b.WarmUps,
			b.Profile.Cell))
		if b.Profile.Slices > 1 {
			say("Slices", fmt.Sprintf("%d in a cell, where one operation follows the other", b.Profile.Slices))
		}
		if b.Profile.Explained > 1 {
			say("References", fmt.Sprintf("in one of %d pairs of rounds", b.Profile.Explained))
		}
		say("Seed", fmt.Sprint(b.Seed))
	}
	for _, name := range slices.Sorted(maps.Keys(card.Flags)) {
		say("Flag "+name, card.Flags[name])
	}
	for _, limit := range card.Limits {
		say("Limits", limit)
	}
	return out
}

// outcomeClass are the colours of the verdicts: a miss is told as plainly as a slower form.
func outcomeClass(s Standing) string {
	switch s {
	case Met:
		return "faster"
	case Missed:
		return "slower"
	}
	return "undecided"
}

func verdictMark(v stats.Verdict) string {
	switch v {
	case stats.Faster:
		return "▼"
	case stats.Slower:
		return "▲"
	case stats.NoDifference:
		return "≈"
	}
	return "?"
}

// exchangeText shows one request and its answer as they went over the wire, bodies indented and not longer than a
// screen or two: the whole is in the data.
func exchangeText(e behaviour.Exchange) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s\n", e.Method, e.Path)
	headers(&text, e.RequestHeader)
	body(&text, e.RequestBody)
	if e.Code != 0 {
		fmt.Fprintf(&text, "\n→ %d\n", e.Code)
		headers(&text, e.ResponseHeader)
		body(&text, e.ResponseBody)
	}
	if e.Error != "" {
		fmt.Fprintf(&text, "\n→ %s\n", e.Error)
	}
	return text.String()
}

func headers(text *strings.Builder, header map[string][]string) {
	for _, name := range slices.Sorted(maps.Keys(header)) {
		fmt.Fprintf(text, "%s: %s\n", name, strings.Join(header[name], ", "))
	}
}

func body(text *strings.Builder, content string) {
	const most = 6000
	if content == "" {
		return
	}
	var indented bytes.Buffer
	if json.Indent(&indented, []byte(content), "", "  ") == nil {
		content = indented.String()
	}
	rest := len(content) - most
	if rest > 0 {
		content = strings.ToValidUTF8(content[:most], "")
	}
	fmt.Fprintf(text, "\n%s\n", strings.TrimSpace(content))
	if rest > 0 {
		fmt.Fprintf(text, "… %d more bytes, see results.json\n", rest)
	}
}
