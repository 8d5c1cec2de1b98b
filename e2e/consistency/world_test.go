package consistency

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"
)

// world is a small store with clients, watches, a controller and an oracle, run by a scheduler that is decided by a
// seed: everything takes time, and what is under way overlaps in any way that it can. It is correct, but for the one
// fault that it was given.
type world struct {
	random   *rand.Rand
	now      time.Duration
	recorder *Recorder
	store    string
	revision int64
	objects  map[Object]State
	// log of the changes, and what there was after each of them.
	log       []Change
	snapshots []map[Object]State
	// told is how many changes of each store the oracle told. sighted is how much of the log somebody has surely seen.
	told    map[string]int
	sighted int
	late    []func()
	uids    int
	clients []*client
	watches []*watcher
	// fault to inject, if any, and whether it was.
	fault  string
	struck bool
}

var (
	// stable is there from the beginning and is never deleted.
	stable  = Object{Namespace: "ns", Name: "stable"}
	objects = []Object{stable, {"ns", "a"}, {"ns", "b"}, {"other", "a"}}
)

// setting is what a run is about.
type setting struct {
	seed  uint64
	fault string
	// moves is whether the objects move to another store half-way; anew is whether they get new UIDs there.
	moves, anew bool
}

const (
	clients  = 4
	watchers = 3
	turns    = 700
)

// play runs a world and returns its history.
func play(t *testing.T, s setting) (History, bool) {
	t.Helper()
	w := &world{
		random: rand.New(rand.NewPCG(s.seed, 1)), revision: 100, fault: s.fault,
		objects: map[Object]State{}, told: map[string]int{},
	}
	w.recorder = newRecorder("t", func() time.Duration { return w.now })
	w.create(stable, "", "spec-0")
	w.log[0].Baseline = true
	w.recorder.Change(w.log[0])
	w.told[""], w.sighted = 1, 1
	for i := range clients {
		w.clients = append(w.clients, &client{world: w, name: fmt.Sprintf("client-%d", i), known: map[Object]State{}})
	}
	for i := range watchers {
		w.watches = append(w.watches, &watcher{world: w, name: fmt.Sprintf("watcher-%d", i), scope: scopes[i]})
	}
	for turn := range turns {
		w.turn()
		if turn == turns/2 && s.moves {
			w.move(s.anew)
		}
	}
	w.end(t)
	return w.recorder.History(), w.struck
}

var scopes = []Scope{{}, {Namespace: "ns"}, {Selector: "side=left"}}

// strikes tells whether the fault is to happen now, which it does once.
func (w *world) strikes(fault string) bool {
	if w.fault != fault || w.struck || w.random.IntN(3) > 0 {
		return false
	}
	w.struck = true
	return true
}

func (w *world) chance(of int) bool { return w.random.IntN(of) == 0 }

func pick[T any](w *world, from []T) T { return from[w.random.IntN(len(from))] }

func (w *world) turn() {
	w.now += time.Duration(1+w.random.IntN(1000)) * time.Microsecond
	switch at := w.random.IntN(10); {
	case at < 5:
		pick(w, w.clients).turn()
	case at < 7:
		pick(w, w.watches).turn()
	case at < 9:
		w.tell()
	case len(w.late) > 0 && w.chance(2):
		// Nobody learns what comes of it, so that no fault is to be found in it.
		fault := w.fault
		w.fault = ""
		w.late[0]()
		w.fault, w.late = fault, w.late[1:]
	default:
		w.control()
	}
}

