package trace

import (
	"slices"

	"github.com/duet-api/duet/bench/stats"
)

// Probe is the difference between two arms that differ in one thing, request by request: it needs no server to report,
// and so holds the spans to account.
type Probe struct {
	Scenario string `json:"scenario"`
	Title    string `json:"title"`
	// Test is the arm with the thing, Base the one without; empty where Test alone is what is asked for.
	Test string `json:"test"`
	Base string `json:"base,omitempty"`
	// Time is the median of the differences, in nanoseconds, with its confidence interval.
	Time stats.Estimate `json:"time"`
	// Spans is what the spans of Test have for the same, in nanoseconds; 0 where they do not tell.
	Spans float64 `json:"spans,omitempty"`
}

// question is what a difference between two arms says, and which parts of the first one say the same.
type question struct {
	title, test, base string
	parts             []Part
}

// The questions. Some need arms that a run may not have.
var questions = []question{
	{"The client and its connection alone", "echo", "", nil},
	{"The least that a hop costs: a reverse proxy that does nothing else", "echo-proxied", "echo", nil},
	{"kube-apiserver in front: its filters and the hop", "aggregated", "aggregated-direct", []Part{FrontChain, Hop}},
	{"The aggregated server's work, without connection and hop", "aggregated-direct", "echo", nil},
	{"The webhooks and the second version", "crd", "crd-schema-only", []Part{Webhook}},
	{"The same custom resource behind a hop", "crd-hop", "crd-schema-only", nil},
}

// probes answers the questions that the arms of a pass can answer.
func probes(taken []sample, result *Result) []Probe {
	var out []Probe
	find := func(scenario, arm string) []Request {
		at := slices.IndexFunc(taken, func(s sample) bool { return s.scenario.Name == scenario && s.arm.Name == arm })
		if at < 0 {
			return nil
		}
		return taken[at].requests
	}
	for _, operation := range result.Operations {
		for _, q := range questions {
			test, base := find(operation.Scenario, q.test), find(operation.Scenario, q.base)
			if len(test) == 0 || q.base != "" && len(base) == 0 {
				continue
			}
			var each []float64
			for i, request := range test {
				difference := float64(request.End - request.Start)
				if q.base != "" {
					difference -= float64(base[i].End - base[i].Start)
				}
				each = append(each, difference)
			}
			out = append(out, Probe{
				Scenario: operation.Scenario, Title: q.title, Test: q.test, Base: q.base, Time: stats.Of(each),
				Spans: operation.sum(q.test, q.parts),
			})
		}
	}
	return out
}

// sum of some parts of an arm.
func (o Operation) sum(arm string, parts []Part) float64 {
	total := 0.0
	for _, w := range o.Arms {
		for _, part := range parts {
			if w.Arm == arm {
				total += w.Parts[part]
			}
		}
	}
	return total
}
