package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/duet-api/duet/bench/stats"
)

// Curve is one operation with ever more objects, in every arm.
type Curve struct {
	Title, Alt               string
	Width, Height            float64
	Left, Right, Top, Bottom float64
	X, Y                     []tick
	Unit                     string
	Lines                    []curveLine
}

type curveLine struct {
	distributionLine
	// Bars are the intervals of the points.
	Bars []curveBar
	// Slope is the growth between the ends as a power of the number of objects: 0 if it does not matter, 1 if twice the
	// objects take twice as long.
	Slope string
}

type curveBar struct{ X, Y, Lo, Hi float64 }

// curvePoint is a value at a number of objects.
type curvePoint struct {
	objects int
	value   stats.Estimate
}

// family is scenarios that do the same with different numbers of objects.
type family struct {
	title     string
	scenarios []Scenario
}

// families are the scenarios whose names differ in a number of objects at the end only, and the list that every profile
// has is not one of them.
func families(b *Bench) []family {
	var order []string
	found := map[string][]Scenario{}
	for _, s := range b.Scenarios {
		at := strings.LastIndex(s.Name, "-")
		if at < 0 || s.Objects == 0 || s.Name[at+1:] != fmt.Sprintf("%dk", s.Objects/1000) {
			continue
		}
		name := s.Name[:at]
		if len(found[name]) == 0 {
			order = append(order, name)
		}
		found[name] = append(found[name], s)
	}
	var out []family
	for _, name := range order {
		scenarios := found[name]
		if len(scenarios) < 2 {
			continue
		}
		slices.SortFunc(scenarios, func(a, b Scenario) int { return a.Objects - b.Objects })
		title, _, _ := strings.Cut(scenarios[0].Title, fmt.Sprintf(" %s", thousands(scenarios[0].Objects)))
		title = strings.TrimSuffix(strings.TrimSuffix(title, " of"), ", beside")
		out = append(out, family{title + ", by the number of objects", scenarios})
	}
	return out
}

// thousands prints a number as titles have it: 10,000.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// newCurves draws latencies, memory and storage against the number of objects, where a run has several.
func newCurves(b *Bench) []Curve {
	var out []Curve
	for _, f := range families(b) {
		points := map[string][]curvePoint{}
		for _, s := range f.scenarios {
			for _, a := range b.Arms {
				if summary := b.Summary(s.Name, a.Name); summary != nil && summary.P50.Median > 0 {
					points[a.Name] = append(points[a.Name], curvePoint{s.Objects, summary.P50})
				}
			}
		}
		if c, ok := newCurve(b, f.title, "median, ms", 1e6, points); ok {
			out = append(out, c)
		}
	}
	for _, growth := range []struct {
		title, unit string
		by          float64
		of          func(Growth) int64
	}{
		{"Live heap of all servers, by the number of objects", "MiB", 1 << 20, func(g Growth) int64 { return g.Heap }},
		{"Database of etcd, by the number of objects", "MiB", 1 << 20, func(g Growth) int64 { return g.Storage }},
	} {
		points := map[string][]curvePoint{}
		for _, f := range b.Footprints {
			if f.Objects >= leastWeighed {
				value := float64(f.sum(growth.of))
				points[f.Arm] = append(points[f.Arm], curvePoint{f.Objects, stats.Estimate{Median: value}})
			}
		}
		if c, ok := newCurve(b, growth.title, growth.unit, growth.by, points); ok {
			out = append(out, c)
		}
	}
	return out
}

// newCurve draws one chart; false when no arm has two points. Both axes are logarithmic, so that a slope is a power.
func newCurve(b *Bench, title, unit string, by float64, points map[string][]curvePoint) (Curve, bool) {
	c := Curve{
		Title: title, Unit: unit, Width: distributionWidth, Height: distributionHeight,
		Left: 50, Right: distributionWidth - 116, Top: 12, Bottom: distributionHeight - 40,
	}
	x, y := logScale{low: math.Inf(1), from: c.Left, to: c.Right}, logScale{low: math.Inf(1), from: c.Bottom, to: c.Top}
	for name, all := range points {
		all = slices.DeleteFunc(all, func(p curvePoint) bool { return p.value.Median <= 0 })
		slices.SortFunc(all, func(a, b curvePoint) int { return a.objects - b.objects })
		points[name] = all
		if len(all) < 2 {
			delete(points, name)
			continue
		}
		for _, p := range all {
			x.low, x.high = math.Min(x.low, float64(p.objects)), math.Max(x.high, float64(p.objects))
			lo, hi := p.value.Median, p.value.Median
			if p.value.Bounded {
				lo, hi = p.value.Lo, p.value.Hi
			}
			y.low, y.high = math.Min(y.low, lo/1.2), math.Max(y.high, hi*1.2)
		}
	}
	if len(points) == 0 || x.high <= x.low {
		return c, false
	}
	c.X = x.ticks(func(v float64) string { return thousands(int(math.Round(v))) })
	c.Y = y.ticks(func(v float64) string { return tickLabel(v / by) })
	var alt []string
	var ends []distributionLine
	for i, a := range b.Arms {
		all := points[a.Name]
		if len(all) == 0 {
			continue
		}
		line := curveLine{distributionLine: distributionLine{Arm: a.Name, Style: armClass(b.Arms, i)}}
		var path []string
		for _, p := range all {
			line.EndX, line.EndY = x.at(float64(p.objects)), y.at(p.value.Median)
			path = append(path, fmt.Sprintf("%.1f,%.1f", line.EndX, line.EndY))
			bar := curveBar{X: line.EndX, Y: line.EndY, Lo: line.EndY, Hi: line.EndY}
			if p.value.Bounded {
				bar.Lo, bar.Hi = y.at(p.value.Lo), y.at(p.value.Hi)
			}
			line.Bars = append(line.Bars, bar)
		}
		first, last := all[0], all[len(all)-1]
		line.Points = strings.Join(path, " ")
		line.Slope = fmt.Sprintf("%.2f",
			math.Log(last.value.Median/first.value.Median)/math.Log(float64(last.objects)/float64(first.objects)))
		c.Lines = append(c.Lines, line)
		ends = append(ends, line.distributionLine)
		alt = append(alt, fmt.Sprintf("%s: %s at %s objects, %s at %s, slope %s", a.Name, significant(first.value.Median/by),
			thousands(first.objects), significant(last.value.Median/by), thousands(last.objects), line.Slope))
	}
	spread(ends, c.Top, c.Bottom)
	for i := range ends {
		c.Lines[i].LabelY = ends[i].LabelY
	}
	c.Alt = title + ", " + unit + ". " + strings.Join(alt, "; ") + "."
	return c, true
}
