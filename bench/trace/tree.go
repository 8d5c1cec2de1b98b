package trace

import (
	"cmp"
	"slices"

	"github.com/duet-api/duet/e2e/otlp"
)

// node is a span with what happened inside it.
type node struct {
	otlp.Span
	// children in the order in which they began.
	children []*node
}

// forest finds the spans below others.
type forest struct{ below map[otlp.Reference][]*node }

// newForest hangs each span below its parent, and below what it links to.
func newForest(spans []otlp.Span) *forest {
	f := &forest{below: map[otlp.Reference][]*node{}}
	for _, span := range spans {
		n := &node{Span: span}
		if span.Parent != "" {
			at := otlp.Reference{Trace: span.Trace, ID: span.Parent}
			f.below[at] = append(f.below[at], n)
		}
		for _, link := range span.Links {
			f.below[link] = append(f.below[link], n)
		}
	}
	for _, nodes := range f.below {
		slices.SortStableFunc(nodes, func(a, b *node) int { return cmp.Compare(a.Start, b.Start) })
		for _, n := range nodes {
			n.children = f.below[otlp.Reference{Trace: n.Trace, ID: n.ID}]
		}
	}
	return f
}

// tree is a request as its client saw it, with all that is known of it inside.
func (f *forest) tree(request Request) *node {
	return &node{
		Span: otlp.Span{
			Component: ClientComponent, Name: "request", Kind: otlp.Client, Trace: request.Trace, ID: request.ID,
			Start: request.Start, End: request.End,
		},
		children: f.below[otlp.Reference{Trace: request.Trace, ID: request.ID}],
	}
}

// whole is whether all is there that must be: a server below the client, and below each request that a server sent, but
// to a webhook, which reports nothing.
func (n *node) whole() bool {
	if n.Kind == otlp.Client && len(n.children) == 0 {
		return false
	}
	return !slices.ContainsFunc(n.children, func(child *node) bool { return !calls(child.Name) && !child.whole() })
}

// placed is a node with those above it, the client first.
type placed struct {
	*node
	above []*node
}

func place(n *node, above []*node, into []placed) []placed {
	into = append(into, placed{n, above})
	for _, child := range n.children {
		into = place(child, append(slices.Clone(above), n), into)
	}
	return into
}

// piece is a stretch of time that belongs to one span.
type piece struct {
	owner placed
	// after is the last mark before it: the name of an event of the owner or of a span above, or of a span that ended;
	// empty at the begin of the owner.
	after      string
	start, end int64
}

// divide the time of a request among its spans, so that each moment is in exactly one piece: that of the span which, of
// those under way, began last. What one server does in turn is told apart by that even where its spans overlap, as the
// call of a webhook and the transaction that it is made for do.
func divide(root *node) []piece {
	all := place(root, nil, nil)
	var moments []int64
	add := func(at int64) {
		if at >= root.Start && at <= root.End {
			moments = append(moments, at)
		}
	}
	for _, p := range all {
		add(p.Start)
		add(p.End)
		for _, event := range p.Events {
			add(event.At)
		}
	}
	slices.Sort(moments)
	moments = slices.Compact(moments)
	var out []piece
	for i := 1; i < len(moments); i++ {
		start, end := moments[i-1], moments[i]
		owner := ownerOf(all, start)
		after := markBefore(all, owner, start)
		if last := len(out) - 1; last >= 0 && out[last].owner.node == owner.node && out[last].after == after {
			out[last].end = end
			continue
		}
		out = append(out, piece{owner, after, start, end})
	}
	return out
}

// ownerOf is who of those under way after a moment began last; of two that began together the lower one.
func ownerOf(all []placed, moment int64) placed {
	owner := all[0]
	for _, p := range all[1:] {
		if p.Start > moment || p.End <= moment {
			continue
		}
		if p.Start > owner.Start || p.Start == owner.Start && len(p.above) >= len(owner.above) {
			owner = p
		}
	}
	return owner
}

// markBefore is the last thing that is known to have happened in a span before a moment, since it began.
func markBefore(all []placed, owner placed, moment int64) string {
	name, at := "", int64(-1)
	mark := func(text string, when int64) {
		if when >= owner.Start && when <= moment && when >= at {
			name, at = text, when
		}
	}
	for _, p := range all {
		if p.Start >= owner.Start && p.node != owner.node {
			mark(p.Name, p.End)
		}
	}
	for _, n := range append(slices.Clone(owner.above), owner.node) {
		for _, event := range n.Events {
			mark(event.Name, event.At)
		}
	}
	return name
}
