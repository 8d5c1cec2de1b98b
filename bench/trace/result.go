package trace

import (
	"cmp"
	"math"
	"slices"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/scenario"
	"github.com/duet-api/duet/bench/stats"
	"github.com/duet-api/duet/e2e/otlp"
)

// DefaultRequests of each kind on each arm: the middle half of them is what is shown.
const DefaultRequests = 40

// Scenarios are the kinds of requests that are followed: one read of what an authorizer remembers and one of what it
// does not, a list, and each way to write.
func Scenarios() ([]scenario.Scenario, error) {
	return scenario.Named("get-one", "get-many", "list-500", "create", "update", "merge-patch")
}

// Result says where the time of requests went. All times are nanoseconds.
type Result struct {
	// Requests of each kind that were sent to each arm, after some to warm up.
	Requests int `json:"requests"`
	// Missing are the requests whose spans did not all arrive; they are left out.
	Missing    int           `json:"missing"`
	Parts      []Description `json:"parts"`
	Operations []Operation   `json:"operations"`
	// Probes are differences between arms: they say what no span does.
	Probes []Probe `json:"probes,omitempty"`
}

// Operation is one kind of request.
type Operation struct {
	Scenario string `json:"scenario"`
	Title    string `json:"title"`
	// Arms whose servers reported.
	Arms []Waterfall `json:"arms"`
}

// Waterfall is where the time of one kind of request went on one arm. Its numbers are means over the middle half of the
// requests, by their length: parts of means add up, those of medians do not, and the slowest quarter is what the
// machine did.
type Waterfall struct {
	Arm string `json:"arm"`
	// Total is the time that the client waited, Parts what it is made of: they add up to it. A part that no request had
	// is not there.
	Total float64          `json:"total"`
	Parts map[Part]float64 `json:"parts"`
	// Median of all requests of the pass.
	Median float64 `json:"median"`
	// Typical is one request, as it was: of the middle half, the one whose parts are nearest to the means.
	Typical []Piece `json:"typical"`
}

// Piece is a stretch of time in a request.
type Piece struct {
	Part Part `json:"part"`
	// Component, Span and After tell where it is from: the process, its span, and the last mark before it.
	Component string `json:"component"`
	Span      string `json:"span"`
	After     string `json:"after,omitempty"`
	// Start since the client's start, and Length.
	Start  int64 `json:"start"`
	Length int64 `json:"length"`
}

// followed is one request with its time divided.
type followed struct {
	total  int64
	pieces []piece
	start  int64
	parts  map[Part]float64
}

func incomplete(taken []sample, spans []otlp.Span) int {
	f, n := newForest(spans), 0
	for _, s := range taken {
		for _, request := range s.requests {
			if s.reports() && !f.tree(request).whole() {
				n++
			}
		}
	}
	return n
}

// reports is whether the arm's servers say what they do.
func (s sample) reports() bool { return s.arm.Form != arm.Transport }

func newResult(taken []sample, spans []otlp.Span, missing int) *Result {
	out := &Result{Missing: missing, Parts: Descriptions()}
	f := newForest(spans)
	for _, s := range taken {
		out.Requests = max(out.Requests, len(s.requests))
		if !s.reports() {
			continue
		}
		var all []followed
		for _, request := range s.requests {
			if tree := f.tree(request); tree.whole() {
				all = append(all, divided(tree))
			}
		}
		if len(all) == 0 {
			continue
		}
		at := slices.IndexFunc(out.Operations, func(o Operation) bool { return o.Scenario == s.scenario.Name })
		if at < 0 {
			at = len(out.Operations)
			out.Operations = append(out.Operations, Operation{Scenario: s.scenario.Name, Title: s.scenario.Title})
		}
		out.Operations[at].Arms = append(out.Operations[at].Arms, newWaterfall(s.arm.Name, all))
	}
	out.Probes = probes(taken, out)
	return out
}

func divided(tree *node) followed {
	out := followed{total: tree.End - tree.Start, start: tree.Start, pieces: divide(tree), parts: map[Part]float64{}}
	for _, p := range out.pieces {
		out.parts[p.part()] += float64(p.end - p.start)
	}
	return out
}

func newWaterfall(name string, all []followed) Waterfall {
	out := Waterfall{Arm: name, Parts: map[Part]float64{}, Median: medianOf(all)}
	slices.SortFunc(all, func(a, b followed) int { return cmp.Compare(a.total, b.total) })
	middle := all[len(all)/4 : max(len(all)-len(all)/4, len(all)/4+1)]
	for _, one := range middle {
		out.Total += float64(one.total) / float64(len(middle))
		for part, time := range one.parts {
			out.Parts[part] += time / float64(len(middle))
		}
	}
	nearest := math.Inf(1)
	for _, one := range middle {
		distance := 0.0
		for _, d := range Descriptions() {
			distance += math.Abs(one.parts[d.Part] - out.Parts[d.Part])
		}
		if distance < nearest {
			nearest, out.Typical = distance, one.typical()
		}
	}
	return out
}

func medianOf(all []followed) float64 {
	var totals []float64
	for _, one := range all {
		totals = append(totals, float64(one.total))
	}
	return stats.Of(totals).Median
}

// typical are the pieces as they are shown: neighbours of one part in one process are one, named after the longest.
func (f followed) typical() []Piece {
	var out []Piece
	longest := int64(0)
	for _, p := range f.pieces {
		next := Piece{
			Part: p.part(), Component: p.owner.Component, Span: p.owner.Name, After: p.after,
			Start: p.start - f.start, Length: p.end - p.start,
		}
		last := len(out) - 1
		if last < 0 || out[last].Part != next.Part || out[last].Component != next.Component {
			out, longest = append(out, next), next.Length
			continue
		}
		out[last].Length += next.Length
		if next.Length > longest {
			longest, out[last].Span, out[last].After = next.Length, next.Span, next.After
		}
	}
	return out
}
