package consistency

import (
	"fmt"
	"slices"
	"strings"
)

// client sends one request after another. A turn sends one, lets the server do its work, or brings the answer.
type client struct {
	world *world
	name  string
	known map[Object]State
	next  func()
	// after the answer has come, there may be more to do.
	after func()
}

func (c *client) turn() {
	if next := c.next; next != nil {
		next()
		return
	}
	w := c.world
	object := pick(w, objects)
	switch w.random.IntN(10) {
	case 0, 1:
		c.send(Operation{Verb: Get, Object: object, Asked: pick(w, []string{"", "", "0"})}, c.get)
	case 2:
		c.send(Operation{Verb: List, Scope: pick(w, scopes), Asked: pick(w, []string{"", "", "0"})}, c.list)
	case 3:
		c.pages(pick(w, scopes), len(w.snapshots)-1, 0, fmt.Sprintf("%s at %s", c.name, w.now))
	case 4:
		c.send(Operation{Verb: Create, Object: object, Token: w.recorder.Token(), DryRun: w.chance(6)}, c.create)
	case 5:
		remove := Operation{Verb: Delete, Object: object}
		if known, ok := c.known[object]; ok && w.chance(2) {
			remove.IfRevision, remove.IfUID = known.Revision, known.UID
		}
		remove.DryRun = w.chance(4)
		if object != stable {
			state, there := w.objects[object]
			unheld := there && state.Finalizers == ""
			c.send(remove, func(o Operation, _ int) Answer {
				if unheld && !w.chance(3) {
					w.hold(o.Object)
				}
				return c.delete(o, unheld)
			})
		}
	case 6:
		c.send(Operation{Verb: Patch, Object: object, Subresource: "status", Token: w.recorder.Token()}, c.write)
	default:
		write := Operation{Verb: pick(w, []Verb{Update, Patch}), Object: object, Token: w.recorder.Token()}
		write.DryRun = w.chance(9)
		if write.Verb == Update {
			write.IfRevision = max(1, c.known[object].Revision)
		}
		c.send(write, c.write)
	}
}

// send begins a request. The work is done at a later turn and answered at a further one, unless something is lost.
func (c *client) send(operation Operation, work func(Operation, int) Answer) {
	w := c.world
	operation.Client, c.after = c.name, nil
	finish := w.recorder.Begin(operation)
	sighted := w.sighted
	unknown := Answer{Error: "connection reset"}
	c.next = func() {
		c.next = func() { c.next = nil; finish(unknown) }
		switch {
		case w.strikes("a failed request"):
			unknown = Answer{Code: 500, Reason: "InternalError"}
		case w.chance(20):
			unknown.Error = "never arrived"
		case operation.Verb.Writes() && w.chance(20):
			w.late = append(w.late, func() { work(operation, w.sighted) })
		default:
			answer := work(operation, sighted)
			if w.chance(25) && w.fault == "" {
				return
			}
			position := len(w.log)
			c.next = func() {
				c.next = nil
				finish(answer)
				if answer.Code == 200 && operation.Asked == "" {
					w.saw(max(answer.Revision, revisionOf(answer)), position)
				}
				if after := c.after; after != nil {
					after()
				}
			}
		}
	}
}

func revisionOf(answer Answer) int64 {
	if answer.State == nil {
		return 0
	}
	return answer.State.Revision
}

// saw remembers how much of the log an answer proves.
func (w *world) saw(revision int64, position int) {
	for position > 0 && w.log[position-1].Revision > revision {
		position--
	}
	w.sighted = max(w.sighted, position)
}

func refused(code int, reason string) Answer { return Answer{Code: code, Reason: reason} }

func done(state State) Answer { return Answer{Code: 200, State: &state} }

// present is the object, and the refusal of who demands another one.
func (c *client) present(o Operation) (State, *Answer) {
	state, there := c.world.objects[o.Object]
	var refusal Answer
	switch {
	case !there:
		refusal = refused(404, "NotFound")
	case o.IfRevision != 0 && o.IfRevision != state.Revision || o.IfUID != "" && o.IfUID != state.UID:
		// A refused client looks before it tries again.
		c.known[o.Object] = state
		refusal = refused(409, "Conflict")
	default:
		return state, nil
	}
	return state, &refusal
}

func (c *client) create(o Operation, _ int) Answer {
	w := c.world
	if _, there := w.objects[o.Object]; there {
		return refused(409, "AlreadyExists")
	}
	if w.strikes("an unjustified AlreadyExists") {
		return refused(409, "AlreadyExists")
	}
	if o.DryRun {
		return done(State{Object: o.Object, Token: o.Token})
	}
	state := w.create(o.Object, o.Token, "spec-"+o.Token)
	c.known[o.Object] = state
	return done(state)
}

func (c *client) write(o Operation, _ int) Answer {
	w := c.world
	state, refusal := c.present(o)
	// What comes of a dry run, or of an object that goes with this write, nobody sees.
	lasting := !o.DryRun && !state.Deleting
	switch {
	case refusal != nil && refusal.Code == 409 && lasting && w.strikes("a lost update"):
	case refusal != nil && refusal.Code == 409 && lasting && w.strikes("a refused write takes place"):
		defer c.write(Operation{Object: o.Object, Token: o.Token}, 0)
		return *refusal
	case refusal != nil:
		return *refusal
	case o.IfRevision != 0 && w.strikes("an unjustified conflict"):
		return refused(409, "Conflict")
	}
	before := state
	state = c.change(state, o)
	if o.DryRun && !w.strikes("a dry run writes") {
		return done(state)
	}
	if state.Deleting && state.Finalizers == "" {
		w.commit(o.Object, State{})
		return done(state)
	}
	if w.strikes("an acknowledged write is missing") {
		w.revision++
		state.Object, state.Revision = o.Object, w.revision
		return done(state)
	}
	if w.strikes("a write takes place twice") {
		w.commit(o.Object, state)
		w.commit(o.Object, before)
	}
	state = w.commit(o.Object, state)
	c.known[o.Object] = state
	return done(state)
}

