package consistency

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"sort"

	"k8s.io/apimachinery/pkg/watch"
)

// timeline is what happened according to the oracle, in the order of the revisions, which is the order of the store.
type timeline struct {
	changes []*Change
	// arrived are the same changes in the order the oracles told of them.
	arrived    []*Change
	byRevision map[int64]int
	byObject   map[Object][]int
	// previous change of the same object, or -1.
	previous []int
	// authored are the changes that first show a token, which is where the write with that token took effect.
	authored map[string][]int
	stores   map[string]bool
	views    map[Scope]view
}

func newTimeline(changes []Change) *timeline {
	t := &timeline{
		byRevision: map[int64]int{}, byObject: map[Object][]int{}, authored: map[string][]int{},
		stores: map[string]bool{}, views: map[Scope]view{},
	}
	for i := range changes {
		t.arrived = append(t.arrived, &changes[i])
		t.stores[changes[i].Store] = true
	}
	inOrder := slices.Clone(t.arrived)
	slices.SortStableFunc(inOrder, func(a, b *Change) int { return cmp.Compare(a.Revision, b.Revision) })
	last := map[Object]int{}
	for _, change := range inOrder {
		before, known := last[change.State.Object]
		if !known {
			before = none
		}
		// An import tidies up what was deleted elsewhere. For readers nothing happens then.
		if change.Deleted && !t.exists(before) {
			continue
		}
		i := len(t.changes)
		t.changes = append(t.changes, change)
		t.previous = append(t.previous, before)
		t.byRevision[change.Revision] = i
		t.byObject[change.State.Object] = append(t.byObject[change.State.Object], i)
		last[change.State.Object] = i
		t.credit(i)
	}
	return t
}

// none is the place before the first change, and no change of an object.
const none = -1

// credit finds the tokens that a change brings.
func (t *timeline) credit(i int) {
	change := t.changes[i]
	if change.Baseline || change.Deleted {
		return
	}
	var before State
	if t.exists(t.previous[i]) {
		before = t.changes[t.previous[i]].State
	}
	for _, token := range []struct{ now, before string }{
		{change.State.Token, before.Token}, {change.State.StatusToken, before.StatusToken},
	} {
		if token.now != "" && token.now != token.before {
			t.authored[token.now] = append(t.authored[token.now], i)
		}
	}
}

// objects that there ever were, in the order of their names.
func (t *timeline) objects() []Object {
	return slices.SortedFunc(maps.Keys(t.byObject), func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

// exists tells whether an object is there after a change of it.
func (t *timeline) exists(i int) bool { return i != none && !t.changes[i].Deleted }

// imported tells whether a change is a copy of the object into another store, or that copy once more: who is interrupted
// while copying begins again. No server writes what is there already.
func (t *timeline) imported(i int) bool {
	for !t.changes[i].Deleted && t.exists(t.previous[i]) {
		before := t.previous[i]
		if t.changes[before].Store != t.changes[i].Store {
			return true
		}
		was, is := t.changes[before].State, t.changes[i].State
		if was.Revision = is.Revision; was != is {
			return false
		}
		i = before
	}
	return false
}

// dooms tells whether a deletion begins with a change, or is done at once. One that had begun before the object was made
// anew elsewhere begins there once more, and that is no other; nor is it one when a copy is taken away.
func (t *timeline) dooms(i int) bool {
	change, before := t.changes[i], t.previous[i]
	if !t.exists(before) || t.changes[before].State.Deleting || t.imported(i) || t.imported(before) && change.Deleted ||
		!change.Deleted && !change.State.Deleting {
		return false
	}
	for uid := t.changes[before].State.UID; before != none && t.changes[before].State.UID == uid; before = t.previous[before] {
		if t.imported(before) && t.changes[t.previous[before]].State.Deleting {
			return false
		}
	}
	return true
}

// at is the last change of an object up to a place in the timeline, or none.
func (t *timeline) at(object Object, place int) int {
	changes := t.byObject[object]
	after := sort.SearchInts(changes, place+1)
	if after == 0 {
		return none
	}
	return changes[after-1]
}

// within are the changes of an object after one place and up to another.
func (t *timeline) within(object Object, after, upTo int) []int {
	changes := t.byObject[object]
	return changes[sort.SearchInts(changes, after+1):sort.SearchInts(changes, upTo+1)]
}

// next change of an object after a place, or none.
func (t *timeline) next(object Object, place int) int {
	changes := t.byObject[object]
	if after := sort.SearchInts(changes, place+1); after < len(changes) {
		return changes[after]
	}
	return none
}

// from are a change and those of the same object after it.
func (t *timeline) from(change *Change) iter.Seq[*Change] {
	return func(yield func(*Change) bool) {
		object := change.State.Object
		for i := t.byRevision[change.Revision]; i != none && yield(t.changes[i]); {
			i = t.next(object, i)
		}
	}
}

// news is the next change of an object that is more than its copy in another store, or none. While objects move, both
// stores are served from for a moment, and what the old one shows is the newest state until something is written.
func (t *timeline) news(object Object, place int) int {
	for {
		if place = t.next(object, place); place == none || !t.imported(place) {
			return place
		}
	}
}

// original is the first place from one on that is more than a copy in another store.
func (t *timeline) original(place int) int {
	for place < len(t.changes) && t.imported(place) {
		place++
	}
	return place
}

// copies tells whether there are changes after a revision and up to another, and all of them are copies in another
// store.
func (t *timeline) copies(after, upTo int64) bool {
	between := t.changes[t.place(after)+1 : t.place(upTo)+1]
	for i := range between {
		if !t.imported(t.place(after) + 1 + i) {
			return false
		}
	}
	return len(between) > 0
}

// place is that of the last change up to a revision, or none.
func (t *timeline) place(revision int64) int {
	return sort.Search(len(t.changes), func(i int) bool { return t.changes[i].Revision > revision }) - 1
}

// due is an event that a watch has to deliver.
type due struct {
	change *Change
	kind   watch.EventType
	// state in the event: of an object that is gone, the last one it had, at the revision that it went.
	state State
}

// view is the timeline as a watch of one scope has to tell it.
type view []due

func (t *timeline) view(scope Scope) view {
	if known, ok := t.views[scope]; ok {
		return known
	}
	matches := scope.matcher()
	made := view{}
	for i, change := range t.changes {
		there, was := !change.Deleted && matches(&change.State), false
		if before := t.previous[i]; t.exists(before) {
			was = matches(&t.changes[before].State)
		}
		event := due{change: change, state: change.State}
		switch {
		case there && was:
			event.kind = watch.Modified
		case there:
			event.kind = watch.Added
		case was:
			event.kind = watch.Deleted
			event.state = t.changes[t.previous[i]].State
			event.state.Revision = change.Revision
		default:
			continue
		}
		made = append(made, event)
	}
	t.views[scope] = made
	return made
}

// between are the events after one revision and up to another.
func (v view) between(after, upTo int64) []due {
	first := func(revision int64) int {
		return sort.Search(len(v), func(i int) bool { return v[i].change.Revision > revision })
	}
	begin, end := first(after), first(upTo)
	return v[min(begin, end):end]
}
