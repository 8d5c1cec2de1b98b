package consistency

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// settleInterval is how often Settle looks. Each look goes through all events, so not too often.
const settleInterval = 100 * time.Millisecond

// Settle ends the load: it waits until the store's oracle has seen a revision, that of the last write, and every open
// watch whatever up to there it has to tell. A watch that has not when the context is done is a violation, which the
// verdict reports; that is no error here. Without the oracle's part there is no verdict, and that is an error.
func (r *Recorder) Settle(ctx context.Context, store string, revision int64) error {
	err := wait.PollUntilContextCancel(ctx, settleInterval, true, func(context.Context) (bool, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.followed[store] >= revision && len(r.behind(revision)) == 0, nil
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.followed[store]; known < revision {
		return fmt.Errorf("could not settle the history: the oracle of store %q is at revision %d, and %d was to come: %w",
			store, known, revision, err)
	}
	r.history.Settled, r.history.SettledAt = revision, r.clock()
	return nil
}

// CatchUp waits, once the watches have ended, until a store's oracle has told what they heard: a watch may be first.
func (r *Recorder) CatchUp(ctx context.Context, store string) error {
	var heard int64
	r.mu.Lock()
	for _, stream := range r.history.Streams {
		for _, event := range stream.Events {
			if event.State != nil { // A bookmark may be ahead of every object.
				heard = max(heard, event.Revision)
			}
		}
	}
	r.mu.Unlock()
	var known int64
	err := wait.PollUntilContextCancel(ctx, settleInterval, true, func(context.Context) (bool, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		known = r.followed[store]
		return known >= heard, nil
	})
	if err != nil {
		return fmt.Errorf("the oracle of store %q is at revision %d, and a watch has heard of %d: %w", store, known, heard, err)
	}
	return nil
}

// Behind says which open watches have something to tell up to a revision, for who wonders what Settle waits for.
func (r *Recorder) Behind(revision int64) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.behind(revision), "\n")
}

func (r *Recorder) behind(revision int64) []string {
	var lines []string
	var known *timeline
	for _, stream := range r.history.Streams {
		reached := stream.reached()
		if stream.Ending != Open || reached >= revision {
			continue
		}
		if known == nil {
			known = newTimeline(r.history.Changes)
		}
		if !stream.told() {
			lines = append(lines, fmt.Sprintf("%s: its initial state is to come", stream))
		} else if missing := known.view(stream.Scope).between(reached, revision); len(missing) > 0 {
			lines = append(lines, fmt.Sprintf("%s: %d to come after revision %d", stream, len(missing), reached))
		}
	}
	return lines
}

// Newest are the objects in a scope that the store has, as far as the oracle has told, and the revision of each.
func (r *Recorder) Newest(scope Scope) map[Object]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, matches := newTimeline(r.history.Changes), scope.matcher()
	newest := map[Object]int64{}
	for object, changes := range known.byObject {
		if last := changes[len(changes)-1]; known.exists(last) && matches(&known.changes[last].State) {
			newest[object] = known.changes[last].Revision
		}
	}
	return newest
}
