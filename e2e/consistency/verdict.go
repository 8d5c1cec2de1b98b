package consistency

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Properties are what is checked, by the names that violations have.
var Properties = map[string]string{
	"O":  "the oracle knows every change",
	"K1": "a write that began after an answer has a higher resourceVersion than the answer",
	"K2": "an acknowledged write is in the store once, as answered; a refused one is not",
	"K3": "a write with a resourceVersion overwrites exactly that one",
	"K4": "a conflict is justified",
	"K5": "AlreadyExists is justified",
	"K6": "the UID is the incarnation's; generation counts changes of the spec; fields have managers",
	"K7": "the preconditions of a delete hold",
	"K8": "a dry run writes nothing",
	"K9": "nothing is deleted that nobody asked to delete",
	"KV": "one order of the requests on an object explains all answers",
	"R1": "a read without a resourceVersion shows the newest state",
	"R2": "a read shows what the store had at its resourceVersion",
	"R3": "the pages of a list are one snapshot",
	"R4": "a read keeps to the resourceVersion that was asked for",
	"W1": "events come in the order of their resourceVersions",
	"W2": "no event comes twice",
	"W3": "every event comes, as the store had it, and no other",
	"W4": "a watch goes on where it ended",
	"W5": "no event comes that an earlier bookmark covers",
	"W6": "ADDED, MODIFIED and DELETED are what happened",
	"W7": "the initial events are the state at the bookmark that ends them",
	"W8": "a watch is not silent while there is something to tell",
	"S1": "resourceVersions never go back",
	"S2": "UIDs, creationTimestamps, managers and content survive a move",
	"S3": "a watch that ends does so without an error, or with 410",
	"S4": "nothing that exists is not found",
	"S5": "no request fails that may not",
}

// Verdict on a history.
type Verdict struct {
	Counts     Counts      `json:"counts"`
	Violations []Violation `json:"violations"`
	// Undecided objects are those for which no order of the requests was found or ruled out in time.
	Undecided []string `json:"undecided,omitempty"`
}

// Clean tells whether everything was decided and nothing violated. It says as much as the counts do: who has no events
// has shown nothing about watches.
func (v *Verdict) Clean() bool { return len(v.Violations) == 0 && len(v.Undecided) == 0 }

// Violation of one property.
type Violation struct {
	Property string   `json:"property"`
	Object   string   `json:"object,omitempty"`
	Text     string   `json:"text"`
	Evidence []string `json:"evidence"`
}

// String is the violation with its evidence, one line each.
func (v Violation) String() string {
	head := fmt.Sprintf("%s (%s): %s", v.Property, Properties[v.Property], v.Text)
	if v.Object != "" {
		head = fmt.Sprintf("%s (%s): %s: %s", v.Property, Properties[v.Property], v.Object, v.Text)
	}
	return strings.Join(append([]string{head}, v.Evidence...), "\n      ")
}

// Counts of what was checked.
type Counts struct {
	Requests     int            `json:"requests"`
	Reads        int            `json:"reads"`
	Writes       int            `json:"writes"`
	Acknowledged int            `json:"acknowledgedWrites"`
	Codes        map[string]int `json:"codes"` // by code of the answer
	Failures     int            `json:"failures"`
	Conflicts    int            `json:"conflicts"` // 409, all of them justified unless there is a violation
	NotFound     int            `json:"notFound"`  // 404 about an object, likewise
	// Deferred reads were told to come again, with 429 or 504 and Retry-After.
	Deferred int `json:"deferredReads"`
	// Unknown outcomes of writes, and how many of those with a token Happened.
	Unknown  int `json:"unknownOutcomes"`
	Happened int `json:"unknownOutcomesThatHappened"`

	Objects int `json:"objects"`
	Changes int `json:"changes"` // that the oracle saw
	Foreign int `json:"changesByOthers"`
	// Overtaken finalizers came while a request to delete the object was under way, which then passed them over.
	Overtaken int `json:"finalizersOvertaken"`
	// Ordered objects had answers without a resourceVersion, so that an order of their requests was searched for.
	Ordered int `json:"objectsOrderedBySearch"`

	Watches   int `json:"watches"`
	Streams   int `json:"watchConnections"`
	Events    int `json:"events"`
	Bookmarks int `json:"bookmarks"`
	// Lag of events, from when the oracle had them. Where there are several stores it is not measured.
	LagMedian time.Duration `json:"lagMedianNanoseconds"`
	LagP99    time.Duration `json:"lagP99Nanoseconds"`
	LagMax    time.Duration `json:"lagMaxNanoseconds"`
	// Longest that a client had no success.
	ReadsRefused  time.Duration `json:"readsRefusedNanoseconds"`
	WritesRefused time.Duration `json:"writesRefusedNanoseconds"`
}