// end lets everything that is correct come to its end.
func (w *world) end(t *testing.T) {
	for _, c := range w.clients {
		for c.next != nil {
			w.now += time.Microsecond
			c.turn()
		}
	}
	for w.told[""]+w.told["b"] < len(w.log) {
		w.now += time.Microsecond
		w.tell()
	}
	for _, watch := range w.watches {
		for !watch.silent && (watch.record == nil || watch.position < len(w.log) || watch.initial) {
			w.now += time.Microsecond
			watch.turn()
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	// One look is enough: nothing moves any more.
	if err := w.recorder.Settle(ctx, w.store, w.log[len(w.log)-1].Revision); err != nil && w.fault == "" {
		t.Fatal(err)
	}
}

// tell has an oracle tell its next change.
func (w *world) tell() {
	store := pick(w, []string{"", "b"})
	var mine []Change
	for _, change := range w.log {
		if change.Store == store {
			mine = append(mine, change)
		}
	}
	if at := w.told[store]; at < len(mine) {
		w.recorder.Change(mine[at])
		w.told[store]++
		if w.store == "" {
			w.sighted = max(w.sighted, w.told[""])
		}
	}
}

// commit writes a state, or without a UID deletes the object.
func (w *world) commit(object Object, state State) State {
	w.revision += int64(1 + w.random.IntN(3))
	if len(w.log) > 20 && w.strikes("the revision goes back") {
		w.revision -= 40
	}
	state.Object, state.Revision = object, w.revision
	if state.UID == "" {
		delete(w.objects, object)
	} else {
		w.objects[object] = state
	}
	w.log = append(w.log, Change{Store: w.store, Revision: w.revision, Deleted: state.UID == "", State: state})
	w.snapshots = append(w.snapshots, maps.Clone(w.objects))
	return state
}

func (w *world) create(object Object, token, spec string) State {
	w.uids++
	return w.commit(object, State{
		APIVersion: "v1", UID: fmt.Sprintf("uid-%d", w.uids), CreatedAt: fmt.Sprint(w.now), Generation: 1,
		Token: token, Spec: spec, Status: "status-0", Labels: pick(w, []string{"side=left", "side=right"}),
		Finalizers: pick(w, []string{"", "duet"}), Managers: "client/Update",
	})
}

// control is the controller: it writes the status and takes its finalizer off, and nobody records its requests.
func (w *world) control() {
	object := pick(w, objects)
	state, there := w.objects[object]
	if !there {
		return
	}
	if state.Deleting {
		w.commit(object, State{})
		return
	}
	if state.Finalizers == "" && w.strikes("an object that nobody deletes is gone") ||
		state.Finalizers != "" && w.strikes("an object with a finalizer is gone") {
		w.commit(object, State{})
		return
	}
	state.Status = fmt.Sprintf("status-%d", w.random.IntN(100))
	w.commit(object, state)
}

// hold is the controller, putting its finalizer on.
func (w *world) hold(object Object) {
	if state, there := w.objects[object]; there && state.Finalizers == "" && !state.Deleting {
		state.Finalizers = "duet"
		w.commit(object, state)
	}
}

// move copies the objects to another store, above all revisions of the first, and closes the watches of that.
func (w *world) move(anew bool) {
	w.store = "b"
	if w.revision += 1000; w.strikes("the copy is below") {
		w.revision -= 1090
	}
	for _, object := range slices.SortedFunc(maps.Keys(w.objects), func(a, b Object) int {
		return slices.Compare([]string{a.Namespace, a.Name}, []string{b.Namespace, b.Name})
	}) {
		state := w.objects[object]
		if w.strikes("the copy has another spec") {
			state.Spec = "other"
		}
		if w.strikes("the copy has another UID") {
			state.UID = "other"
		}
		if w.strikes("the copy has other owners") {
			state.Owners = "other"
		}
		if state.StatusToken != "" && w.strikes("the copy has no status") {
			state.StatusToken = ""
		}
		if w.strikes("the copy has no managers") {
			state.Managers = ""
		}
		if anew {
			w.uids++
			state.OriginalUID, state.UID = state.UID, fmt.Sprintf("uid-%d", w.uids)
			state.CreatedAt, state.Generation = fmt.Sprint(w.now), 1
		}
		w.commit(object, state)
	}
	w.recorder.Mark("moved to store b")
	for _, watch := range w.watches {
		watch.finish(Gone, 0, "410 Expired")
	}
}

// kind of event that a change is to who sees only what matches.
func (w *world) kind(at int, matches func(*State) bool) (watch.EventType, State) {
	object := w.log[at].State.Object
	var before State
	if at > 0 {
		before = w.snapshots[at-1][object]
	}
	after := w.log[at].State
	was, is := before.UID != "" && matches(&before), after.UID != "" && matches(&after)
	before.Revision = after.Revision
	switch {
	case was && is:
		return watch.Modified, after
	case is:
		return watch.Added, after
	case was:
		return watch.Deleted, before
	default:
		return "", State{}
	}
}
