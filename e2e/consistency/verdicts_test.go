package consistency

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/watch"
)

// The histories here are too special for a simulation to run into them. Times are in seconds.

func at(call, ret int, o Operation) *Operation {
	o.Call, o.Return = time.Duration(call)*time.Second, time.Duration(ret)*time.Second
	if o.Client == "" {
		o.Client = "client"
	}
	return &o
}

func there(revision int64) State {
	return State{
		Object: stable, UID: "uid", CreatedAt: "then", Generation: 1, Revision: revision, Spec: "spec", Status: "status",
	}
}

func put(seconds int, state State) Change {
	return Change{Revision: state.Revision, Received: time.Duration(seconds) * time.Second, State: state}
}

// gone is the deletion, at revision 7.
func gone(seconds int) Change {
	return Change{
		Revision: 7, Received: time.Duration(seconds) * time.Second, Deleted: true,
		State: State{Object: stable, Revision: 7},
	}
}

// baseline is what was there before the recording, at revision 5, and found is how a read shows it.
func baseline() Change {
	return Change{Revision: 5, Received: -1, Baseline: true, State: there(5)}
}

// dying is the same object while it is being deleted.
func dying(revision int64) Change {
	state := there(revision)
	state.Deleting, state.Generation, state.Finalizers = true, 2, "held"
	return put(10, state)
}

// remade is it in another store, with a new UID, and what it says of the old one.
func remade(revision int64, original string) Change {
	state := there(revision)
	state.UID, state.OriginalUID, state.CreatedAt, state.Finalizers = "new", original, "later", "held"
	change := put(20, state)
	change.Store = "b"
	return change
}

// deletedAgain is it when its deletion has begun once more.
func deletedAgain(revision int64) Change {
	change := remade(revision, "uid")
	change.State.Deleting, change.State.Generation, change.Received = true, 2, 30*time.Second
	return change
}

func found() Answer { return done(there(5)) }

func get(call, ret int, answer Answer) *Operation {
	return at(call, ret, Operation{Verb: Get, Object: stable, Answer: answer})
}

func remove(call, ret int, answer Answer) *Operation {
	return at(call, ret, Operation{Verb: Delete, Object: stable, Answer: answer})
}

