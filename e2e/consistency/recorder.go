package consistency

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/rand"
)

// Recorder keeps everything that clients, watches and oracles tell it, with one monotonic clock. It is safe for use by
// many goroutines.
type Recorder struct {
	clock func() time.Duration

	mu       sync.Mutex
	history  History
	pending  map[*Operation]bool
	interned map[State]*State
	// followed is the newest revision that each oracle has shown.
	followed map[string]int64
	// run tells the tokens of this recording from those that an earlier one left in the objects.
	run    string
	tokens int
}

// NewRecorder starts a recording.
func NewRecorder() *Recorder {
	began := time.Now()
	return newRecorder(rand.String(runLength), func() time.Duration { return time.Since(began) })
}

// runLength is short enough to read, and long enough that two recordings of one store differ.
const runLength = 5

func newRecorder(run string, clock func() time.Duration) *Recorder {
	return &Recorder{
		clock: clock, pending: map[*Operation]bool{}, interned: map[State]*State{}, followed: map[string]int64{}, run: run,
	}
}

func (r *Recorder) locked(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// Token returns one that no other write of the recording has.
func (r *Recorder) Token() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens++
	return fmt.Sprintf("%s-%d", r.run, r.tokens)
}

// Begin records that a request is about to be sent. The function that it returns records the answer; a request without
// one, at the end of the recording, has an unknown outcome.
func (r *Recorder) Begin(operation Operation) func(Answer) {
	o := &operation
	r.locked(func() {
		o.ID = len(r.history.Operations) + 1
		o.Call = r.clock()
		r.history.Operations = append(r.history.Operations, o)
		r.pending[o] = true
	})
	return func(answer Answer) {
		r.locked(func() {
			answer.State = r.intern(answer.State)
			for i, item := range answer.Items {
				answer.Items[i] = r.intern(item)
			}
			o.Answer, o.Return = answer, r.clock()
			delete(r.pending, o)
		})
	}
}

// intern keeps one copy of equal states: lists return most objects again and again.
func (r *Recorder) intern(state *State) *State {
	if state == nil {
		return nil
	}
	if known := r.interned[*state]; known != nil {
		return known
	}
	r.interned[*state] = state
	return state
}

// StreamRecord is a watch that is being recorded.
type StreamRecord struct {
	recorder *Recorder
	stream   *Stream
}

// Open records that a watch was opened: its watcher, its scope, and what it starts from.
func (r *Recorder) Open(stream Stream) *StreamRecord {
	s := &stream
	r.locked(func() {
		s.ID = len(r.history.Streams) + 1
		s.Opened = r.clock()
		r.history.Streams = append(r.history.Streams, s)
	})
	return &StreamRecord{recorder: r, stream: s}
}

// Saw records an event.
func (s *StreamRecord) Saw(event Seen) {
	s.recorder.locked(func() {
		event.At = s.recorder.clock()
		event.State = s.recorder.intern(event.State)
		s.stream.Events = append(s.stream.Events, event)
	})
}

// Finish records how the watch ended, with the code and message of an ERROR event if there was one. It has one end:
// what is said after that counts for nothing.
func (s *StreamRecord) Finish(ending Ending, code int, message string) {
	s.recorder.locked(func() {
		if s.stream.Ending != Open {
			return
		}
		s.stream.Ending, s.stream.Code, s.stream.Message = ending, code, message
		s.stream.Finished = s.recorder.clock()
	})
}

// Change records a change that an oracle saw. What was there before the recording is older than every request.
func (r *Recorder) Change(change Change) {
	r.locked(func() {
		change.Received = r.clock()
		if change.Baseline {
			change.Received = -1
		}
		r.history.Changes = append(r.history.Changes, change)
		r.followed[change.Store] = max(r.followed[change.Store], change.Revision)
	})
}

// Mark records that something happened to the servers: a flip, a kill.
func (r *Recorder) Mark(format string, args ...any) {
	r.locked(func() {
		r.history.Marks = append(r.history.Marks, Mark{At: r.clock(), Text: fmt.Sprintf(format, args...)})
	})
}

// Follow records what an oracle sees until the context is done. It returns as soon as the oracle has told what was
// there before, and requests may be sent. A history whose oracle fails later is one that no verdict is given on.
func (r *Recorder) Follow(ctx context.Context, oracle Oracle) error {
	ready, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		err := oracle.Follow(ctx, sync.OnceFunc(func() { close(ready) }), r.Change)
		if ctx.Err() == nil {
			r.locked(func() {
				r.history.OracleFailures = append(r.history.OracleFailures, fmt.Sprintf("an oracle stopped: %v", err))
			})
		}
		failed <- err
	}()
	select {
	case <-ready:
		return nil
	case err := <-failed:
		return fmt.Errorf("could not follow the store: %w", err)
	case <-ctx.Done():
		return fmt.Errorf("could not follow the store: %w", ctx.Err())
	}
}

// History is what was recorded so far. Requests that are under way have an unknown outcome.
func (r *Recorder) History() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snapshot()
}

func (r *Recorder) snapshot() History {
	copied := r.history
	copied.Operations = make([]*Operation, len(r.history.Operations))
	for i, operation := range r.history.Operations {
		o := *operation
		if r.pending[operation] {
			o.Return, o.Answer = r.clock(), Answer{Error: "none before the end of the recording", Abandoned: true}
		}
		copied.Operations[i] = &o
	}
	copied.Streams = make([]*Stream, len(r.history.Streams))
	for i, stream := range r.history.Streams {
		s := *stream
		s.Events = slices.Clone(stream.Events)
		copied.Streams[i] = &s
	}
	copied.Changes = slices.Clone(r.history.Changes)
	copied.Marks = slices.Clone(r.history.Marks)
	copied.OracleFailures = slices.Clone(r.history.OracleFailures)
	return copied
}
