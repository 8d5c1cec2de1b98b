package controller

import (
	"strings"
	"testing"
	"time"

	"github.com/duet-api/duet/shared/database"
)

// linked is a replica that follows its primary, both with data.
func linked(changes ...func(*link)) link {
	l := link{
		primary: database.State{Executed: "u:1-5", Complete: true, Schemas: []string{"shop"}},
		replica: database.State{
			Executed: "u:1-5", Complete: true, ReadOnly: true, Schemas: []string{"shop"},
			Source: &database.Following{
				Host: "db-0.db-headless", Port: 3306, User: replicationUser, ByGTID: true,
				Receiver: database.Thread{State: database.Running}, Applier: database.Thread{State: database.Running},
				Behind: new(time.Duration),
			},
		},
		source: database.Source{Host: "db-0.db-headless", Port: 3306, User: replicationUser},
	}
	for _, change := range changes {
		change(&l)
	}
	return l
}

func TestDecide(t *testing.T) {
	stopped := func(code int) database.Thread {
		return database.Thread{State: database.Stopped, Code: code, Error: "why"}
	}
	purged := func(l *link) { l.primary.Complete = false }
	tests := map[string]struct {
		change     []func(*link)
		wantStep   step
		wantReason string
		// wantText is a part of the message.
		wantText string
	}{
		"follows": {},
		"follows, under a name in other letters": {
			change: []func(*link){func(l *link) { l.replica.Source.Host = "DB-0.db-headless" }},
		},
		"is a little behind": {
			change: []func(*link){func(l *link) { l.replica.Source.Behind = new(lagBound) }},
		},
		"is far behind": {
			change:     []func(*link){func(l *link) { l.replica.Source.Behind = new(7 * time.Minute) }},
			wantReason: ReasonReplicaLagging, wantText: "more than 5m0s behind",
		},
		"does not know how far": {
			change:     []func(*link){func(l *link) { l.replica.Source.Behind = nil }},
			wantReason: ReasonReplicaStarting,
		},
		"has lost the primary": {
			change: []func(*link){func(l *link) {
				l.replica.Source.Behind = nil
				l.replica.Source.Receiver = database.Thread{
					State: database.Connecting, Code: 2003, Error: "error connecting - retries: 7 message: refused",
				}
			}},
			wantReason: ReasonReplicaStarting, wantText: "is connecting to the primary: refused",
		},
		"is new and empty": {
			change:   []func(*link){func(l *link) { l.replica = database.State{} }},
			wantStep: stepFollow, wantReason: ReasonReplicaStarting,
		},
		"is new and empty, and so is the primary": {
			change:   []func(*link){func(l *link) { l.replica, l.primary.Schemas = database.State{}, nil }},
			wantStep: stepFollow, wantReason: ReasonReplicaStarting,
		},
		"is new, with what its image wrote": {
			change:   []func(*link){func(l *link) { l.replica = database.State{Executed: "v:1"}; l.lacks = "v:1" }},
			wantStep: stepWipe, wantReason: ReasonReplicaRebuilding,
		},
		"is empty, and the primary's logs are not complete": {
			change:     []func(*link){purged, func(l *link) { l.replica = database.State{} }},
			wantReason: ReasonReplicaBroken, wantText: "by hand",
		},
		"is empty, and can clone": {
			change:   []func(*link){purged, func(l *link) { l.replica = database.State{}; l.canClone = true }},
			wantStep: stepClone, wantReason: ReasonReplicaRebuilding,
		},
		"was cloned": {
			change:   []func(*link){purged, func(l *link) { l.replica.Source = nil; l.canClone = true }},
			wantStep: stepFollow, wantReason: ReasonReplicaStarting,
		},
		"was being emptied": {
			change:   []func(*link){func(l *link) { l.replica.Wiping = true; l.lacks = "v:1" }},
			wantStep: stepWipe, wantReason: ReasonReplicaRebuilding,
		},
		"has what the primary has not": {
			change:     []func(*link){func(l *link) { l.lacks = "v:1-3" }},
			wantReason: ReasonReplicaDiverged, wantText: "(v:1-3)",
		},
		"has what the primary has not, whatever else is wrong": {
			change: []func(*link){purged, func(l *link) {
				l.lacks, l.canClone, l.resumed = "v:1-3", true, 99
				l.replica.Source.Applier = stopped(1062)
			}},
			wantReason: ReasonReplicaDiverged,
		},
		"has all the data that there is": {
			change:   []func(*link){func(l *link) { l.lacks, l.primary = "u:1-5", database.State{Complete: true} }},
			wantStep: stepPause, wantReason: ReasonPrimaryLostData,
		},
		"has all the data that there is, and is paused": {
			change: []func(*link){func(l *link) {
				l.lacks, l.primary = "u:1-5", database.State{Complete: true}
				l.replica.Source.Receiver, l.replica.Source.Applier = stopped(0), stopped(0)
			}},
			wantReason: ReasonPrimaryLostData,
		},
		"follows another server": {
			change:   []func(*link){func(l *link) { l.replica.Source.Host = "elsewhere" }},
			wantStep: stepFollow, wantReason: ReasonReplicaBroken, wantText: "elsewhere:3306",
		},
		"follows by position": {
			change:   []func(*link){func(l *link) { l.replica.Source.ByGTID = false }},
			wantStep: stepFollow, wantReason: ReasonReplicaBroken,
		},
		"follows in the clear, and need not": {
			change:   []func(*link){func(l *link) { l.source.Encrypted = true }},
			wantStep: stepFollow, wantReason: ReasonReplicaBroken,
		},
		"follows nobody": {
			change:   []func(*link){func(l *link) { l.replica.Source = nil }},
			wantStep: stepFollow, wantReason: ReasonReplicaStarting,
		},
		"was stopped": {
			change:   []func(*link){func(l *link) { l.replica.Source.Applier = stopped(0) }},
			wantStep: stepResume, wantReason: ReasonReplicaBroken,
		},
		"is refused": {
			change: []func(*link){func(l *link) {
				l.replica.Source.Receiver = database.Thread{State: database.Connecting, Code: 1045}
			}},
			wantStep: stepRenew, wantReason: ReasonReplicaBroken,
		},
		"stopped at a transaction": {
			change:   []func(*link){func(l *link) { l.replica.Source.Applier = stopped(1205) }},
			wantStep: stepResume, wantReason: ReasonReplicaBroken, wantText: "why",
		},
		"stopped at a transaction for good": {
			change:   []func(*link){func(l *link) { l.replica.Source.Applier = stopped(1062); l.resumed = resumptions }},
			wantStep: stepWipe, wantReason: ReasonReplicaRebuilding, wantText: "why",
		},
		"stopped at a transaction for good, and nothing brings the data back": {
			change: []func(*link){purged, func(l *link) {
				l.replica.Source.Applier = stopped(1062)
				l.resumed = resumptions
			}},
			wantReason: ReasonReplicaBroken, wantText: "by hand",
		},
		"needs what the primary has purged": {
			change:     []func(*link){purged, func(l *link) { l.replica.Source.Receiver = stopped(1236) }},
			wantReason: ReasonReplicaBroken, wantText: "by hand",
		},
		"needs what the primary has purged, and can clone": {
			change: []func(*link){purged, func(l *link) {
				l.replica.Source.Receiver = stopped(13114)
				l.canClone = true
			}},
			wantStep: stepWipe, wantReason: ReasonReplicaRebuilding,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := decide(linked(test.change...))
			if got.step != test.wantStep || got.reason != test.wantReason {
				t.Errorf("got step %q, reason %q (%s); want %q, %q", got.step, got.reason, got.message, test.wantStep, test.wantReason)
			}
			if !strings.Contains(got.message, test.wantText) {
				t.Errorf("the message %q does not say %q", got.message, test.wantText)
			}
			if (got.message == "") != (got.reason == "") {
				t.Errorf("reason %q with message %q", got.reason, got.message)
			}
		})
	}
}

// TestDecideTakesNothingAway goes through every combination: a replica that has data and transactions of its own is
// never emptied or overwritten.
func TestDecideTakesNothingAway(t *testing.T) {
	for bits := range 1 << 6 {
		is := func(bit int) bool { return bits&(1<<bit) != 0 }
		l := linked(func(l *link) {
			l.lacks, l.primary.Complete, l.canClone = "v:1", is(0), is(1)
			if is(2) {
				l.primary.Schemas = nil
			}
			if is(3) {
				l.replica.Source.Applier = database.Thread{State: database.Stopped, Code: 1062}
				l.resumed = 2 * resumptions
			}
			if is(4) {
				l.replica.Source.Receiver = database.Thread{State: database.Stopped, Code: database.CodeSourceLog}
			}
			if is(5) {
				l.replica.Source = nil
			}
		})
		if got := decide(l); got.step != stepNone && got.step != stepPause {
			t.Errorf("combination %06b: step %s", bits, got.step)
		}
	}
}
