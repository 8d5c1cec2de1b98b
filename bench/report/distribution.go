package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/duet-api/duet/bench/arm"
)

// Distribution is the chart of one operation's latency in every arm, by percentile.
type Distribution struct {
	Title, Why, Loop         string
	Alt                      string
	Width, Height            float64
	Left, Right, Top, Bottom float64
	X, Y                     []tick
	Lines                    []distributionLine
}

type distributionLine struct {
	Arm    string
	Points string
	// Style is the arm's class.
	Style string
	// EndY is where the line ends, LabelY where its label has room; a leader joins them.
	EndX, EndY, LabelY float64
}

const (
	distributionWidth  = 460.0
	distributionHeight = 280.0
	labelStep          = 13.0
)

// newDistribution draws one operation; false when there is nothing to draw.
func newDistribution(b *Bench, s Scenario) (Distribution, bool) {
	d := Distribution{
		Title: s.Title, Why: s.Why, Loop: s.Loop, Width: distributionWidth, Height: distributionHeight,
		Left: 44, Right: distributionWidth - 104, Top: 12, Bottom: distributionHeight - 40,
	}
	histograms := map[string]*hdrhistogram.Histogram{}
	low, high, most := math.Inf(1), 0.0, int64(0)
	for _, a := range b.Arms {
		summary := b.Summary(s.Name, a.Name)
		if summary == nil || summary.Pooled.Count == 0 {
			continue
		}
		h, err := hdrhistogram.Decode([]byte(summary.HDR))
		if err != nil {
			continue
		}
		histograms[a.Name] = h
		most = max(most, h.TotalCount())
		low = math.Min(low, float64(max(h.ValueAtPercentile(0.1), 1)))
		high = math.Max(high, float64(h.Max()))
	}
	if len(histograms) == 0 {
		return d, false
	}
	x := nines{from: d.Left, to: d.Right, highest: 1 - 1/math.Max(float64(most), 2)}
	y := logScale{low: low / 1.15, high: high * 1.15, from: d.Bottom, to: d.Top}
	d.X = x.ticks()
	d.Y = y.ticks(func(v float64) string { return tickLabel(v / 1e6) })
	var alt []string
	for i, a := range b.Arms {
		h, found := histograms[a.Name]
		if !found {
			continue
		}
		d.Lines = append(d.Lines, newDistributionLine(h, x, y, a.Name, armClass(b.Arms, i)))
		alt = append(alt, fmt.Sprintf("%s: median %s, p99 %s", a.Name,
			millis(float64(h.ValueAtPercentile(50))), millis(float64(h.ValueAtPercentile(99)))))
	}
	d.Alt = s.Title + ", latency by percentile in milliseconds. " + strings.Join(alt, "; ") + "."
	spread(d.Lines, d.Top, d.Bottom)
	return d, true
}

func newDistributionLine(h *hdrhistogram.Histogram, x nines, y logScale, name, style string) distributionLine {
	line := distributionLine{Arm: name, Style: style}
	own := nines{highest: 1 - 1/math.Max(float64(h.TotalCount()), 2), to: 1}
	const steps = 80
	var points strings.Builder
	for i := range steps + 1 {
		share := 1 - math.Pow(1-own.highest, float64(i)/steps)
		line.EndX, line.EndY = x.at(share), y.at(float64(max(h.ValueAtPercentile(share*100), 1)))
		fmt.Fprintf(&points, "%.1f,%.1f ", line.EndX, line.EndY)
	}
	line.Points = strings.TrimSpace(points.String())
	return line
}

// spread moves labels apart where lines end near each other.
func spread(lines []distributionLine, top, bottom float64) {
	byEnd := make([]*distributionLine, len(lines))
	for i := range lines {
		lines[i].LabelY = lines[i].EndY
		byEnd[i] = &lines[i]
	}
	slices.SortStableFunc(byEnd, func(a, b *distributionLine) int {
		switch {
		case a.EndY < b.EndY:
			return -1
		case a.EndY > b.EndY:
			return 1
		}
		return 0
	})
	next := top + labelStep/2
	for _, line := range byEnd {
		line.LabelY = math.Max(line.LabelY, next)
		next = line.LabelY + labelStep
	}
	limit := bottom
	for _, line := range slices.Backward(byEnd) {
		line.LabelY = math.Min(line.LabelY, limit)
		limit = line.LabelY - labelStep
	}
}

// armClass is the style of an arm: one of six, the same in every chart, so that in a run of many arms some share one. Odd
// numbers are for the forms, even ones for the baselines. A repetition has its original's style, with dots.
func armClass(arms []Arm, i int) string {
	if original := arms[i].Repeats; original != "" {
		at := slices.IndexFunc(arms, func(a Arm) bool { return a.Name == original && a.Repeats == "" })
		if at >= 0 {
			return armClass(arms, at) + " repeat"
		}
	}
	place := 0
	for _, a := range arms[:i] {
		if a.Repeats == "" && (a.Form == arm.BuiltIn) == (arms[i].Form == arm.BuiltIn) {
			place++
		}
	}
	style := 2 * (place % 3)
	if arms[i].Form != arm.BuiltIn {
		style++
	}
	return fmt.Sprintf("arm%d", style)
}

// tickLabel has no more digits than it needs; ticks are round numbers.
func tickLabel(v float64) string {
	const digits = 1e6
	return strconv.FormatFloat(math.Round(v*digits)/digits, 'f', -1, 64)
}
