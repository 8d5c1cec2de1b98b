package consistency

import (
	"fmt"
	"net/http"
	"strconv"
)

// anyRevision asks for a read from a cache, however old.
const anyRevision = "0"

// reads checks what was read against what the store held: R1 to R4, and S4 for all that was not found.
func (c *checker) reads() {
	pages := map[string][]*Operation{}
	var chains []string
	for _, operation := range c.history.Operations {
		if operation.Answer.Code == http.StatusNotFound {
			c.notFound(operation)
		}
		if operation.Outcome() != Done {
			continue
		}
		switch {
		case operation.Verb == Get && operation.Answer.State != nil:
			c.got(operation)
		case operation.Verb == List:
			c.listed(operation)
			if operation.Pages == "" {
				c.contents(operation, operation.Answer.Items)
				continue
			}
			if pages[operation.Pages] == nil {
				chains = append(chains, operation.Pages)
			}
			pages[operation.Pages] = append(pages[operation.Pages], operation)
		}
	}
	for _, chain := range chains {
		c.chain(pages[chain])
	}
}

// notFound checks that what was not found was not there. A collection always is.
func (c *checker) notFound(operation *Operation) {
	if operation.Object.Name == "" || operation.Verb == Create {
		c.blame("S4", operation, "the API was not there")
		return
	}
	states := c.bounds.states(operation, operation.Object)
	if operation.Asked == anyRevision {
		_, last := c.bounds.window(operation)
		states = append([]int{none}, c.timeline.within(operation.Object, none, last)...)
		// A cache may be as old as it likes, but not older than the recording.
		for len(states) > 1 && c.timeline.changes[states[1]].Baseline {
			states = states[1:]
		}
	}
	for _, place := range states {
		if !c.timeline.exists(place) {
			return
		}
	}
	c.blame("S4", operation, "it was not found, and was there all the time", c.change(states[0]))
}

// got checks one object that was read.
func (c *checker) got(operation *Operation) {
	state := operation.Answer.State
	place, ok := c.shown(operation, state)
	if !ok {
		return
	}
	first, last := c.bounds.window(operation)
	next, news := c.timeline.next(operation.Object, place), c.timeline.news(operation.Object, place)
	switch asked, _ := strconv.ParseInt(operation.Asked, 10, 64); {
	case place > last:
		c.blame("R1", operation, "it was read before it was written", c.change(place))
	case operation.consistent() && news != none && news <= first:
		c.blame("R1", operation, fmt.Sprintf("the read is stale: revision %d was there before it was sent",
			c.timeline.changes[news].Revision), c.change(place), c.change(news), c.bounds.seen(operation.Call).proof)
	case asked > 0 && next != none && c.timeline.changes[next].Revision <= asked:
		c.blame("R4", operation, fmt.Sprintf("revision %d or newer was asked for, and revision %d was the object's then",
			asked, c.timeline.changes[next].Revision), c.change(place), c.change(next))
	}
}

// shown checks that a state is one that the store had, and returns its place.
func (c *checker) shown(operation *Operation, state *State) (int, bool) {
	place, known := c.timeline.byRevision[state.Revision]
	if !known || c.timeline.changes[place].State.Object != state.Object || c.timeline.changes[place].Deleted {
		c.accuse("R2", state.Object, operation.Return, fmt.Sprintf("revision %d of it was read, which never was in the store",
			state.Revision), operation, c.change(c.timeline.at(state.Object, c.timeline.place(state.Revision))))
		return none, false
	}
	for _, difference := range differences("R2", state, &c.timeline.changes[place].State) {
		c.accuse(difference[0], state.Object, operation.Return, "in an answer to a read "+difference[1], operation,
			state.brief(), c.change(place))
	}
	return place, true
}

// listed checks the revision of a list.
func (c *checker) listed(operation *Operation) {
	revision := operation.Answer.Revision
	_, last := c.bounds.window(operation)
	seen := c.bounds.seen(operation.Call)
	asked, _ := strconv.ParseInt(operation.Asked, 10, 64)
	switch {
	case operation.consistent() && revision < seen.revision && !c.timeline.copies(revision, seen.revision):
		c.blame("R1", operation, fmt.Sprintf("the list is stale: revision %d was there before it was sent", seen.revision),
			seen.proof)
	case c.timeline.place(revision) > last:
		c.blame("R1", operation, "the list has what was written after it was answered", c.change(c.timeline.place(revision)))
	case operation.Exact && revision != asked:
		c.blame("R4", operation, fmt.Sprintf("exactly revision %d was asked for", asked))
	case !operation.Continued && revision < asked:
		c.blame("R4", operation, fmt.Sprintf("revision %d or newer was asked for", asked))
	}
}

// contents checks the items of a whole list against the store at its revision.
func (c *checker) contents(operation *Operation, items []*State) {
	place := c.timeline.place(operation.Answer.Revision)
	matches := operation.Scope.matcher()
	missing := map[Object]int{}
	for object := range c.timeline.byObject {
		at := c.timeline.at(object, place)
		if c.timeline.exists(at) && matches(&c.timeline.changes[at].State) {
			missing[object] = at
		}
	}
	listed := map[Object]bool{}
	for _, item := range items {
		if listed[item.Object] {
			c.accuse("R2", item.Object, operation.Return, "it is in the list twice", operation)
			continue
		}
		listed[item.Object] = true
		at, ok := missing[item.Object]
		if !ok {
			c.accuse("R2", item.Object, operation.Return, "it is in the list, and was not there at the list's revision",
				operation, item.brief(), c.change(c.timeline.at(item.Object, place)))
			continue
		}
		delete(missing, item.Object)
		if shown, ok := c.shown(operation, item); ok && shown != at {
			c.accuse("R2", item.Object, operation.Return, fmt.Sprintf("the list has revision %d of it, and at the list's "+
				"revision it was %d", item.Revision, c.timeline.changes[at].Revision), operation, c.change(at))
		}
	}
	for _, object := range c.timeline.objects() {
		if at, ok := missing[object]; ok {
			c.accuse("R2", object, operation.Return, "it is not in the list, and was there at the list's revision",
				operation, c.change(at))
		}
	}
}

// chain checks a list that came in pages: all of one revision, and together what was there. One that broke off is
// checked as far as it goes.
func (c *checker) chain(pages []*Operation) {
	var items []*State
	first := pages[0]
	for _, page := range pages {
		items = append(items, page.Answer.Items...)
		if page.Answer.Revision != first.Answer.Revision {
			c.blame("R3", page, fmt.Sprintf("a page has revision %d, and the first one has %d",
				page.Answer.Revision, first.Answer.Revision), first)
			return
		}
	}
	if !pages[len(pages)-1].Answer.More {
		c.contents(first, items)
	}
}
