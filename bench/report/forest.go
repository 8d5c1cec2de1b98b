package report

import (
	"fmt"
	"math"

	"github.com/duet-api/duet/bench/stats"
)

// Forest is the chart of one pair's ratios: a line for each operation and metric, with the interval, beside the band
// of noise.
type Forest struct {
	Test, Base    string
	Alt           string
	Width, Height float64
	Left, Right   float64 // of the plot
	One           float64 // where the ratio is 1
	Axis          []tick
	AxisY         float64
	Groups        []forestGroup
}

type forestGroup struct {
	Title string
	Y     float64
	Lines []forestLine
}

type forestLine struct {
	Metric              string
	Y, Lo, Hi, Median   float64
	Bounded             bool
	CutLeft, CutRight   bool
	BandFrom, BandWidth float64
	Text, Verdict       string
	Class               string
}

const (
	forestWidth = 860.0
	forestLeft  = 210.0
	forestRight = 600.0
	forestStep  = 22.0
	forestGap   = 16.0
)

var metricNames = map[Metric]string{P50: "p50", P99: "p99", CPU: "CPU"}

// newForest draws the ratios of a pair.
func newForest(b *Bench, test, base string) Forest {
	f := Forest{Test: test, Base: base, Width: forestWidth, Left: forestLeft, Right: forestRight}
	scale := forestScale(b, test, base)
	f.One = scale.at(1)
	f.Axis = scale.ratioTicks()
	y := 34.0
	f.Alt = fmt.Sprintf("Ratio %s to %s with 95 %% interval.", test, base)
	for _, s := range b.Scenarios {
		group := forestGroup{Title: s.Title, Y: y}
		for _, metric := range []Metric{P50, P99, CPU} {
			c := b.comparison(s.Name, test, base, metric)
			if c == nil || c.Ratio.N == 0 {
				continue
			}
			line := newForestLine(*c, scale, y)
			group.Lines = append(group.Lines, line)
			f.Alt += fmt.Sprintf(" %s %s: %s, %s.", s.Title, line.Metric, line.Text, line.Verdict)
			y += forestStep
		}
		if len(group.Lines) > 0 {
			f.Groups = append(f.Groups, group)
			y += forestGap
		}
	}
	f.AxisY = y - forestGap + 4
	f.Height = f.AxisY + 46
	return f
}

func newForestLine(c Comparison, scale logScale, y float64) forestLine {
	line := forestLine{
		Metric: metricNames[c.Metric], Y: y, Median: scale.at(c.Ratio.Median), Bounded: c.Ratio.Bounded,
		Verdict: words(c.Metric)[c.Verdict], Class: verdictClass(c.Verdict),
		Text: fmt.Sprintf("%s (%s)", ratio(c.Ratio.Median), interval(c.Ratio)),
	}
	if c.Ratio.Bounded {
		line.Lo, line.Hi = scale.at(c.Ratio.Lo), scale.at(c.Ratio.Hi)
		line.CutLeft, line.CutRight = c.Ratio.Lo < scale.low, c.Ratio.Hi > scale.high
	}
	if c.Floor > 0 {
		line.BandFrom = scale.at(1 / c.Floor)
		line.BandWidth = scale.at(c.Floor) - line.BandFrom
	}
	return line
}

// forestScale is symmetric around 1 and holds every interval of the medians; those of the tails may be cut.
func forestScale(b *Bench, test, base string) logScale {
	const least, most = 1.6, 16.0
	reach := least
	for _, metric := range []Metric{P50, CPU} {
		for _, c := range b.pair(test, base, metric) {
			if c.Ratio.Bounded && c.Ratio.Lo > 0 {
				reach = math.Max(reach, math.Max(c.Ratio.Hi, 1/c.Ratio.Lo)*1.1)
			}
		}
	}
	reach = math.Min(reach, most)
	return logScale{low: 1 / reach, high: reach, from: forestLeft, to: forestRight}
}

func verdictClass(v stats.Verdict) string {
	switch v {
	case stats.Faster:
		return "faster"
	case stats.Slower:
		return "slower"
	case stats.NoDifference:
		return "none"
	}
	return "undecided"
}
