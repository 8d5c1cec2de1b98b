package consistency

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
)

// Verb of a request, as Kubernetes names them.
type Verb string

// The verbs that are recorded.
const (
	Create Verb = "create"
	Update Verb = "update"
	Patch  Verb = "patch"
	Delete Verb = "delete"
	Get    Verb = "get"
	List   Verb = "list"
	Watch  Verb = "watch" // that a watch was opened, or was refused; what it delivered is in a Stream
)

// Writes tells whether requests of the verb change something.
func (v Verb) Writes() bool { return v == Create || v == Update || v == Patch || v == Delete }

// Scope is what a list or a watch is about: a namespace, or all if it is empty, and a label selector.
type Scope struct {
	Namespace string `json:"namespace,omitempty"`
	Selector  string `json:"selector,omitempty"`
}

// Operation is one request and what came of it. Times are those of the Recorder's monotonic clock.
type Operation struct {
	ID int `json:"id"`
	// Client that sent it. A client sends one request at a time.
	Client      string `json:"client"`
	Verb        Verb   `json:"verb"`
	Subresource string `json:"subresource,omitempty"`
	Object      Object `json:"object"` // without a name for lists and watches
	Scope       Scope  `json:"scope"`  // of lists and watches
	// Token that no other write has, and that is stored with the object. Deletes have none.
	Token  string `json:"token,omitempty"`
	DryRun bool   `json:"dryRun,omitempty"`
	// IfRevision and IfUID are what a write demands of the object, as 409 says if it is otherwise.
	IfRevision int64  `json:"ifRevision,omitempty"`
	IfUID      string `json:"ifUID,omitempty"`
	// Asked is the resourceVersion of a read. An empty one asks for the newest state, "0" for any.
	Asked string `json:"asked,omitempty"`
	// Exact is resourceVersionMatch=Exact. Otherwise a read may be newer than was asked.
	Exact bool `json:"exact,omitempty"`
	// Pages names the chain of requests that a paged list is made of. The second and later pages are Continued.
	Pages     string `json:"pages,omitempty"`
	Continued bool   `json:"continued,omitempty"`

	Call   time.Duration `json:"call"`
	Return time.Duration `json:"return"`
	Answer Answer        `json:"answer"`
}

// Answer is what a server said to a request.
type Answer struct {
	// Code is 0 if there was no answer, and then Error says why.
	Code   int    `json:"code"`
	Reason string `json:"reason,omitempty"`
	Error  string `json:"error,omitempty"`
	// Later is set if the server said when to come again (Retry-After).
	Later bool `json:"later,omitempty"`
	// Abandoned is set if nobody waited for the answer.
	Abandoned bool `json:"abandoned,omitempty"`
	// State of the object that came back. A delete that took effect at once has none.
	State *State `json:"state,omitempty"`
	// UID of the object that a delete removed.
	UID string `json:"uid,omitempty"`
	// Revision and Items of a list. More is set if further pages follow.
	Revision int64    `json:"revision,omitempty"`
	Items    []*State `json:"items,omitempty"`
	More     bool     `json:"more,omitempty"`
}

// Outcome is what a client knows after a request.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused" // and nothing happened
	Unknown Outcome = "unknown" // it may have happened, or may yet
)

// Outcome of the request. A 5xx says nothing: a proxy sends it about a server that has done its work, too.
func (o *Operation) Outcome() Outcome {
	switch code := o.Answer.Code; {
	case code >= 200 && code < 300:
		return Done
	case code >= 400 && code < 500 && code != http.StatusRequestTimeout:
		return Refused
	default:
		return Unknown
	}
}

// consistent tells whether a read asked for the newest state.
func (o *Operation) consistent() bool { return o.Asked == "" && !o.Continued }

// status tells whether a write is one to the status.
func (o *Operation) status() bool { return o.Subresource == "status" }

// removes tells whether an answer says that the object is gone: a delete that took effect at once, or a write that took
// the last finalizer off an object that was being deleted. Such an answer has no resourceVersion of its own.
func (o *Operation) removes() bool {
	if !o.Verb.Writes() || o.DryRun || o.Outcome() != Done {
		return false
	}
	if state := o.Answer.State; state != nil {
		return state.Deleting && state.Finalizers == ""
	}
	return o.Verb == Delete
}

