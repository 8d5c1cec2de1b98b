package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/duet-api/duet/bench/trace"
)

// Waterfalls show where the time of requests went.
type Waterfalls struct {
	// Parts that occur, each with its colour.
	Parts []waterfallPart
	// Requests behind each waterfall; Missing could not be followed to their end.
	Requests, Missing int
	Operations        []waterfallOperation
	Probes            []probeLine
}

type waterfallPart struct {
	trace.Description
	Class string
}

type waterfallOperation struct {
	Title string
	Arms  []waterfallArm
	// Lines are the parts as a table, with a cell for each arm.
	Lines []waterfallLine
}

type waterfallArm struct {
	Name, Alt string
	// Total is the mean in milliseconds; Slowed is how much longer that is than without spans, as the measured cells have
	// it, empty where they have not.
	Total, Slowed            string
	Width, Height            float64
	Left, Right, Top, Bottom float64
	Axis                     []tick
	Rows                     []waterfallRow
}

// waterfallRow is a part of the work in one arm.
type waterfallRow struct {
	Title, Class, Time string
	Y                  float64
	// From and Width span all its bars, in pixels: what is between them is what it waits for.
	From, Width float64
	Bars        []waterfallBar
}

type waterfallBar struct {
	X, Width float64
	Text     string
}

type waterfallLine struct {
	Title, Class string
	Cells        []string
}

type probeLine struct {
	Operation, Title, Difference, Time, Spans string
}

const (
	waterfallWidth = 1000.0
	waterfallLeft  = 212.0
	waterfallRight = 918.0
	waterfallStep  = 19.0
)

// newWaterfalls draws them; false when no requests were followed.
func newWaterfalls(b *Bench) (Waterfalls, bool) {
	if b.Traces == nil || len(b.Traces.Operations) == 0 {
		return Waterfalls{}, false
	}
	out := Waterfalls{Requests: b.Traces.Requests, Missing: b.Traces.Missing}
	classes := map[trace.Part]string{}
	for i, d := range b.Traces.Parts {
		classes[d.Part] = fmt.Sprintf("span%d", i)
		if occurs(b.Traces, d.Part) {
			out.Parts = append(out.Parts, waterfallPart{d, classes[d.Part]})
		}
	}
	for _, o := range b.Traces.Operations {
		out.Operations = append(out.Operations, out.operation(b, o))
	}
	titles := map[string]string{}
	for _, o := range b.Traces.Operations {
		titles[o.Scenario] = o.Title
	}
	for _, p := range b.Traces.Probes {
		line := probeLine{
			Operation: titles[p.Scenario], Title: p.Title, Difference: p.Test, Time: signed(p.Time.Median), Spans: "–",
		}
		if p.Base != "" {
			line.Difference += " − " + p.Base
		}
		if p.Time.Bounded {
			line.Time += fmt.Sprintf(" (%s to %s)", signed(p.Time.Lo), signed(p.Time.Hi))
		}
		if p.Spans > 0 {
			line.Spans = millis(p.Spans)
		}
		out.Probes = append(out.Probes, line)
	}
	return out, true
}

func occurs(r *trace.Result, part trace.Part) bool {
	for _, o := range r.Operations {
		for _, w := range o.Arms {
			if w.Parts[part] > 0 {
				return true
			}
		}
	}
	return false
}

// signed prints nanoseconds that may be below zero as milliseconds.
func signed(ns float64) string {
	if ns < 0 {
		return "−" + millis(-ns)
	}
	return millis(ns)
}

func (w Waterfalls) operation(b *Bench, o trace.Operation) waterfallOperation {
	out := waterfallOperation{Title: o.Title}
	longest := 0.0
	for _, arm := range o.Arms {
		longest = math.Max(longest, length(arm.Typical))
	}
	for _, arm := range o.Arms {
		out.Arms = append(out.Arms, w.arm(b, o.Scenario, arm, longest))
	}
	for _, part := range w.Parts {
		line, there := waterfallLine{Title: part.Title, Class: part.Class}, false
		for _, arm := range o.Arms {
			line.Cells = append(line.Cells, millis(arm.Parts[part.Part]))
			there = there || arm.Parts[part.Part] > 0
		}
		if there {
			out.Lines = append(out.Lines, line)
		}
	}
	return out
}

// length of a typical request, in nanoseconds.
func length(pieces []trace.Piece) float64 {
	if len(pieces) == 0 {
		return 0
	}
	last := pieces[len(pieces)-1]
	return float64(last.Start + last.Length)
}

// arm draws one request on a scale that all arms of its operation share.
func (w Waterfalls) arm(b *Bench, scenario string, arm trace.Waterfall, longest float64) waterfallArm {
	out := waterfallArm{
		Name: arm.Arm, Total: millis(arm.Total), Width: waterfallWidth, Left: waterfallLeft, Right: waterfallRight, Top: 6,
	}
	if s := b.Summary(scenario, arm.Arm); s != nil && s.P50.Median > 0 {
		out.Slowed = ratio(arm.Median / s.P50.Median)
	}
	at := func(ns float64) float64 { return out.Left + ns/longest*(out.Right-out.Left) }
	var alt []string
	y := out.Top + waterfallStep/2
	for _, part := range w.Parts {
		if arm.Parts[part.Part] == 0 {
			continue
		}
		row := waterfallRow{Title: part.Title, Class: part.Class, Time: millis(arm.Parts[part.Part]), Y: y}
		for _, piece := range arm.Typical {
			if piece.Part != part.Part {
				continue
			}
			from, to := at(float64(piece.Start)), at(float64(piece.Start+piece.Length))
			row.Bars = append(row.Bars, waterfallBar{X: from, Width: math.Max(to-from, 0.75), Text: pieceText(piece)})
			if row.Width == 0 {
				row.From = from
			}
			row.Width = to - row.From
		}
		out.Rows = append(out.Rows, row)
		alt = append(alt, part.Title+" "+row.Time)
		y += waterfallStep
	}
	out.Bottom = y - waterfallStep/2 + 2
	out.Height = out.Bottom + 22
	out.Alt = fmt.Sprintf("%s, %s ms: %s", arm.Arm, out.Total, strings.Join(alt, ", "))
	for _, value := range roundSteps(longest / 1e6) {
		out.Axis = append(out.Axis, tick{at(value * 1e6), tickLabel(value)})
	}
	return out
}

func pieceText(p trace.Piece) string {
	text := fmt.Sprintf("%s ms at %s ms: %s, %s", millis(float64(p.Length)), millis(float64(p.Start)), p.Component, p.Span)
	if p.After != "" {
		text += ", after " + p.After
	}
	return text
}

// roundSteps are from four to ten round numbers from 0 to a highest one.
func roundSteps(highest float64) []float64 {
	if highest <= 0 {
		return nil
	}
	step := math.Pow(10, math.Floor(math.Log10(highest)))
	switch {
	case highest/step < 2:
		step /= 5
	case highest/step < 4:
		step /= 2
	}
	var out []float64
	for i := 0; float64(i)*step <= highest; i++ {
		out = append(out, float64(i)*step)
	}
	return out
}
