package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/duet-api/duet/bench/measure"
)

// leastWeighed is the fewest objects whose growth is shown: of fewer, the noise of a server that does other things too
// is larger than they are.
const leastWeighed = 500

// perObjects is how many objects memory is shown for.
const perObjects = 10_000

// costLine is what one operation costs on one arm, beside its CPU time by process.
type costLine struct {
	Operation, Arm string
	// CPU of the servers and of the load generator: milliseconds for one operation, which is seconds for a thousand.
	CPU, Generator string
	// Sent and Received are bytes on the wire for one operation.
	Sent, Received string
	// Reviews are SubjectAccessReviews for one operation, Collecting the share of garbage collection in the servers' CPU
	// time, Goroutines those of all servers.
	Reviews, Collecting, Goroutines string
}

// costs are the lines of all operations.
func costs(b *Bench) []costLine {
	var out []costLine
	for _, s := range b.Scenarios {
		for _, a := range b.Arms {
			summary := b.Summary(s.Name, a.Name)
			if a.Repeats != "" || summary == nil || summary.Pooled.Count == 0 {
				continue
			}
			line := costLine{
				Operation: s.Title, Arm: a.Name, CPU: millis(serverCPU(summary)),
				Generator: millis(summary.Components[measure.Generator].CPUPerOperation),
				Sent:      sizeText(summary.Sent.Median), Received: sizeText(summary.Received.Median),
				Reviews: "–", Collecting: "–", Goroutines: "–",
			}
			if account := b.Account(s.Name, a.Name); account != nil {
				line.add(*account)
			}
			out = append(out, line)
		}
	}
	return out
}

// add what the servers said.
func (l *costLine) add(a Account) {
	var reviews, goroutines int64
	var collecting, cpu float64
	for name, used := range a.Components {
		if name == measure.Generator {
			continue
		}
		reviews += used.Reviews
		goroutines += used.Goroutines
		if short(name) != "etcd" { // which does not tell
			collecting += float64(used.GC)
			cpu += float64(used.CPU)
		}
	}
	l.Goroutines = fmt.Sprint(goroutines)
	if a.Attempts > 0 {
		l.Reviews = significant(float64(reviews) / float64(a.Attempts))
	}
	if cpu > 0 && collecting >= 0 {
		l.Collecting = fmt.Sprintf("%.0f %%", 100*collecting/cpu)
	}
}

// sizeText prints a number of bytes with three digits.
func sizeText(bytes float64) string {
	switch {
	case bytes <= 0:
		return "–"
	case bytes >= 1<<20:
		return significant(bytes/(1<<20)) + " MiB"
	case bytes >= 1<<10:
		return significant(bytes/(1<<10)) + " KiB"
	}
	return fmt.Sprintf("%.0f B", bytes)
}

// footprintLine is what an arm's objects take.
type footprintLine struct {
	Arm     string
	Objects string
	Payload string
	// Heap and RSS are of all servers for perObjects objects, with each server's part; Storage is bytes for one object.
	Heap, HeapParts, RSS, RSSParts, Storage string
}

// sum of a kind of growth over all processes.
func (f Footprint) sum(of func(Growth) int64) int64 {
	var total int64
	for _, growth := range f.Components {
		total += of(growth)
	}
	return total
}

func footprints(b *Bench) []footprintLine {
	var out []footprintLine
	for _, f := range b.Footprints {
		if f.Objects < leastWeighed {
			continue
		}
		heap := func(g Growth) int64 { return g.Heap }
		rss := func(g Growth) int64 { return g.RSS }
		line := footprintLine{
			Arm: f.Arm, Objects: thousands(f.Objects), Payload: sizeText(float64(f.PayloadBytes)),
			Heap: f.scaled(f.sum(heap)), HeapParts: f.parts(heap), RSS: f.scaled(f.sum(rss)), RSSParts: f.parts(rss),
			Storage: sizeText(float64(f.sum(func(g Growth) int64 { return g.Storage })) / float64(f.Objects)),
		}
		out = append(out, line)
	}
	return out
}

// scaled is a growth for perObjects objects.
func (f Footprint) scaled(bytes int64) string {
	mebibytes := float64(bytes) / float64(f.Objects) * perObjects / (1 << 20)
	if mebibytes < 0 {
		return "noise"
	}
	return fmt.Sprintf("%.0f MiB", mebibytes)
}

// parts tells which process grew by how much, the larger ones only.
func (f Footprint) parts(of func(Growth) int64) string {
	total := f.sum(of)
	var out []string
	for _, name := range slices.SortedFunc(maps.Keys(f.Components), byWeight) {
		if grown := of(f.Components[name]); total > 0 && grown*20 > total {
			out = append(out, short(name)+" "+f.scaled(grown))
		}
	}
	return strings.Join(out, ", ")
}
