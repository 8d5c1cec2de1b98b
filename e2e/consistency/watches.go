package consistency

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/watch"
)

// streams checks what watches delivered against what the store went through: W1 to W8 and S3.
func (c *checker) streams() {
	previous := map[string]*Stream{}
	var lags []time.Duration
	for _, stream := range c.history.Streams {
		c.initial(stream)
		c.delivered(stream, &lags)
		c.silence(stream)
		if before := previous[stream.Watcher]; before != nil {
			c.resumed(before, stream)
		}
		previous[stream.Watcher] = stream
		if stream.Ending == Deferred && len(stream.Events) == 0 {
			c.verdict.Counts.Deferred++
		} else if (stream.Ending == Rejected || stream.Ending == Deferred) && !slices.Contains(c.options.Streams, stream.Code) {
			c.accuse("S3", Object{}, stream.Finished, fmt.Sprintf("the watch ended with code %d", stream.Code), stream)
		}
	}
	if len(lags) > 0 {
		slices.Sort(lags)
		counts := &c.verdict.Counts
		counts.LagMedian, counts.LagP99, counts.LagMax = lags[len(lags)/2], lags[len(lags)*99/100], lags[len(lags)-1]
	}
}

// blameStream reports a violation by an event of a watch.
func (c *checker) blameStream(property string, stream *Stream, event *Seen, text string, evidence ...any) {
	object := Object{}
	if event.State != nil {
		object = event.State.Object
	}
	c.accuse(property, object, event.At, text, append([]any{stream, event}, evidence...)...)
}

// delivered checks the events of a stream that follow its start or its initial state.
func (c *checker) delivered(stream *Stream, lags *[]time.Duration) {
	if !stream.told() {
		return
	}
	first := stream.synced()
	last := stream.Start
	if first > 0 {
		last = stream.Events[first-1].Revision
	}
	events := stream.Events[first:]
	due := c.timeline.view(stream.Scope).between(last, stream.reached())
	expected := map[int64]int{}
	for i := range due {
		expected[due[i].change.Revision] = i
	}
	came := map[int64]bool{}
	var bookmark int64
	for i := range events {
		event := &events[i]
		if event.State == nil {
			bookmark = max(bookmark, event.Revision)
			if event.Revision < last {
				c.blameStream("W1", stream, event, fmt.Sprintf("a bookmark of revision %d comes after revision %d",
					event.Revision, last))
			}
			last = max(last, event.Revision)
			continue
		}
		at, known := expected[event.Revision]
		switch {
		case came[event.Revision]:
			c.blameStream("W2", stream, event, "the event came before")
			continue
		case event.Revision <= bookmark:
			c.blameStream("W5", stream, event, fmt.Sprintf("a bookmark had said that all up to revision %d was told", bookmark))
		case event.Revision <= last:
			c.blameStream("W1", stream, event, fmt.Sprintf("the event comes after revision %d", last))
		}
		came[event.Revision] = true
		last = max(last, event.Revision)
		if !known {
			if place, there := c.timeline.byRevision[event.Revision]; there {
				c.blameStream("W3", stream, event, "the event is none that the watch had to tell", c.change(place))
			} else {
				c.blameStream("W3", stream, event, "the event is about a revision that never was in the store")
			}
			continue
		}
		c.compare(stream, event, &due[at])
		if len(c.timeline.stores) == 1 {
			*lags = append(*lags, max(0, event.At-due[at].change.Received))
		}
	}
	for i := range due {
		if change := due[i].change; !came[change.Revision] {
			c.accuse("W3", change.State.Object, stream.Finished, fmt.Sprintf("the watch told of revision %d, and never of %d: "+
				"an event is lost", stream.reached(), change.Revision), stream, change)
		}
	}
}

