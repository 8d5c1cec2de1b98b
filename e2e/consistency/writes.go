package consistency

import (
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// writes checks what was answered to writes against what the store holds: K1 to K5, K7 and K8.
func (c *checker) writes() {
	for _, operation := range c.history.Operations {
		if !operation.Verb.Writes() {
			continue
		}
		places := c.timeline.authored[operation.Token]
		switch outcome := operation.Outcome(); {
		case operation.DryRun && len(places) > 0:
			c.blame("K8", operation, "the dry run was written", c.change(places[0]))
		case operation.DryRun && outcome == Done:
		case operation.removes():
			c.removal(operation)
		case outcome == Done:
			c.acknowledged(operation, places)
		case outcome == Refused && len(places) > 0:
			c.blame("K2", operation, "the write was refused, and took place", c.change(places[0]))
		case outcome == Unknown && len(places) > 1:
			c.twice(operation, places)
		}
		if operation.Answer.Code == http.StatusConflict {
			c.conflict(operation)
		}
		for _, place := range places {
			c.tookPlace(operation, place)
		}
	}
}

// deletions checks that each was asked for (K9). Deletes have no token: one that was refused, or only tried, and took place
// all the same, is found by this.
func (c *checker) deletions() {
	asked := map[int]bool{}
	for _, operation := range c.history.Operations {
		outcome := operation.Outcome()
		if operation.Verb != Delete || operation.DryRun || outcome == Refused {
			continue
		}
		first, last := c.bounds.window(operation)
		if outcome == Unknown {
			last = len(c.timeline.changes) - 1
		}
		for _, place := range c.timeline.within(operation.Object, first, last) {
			asked[place] = true
		}
	}
	for i, change := range c.timeline.changes {
		if c.timeline.dooms(i) && !asked[i] {
			c.accuse("K9", change.State.Object, change.Received, "it was deleted, and nobody had asked for that",
				c.change(c.timeline.previous[i]), change)
		}
	}
}

// blame reports a violation by the answer to a request.
func (c *checker) blame(property string, operation *Operation, text string, evidence ...any) {
	c.accuse(property, operation.Object, operation.Return, text, append([]any{operation}, evidence...)...)
}

func (c *checker) twice(operation *Operation, places []int) {
	c.blame("K2", operation, fmt.Sprintf("the write took place %d times", len(places)),
		c.change(places[0]), c.change(places[1]))
}

// acknowledged checks a write that was answered with the object.
func (c *checker) acknowledged(operation *Operation, places []int) {
	state := operation.Answer.State
	switch {
	case operation.Token != "" && len(places) == 0:
		c.blame("K2", operation, "the write was acknowledged, and never reached the store",
			c.change(c.timeline.at(operation.Object, len(c.timeline.changes)-1)))
		return
	case len(places) > 1:
		c.twice(operation, places)
		return
	case state == nil:
		return
	}
	place, known := c.timeline.byRevision[state.Revision]
	if !known || c.timeline.changes[place].State.Object != operation.Object || len(places) == 1 && places[0] != place {
		if len(places) == 1 {
			place = places[0]
		} else {
			place = c.timeline.at(operation.Object, c.timeline.place(state.Revision))
		}
		c.blame("K2", operation, fmt.Sprintf("the write was acknowledged with revision %d, and the store has it elsewhere",
			state.Revision), c.change(place))
		return
	}
	for _, difference := range differences("K2", state, &c.timeline.changes[place].State) {
		c.blame(difference[0], operation, "in the answer to the write "+difference[1], c.change(place))
	}
	if operation.Verb != Delete {
		return
	}
	// The deletion began with this change, unless it had begun before and nothing changed. Who demands what this change made
	// came after it.
	before := c.timeline.previous[place]
	if c.timeline.exists(before) && !c.timeline.changes[before].State.Deleting && operation.IfRevision != state.Revision {
		place = before
	}
	c.demanded(operation, c.timeline.changes[place])
}

// demanded checks that what a delete was about is what it demanded.
func (c *checker) demanded(operation *Operation, was *Change) {
	if operation.IfUID != "" && was.State.UID != operation.IfUID {
		c.blame("K7", operation, "another UID was deleted than the one demanded", was)
	}
	if operation.IfRevision != 0 && was.Revision != operation.IfRevision {
		c.blame("K7", operation, "another revision was deleted than the one demanded", was)
	}
}

// tookPlace checks where in the order a write took effect, whatever was answered.
func (c *checker) tookPlace(operation *Operation, place int) {
	change, before := c.timeline.changes[place], c.timeline.previous[place]
	if seen := c.bounds.seen(operation.Call); seen.revision >= change.Revision {
		c.blame("K1", operation, fmt.Sprintf("the write got revision %d, and before it was sent %d had been seen",
			change.Revision, seen.revision), change, seen.proof)
	}
	switch {
	case operation.Verb == Create && c.timeline.exists(before):
		c.blame("K3", operation, "it was created over an object that was there", c.change(before), change)
	case operation.IfRevision != 0 && (before == none || c.timeline.changes[before].Revision != operation.IfRevision):
		c.blame("K3", operation, fmt.Sprintf("the write was to change revision %d only, and overwrote another: "+
			"an update is lost", operation.IfRevision), c.change(before), change)
	}
}

// removal checks an answer that says that the object is gone, which has no resourceVersion of its own.
func (c *checker) removal(operation *Operation) {
	uid := operation.Answer.UID
	if state := operation.Answer.State; state != nil {
		uid = state.UID
	}
	first, last := c.bounds.window(operation)
	found := none
	for _, place := range c.timeline.within(operation.Object, first, last) {
		before := c.timeline.previous[place]
		if c.timeline.changes[place].Deleted && (uid == "" || c.timeline.changes[before].State.UID == uid) {
			found = place
		}
	}
	if found == none {
		c.blame("K2", operation, "the deletion was acknowledged, and the store has none at that time",
			c.change(c.timeline.at(operation.Object, last)))
		return
	}
	// Of an object with finalizers the first to go is the precondition's revision, and the last is another.
	was := c.timeline.changes[c.timeline.previous[found]]
	if operation.Verb == Delete && !was.State.Deleting {
		c.demanded(operation, was)
	}
}

// conflict checks that a 409 had a reason.
func (c *checker) conflict(operation *Operation) {
	states := c.bounds.states(operation, operation.Object)
	if operation.Answer.Reason == string(metav1.StatusReasonAlreadyExists) {
		for _, place := range states {
			if c.timeline.exists(place) {
				return
			}
		}
		c.blame("K5", operation, "it was said to exist, and did not", c.change(states[len(states)-1]))
		return
	}
	if len(states) > 1 && operation.IfRevision == 0 {
		return
	}
	for _, place := range states {
		if c.conflicts(operation, place) {
			return
		}
	}
	c.blame("K4", operation, "the write conflicted with nothing", c.change(states[len(states)-1]))
}

// conflicts tells whether the state at a place contradicts what a write demands.
func (c *checker) conflicts(operation *Operation, place int) bool {
	if !c.timeline.exists(place) {
		return true
	}
	state := c.timeline.changes[place].State
	return operation.IfRevision != 0 && state.Revision != operation.IfRevision ||
		operation.IfUID != "" && state.UID != operation.IfUID
}
