package consistency

import (
	"slices"

	"k8s.io/apimachinery/pkg/watch"
)

// watcher follows a scope as an informer does: it goes on from what it saw, and begins anew when that is forgotten.
type watcher struct {
	world  *world
	name   string
	scope  Scope
	record *StreamRecord
	// position in the log that the watch has come to, and what is left of the initial state.
	position int
	snapshot []State
	initial  bool
	reached  int64
	gone     bool
	silent   bool
}

func (a *watcher) turn() {
	w := a.world
	switch {
	case a.silent:
		return
	case a.record == nil:
		a.open()
	case a.initial:
		a.begin()
	case a.position < len(w.log):
		a.deliver()
	case w.chance(6):
		a.bookmark()
	}
	if a.record != nil && !a.initial && !a.silent && w.chance(60) {
		a.finish(pick(w, []Ending{Ended, Gone}), 0, "")
	} else if a.record != nil && w.strikes("a watch ends with an error") {
		a.finish(Rejected, 500, "InternalError")
	}
}

// open goes on from what was seen, or with a new list, or with a watch that sends the state first.
func (a *watcher) open() {
	w := a.world
	stream := Stream{Watcher: a.name, Scope: a.scope}
	newest := len(w.log) - 1
	switch {
	case a.reached > 0 && !a.gone:
		stream.Start = a.reached
		if a.position < newest && w.strikes("a watch goes on from too late") {
			a.position = newest
			stream.Start = w.log[newest-1].Revision
		}
	case w.chance(2):
		finish := w.recorder.Begin(Operation{Client: a.name, Verb: List, Scope: a.scope})
		lister := client{world: w}
		finish(Answer{Code: 200, Revision: w.log[newest].Revision, Items: lister.items(newest, a.scope)})
		stream.Start, a.position = w.log[newest].Revision, newest+1
	default:
		stream.Initial, a.initial = true, true
		a.snapshot = w.objectsOf(newest, a.scope.matcher())
		if len(a.snapshot) > 0 && w.strikes("an object is missing in the initial state") {
			a.snapshot = a.snapshot[1:]
		}
		a.position = newest + 1
	}
	a.gone, a.reached = false, stream.Start
	a.record = w.recorder.Open(stream)
}

// begin sends the initial state, and the bookmark after it.
func (a *watcher) begin() {
	if len(a.snapshot) > 0 {
		state := a.snapshot[0]
		a.snapshot = a.snapshot[1:]
		a.record.Saw(Seen{Type: watch.Added, State: &state, Revision: state.Revision})
		return
	}
	a.initial, a.snapshot = false, nil
	a.reached = a.world.log[a.position-1].Revision
	a.record.Saw(Seen{Type: watch.Bookmark, Revision: a.reached, InitialEnd: true})
}

// deliver sends the next event.
func (a *watcher) deliver() {
	w := a.world
	event, ok := a.event(a.position)
	a.position++
	if !ok {
		return
	}
	switch {
	case w.strikes("a watch falls silent"):
		a.silent = true
		return
	case a.position < len(w.log) && w.chance(2):
		later, ok := a.event(a.position)
		// Nobody misses the last event of a connection: the next one goes on before it.
		dropped := ok && w.strikes("a dropped event")
		if dropped || ok && w.strikes("two events in the wrong order") {
			a.position++
			a.send(later)
		}
		if dropped {
			return
		}
	case w.strikes("a bookmark before an event"):
		a.record.Saw(Seen{Type: watch.Bookmark, Revision: event.Revision})
	case event.Type != watch.Deleted && w.strikes("a wrong type of event"):
		event.Type = watch.Deleted
	case w.strikes("an event of nothing"):
		state := *event.State
		state.Revision -= 10000
		a.send(Seen{Type: watch.Modified, State: &state, Revision: w.revision + 1})
	case w.strikes("an event shows another token"):
		state := *event.State
		state.Token = "other"
		event.State = &state
	}
	a.send(event)
	if w.strikes("a duplicated event") {
		a.send(event)
	}
}

func (a *watcher) event(at int) (Seen, bool) {
	kind, state := a.world.kind(at, a.scope.matcher())
	return Seen{Type: kind, State: &state, Revision: state.Revision}, kind != ""
}

func (a *watcher) send(event Seen) {
	a.record.Saw(event)
	a.reached = max(a.reached, event.Revision)
}

func (a *watcher) bookmark() {
	a.reached = a.world.log[a.position-1].Revision
	a.record.Saw(Seen{Type: watch.Bookmark, Revision: a.reached})
}

// finish ends the watch, if there is one.
func (a *watcher) finish(ending Ending, code int, message string) {
	if a.record == nil {
		return
	}
	a.record.Finish(ending, code, message)
	a.gone = ending == Gone || a.initial
	a.record, a.initial, a.snapshot = nil, false, nil
	// What was delivered is where the next watch begins.
	a.position = slices.IndexFunc(a.world.log, func(c Change) bool { return c.Revision > a.reached })
	if a.position < 0 {
		a.position = len(a.world.log)
	}
}
