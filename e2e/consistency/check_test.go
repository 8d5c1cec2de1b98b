package consistency

import (
	"slices"
	"testing"
)

// tolerant is what clean worlds need: requests get lost there.
var tolerant = Options{
	Reads: Allowance{Codes: []int{NoAnswer}}, Writes: Allowance{Codes: []int{NoAnswer}}, NobodyElseDeletes: true,
}

// TestCleanHistories shows that nobody is accused who did nothing wrong, and that the worlds are eventful enough for
// that to say something.
func TestCleanHistories(t *testing.T) {
	var all Counts
	for seed := range uint64(240) {
		s := setting{seed: seed, moves: seed%3 > 0, anew: seed%3 == 2}
		history, _ := play(t, s)
		verdict := Check(history, tolerant)
		if !verdict.Clean() {
			t.Fatalf("seed %d: a clean history is accused:\n%s", seed, verdict.Text())
		}
		all.Conflicts += verdict.Counts.Conflicts
		all.NotFound += verdict.Counts.NotFound
		all.Unknown += verdict.Counts.Unknown
		all.Happened += verdict.Counts.Happened
		all.Foreign += verdict.Counts.Foreign
		all.Ordered += verdict.Counts.Ordered
		all.Overtaken += verdict.Counts.Overtaken
		all.Bookmarks += verdict.Counts.Bookmarks
		all.Acknowledged += verdict.Counts.Acknowledged
		all.Streams += verdict.Counts.Streams - verdict.Counts.Watches
	}
	t.Logf("%+v", all)
	for name, count := range map[string]int{
		"conflicts": all.Conflicts, "not found": all.NotFound, "unknown outcomes that happened": all.Happened,
		"unknown outcomes that did not": all.Unknown - all.Happened, "changes by others": all.Foreign,
		"ordered objects": all.Ordered, "overtaken finalizers": all.Overtaken, "bookmarks": all.Bookmarks,
		"acknowledged": all.Acknowledged, "resumed": all.Streams,
	} {
		if count < 100 {
			t.Errorf("only %d %s: the worlds are too quiet", count, name)
		}
	}
}

// TestFaults shows that each fault is found, by a property that is about it.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		fault  string
		wanted []string
		moves  bool
		anew   bool
		// What others do at the same time may justify the answer, and then nobody can be accused.
		concurrent bool
	}{
		{fault: "a dropped event", wanted: []string{"W3", "W8"}},
		{fault: "a duplicated event", wanted: []string{"W2"}},
		{fault: "two events in the wrong order", wanted: []string{"W1"}},
		{fault: "a bookmark before an event", wanted: []string{"W5"}},
		{fault: "a wrong type of event", wanted: []string{"W6"}},
		{fault: "an event of nothing", wanted: []string{"W3"}},
		{fault: "an event shows another token", wanted: []string{"W3"}},
		{fault: "a watch falls silent", wanted: []string{"W8"}},
		{fault: "a watch goes on from too late", wanted: []string{"W4"}},
		{fault: "a watch ends with an error", wanted: []string{"S3"}},
		{fault: "an object is missing in the initial state", wanted: []string{"W7"}},
		{fault: "a lost update", wanted: []string{"K3"}},
		{fault: "an acknowledged write is missing", wanted: []string{"K2"}},
		{fault: "an acknowledged delete is missing", wanted: []string{"K2", "KV"}, concurrent: true},
		{fault: "a refused write takes place", wanted: []string{"K2"}},
		{fault: "a write takes place twice", wanted: []string{"K2"}},
		{fault: "a dry run writes", wanted: []string{"K8"}},
		{fault: "an unjustified conflict", wanted: []string{"K4", "KV"}, concurrent: true},
		{fault: "an unjustified AlreadyExists", wanted: []string{"K5", "KV"}, concurrent: true},
		{fault: "a precondition of a delete is ignored", wanted: []string{"K7"}},
		{fault: "a delete that is tried takes place", wanted: []string{"K9"}, concurrent: true},
		{fault: "a delete that is refused takes place", wanted: []string{"K9"}, concurrent: true},
		{fault: "an object that nobody deletes is gone", wanted: []string{"K9"}},
		{fault: "an object with a finalizer is gone", wanted: []string{"K6"}, concurrent: true},
		{fault: "the UID changes", wanted: []string{"K6"}},
		{fault: "creationTimestamp changes", wanted: []string{"K6"}},
		{fault: "generation changes without the spec", wanted: []string{"K6"}},
		{fault: "generation does not count a change", wanted: []string{"K6"}},
		{fault: "the managers are lost", wanted: []string{"K6"}},
		{fault: "the revision goes back", wanted: []string{"S1"}},
		{fault: "404 on an existing name", wanted: []string{"S4"}},
		{fault: "a stale read", wanted: []string{"R1"}},
		{fault: "a stale list", wanted: []string{"R1"}},
		{fault: "a read shows another UID", wanted: []string{"S2"}},
		{fault: "a read shows another manager", wanted: []string{"S2"}},
		{fault: "an object is missing in a list", wanted: []string{"R2"}},
		{fault: "pages of two states", wanted: []string{"R3"}},
		{fault: "a failed request", wanted: []string{"S5"}},
		{fault: "the copy has another spec", wanted: []string{"S2"}, moves: true},
		{fault: "the copy has another UID", wanted: []string{"S2"}, moves: true},
		{fault: "the copy has no managers", wanted: []string{"S2"}, moves: true},
		{fault: "the copy has no status", wanted: []string{"S2"}, moves: true, anew: true},
		{fault: "the copy has other owners", wanted: []string{"S2"}, moves: true, anew: true},
		{fault: "the copy is below", wanted: []string{"S1"}, moves: true},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			enough := 5
			if tt.concurrent {
				enough = 15
			}
			struck, missed := 0, 0
			for seed := uint64(1000); struck < enough; seed++ {
				if seed == 1300 {
					t.Fatalf("the fault happened %d times only", struck)
				}
				history, happened := play(t, setting{seed: seed, fault: tt.fault, moves: tt.moves, anew: tt.anew})
				if !happened {
					continue
				}
				struck++
				verdict := Check(history, tolerant)
				for _, violation := range verdict.Violations {
					if Properties[violation.Property] == "" {
						t.Errorf("nobody knows what %s is", violation.Property)
					}
				}
				found := slices.ContainsFunc(verdict.Violations, func(v Violation) bool {
					return slices.Contains(tt.wanted, v.Property) && len(v.Evidence) > 0 && v.Text != ""
				})
				if found && !verdict.Clean() {
					continue
				}
				if missed++; !tt.concurrent || missed > enough/2 {
					t.Errorf("seed %d: it was not found by %v:\n%s", seed, tt.wanted, verdict.Text())
				}
			}
		})
	}
}