// compare checks one event against the change that it tells of.
func (c *checker) compare(stream *Stream, event *Seen, due *due) {
	if event.Type != due.kind {
		c.blameStream("W6", stream, event, fmt.Sprintf("the event is %s, and what happened is %s", event.Type, due.kind),
			due.change)
	}
	if event.State.Object != due.state.Object {
		c.blameStream("W3", stream, event, "the event is about another object than the revision", due.change)
		return
	}
	for _, difference := range differences("W3", event.State, &due.state) {
		c.blameStream(difference[0], stream, event, "in the event "+difference[1], due.change)
	}
}

// initial checks that the events up to the bookmark that ends the initial state add up to it.
func (c *checker) initial(stream *Stream) {
	if !stream.Initial || !stream.told() {
		return
	}
	events := stream.Events[:stream.synced()]
	end := events[len(events)-1]
	told := map[Object]*Seen{}
	for i := range events {
		event := &events[i]
		switch {
		case event.State == nil:
		case event.Type == watch.Deleted:
			delete(told, event.State.Object)
		default:
			told[event.State.Object] = event
		}
	}
	place, matches := c.timeline.place(end.Revision), stream.Scope.matcher()
	for _, object := range c.timeline.objects() {
		at := c.timeline.at(object, place)
		there := c.timeline.exists(at) && matches(&c.timeline.changes[at].State)
		event := told[object]
		delete(told, object)
		switch {
		case there && event == nil:
			c.accuse("W7", object, end.At, fmt.Sprintf("it is not in the initial state at revision %d", end.Revision),
				stream, c.change(at))
		case !there && event != nil:
			c.blameStream("W7", stream, event, fmt.Sprintf("it is in the initial state, and was not there at revision %d",
				end.Revision), c.change(at))
		case there && event.Revision != c.timeline.changes[at].Revision:
			c.blameStream("W7", stream, event, fmt.Sprintf("the initial state has an old revision of it, at revision %d",
				end.Revision), c.change(at))
		case there:
			for _, difference := range differences("W7", event.State, &c.timeline.changes[at].State) {
				c.blameStream(difference[0], stream, event, "in the initial state "+difference[1], c.change(at))
			}
		}
	}
	for _, event := range told {
		c.blameStream("W7", stream, event, "the initial state has an object that never was in the store")
	}
}

// resumed checks that a watcher lost nothing between two connections: it went on from what it had seen, or began anew.
func (c *checker) resumed(before, stream *Stream) {
	reached := before.reached()
	if stream.Initial || stream.Start <= reached {
		return
	}
	for _, operation := range c.history.Operations {
		if operation.Client == stream.Watcher && operation.Verb == List && operation.Outcome() == Done &&
			operation.Answer.Revision == stream.Start && operation.Return <= stream.Opened {
			return
		}
	}
	c.accuse("W4", Object{}, stream.Opened, fmt.Sprintf("the watcher went on from revision %d, "+
		"and had seen all up to %d only", stream.Start, reached), before, stream)
}

// silence checks that a stream which was open when the load ended had told everything.
func (c *checker) silence(stream *Stream) {
	settled := c.history.Settled
	if settled == 0 || stream.Opened > c.history.SettledAt ||
		stream.Ending != Open && stream.Finished < c.history.SettledAt {
		return
	}
	if !stream.told() {
		c.accuse("W8", Object{}, c.history.SettledAt, "the initial state never came", stream)
		return
	}
	// A watch from a revision that the store has yet to reach is told nothing of what happens until then.
	for _, due := range c.timeline.view(stream.Scope).between(0, stream.Start) {
		if place := c.timeline.byRevision[due.change.Revision]; c.bounds.notBefore[place] > stream.Opened {
			c.accuse("W8", due.change.State.Object, stream.Opened, fmt.Sprintf("the watch waits for revision %d, and misses "+
				"revision %d, which came after it was opened", stream.Start, due.change.Revision), stream, due.change)
			return
		}
	}
	reached := stream.reached()
	if silent := c.timeline.view(stream.Scope).between(reached, settled); len(silent) > 0 {
		c.accuse("W8", silent[0].change.State.Object, c.history.SettledAt, fmt.Sprintf("the watch is silent after "+
			"revision %d, and had %d events to tell", reached, len(silent)), stream, silent[0].change)
	}
}
