package report

import (
	"fmt"
	"io"
	"strings"
)

// markdownTime says where the time of requests went, a table for each operation.
func markdownTime(out io.Writer, b *Bench) {
	w, ok := newWaterfalls(b)
	if !ok {
		return
	}
	fmt.Fprintf(out, "\n## Where the time goes\n\n%d requests of each kind on each arm were followed through the servers, which "+
		"reported their spans. Milliseconds: means over the middle half, which add up. What no span or event tells of is "+
		"unattributed. It is a pass of its own, after the measured one, and reporting costs time: shares say more than times.\n",
		w.Requests)
	if w.Missing > 0 {
		fmt.Fprintf(out, "%d requests could not be followed to their end and are left out.\n", w.Missing)
	}
	for _, o := range w.Operations {
		fmt.Fprintf(out, "\n### %s\n\n| Part", cell(o.Title))
		for _, arm := range o.Arms {
			fmt.Fprintf(out, " | %s", cell(arm.Name))
		}
		fmt.Fprintf(out, " |\n| ---%s |\n", strings.Repeat(" | ---:", len(o.Arms)))
		for _, line := range o.Lines {
			fmt.Fprintf(out, "| %s | %s |\n", cell(line.Title), strings.Join(line.Cells, " | "))
		}
		fmt.Fprint(out, "| **Together**")
		for _, arm := range o.Arms {
			fmt.Fprintf(out, " | **%s**", arm.Total)
		}
		fmt.Fprint(out, " |\n")
	}
	if len(w.Probes) > 0 {
		fmt.Fprint(out, "\n### What differences say\n\nMedians of the differences between two arms, request by request, in "+
			"milliseconds, with their intervals; no server has to report for these.\n\n"+
			"| Operation | What | Arms | Difference | By the spans |\n| --- | --- | --- | ---: | ---: |\n")
		for _, p := range w.Probes {
			fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", cell(p.Operation), cell(p.Title), cell(p.Difference), p.Time, p.Spans)
		}
	}
}

// markdownResources is what operations and objects take.
func markdownResources(out io.Writer, b *Bench) {
	r, ok := newResources(b)
	if !ok {
		return
	}
	fmt.Fprint(out, "\n## Resources\n\nFor one operation. CPU milliseconds for one operation are CPU seconds for 1,000. Bytes are "+
		"counted at the client's connection.\n\n| Operation | Arm | Server CPU, ms | Load generator, ms | Sent | Received | "+
		"SubjectAccessReviews | GC share | Goroutines |\n| --- | --- |"+strings.Repeat(" ---: |", 7)+"\n")
	for _, c := range r.Costs {
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", cell(c.Operation), cell(c.Arm), c.CPU, c.Generator,
			c.Sent, c.Received, c.Reviews, c.Collecting, c.Goroutines)
	}
	if len(r.Footprints) == 0 {
		return
	}
	fmt.Fprint(out, "\nWhat objects take: by how much the servers grew when an arm's objects were created.\n\n| Arm | Objects | "+
		"Each, as sent | Live heap for 10,000 | Resident for 10,000 | In etcd, each |\n| --- |"+strings.Repeat(" ---: |", 5)+"\n")
	for _, f := range r.Footprints {
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %s |\n", cell(f.Arm), f.Objects, f.Payload, f.Heap, f.RSS, f.Storage)
	}
}