// String is the operation on one line, as evidence.
func (o *Operation) String() string {
	words := []string{fmt.Sprintf("#%d", o.ID), o.Client, string(o.Verb)}
	add := func(condition bool, format string, args ...any) {
		if condition {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(o.Object.Name != "", "%s", o.Object)
	add(o.Object.Name == "", "%s/* %s", o.Scope.Namespace, o.Scope.Selector)
	add(o.Subresource != "", "(%s)", o.Subresource)
	add(o.DryRun, "dry-run")
	add(o.Token != "", "token=%s", o.Token)
	add(o.IfRevision != 0, "if-rv=%d", o.IfRevision)
	add(o.IfUID != "", "if-uid=%s", o.IfUID)
	add(o.Asked != "", "rv=%s", o.Asked)
	add(o.Exact, "exact")
	add(o.Continued, "continued")
	add(true, "[%s, %s] ->", stamp(o.Call), stamp(o.Return))
	add(o.Answer.Code != 0, "%d", o.Answer.Code)
	add(o.Answer.Code == 0, "no answer (%s)", o.Answer.Error)
	add(o.Answer.Reason != "", "%s", o.Answer.Reason)
	add(o.Answer.Later, "(with Retry-After)")
	if o.Answer.State != nil {
		words = append(words, o.Answer.State.brief())
	}
	add(o.Verb == List && o.Outcome() == Done, "%d items at rv=%d", len(o.Answer.Items), o.Answer.Revision)
	return strings.Join(words, " ")
}

func stamp(t time.Duration) string { return fmt.Sprintf("%.6fs", t.Seconds()) }

func (s *State) brief() string {
	text := fmt.Sprintf("rv=%d uid=%s gen=%d", s.Revision, s.UID, s.Generation)
	if s.Token != "" {
		text += " token=" + s.Token
	}
	if s.StatusToken != "" {
		text += " status-token=" + s.StatusToken
	}
	if s.Deleting {
		text += " deleting"
	}
	return text
}

// Change is one revision of one object in a store, as the oracle saw it.
type Change struct {
	// Store that it happened in. A move from one etcd to another has two; a shared one has one.
	Store    string        `json:"store,omitempty"`
	Revision int64         `json:"revision"`
	Received time.Duration `json:"received"`
	// Baseline is what was there before the recording began.
	Baseline bool `json:"baseline,omitempty"`
	Deleted  bool `json:"deleted,omitempty"`
	// State after the change; after a deletion, only which object it was.
	State State `json:"state"`
}

// String is the change on one line, as evidence.
func (c *Change) String() string {
	what := c.State.brief()
	if c.Deleted {
		what = fmt.Sprintf("rv=%d deleted", c.Revision)
	}
	if c.Baseline {
		what += " (before the recording)"
	}
	return strings.TrimSpace(fmt.Sprintf("store %s", c.Store)) + fmt.Sprintf(": %s %s, seen %s", c.State.Object, what,
		stamp(c.Received))
}

// Mark is something that happened to the servers: a flip, a kill. Verdicts show the ones around a violation.
type Mark struct {
	At   time.Duration `json:"at"`
	Text string        `json:"text"`
}

// History is all that was recorded.
type History struct {
	Operations []*Operation `json:"operations"`
	Streams    []*Stream    `json:"streams"`
	// Changes in the order they were received in.
	Changes []Change `json:"changes"`
	Marks   []Mark   `json:"marks,omitempty"`
	// OracleFailures say that Changes are not all there is. Nothing can be concluded then.
	OracleFailures []string `json:"oracleFailures,omitempty"`
	// Settled is the revision that every stream which was open at SettledAt had been given the time to reach, or 0.
	Settled   int64         `json:"settled,omitempty"`
	SettledAt time.Duration `json:"settledAt,omitempty"`
}

// matcher of a scope. A selector that cannot be read is the harness's mistake, and matches nothing.
func (s Scope) matcher() func(*State) bool {
	selector, err := labels.Parse(s.Selector)
	if err != nil {
		selector = labels.Nothing()
	}
	return func(state *State) bool {
		if s.Namespace != "" && state.Object.Namespace != s.Namespace {
			return false
		}
		return selector.Empty() || selector.Matches(labelSet(state.Labels))
	}
}

func labelSet(text string) labels.Set {
	set := labels.Set{}
	for pair := range strings.SplitSeq(text, ",") {
		if key, value, found := strings.Cut(pair, "="); found {
			set[key] = value
		}
	}
	return set
}

// lastMark before a time, as evidence.
func (h *History) lastMark(at time.Duration) string {
	before := func(m Mark) bool { return m.At <= at }
	marks := slices.Clone(h.Marks)
	slices.Reverse(marks)
	if i := slices.IndexFunc(marks, before); i >= 0 {
		return fmt.Sprintf("last before it, at %s: %s", stamp(marks[i].At), marks[i].Text)
	}
	return ""
}
