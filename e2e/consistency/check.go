package consistency

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Options of a check. The zero value demands everything and tolerates no failed request.
type Options struct {
	// Reads and Writes are what may fail, while servers are killed or writes are fenced off.
	Reads, Writes Allowance
	// Streams are the codes that an ERROR event may end a watch with, besides 410.
	Streams []int
	// Unmanaged: a write may leave an object that nobody manages the fields of, as kube-apiserver does while a conversion
	// webhook does not answer.
	Unmanaged bool
	// NobodyElseDeletes says that every request to delete an object is in the history, so that a deletion which none of them
	// asked for is a violation.
	NobodyElseDeletes bool
	// Patience is how long to look for an order of the requests on one object; 10 seconds if it is 0. An object that
	// needs longer is undecided, and the verdict is not clean.
	Patience time.Duration
}

// Allowance is which requests may fail, and for how long in a row.
type Allowance struct {
	// Codes that are tolerated. NoAnswer is one of them.
	Codes []int
	// Longest time that a client may be without success, from its first failed call to the next answer that is none;
	// 0 does not limit it.
	Longest time.Duration
}

// NoAnswer is the code of a request that nobody answered: a timeout, a reset connection.
const NoAnswer = 0

const defaultPatience = 10 * time.Second

// Check judges a history.
func Check(history History, options Options) *Verdict {
	if options.Patience == 0 {
		options.Patience = defaultPatience
	}
	known := newTimeline(history.Changes)
	c := &checker{
		history: &history, options: options, timeline: known, bounds: newBounds(&history, known),
		verdict: &Verdict{Counts: Counts{Codes: map[string]int{}}}, accused: map[Object]bool{},
	}
	for _, failure := range history.OracleFailures {
		c.accuse("O", Object{}, never, failure)
	}
	c.count()
	c.identities()
	c.writes()
	if options.NobodyElseDeletes {
		c.deletions()
	}
	c.reads()
	c.streams()
	c.failures()
	// Last, since what is accused already needs no further proof.
	c.orders()
	return c.verdict
}

type checker struct {
	history  *History
	options  Options
	timeline *timeline
	bounds   *bounds
	verdict  *Verdict
	accused  map[Object]bool
}

// accuse reports a violation. Evidence may be anything with a String method, or a string; what is empty is left out.
func (c *checker) accuse(property string, object Object, at time.Duration, text string, evidence ...any) {
	violation := Violation{Property: property, Text: text}
	if object.Name != "" {
		violation.Object = object.String()
		c.accused[object] = true
	}
	if at != never {
		evidence = append(evidence, c.history.lastMark(at))
	}
	for _, item := range evidence {
		if line := strings.TrimSpace(fmt.Sprint(item)); line != "" {
			violation.Evidence = append(violation.Evidence, line)
		}
	}
	c.verdict.Violations = append(c.verdict.Violations, violation)
}

// change at a place of the timeline, as evidence.
func (c *checker) change(place int) any {
	if place == none {
		return "it had never been there"
	}
	return c.timeline.changes[place]
}

// differences between a state that a server showed and the one that the store had, as property and sentence.
func differences(property string, got, want *State) (found [][2]string) {
	differ := func(property, field string, got, want any) {
		if got != want {
			found = append(found, [2]string{property, fmt.Sprintf("%s is %v, and in the store it was %v", field, got, want)})
		}
	}
	differ("S2", "the UID", got.UID, want.UID)
	differ("S2", "creationTimestamp", got.CreatedAt, want.CreatedAt)
	differ("K6", "generation", got.Generation, want.Generation)
	differ(property, "the token", got.Token, want.Token)
	differ(property, "the labels", got.Labels, want.Labels)
	differ(property, "the finalizers", got.Finalizers, want.Finalizers)
	differ(property, "the digest of the owners", got.Owners, want.Owners)
	differ("S2", "who manages its fields", got.Managers, want.Managers)
	differ(property, "being deleted", got.Deleting, want.Deleting)
	if got.APIVersion == want.APIVersion && got.Spec != "" && want.Spec != "" {
		differ(property, "the digest of the spec", got.Spec, want.Spec)
		differ(property, "the digest of the status", got.Status, want.Status)
		differ(property, "the token of the status", got.StatusToken, want.StatusToken)
	}
	return found
}

// count the history.
func (c *checker) count() {
	counts := &c.verdict.Counts
	counts.Requests = len(c.history.Operations)
	counts.Objects, counts.Changes = len(c.timeline.byObject), len(c.timeline.changes)
	for _, operation := range c.history.Operations {
		counts.Codes[codeName(operation.Answer.Code)]++
		if !operation.Verb.Writes() {
			counts.Reads++
			continue
		}
		counts.Writes++
		switch operation.Outcome() {
		case Done:
			if !operation.DryRun {
				counts.Acknowledged++
			}
		case Unknown:
			counts.Unknown++
			if len(c.timeline.authored[operation.Token]) > 0 {
				counts.Happened++
			}
		}
	}
	for i, change := range c.timeline.changes {
		authored := slices.Contains(c.timeline.authored[change.State.Token], i) ||
			slices.Contains(c.timeline.authored[change.State.StatusToken], i)
		if !change.Baseline && !change.Deleted && !c.timeline.imported(i) && !authored {
			counts.Foreign++
		}
	}
	watchers := map[string]bool{}
	for _, stream := range c.history.Streams {
		watchers[stream.Watcher] = true
		counts.Streams++
		for _, event := range stream.Events {
			if event.State == nil {
				counts.Bookmarks++
			} else {
				counts.Events++
			}
		}
	}
	counts.Watches = len(watchers)
}

func codeName(code int) string {
	if code == NoAnswer {
		return "no answer"
	}
	return fmt.Sprint(code)
}
