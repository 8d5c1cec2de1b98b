package report

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench/stats"
)

func TestLogScale(t *testing.T) {
	s := logScale{low: 0.1, high: 10, from: 0, to: 200}
	for value, want := range map[float64]float64{0.1: 0, 1: 100, 10: 200, 0.001: 0, 1000: 200} {
		if got := s.at(value); math.Abs(got-want) > 1e-9 {
			t.Errorf("at(%v) = %v, want %v", value, got, want)
		}
	}
}

func TestTicks(t *testing.T) {
	labels := func(low, high float64) []string {
		var out []string
		for _, tick := range (logScale{low: low, high: high, from: 0, to: 100}).ticks(tickLabel) {
			out = append(out, tick.Label)
		}
		return out
	}
	if diff := cmp.Diff([]string{"0.5", "1", "2", "5", "10"}, labels(0.4, 12)); diff != "" {
		t.Errorf("unexpected ticks (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"0.01", "0.1", "1", "10", "100"}, labels(0.01, 100)); diff != "" {
		t.Errorf("a wide scale has only powers of ten (-want +got):\n%s", diff)
	}
}

func TestNines(t *testing.T) {
	n := nines{from: 0, to: 300, highest: 0.999}
	for share, want := range map[float64]float64{0: 0, 0.9: 100, 0.99: 200, 0.999: 300, 1: 300} {
		if got := n.at(share); math.Abs(got-want) > 1e-6 {
			t.Errorf("at(%v) = %v, want %v", share, got, want)
		}
	}
	if got := len((nines{highest: 0.95, to: 1}).ticks()); got != 3 {
		t.Errorf("%d ticks up to 95 %%, want those at 0, 50 and 90", got)
	}
}

func TestLabelsDoNotOverlap(t *testing.T) {
	lines := []distributionLine{{EndY: 100}, {EndY: 101}, {EndY: 20}, {EndY: 99}, {EndY: 199}, {EndY: 200}}
	spread(lines, 0, 200)
	for i, a := range lines {
		if a.LabelY < 0 || a.LabelY > 200 {
			t.Errorf("label %d is at %v, outside of the chart", i, a.LabelY)
		}
		for j, b := range lines[:i] {
			if math.Abs(a.LabelY-b.LabelY) < labelStep-0.01 {
				t.Errorf("labels %d and %d are at %v and %v", j, i, b.LabelY, a.LabelY)
			}
			if (a.EndY < b.EndY) != (a.LabelY < b.LabelY) {
				t.Errorf("labels %d and %d have changed places", j, i)
			}
		}
	}
}

func TestForestKeepsMediansInside(t *testing.T) {
	b := benchOf(stats.Slower, stats.Faster)
	b.Comparisons[0].Ratio = stats.Estimate{Median: 5, Lo: 4, Hi: 6, Bounded: true, N: 10}
	b.Comparisons[2].Ratio = stats.Estimate{Median: 40, Lo: 30, Hi: 50, Bounded: true, N: 10}
	f := newForest(b, "aggregated", "crd")
	for _, group := range f.Groups {
		for _, line := range group.Lines {
			if line.Median < f.Left || line.Median > f.Right || line.Lo > line.Median || line.Hi < line.Median {
				t.Errorf("%s %s: %v to %v around %v is outside of %v to %v", group.Title, line.Metric, line.Lo, line.Hi,
					line.Median, f.Left, f.Right)
			}
		}
	}
	if first := f.Groups[0].Lines[0]; first.CutRight || first.CutLeft {
		t.Error("an interval that fits is marked as cut")
	}
	if second := f.Groups[1].Lines[0]; !second.CutRight {
		t.Error("an interval that does not fit is not marked as cut")
	}
}

func TestArmsKeepTheirStyle(t *testing.T) {
	arms := []Arm{
		{Name: "crd", Form: "crd"}, {Name: "crd-again", Form: "crd", Repeats: "crd"}, {Name: "configmap", Form: "built-in"},
		{Name: "aggregated", Form: "aggregated"}, {Name: "lost", Form: "crd", Repeats: "nobody"},
	}
	var got []string
	for i := range arms {
		got = append(got, armClass(arms, i))
	}
	if diff := cmp.Diff([]string{"arm1", "arm1 repeat", "arm0", "arm3", "arm5"}, got); diff != "" {
		t.Errorf("unexpected styles (-want +got):\n%s", diff)
	}
}

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		millis(0): "–", millis(955_123): "0.955", millis(31_924_000): "31.9", millis(1_234_567_890): "1235",
		tickLabel(1000): "1000", tickLabel(0.05): "0.05", tickLabel(2): "2",
		floorText(0): "unknown", floorText(1.037): "± 3.7 %", floorText(21.02): "factor 21.0",
		percent(1.046): "4.6 %", percent(0.5): "50 %", ratio(0): "–", ratio(1.234): "1.23",
		interval(stats.Estimate{}): "no interval", interval(stats.Estimate{Lo: 1, Hi: 2, Bounded: true}): "1.00 to 2.00",
		bytesText(24 << 30): "24 GiB", bytesText(3 << 29): "1.5 GiB", bytesText(331 << 20): "331 MiB",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
