package trace

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/scenario"
	"github.com/duet-api/duet/e2e/otlp"
)

// requestsLasting are samples of one scenario and arm, with spans of a server that takes all but 10 of each.
func requestsLasting(name, form string, lengths ...int64) (sample, []otlp.Span) {
	s := sample{scenario: scenario.Scenario{Name: "get", Title: "Get"}, arm: &arm.Arm{Name: name, Form: form}}
	var spans []otlp.Span
	for i, length := range lengths {
		id := name + string(rune('a'+i))
		s.requests = append(s.requests, Request{Trace: id, ID: id, Start: 1000, End: 1000 + length})
		spans = append(spans, otlp.Span{
			Component: FrontServer, Name: "GET /", Kind: otlp.Server, Trace: id, ID: id + "server", Parent: id,
			Start: 1005, End: 995 + length,
		})
	}
	return s, spans
}

func TestResultIsOfTheMiddleHalf(t *testing.T) {
	crd, spans := requestsLasting("crd", "crd", 100, 40, 104, 9000)
	out := newResult([]sample{crd}, spans, 0)
	want := Waterfall{
		Arm: "crd", Total: 102, Median: 102, Parts: map[Part]float64{Connection: 10, FrontChain: 92},
		Typical: []Piece{
			{Part: Connection, Component: ClientComponent, Span: "request", Length: 5},
			{Part: FrontChain, Component: FrontServer, Span: "GET /", Start: 5, Length: 90},
			{Part: Connection, Component: ClientComponent, Span: "request", After: "GET /", Start: 95, Length: 5},
		},
	}
	if len(out.Operations) != 1 || len(out.Operations[0].Arms) != 1 {
		t.Fatalf("there are other operations than one on one arm: %+v", out.Operations)
	}
	if diff := cmp.Diff(want, out.Operations[0].Arms[0], cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("unexpected waterfall (-want +got):\n%s", diff)
	}
}

func TestRequestsWithoutSpansAreLeftOut(t *testing.T) {
	crd, spans := requestsLasting("crd", "crd", 100, 100, 100, 100)
	if n := incomplete([]sample{crd}, spans); n != 0 {
		t.Errorf("%d requests are incomplete, want none", n)
	}
	crd.requests = append(crd.requests, Request{Trace: "lost", ID: "lost", Start: 1, End: 1 << 40})
	if n := incomplete([]sample{crd}, spans); n != 1 {
		t.Errorf("%d requests are incomplete, want the one that nobody told of", n)
	}
	if total := newResult([]sample{crd}, spans, 1).Operations[0].Arms[0].Total; total != 100 {
		t.Errorf("the mean is %v: it has the request that nobody told of", total)
	}
}

func TestProbes(t *testing.T) {
	through, spans := requestsLasting("aggregated", "aggregated", 300, 310, 320, 330)
	direct, more := requestsLasting("aggregated-direct", "aggregated", 200, 200, 200, 200)
	echo, _ := requestsLasting("echo", arm.Transport, 50, 50, 50, 50)
	out := newResult([]sample{through, direct, echo}, append(spans, more...), 0)
	got := map[string]float64{}
	for _, p := range out.Probes {
		got[p.Test+" - "+p.Base] = p.Time.Median
	}
	want := map[string]float64{"echo - ": 50, "aggregated - aggregated-direct": 115, "aggregated-direct - echo": 150}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unexpected differences (-want +got):\n%s", diff)
	}
	for _, p := range out.Probes {
		if p.Base == "aggregated-direct" && p.Spans != 305 {
			t.Errorf("the spans have %v for the same, want the whole of kube-apiserver, 305", p.Spans)
		}
	}
}