// shownViolations of each property are in the text. All are in the JSON.
const shownViolations = 5

// Text is the verdict for people.
func (v *Verdict) Text() string {
	var b strings.Builder
	word := "clean"
	if !v.Clean() {
		word = fmt.Sprintf("%d violations, %d objects undecided", len(v.Violations), len(v.Undecided))
	}
	c := v.Counts
	fmt.Fprintf(&b, "consistency: %s\n", word)
	fmt.Fprintf(&b, "  requests  %d: %d reads, %d writes, %d of them acknowledged; %d failed, %d put off\n",
		c.Requests, c.Reads, c.Writes, c.Acknowledged, c.Failures, c.Deferred)
	fmt.Fprintf(&b, "  answers   %s\n", codes(c.Codes))
	fmt.Fprintf(&b, "  refusals  %d conflicts, %d not found; %d writes with an unknown outcome, %d of them happened\n",
		c.Conflicts, c.NotFound, c.Unknown, c.Happened)
	fmt.Fprintf(&b, "  windows   reads refused for at most %s, writes for at most %s\n",
		rounded(c.ReadsRefused), rounded(c.WritesRefused))
	fmt.Fprintf(&b, "  store     %d objects, %d changes, %d of them by others; %d objects ordered by search\n",
		c.Objects, c.Changes, c.Foreign, c.Ordered)
	fmt.Fprintf(&b, "  watches   %d on %d connections: %d events, %d bookmarks", c.Watches, c.Streams, c.Events, c.Bookmarks)
	if c.LagMax > 0 {
		fmt.Fprintf(&b, "; lag %s, p99 %s, at most %s", rounded(c.LagMedian), rounded(c.LagP99), rounded(c.LagMax))
	}
	fmt.Fprintln(&b)
	if c.Overtaken > 0 {
		fmt.Fprintf(&b, "  overtaken %d finalizers, by deletions that were under way when they came\n", c.Overtaken)
	}
	if len(v.Undecided) > 0 {
		fmt.Fprintf(&b, "  undecided %s\n", strings.Join(v.Undecided, " "))
	}
	byProperty := map[string][]Violation{}
	for _, violation := range v.Violations {
		byProperty[violation.Property] = append(byProperty[violation.Property], violation)
	}
	for _, property := range slices.Sorted(maps.Keys(byProperty)) {
		violations := byProperty[property]
		for _, violation := range violations[:min(len(violations), shownViolations)] {
			fmt.Fprintf(&b, "  - %s\n", violation)
		}
		if more := len(violations) - shownViolations; more > 0 {
			fmt.Fprintf(&b, "  - %s: %d more\n", property, more)
		}
	}
	return b.String()
}

func rounded(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

func codes(byCode map[string]int) string {
	var words []string
	for _, code := range slices.SortedFunc(maps.Keys(byCode), cmp.Compare) {
		words = append(words, fmt.Sprintf("%s: %d", code, byCode[code]))
	}
	return strings.Join(words, ", ")
}