func TestVerdicts(t *testing.T) {
	missing := refused(404, "NotFound")
	removed := Answer{Code: 200, UID: "uid"}
	unavailable := refused(503, "ServiceUnavailable")
	lost := Answer{Error: "timeout"}
	for _, tt := range []struct {
		name    string
		history History
		options Options
		want    []string
	}{
		{
			name: "a name that blinks while somebody deletes it",
			history: History{
				Changes: []Change{baseline(), gone(10)},
				Operations: []*Operation{
					get(1, 2, missing), get(3, 4, found()),
				},
			},
			want: []string{"S4"},
		},
		{
			name: "a name that blinks, and nobody sees a revision",
			history: History{
				Changes: []Change{baseline(), gone(10)},
				Operations: []*Operation{
					get(1, 2, missing),
					at(3, 4, Operation{Verb: Create, Object: stable, Token: "t1", Answer: refused(409, "AlreadyExists")}),
				},
			},
			want: []string{"KV"},
		},
		{
			name: "a name that goes while somebody deletes it",
			history: History{
				Changes:    []Change{baseline(), gone(10)},
				Operations: []*Operation{get(1, 2, found()), get(3, 4, missing), get(5, 6, missing)},
			},
		},
		{
			name: "one deletion that two requests are told they made",
			history: History{
				Changes:    []Change{baseline(), gone(2)},
				Operations: []*Operation{remove(1, 4, removed), remove(1, 4, removed)},
			},
			want: []string{"KV"},
		},
		{
			name: "the last finalizer, taken off by two",
			history: History{
				Changes: []Change{
					{Revision: 5, Received: -1, Baseline: true, State: deleting(there(5))}, gone(2),
				},
				Operations: []*Operation{
					at(1, 4, Operation{Verb: Update, Object: stable, Answer: done(deleting(there(5)))}),
					at(1, 4, Operation{Verb: Update, Object: stable, Answer: done(deleting(there(5)))}),
				},
			},
		},
		{
			name: "a delete without an answer, which happened",
			history: History{
				Changes:    []Change{baseline(), gone(9)},
				Operations: []*Operation{remove(1, 2, lost), get(3, 4, found()), get(5, 6, missing)},
			},
			options: tolerant,
		},
		{
			name: "a write without an answer, which happened much later",
			history: History{
				Changes: []Change{baseline(), put(9, token(there(7)))},
				Operations: []*Operation{
					at(1, 2, Operation{Verb: Patch, Object: stable, Token: "t1", Answer: lost}), get(3, 4, found()),
				},
			},
			options: tolerant,
		},
		{
			name: "a write without an answer, which happened before it was sent",
			history: History{
				Changes: []Change{baseline(), put(0, token(there(7)))},
				Operations: []*Operation{
					at(1, 2, Operation{Verb: Patch, Object: stable, Token: "t1", Answer: lost}),
				},
			},
			options: tolerant,
			want:    []string{"K1"},
		},
		{
			name: "a finalizer that comes while the object is being deleted",
			history: History{
				Changes:    []Change{baseline(), put(3, held(6)), gone(5)},
				Operations: []*Operation{remove(2, 6, removed)},
			},
		},
		{
			name: "a finalizer that was there when the object was to be deleted",
			history: History{
				Changes:    []Change{baseline(), put(3, held(6)), gone(5)},
				Operations: []*Operation{remove(4, 6, removed)},
			},
			want: []string{"K6"},
		},
		{
			name: "a finalizer that comes while a delete is refused",
			history: History{
				Changes:    []Change{baseline(), put(3, held(6)), gone(5)},
				Operations: []*Operation{at(2, 6, Operation{Verb: Delete, Object: stable, IfRevision: 4, Answer: refused(409, "Conflict")})},
			},
			want: []string{"K6"},
		},
		{
			name: "a finalizer of an object that had another before it was to be deleted",
			history: History{
				Changes: []Change{
					baseline(), put(1, held(6)), put(3, held(7, "another")),
					{Revision: 8, Received: 5 * time.Second, Deleted: true, State: State{Object: stable, Revision: 8}},
				},
				Operations: []*Operation{remove(2, 6, removed)},
			},
			want: []string{"K6"},
		},
		{
			name: "an old state, where a newer one was asked for",
			history: History{
				Changes: []Change{baseline(), put(1, there(7))},
				Operations: []*Operation{
					at(2, 3, Operation{Verb: Get, Object: stable, Asked: "8", Answer: found()}),
					at(2, 3, Operation{Verb: List, Asked: "8",
						Answer: Answer{Code: 200, Revision: 6, Items: []*State{ref(there(5))}}}),
					at(2, 3, Operation{Verb: List, Asked: "5", Exact: true,
						Answer: Answer{Code: 200, Revision: 7, Items: []*State{ref(there(7))}}}),
				},
			},
			want: []string{"R4", "R4", "R4"},
		},
		{
			name:    "a deletion that begins anew after a move that gives new UIDs",
			history: History{Changes: []Change{baseline(), dying(6), remade(1005, "uid"), deletedAgain(1006)}},
		},
		{
			name:    "a deletion that such a move forgets",
			history: History{Changes: []Change{baseline(), dying(6), remade(1005, "uid")}},
			want:    []string{"S2"},
		},
		{
			name:    "a new UID of which nobody knows where it is from",
			history: History{Changes: []Change{baseline(), remade(1005, "another")}},
			want:    []string{"S2", "S2", "S2"}, // the UID, creationTimestamp, and the finalizer of what it is not from
		},
		{
			name: "the original after the copy, and after a write to the copy",
			history: History{
				Changes: []Change{
					baseline(),
					{Store: "new", Revision: 100, Received: time.Second, State: there(100)},
					{Store: "new", Revision: 101, Received: 5 * time.Second, State: token(there(101))},
				},
				Operations: []*Operation{
					get(2, 3, done(there(100))),
					get(4, 5, found()),
					at(4, 5, Operation{Verb: List, Answer: Answer{Code: 200, Revision: 6, Items: []*State{ref(there(5))}}}),
					at(4, 6, Operation{Verb: Patch, Object: stable, Token: "t1", Answer: done(token(there(101)))}),
					get(7, 8, found()),
					at(7, 8, Operation{Verb: List, Answer: Answer{Code: 200, Revision: 6, Items: []*State{ref(there(5))}}}),
				},
			},
			want: []string{"R1", "R1"},
		},
		{
			name: "the original after the copy was made twice",
			history: History{
				Changes: []Change{
					baseline(),
					{Store: "new", Revision: 100, Received: time.Second, State: there(100)},
					{Store: "new", Revision: 101, Received: 2 * time.Second, State: there(101)},
				},
				Operations: []*Operation{get(2, 3, done(there(101))), get(4, 5, found())},
			},
		},
		{
			name: "an update that meets the copy, while others are served the original",
			history: History{
				Changes: []Change{
					baseline(), {Store: "new", Revision: 100, Received: time.Second, State: there(100)},
				},
				Operations: []*Operation{
					at(2, 3, Operation{Verb: Update, Object: stable, Token: "t1", IfRevision: 5, Answer: refused(409, "Conflict")}),
					get(4, 5, found()),
					at(4, 5, Operation{Verb: List, Answer: Answer{Code: 200, Revision: 6, Items: []*State{ref(there(5))}}}),
				},
			},
		},
		{
			name: "an old state from a cache",
			history: History{
				Changes:    []Change{baseline(), put(1, there(7))},
				Operations: []*Operation{at(2, 3, Operation{Verb: Get, Object: stable, Asked: "0", Answer: found()})},
			},
		},
		{
			name: "an API that is not there",
			history: History{
				Changes:    []Change{baseline()},
				Operations: []*Operation{at(1, 2, Operation{Verb: List, Answer: missing})},
			},
			options: Options{Reads: Allowance{Codes: []int{404}}},
			want:    []string{"S4"},
		},
		{
			name: "a window that is too long, and one that does not end",
			history: History{
				Changes: []Change{baseline()},
				Operations: []*Operation{
					get(1, 2, unavailable), get(3, 4, unavailable), get(5, 6, found()),
					at(7, 8, Operation{Client: "other", Verb: Get, Object: stable, Answer: unavailable}),
					at(9, 10, Operation{Client: "late", Verb: Get, Object: stable, Answer: unavailable}),
					get(11, 12, found()),
				},
			},
			options: Options{Reads: Allowance{Codes: []int{503}, Longest: 4 * time.Second}},
			want:    []string{"S5", "S5"},
		},
		{
			name: "reads that are put off, and other requests that may not be",
			history: History{
				Changes: []Change{baseline()},
				Operations: []*Operation{
					at(1, 2, Operation{Verb: Watch, Answer: Answer{Code: 429, Later: true}}),
					at(3, 4, Operation{Verb: Watch, Answer: Answer{Code: 429}}),
					get(5, 6, Answer{Code: 504, Later: true}),
					at(7, 8, Operation{Verb: Patch, Object: stable, Answer: Answer{Code: 429, Later: true}}),
				},
			},
			want: []string{"S5", "S5"},
		},
		{
			name: "a watch that is put off before it has begun, and one after that",
			history: History{
				Changes: []Change{baseline()},
				Streams: []*Stream{
					{Watcher: "w", Initial: true, Opened: time.Second, Finished: 4 * time.Second, Ending: Deferred, Code: 504},
					{Watcher: "v", Initial: true, Opened: time.Second, Finished: 4 * time.Second, Ending: Deferred, Code: 504,
						Events: []Seen{{Type: watch.Added, At: 2 * time.Second, Revision: 5, State: ref(there(5))}}},
				},
			},
			want: []string{"S3"},
		},
		{
			name: "a window that is short enough",
			history: History{
				Changes:    []Change{baseline()},
				Operations: []*Operation{get(1, 2, unavailable), get(3, 4, found())},
			},
			options: Options{Reads: Allowance{Codes: []int{503}, Longest: 4 * time.Second}},
		},
		{
			name: "a watch from the future",
			history: History{
				Changes: []Change{baseline(), put(2, token(there(7)))}, Settled: 7, SettledAt: 9 * time.Second,
				Operations: []*Operation{
					at(2, 3, Operation{Verb: Patch, Object: stable, Token: "t1", Answer: done(token(there(7)))}),
				},
				Streams: []*Stream{
					{Watcher: "w", Start: 5000, Opened: time.Second},
					{Watcher: "v", Start: 5, Opened: time.Second, Events: []Seen{
						{Type: watch.Modified, At: 3 * time.Second, Revision: 7, State: ref(token(there(7)))},
					}},
				},
			},
			want: []string{"W8"},
		},
		{
			name:    "an oracle that does not know all",
			history: History{Changes: []Change{baseline()}, OracleFailures: []string{"compacted"}},
			want:    []string{"O"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i, operation := range tt.history.Operations {
				operation.ID = i + 1
			}
			verdict := Check(tt.history, tt.options)
			var got []string
			for _, violation := range verdict.Violations {
				got = append(got, violation.Property)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("violations (-want +got):\n%s\n%s", diff, verdict.Text())
			}
		})
	}
}

