package consistency

import (
	"fmt"
	"slices"
)

// identities checks what the store itself went through: K6, S1 and S2. No answer is needed for it.
func (c *checker) identities() {
	c.arrivals()
	for _, object := range c.timeline.objects() {
		uids := map[string]bool{}
		for _, i := range c.timeline.byObject[object] {
			change, before := c.timeline.changes[i], c.timeline.previous[i]
			if change.Deleted {
				c.deleted(i)
				continue
			}
			switch {
			case !c.timeline.exists(before):
				if uids[change.State.UID] {
					c.accuse("K6", object, change.Received, "it was created anew with the UID of an earlier incarnation",
						c.change(before), change)
				}
			case c.timeline.imported(i):
				c.moved(c.timeline.changes[before], change)
			default:
				c.changed(c.timeline.changes[before], change)
			}
			uids[change.State.UID] = true
		}
	}
}

// arrivals checks that stores count up. A store hands out its changes in their order, so one that comes later with a
// lower revision was made by a store that went back; a copy in a further store must be above the original.
func (c *checker) arrivals() {
	newest := map[string]*Change{}
	type copied struct {
		store  string
		object Object
	}
	known := map[copied]bool{}
	highest := map[Object]*Change{}
	var origin string
	for i, change := range c.timeline.arrived {
		if i == 0 {
			origin = change.Store
		}
		object := change.State.Object
		if last := newest[change.Store]; last != nil && change.Revision <= last.Revision && !change.Baseline {
			c.accuse("S1", object, change.Received, fmt.Sprintf("after revision %d the store went on with revision %d",
				last.Revision, change.Revision), last, change)
		}
		above := highest[object]
		if first := !known[copied{change.Store, object}]; first && change.Store != origin &&
			above != nil && above.Store != change.Store && change.Revision <= above.Revision {
			c.accuse("S1", object, change.Received, fmt.Sprintf("the copy in store %s has revision %d, and the original %d: "+
				"a watch from there would be silent", change.Store, change.Revision, above.Revision), above, change)
		}
		known[copied{change.Store, object}] = true
		newest[change.Store] = change
		if above == nil || change.Revision > above.Revision {
			highest[object] = change
		}
	}
}

// deleted checks that an object which somebody waits for is not gone before its deletion began: no API does that, and who
// deletes keys below it does. There is one exception, which is counted: a server reads the object, finds no finalizers and
// deletes it without looking again, so that one which comes in between is passed over (kubernetes#77988, and any server that is
// made of k8s.io/apiserver's generic registry).
func (c *checker) deleted(place int) {
	after, before := c.timeline.changes[place], c.timeline.changes[c.timeline.previous[place]]
	was := before.State
	if was.Finalizers == "" || was.Deleting {
		return
	}
	if c.overtaken(place) {
		c.verdict.Counts.Overtaken++
		return
	}
	c.accuse("K6", was.Object, after.Received, fmt.Sprintf("it is gone, and its finalizers (%s) had never been told",
		was.Finalizers), before, after)
}

// overtaken tells whether a request to delete an object may have been under way when somebody put the first of the finalizers
// on it that it had when it went.
func (c *checker) overtaken(place int) bool {
	held := c.timeline.previous[place]
	for before := c.timeline.previous[held]; c.timeline.exists(before) && c.timeline.changes[before].State.Finalizers != ""; {
		held, before = before, c.timeline.previous[before]
	}
	return slices.ContainsFunc(c.history.Operations, func(o *Operation) bool {
		if o.Verb != Delete || o.Object != c.timeline.changes[place].State.Object || o.DryRun || o.Outcome() == Refused ||
			o.Call > c.bounds.committed[held] {
			return false
		}
		_, last := c.bounds.window(o)
		return o.Outcome() == Unknown || place <= last
	})
}

// changed checks one change of an object that was there, and still is, in the same store.
func (c *checker) changed(before, after *Change) {
	was, is := &before.State, &after.State
	object := is.Object
	switch {
	case was.UID != is.UID:
		c.accuse("K6", object, after.Received, fmt.Sprintf("the UID changed from %s to %s without a deletion",
			was.UID, is.UID), before, after)
		return
	case was.CreatedAt != is.CreatedAt:
		c.accuse("K6", object, after.Received, fmt.Sprintf("creationTimestamp changed from %s to %s",
			was.CreatedAt, is.CreatedAt), before, after)
	case was.Deleting && !is.Deleting:
		c.accuse("K6", object, after.Received, "its deletion was taken back", before, after)
	case was.Managers != "" && is.Managers == "" && !c.options.Unmanaged:
		c.accuse("K6", object, after.Received, "nobody manages its fields any more", before, after)
	}
	if was.Spec == "" || is.Spec == "" || was.APIVersion != is.APIVersion {
		return
	}
	want, why := was.Generation, "the spec did not change"
	switch {
	case was.Spec != is.Spec:
		want, why = want+1, "the spec changed once"
	case !was.Deleting && is.Deleting:
		want, why = want+1, "its deletion began, which counts"
	}
	if is.Generation != want {
		c.accuse("K6", object, after.Received, fmt.Sprintf("generation went from %d to %d, and %s",
			was.Generation, is.Generation, why), before, after)
	}
}

// deletedAnew checks that an object whose deletion had begun when it was made anew is deleted after all.
func (c *checker) deletedAnew(before, after *Change) {
	if !before.State.Deleting || after.State.Deleting {
		return
	}
	for now := range c.timeline.from(after) {
		if now.Deleted || now.State.Deleting {
			return
		}
	}
	c.accuse("S2", after.State.Object, after.Received, "its deletion had begun, and was forgotten by the move", before, after)
}

// statusAnew checks that an object that was made anew got its status, before anybody wrote another.
func (c *checker) statusAnew(before, after *Change) {
	for now := range c.timeline.from(after) {
		if now.State.StatusToken == before.State.StatusToken {
			return
		}
		if now.Deleted || now.State.StatusToken != "" {
			break
		}
	}
	c.accuse("S2", after.State.Object, after.Received, "the move forgot the status that was written last", before, after)
}

// moved checks a copy of an object in another store.
func (c *checker) moved(before, after *Change) {
	want, got := before.State, after.State
	if got.UID != want.UID && got.OriginalUID == want.UID {
		// A move through the API: the server gives the UID, the time and the generation; status and managers come later.
		got.UID, got.CreatedAt, got.Generation = want.UID, want.CreatedAt, want.Generation
		got.Status, got.StatusToken = want.Status, want.StatusToken
		got.Managers = want.Managers
		c.statusAnew(before, after)
		c.deletedAnew(before, after)
		got.Deleting = want.Deleting
	}
	for _, difference := range differences("S2", &got, &want) {
		c.accuse("S2", got.Object, after.Received, fmt.Sprintf("in store %s %s %s", after.Store, difference[1], before.Store),
			before, after)
	}
}
