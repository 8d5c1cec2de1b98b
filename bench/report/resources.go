package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/duet-api/duet/bench/measure"
)

// Resources shows what the operations cost the server processes.
type Resources struct {
	// Components in a fixed order; a component has the same fill in every bar.
	Components []component
	Operations []resourceOperation
	// Costs are the other things that an operation takes, Footprints what objects take that are there.
	Costs      []costLine
	Footprints []footprintLine
	// Planes head the columns of Memory.
	Planes []string
	Memory []memoryLine
}

type component struct {
	Name  string
	Class string
}

type resourceOperation struct {
	Title string
	Bars  []resourceBar
}

type resourceBar struct {
	Arm      string
	Total    string // milliseconds
	Segments []resourceSegment
	// Generator is the load generator's own, which is no server's cost.
	Generator string
}

type resourceSegment struct {
	Component, Class, Text string
	X, Width               float64 // percent of the widest bar of the operation
}

type memoryLine struct {
	Component string
	Cells     []string // by plane
}

// newResources collects CPU time by component; false when no server was measured.
func newResources(b *Bench) (Resources, bool) {
	var r Resources
	names := map[string]bool{}
	for _, s := range b.Summaries {
		for name := range s.Components {
			if name != measure.Generator {
				names[short(name)] = true
			}
		}
	}
	if len(names) == 0 {
		return r, false
	}
	classes := map[string]string{}
	for i, name := range slices.SortedFunc(maps.Keys(names), byWeight) {
		classes[name] = fmt.Sprintf("part%d", i%8)
		r.Components = append(r.Components, component{name, classes[name]})
	}
	for _, s := range b.Scenarios {
		if o := newResourceOperation(b, s, classes); len(o.Bars) > 0 {
			r.Operations = append(r.Operations, o)
		}
	}
	r.Costs, r.Footprints = costs(b), footprints(b)
	r.Planes, r.Memory = memory(b)
	return r, true
}

func newResourceOperation(b *Bench, s Scenario, classes map[string]string) resourceOperation {
	out := resourceOperation{Title: s.Title}
	widest := 0.0
	for _, a := range b.Arms {
		widest = max(widest, serverCPU(b.Summary(s.Name, a.Name)))
	}
	if widest == 0 {
		return out
	}
	for _, a := range b.Arms {
		summary := b.Summary(s.Name, a.Name)
		total := serverCPU(summary)
		if total == 0 {
			continue
		}
		bar := resourceBar{Arm: a.Name, Total: millis(total),
			Generator: millis(summary.Components[measure.Generator].CPUPerOperation)}
		x := 0.0
		for _, full := range slices.SortedFunc(maps.Keys(summary.Components), byWeight) {
			use := summary.Components[full].CPUPerOperation
			if full == measure.Generator || use == 0 {
				continue
			}
			width := use / widest * 100
			bar.Segments = append(bar.Segments, resourceSegment{
				Component: short(full), Class: classes[short(full)], Text: millis(use), X: x, Width: width,
			})
			x += width
		}
		out.Bars = append(out.Bars, bar)
	}
	return out
}

func serverCPU(s *ArmSummary) float64 {
	total := 0.0
	if s != nil {
		for name, use := range s.Components {
			if name != measure.Generator {
				total += use.CPUPerOperation
			}
		}
	}
	return total
}

// memory at the end, of each process once: a table of processes by control plane.
func memory(b *Bench) (planes []string, lines []memoryLine) {
	last := map[string]map[string]uint64{} // by process, by plane
	seen := map[string]bool{}
	for _, row := range b.Rows {
		for name, usage := range row.Usage {
			plane, _, found := strings.Cut(name, "/")
			if !found || usage.RSS == 0 {
				continue
			}
			if last[short(name)] == nil {
				last[short(name)] = map[string]uint64{}
			}
			last[short(name)][plane] = usage.RSS
			seen[plane] = true
		}
	}
	planes = slices.Sorted(maps.Keys(seen))
	for _, process := range slices.SortedFunc(maps.Keys(last), byWeight) {
		line := memoryLine{Component: process}
		for _, plane := range planes {
			text := ""
			if rss, found := last[process][plane]; found {
				text = bytesText(rss)
			}
			line.Cells = append(line.Cells, text)
		}
		lines = append(lines, line)
	}
	return planes, lines
}

// short is a component's name without its control plane.
func short(name string) string {
	if _, after, found := strings.Cut(name, "/"); found {
		return after
	}
	return name
}

// byWeight sorts the usual processes in the order in which a request meets them, others after them by name.
func byWeight(a, b string) int {
	usual := []string{"kube-apiserver", "duet-apiserver", "crd-webhook", "etcd", "kube-controller-manager"}
	place := func(name string) int {
		if i := slices.Index(usual, short(name)); i >= 0 {
			return i
		}
		return len(usual)
	}
	if d := place(a) - place(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}