// change is what a write makes of an object.
func (c *client) change(state State, o Operation) State {
	w := c.world
	// What comes of a dry run, or of an object that goes with this write, nobody sees.
	lasting := !o.DryRun && !state.Deleting
	if o.status() {
		state.StatusToken, state.Status = o.Token, "status-"+o.Token
		if lasting && w.strikes("generation changes without the spec") {
			state.Generation++
		}
		return state
	}
	state.Token = o.Token
	switch {
	case state.Deleting && w.chance(2):
		state.Finalizers = ""
	case w.chance(2):
		state.Spec, state.Generation = "spec-"+o.Token, state.Generation+1
		if lasting && w.strikes("generation does not count a change") {
			state.Generation--
		}
	default:
		state.Labels = pick(w, []string{"side=left", "side=right"})
	}
	if lasting && w.strikes("the UID changes") {
		state.UID = "changed"
	}
	if lasting && w.strikes("creationTimestamp changes") {
		state.CreatedAt = "changed"
	}
	if lasting && w.strikes("the managers are lost") {
		state.Managers = ""
	}
	return state
}

// delete an object. One that was unheld, without finalizers when the server looked, goes even if it has some by now.
func (c *client) delete(o Operation, unheld bool) Answer {
	w := c.world
	state, refusal := c.present(o)
	if refusal != nil && refusal.Code == 409 && !state.Deleting && w.strikes("a delete that is refused takes place") {
		defer c.delete(Operation{Object: o.Object}, unheld)
		return *refusal
	}
	if refusal != nil && (refusal.Code == 404 || o.DryRun || !w.strikes("a precondition of a delete is ignored")) {
		return *refusal
	}
	if o.DryRun && (state.Deleting || !w.strikes("a delete that is tried takes place")) {
		return done(state)
	}
	unheld = unheld || state.Finalizers == ""
	switch {
	case unheld && w.strikes("an acknowledged delete is missing"):
		return Answer{Code: 200, UID: state.UID}
	case unheld:
		w.commit(o.Object, State{})
		return Answer{Code: 200, UID: state.UID}
	case !state.Deleting:
		state.Deleting, state.Generation = true, state.Generation+1
		state = w.commit(o.Object, state)
	}
	return done(state)
}

// snapshot that a read shows: the newest, or any for who takes any.
func (c *client) snapshot(o Operation) int {
	newest := len(c.world.snapshots) - 1
	if o.Asked == anyRevision {
		return c.world.random.IntN(newest + 1)
	}
	return newest
}

func (c *client) get(o Operation, sighted int) Answer {
	w := c.world
	at := c.snapshot(o)
	for back := sighted - 1; o.Object == stable && o.Asked == "" && back > 0; back-- {
		if w.log[back].State.Object == stable && w.strikes("a stale read") {
			at = back - 1
		}
	}
	state, there := w.snapshots[at][o.Object]
	if !there || o.Object == stable && w.strikes("404 on an existing name") {
		return refused(404, "NotFound")
	}
	if w.strikes("a read shows another UID") {
		state.UID = "other"
	}
	if w.strikes("a read shows another manager") {
		state.Managers = "other/Update"
	}
	return done(state)
}

func (c *client) items(at int, scope Scope) []*State {
	var items []*State
	matches := scope.matcher()
	for _, state := range c.world.snapshots[at] {
		if matches(&state) {
			items = append(items, &state)
		}
	}
	slices.SortFunc(items, func(a, b *State) int { return strings.Compare(a.Object.String(), b.Object.String()) })
	return items
}

func (c *client) list(o Operation, sighted int) Answer {
	w := c.world
	at := c.snapshot(o)
	if o.Asked == "" && sighted > 1 && w.strikes("a stale list") {
		at = sighted - 2
	}
	items := c.items(at, o.Scope)
	if len(items) > 1 && w.strikes("an object is missing in a list") {
		items = items[1:]
	}
	return Answer{Code: 200, Revision: w.log[at].Revision, Items: items}
}

// pages lists in pages of one item. The first is of the newest state, and all further ones of the same.
func (c *client) pages(scope Scope, at, from int, chain string) {
	c.send(Operation{Verb: List, Scope: scope, Pages: chain, Continued: from > 0}, func(Operation, int) Answer {
		w := c.world
		if from == 0 {
			at = len(w.snapshots) - 1
		} else if newest := len(w.snapshots) - 1; newest > at && w.strikes("pages of two states") {
			at = newest
		}
		items := c.items(at, scope)
		answer := Answer{Code: 200, Revision: w.log[at].Revision, More: from+1 < len(items)}
		if from < len(items) {
			answer.Items = items[from : from+1]
		}
		if answer.More {
			c.after = func() { c.pages(scope, at, from+1, chain) }
		}
		return answer
	})
}

// objectsOf a snapshot, in the order of their names, as a watch sends its initial state.
func (w *world) objectsOf(at int, matches func(*State) bool) []State {
	var states []State
	for _, state := range w.snapshots[at] {
		if matches(&state) {
			states = append(states, state)
		}
	}
	slices.SortFunc(states, func(a, b State) int { return strings.Compare(a.Object.String(), b.Object.String()) })
	return slices.Clip(states)
}
