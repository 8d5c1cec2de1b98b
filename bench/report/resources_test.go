package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/stats"
	"github.com/duet-api/duet/bench/trace"
)

// accounted is the fixture with what the servers said, traces, and scenarios of two sizes.
func accounted() report.Run {
	run := fixture()
	b := *run.Bench
	b.Accounts = []report.Account{{
		Scenario: "get-many", Arm: "aggregated", Attempts: 200, Elapsed: 360 * time.Millisecond,
		Components: map[string]measure.State{
			"aggregated/kube-apiserver": {Goroutines: 1000, CPU: 90 * time.Millisecond, GC: 10 * time.Millisecond},
			"aggregated/duet-apiserver": {
				Goroutines: 411, CPU: 60 * time.Millisecond, GC: 20 * time.Millisecond, Reviews: 150,
			},
			"aggregated/etcd": {CPU: 20 * time.Millisecond},
			measure.Generator: {Goroutines: 12, CPU: time.Second, GC: time.Second},
		},
	}}
	b.Footprints = []report.Footprint{
		{Arm: "crd", Objects: 1000, PayloadBytes: 2048, Components: map[string]report.Growth{
			"crd/kube-apiserver": {Heap: 20 << 20, RSS: 30 << 20}, "crd/etcd": {RSS: 4 << 20, Storage: 3 << 20},
		}},
		{Arm: "crd", Objects: 10_000, PayloadBytes: 2048, Components: map[string]report.Growth{
			"crd/kube-apiserver": {Heap: 200 << 20, RSS: 260 << 20}, "crd/etcd": {RSS: 40 << 20, Storage: 30 << 20},
		}},
		{Arm: "aggregated", Objects: 64, PayloadBytes: 16384, Components: map[string]report.Growth{
			"aggregated/etcd": {Storage: 1},
		}},
	}
	for _, size := range []struct {
		name, title string
		objects     int
		ms          float64
	}{
		{"get-of-1k", "Get, any name of 1,000 objects", 1000, 1},
		{"get-of-10k", "Get, any name of 10,000 objects", 10_000, 10},
	} {
		b.Scenarios = append(b.Scenarios, report.Scenario{Name: size.name, Title: size.title, Objects: size.objects})
		b.Summaries = append(b.Summaries, report.ArmSummary{Scenario: size.name, Arm: "crd", P50: stats.Estimate{
			Median: size.ms * 1e6, Lo: size.ms * 0.9e6, Hi: size.ms * 1.1e6, Bounded: true,
		}})
	}
	b.Traces = &trace.Result{
		Requests: 40, Missing: 3, Parts: trace.Descriptions(),
		Operations: []trace.Operation{{Scenario: "get-one", Title: "Get, one name", Arms: []trace.Waterfall{
			{
				Arm: "crd", Total: 2e6, Median: 2e6,
				Parts: map[trace.Part]float64{trace.Connection: 0.5e6, trace.FrontChain: 1.5e6},
				Typical: []trace.Piece{
					{Part: trace.Connection, Component: "client", Span: "request", Length: 250_000},
					{
						Part: trace.FrontChain, Component: "kube-apiserver", Span: hostile, After: hostile,
						Start: 250_000, Length: 1_500_000,
					},
					{Part: trace.Connection, Component: "client", Span: "request", Start: 1_750_000, Length: 250_000},
				},
			},
			{
				Arm: "aggregated", Total: 4e6, Median: 4e6, Parts: map[trace.Part]float64{trace.Connection: 4e6},
				Typical: []trace.Piece{{Part: trace.Connection, Component: "client", Span: "request", Length: 4_000_000}},
			},
		}}},
		Probes: []trace.Probe{{
			Scenario: "get-one", Title: "kube-apiserver in front", Test: "aggregated", Base: "aggregated-direct",
			Time: stats.Estimate{Median: 1.2e6, Lo: -0.1e6, Hi: 1.4e6, Bounded: true}, Spans: 1.1e6,
		}},
	}
	run.Bench = &b
	return run
}

func written(t *testing.T, write func(*bytes.Buffer) error) string {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTimeAndResourcesInMarkdown(t *testing.T) {
	text := written(t, func(out *bytes.Buffer) error { return report.WriteMarkdown(out, accounted()) })
	for _, want := range []string{
		"| Part | crd | aggregated |",
		"| Client and connection | 0.500 | 4.00 |",
		"| kube-apiserver's filters | 1.50 | – |",
		"| **Together** | **2.00** | **4.00** |",
		"3 requests could not be followed to their end",
		"| Get, one name | kube-apiserver in front | aggregated − aggregated-direct | 1.20 (−0.100 to 1.40) | 1.10 |",
		// 150 questions for 200 requests; 30 ms of 150 ms, etcd does not tell; the load generator is no server.
		"| 0.750 | 20 % | 1411 |",
		"| crd | 1,000 | 2.00 KiB | 200 MiB | 340 MiB | 3.07 KiB |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text has no %q", want)
		}
	}
	if strings.Contains(text, "| aggregated | 64 |") {
		t.Error("the growth with a few objects is shown: it is noise")
	}
}

func TestWaterfallsInThePage(t *testing.T) {
	page := written(t, func(out *bytes.Buffer) error { return report.WriteHTML(out, accounted()) })
	body, _, _ := strings.Cut(page, `<script type="application/json"`)
	if strings.Contains(body, "evil.example/x.js\"></script>") {
		t.Error("a span's name is not escaped")
	}
	for _, want := range []string{
		`<section id="time">`,
		// All arms of an operation share a scale: 4 ms are the whole width, 1.5 ms from 0.25 ms on are three eighths of it.
		`x="256.125" width="264.75"`,
		`x="212" width="706"`,
		`aria-label="crd, 2.00 ms: Client and connection 0.500, kube-apiserver&#39;s filters 1.50"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	plain := written(t, func(out *bytes.Buffer) error { return report.WriteHTML(out, fixture()) })
	if strings.Contains(plain, `id="time"`) {
		t.Error("there is a section about time without traces")
	}
}

func TestCurvesHaveSlopes(t *testing.T) {
	page := written(t, func(out *bytes.Buffer) error { return report.WriteHTML(out, accounted()) })
	for _, want := range []string{
		"Get, any name, by the number of objects, median, ms. crd: 1.00 at 1,000 objects, 10.0 at 10,000, slope 1.00.",
		"Live heap of all servers, by the number of objects, MiB. crd: 20.0 at 1,000 objects, 200 at 10,000, slope 1.00.",
		"Database of etcd, by the number of objects, MiB. crd: 3.00 at 1,000 objects, 30.0 at 10,000, slope 1.00.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	plain := written(t, func(out *bytes.Buffer) error { return report.WriteHTML(out, fixture()) })
	if strings.Contains(plain, `id="scale"`) {
		t.Error("there are curves of one size")
	}
}

func TestWireInTheCSV(t *testing.T) {
	run := fixture()
	b := *run.Bench
	row := b.Rows[0]
	row.Wire = &measure.Traffic{Sent: 12345, Received: 67890}
	b.Rows = []report.Row{row}
	run.Bench = &b
	text := written(t, func(out *bytes.Buffer) error { return report.WriteCSV(out, run) })
	if !strings.Contains(text, "sent_bytes,received_bytes,cpu:") || !strings.Contains(text, ",12345,67890,") {
		t.Errorf("the bytes on the wire are not there:\n%s", text)
	}
}
