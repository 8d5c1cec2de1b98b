package consistency

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"time"
)

// sighting is proof that the store had reached a revision by some time: an answer, an event or the oracle showed it.
type sighting struct {
	at       time.Duration
	revision int64
	// proof is an *Operation, a *Stream or a *Change.
	proof any
}

// bounds say when, at the earliest and at the latest, each change of the timeline took place. Between them an answer
// may show the state before or the one after, and both are right.
type bounds struct {
	timeline *timeline
	// sightings by time, each with the highest revision up to it.
	sightings []sighting
	// notBefore and committed, by place in the timeline. Neither ever goes down.
	notBefore, committed []time.Duration
}

// never is later than everything.
const never = time.Duration(math.MaxInt64)

func newBounds(history *History, t *timeline) *bounds {
	b := &bounds{timeline: t}
	b.sight(history)
	b.committed = make([]time.Duration, len(t.changes))
	// The first sighting of a revision or of a higher one.
	for i, change := range t.changes {
		b.committed[i] = never
		at := sort.Search(len(b.sightings), func(k int) bool { return b.sightings[k].revision >= change.Revision })
		if at < len(b.sightings) {
			b.committed[i] = b.sightings[at].at
		}
	}
	b.begin(history)
	return b
}

// begin finds the earliest times: a write is not over before it is sent, and what a read of the newest state did not
// show was not over when the read was sent. Copies in another store are an exception: who is still served the original says
// nothing of who is served the copy already.
func (b *bounds) begin(history *History) {
	b.notBefore = make([]time.Duration, len(b.timeline.changes))
	for i := range b.notBefore {
		b.notBefore[i] = -1
	}
	after := func(place int, call time.Duration) {
		// A stale read says nothing about others.
		if place != none && place < len(b.notBefore) && b.committed[place] >= call {
			b.notBefore[place] = max(b.notBefore[place], call)
		}
	}
	for _, operation := range history.Operations {
		if operation.Token != "" {
			for _, place := range b.timeline.authored[operation.Token] {
				after(place, operation.Call)
			}
		}
		if operation.Outcome() != Done || !operation.consistent() {
			continue
		}
		switch state := operation.Answer.State; {
		case operation.Verb == List:
			after(b.timeline.original(b.timeline.place(operation.Answer.Revision)+1), operation.Call)
		case operation.Verb == Get && state != nil:
			if place, known := b.timeline.byRevision[state.Revision]; known {
				after(b.timeline.news(operation.Object, place), operation.Call)
			}
		}
	}
	for i := 1; i < len(b.notBefore); i++ {
		b.notBefore[i] = max(b.notBefore[i], b.notBefore[i-1])
	}
}

// sight collects the sightings.
func (b *bounds) sight(history *History) {
	see := func(at time.Duration, revision int64, proof any) {
		if revision > 0 {
			b.sightings = append(b.sightings, sighting{at, revision, proof})
		}
	}
	for _, operation := range history.Operations {
		if operation.Outcome() != Done {
			continue
		}
		see(operation.Return, operation.Answer.Revision, operation)
		if state := operation.Answer.State; state != nil {
			see(operation.Return, state.Revision, operation)
		}
	}
	for _, stream := range history.Streams {
		for _, event := range stream.Events {
			see(event.At, event.Revision, stream)
		}
	}
	stores := map[string]bool{}
	for _, change := range b.timeline.arrived {
		// What is imported into a further store is not yet served from there.
		if stores[change.Store] = true; len(stores) > 1 {
			break
		}
		see(change.Received, change.Revision, change)
	}
	slices.SortStableFunc(b.sightings, func(a, b sighting) int { return cmp.Compare(a.at, b.at) })
	for i := 1; i < len(b.sightings); i++ {
		if before := b.sightings[i-1]; before.revision > b.sightings[i].revision {
			b.sightings[i].revision, b.sightings[i].proof = before.revision, before.proof
		}
	}
}

// seen is the highest revision that anybody had seen before a time.
func (b *bounds) seen(before time.Duration) sighting {
	i := sort.Search(len(b.sightings), func(i int) bool { return b.sightings[i].at >= before })
	if i == 0 {
		return sighting{}
	}
	return b.sightings[i-1]
}

// window are the places that a request may have been answered from: none of the changes after the last had begun when
// the answer was there, and all up to the first were over when the request was sent.
func (b *bounds) window(operation *Operation) (first, last int) {
	first = sort.Search(len(b.committed), func(i int) bool { return b.committed[i] >= operation.Call }) - 1
	last = sort.Search(len(b.notBefore), func(i int) bool { return b.notBefore[i] > operation.Return }) - 1
	return first, max(first, last)
}

// states that an object had in a request's window: the places of its changes, with none for the time before the first.
func (b *bounds) states(operation *Operation, object Object) []int {
	first, last := b.window(operation)
	return append([]int{b.timeline.at(object, first)}, b.timeline.within(object, first, last)...)
}
