package consistency

import (
	"fmt"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// Ending of a watch.
type Ending string

// The endings.
const (
	Open     Ending = ""        // the recording ended first
	Closed   Ending = "closed"  // by the client
	Ended    Ending = "ended"   // by the server or the connection, without a word
	Gone     Ending = "gone"    // 410: what the watch would go on from is forgotten
	Deferred Ending = "put off" // an ERROR event that says when to come again, because a cache is behind
	Rejected Ending = "refused" // another ERROR event
)

// endingBy is how a watch ends with the Status of an ERROR event. One that begins with the state is answered 200 before its
// server knows whether its cache gets as far as the store in time; if it does not, the event says what a list is told with
// 504 and Retry-After.
func endingBy(status metav1.Status) Ending {
	switch {
	case status.Code == http.StatusGone:
		return Gone
	case status.Code == http.StatusGatewayTimeout && status.Details != nil && status.Details.RetryAfterSeconds > 0:
		return Deferred
	default:
		return Rejected
	}
}

// messageOf a Status, with its reason.
func messageOf(status metav1.Status) string {
	return fmt.Sprintf("%s: %s", status.Reason, status.Message)
}

// Stream is one connection of a watch, and what it delivered.
type Stream struct {
	ID int `json:"id"`
	// Watcher that opened it. One that goes on after an end opens the next stream from the last revision it saw.
	Watcher string `json:"watcher"`
	Scope   Scope  `json:"scope"`
	// Start is the resourceVersion that was asked for. With Initial the state comes first, as synthetic ADDED events up
	// to a bookmark that says so.
	Start   int64  `json:"start,omitempty"`
	Initial bool   `json:"initial,omitempty"`
	Events  []Seen `json:"events"`

	Opened   time.Duration `json:"opened"`
	Finished time.Duration `json:"finished,omitempty"`
	Ending   Ending        `json:"ending,omitempty"`
	// Code and Message of the ERROR event of a stream that was refused.
	Code    int    `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// Seen is one event of a watch.
type Seen struct {
	Type watch.EventType `json:"type"`
	At   time.Duration   `json:"at"`
	// State of the object. A bookmark has only a Revision.
	State    *State `json:"state,omitempty"`
	Revision int64  `json:"revision"`
	// InitialEnd is the bookmark's annotation that ends the initial events.
	InitialEnd bool `json:"initialEnd,omitempty"`
}

// String is the event on one line, as evidence.
func (e *Seen) String() string {
	if e.State == nil {
		return fmt.Sprintf("%s %s rv=%d", stamp(e.At), e.Type, e.Revision)
	}
	return fmt.Sprintf("%s %s %s %s", stamp(e.At), e.Type, e.State.Object, e.State.brief())
}

// String is the stream on one line, as evidence.
func (s *Stream) String() string {
	from := fmt.Sprintf("from rv=%d", s.Start)
	if s.Initial {
		from = "from the initial state"
	}
	ending := string(s.Ending)
	if ending == "" {
		ending = "still open"
	}
	return fmt.Sprintf("watch %s.%d %s/* %s %s, opened %s, %d events, %s %s",
		s.Watcher, s.ID, s.Scope.Namespace, s.Scope.Selector, from, stamp(s.Opened), len(s.Events), ending, s.Message)
}

// synced is how many events, the bookmark included, are the initial state: all of them if it never ended, and none of
// a watch that starts from a revision.
func (s *Stream) synced() int {
	if !s.Initial {
		return 0
	}
	for i := range s.Events {
		if s.Events[i].InitialEnd {
			return i + 1
		}
	}
	return len(s.Events)
}

// told tells whether the initial state was told, up to its end.
func (s *Stream) told() bool {
	first := s.synced()
	return !s.Initial || first > 0 && s.Events[first-1].InitialEnd
}

// reached is the revision up to which the stream has told everything, or 0 if it has not told its initial state.
func (s *Stream) reached() int64 {
	if !s.told() {
		return 0
	}
	reached := s.Start
	for _, event := range s.Events[max(0, s.synced()-1):] {
		reached = max(reached, event.Revision)
	}
	return reached
}