func ref(state State) *State { return &state }

// token is a state that the write t1 left.
func token(state State) State {
	state.Token = "t1"
	return state
}

// held is the object with a finalizer.
func held(revision int64, finalizers ...string) State {
	state := there(revision)
	state.Finalizers = strings.Join(append([]string{"held"}, finalizers...), ",")
	return state
}

func deleting(state State) State {
	state.Deleting = true
	return state
}

// TestText shows that a verdict says what happened to whom, after what, and that all of it is in the JSON.
func TestText(t *testing.T) {
	history := History{
		Changes:    []Change{baseline(), put(1, there(7))},
		Marks:      []Mark{{At: time.Second, Text: "kill -9 of etcd"}},
		Operations: []*Operation{get(2, 3, found())},
	}
	verdict := Check(history, Options{})
	for _, want := range []string{"R1", "ns/stable", "stale", "rv=5", "rv=7", "kill -9 of etcd", "1 reads"} {
		if text := verdict.Text(); !strings.Contains(text, want) {
			t.Errorf("the text does not say %q:\n%s", want, text)
		}
	}
	content, err := json.Marshal(verdict)
	if err != nil {
		t.Fatal(err)
	}
	back := &Verdict{}
	if err := json.Unmarshal(content, back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(verdict, back); diff != "" {
		t.Errorf("the JSON has lost something (-before +after):\n%s", diff)
	}
	many := *verdict
	many.Violations = slices.Repeat(verdict.Violations, 100)
	if lines := strings.Count(many.Text(), "\n"); lines > 50 || !strings.Contains(many.Text(), "95 more") {
		t.Errorf("the text of 100 violations has %d lines:\n%s", lines, many.Text())
	}
}
