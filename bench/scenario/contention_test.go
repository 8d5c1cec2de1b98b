package scenario_test

import (
	"bytes"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/internal/fakeapi"
	"github.com/duet-api/duet/bench/load"
	"github.com/duet-api/duet/bench/scenario"
)

// Whoever loses begins with a new read, has waited for it, and is counted.
func TestConflictsAreTriedAgain(t *testing.T) {
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	cell := scenario.Cell{Workers: 1, Events: &scenario.Events{}}
	op, _, err := named(t, "conflict-storm").Start(t.Context(), subject, cell)
	if err != nil {
		t.Fatal(err)
	}
	const lost = 7 // more than client-go's own patience
	var puts atomic.Int64
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && puts.Add(1) <= lost {
			fakeapi.Fail(w, http.StatusConflict, "Conflict", "somebody was faster")
			return true
		}
		return false
	}
	before := len(server.Requests())
	if _, err := op(t.Context(), load.Call{}); err != nil {
		t.Fatal(err)
	}
	sent := server.Requests()[before:]
	if gets, puts := count(sent, "GET", ""), count(sent, "PUT", ""); gets != lost+1 || puts != lost+1 {
		t.Errorf("%d reads and %d writes, want %d of each", gets, puts, lost+1)
	}
	if diff := cmp.Diff(map[string]int64{"conflicts, each followed by another try": lost}, cell.Events.Counts()); diff != "" {
		t.Errorf("unexpected events (-want +got):\n%s", diff)
	}
	// Any other refusal is a failure, at once.
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			fakeapi.Fail(w, http.StatusForbidden, "Forbidden", "no")
		}
		return r.Method == http.MethodPut
	}
	if _, err := op(t.Context(), load.Call{}); err == nil || arm.Reason(err) != "403 Forbidden" {
		t.Errorf("a write that is refused gave %v", err)
	}
}

func TestMixIsFourToOne(t *testing.T) {
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	before := len(server.Requests())
	const operations = 500
	if errors := do(t, named(t, "mix-32"), subject, operations); len(errors) != 0 {
		t.Fatal(errors)
	}
	if puts := count(server.Requests()[before:], "PUT", ""); puts < operations/7 || puts > operations/4 {
		t.Errorf("%d of %d operations are writes, want about a fifth", puts, operations)
	}
}

// What becomes of a watch that nobody reads is no failure, and is told.
func TestIdleWatchIsHeldOrDropped(t *testing.T) {
	const (
		dropped = "times the server ended the watch that nobody read"
		held    = "times the events for the watch that nobody read were still under way at the end"
	)
	for want, drop := range map[string]bool{dropped: true, held: false} {
		t.Run(want, func(t *testing.T) {
			server := fakeapi.New(t)
			subject := subjectWith(t, server, scenario.Large)
			var watches atomic.Int64
			server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				// The others come first.
				if r.URL.Query().Get("watch") == "" || watches.Add(1) != 5 || !drop {
					return false
				}
				w.WriteHeader(http.StatusOK)
				w.(http.Flusher).Flush()
				return true
			}
			s := named(t, "watch-slow")
			cell := scenario.Cell{Workers: 1, Events: &scenario.Events{}}
			op, stop, err := s.Start(t.Context(), subject, cell)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := op(t.Context(), load.Call{}); err != nil {
				t.Error(err)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(map[string]int64{want: 1}, cell.Events.Counts()); diff != "" {
				t.Errorf("unexpected events (-want +got):\n%s", diff)
			}
		})
	}
}

// A thousand requests do not fit on one connection, and none of the watchers may be missing.
func TestManyWatchers(t *testing.T) {
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	before := len(server.Requests())
	if errors := do(t, named(t, "watch-1000"), subject, 1); len(errors) != 0 {
		t.Fatal(errors)
	}
	watches := 0
	for _, request := range server.Requests()[before:] {
		if strings.Contains(request, "watch=1") {
			watches++
		}
	}
	if watches != 1000 {
		t.Errorf("%d watches, want 1000", watches)
	}
}

// What is written in the old version is of it, and as large.
func TestOldVersionIsWritten(t *testing.T) {
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	op, stop, err := named(t, "create-old-version").Start(t.Context(), subject, scenario.Cell{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := op(t.Context(), load.Call{}); err != nil {
		t.Fatal(err)
	}
	names := server.Names("ns-scratch")
	if len(names) != 1 {
		t.Fatalf("%q are there, want one object", names)
	}
	var answer bytes.Buffer
	if _, err := subject.Client.Get(t.Context(), "ns-scratch", names[0], &answer); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(answer.Bytes(), []byte("mysql.example.com/v1alpha1")) || answer.Len() < subject.Arm.Kind.Bytes {
		t.Errorf("%d bytes were stored: %s", answer.Len(), answer.Bytes())
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
