package controller

import (
	"fmt"
	"strings"
	"time"

	"github.com/duet-api/duet/shared/database"
)

const (
	// replicationUser is whom replicas are at the primary.
	replicationUser = "duet_replication"
	// lagBound is how far behind a replica may be to serve reads.
	lagBound = 30 * time.Second
	// resumptions is how often a replica whose thread stopped with an error is started again before it is taken for one
	// that cannot go on.
	resumptions = 3
)

// step is what is done to a replica.
type step string

// Steps. Each of them leaves a server whose next step follows from its state, so that being stopped after one, or in
// the middle of one, does no harm.
const (
	stepNone step = ""
	// stepFollow sets the source.
	stepFollow step = "follow"
	// stepResume starts threads that stopped.
	stepResume step = "resume"
	// stepRenew sets the replication account's password at the primary and the replica.
	stepRenew step = "renew"
	// stepPause stops a replica that has data of a primary which has lost it.
	stepPause step = "pause"
	// stepWipe takes everything from a replica, to follow from the beginning or to be cloned.
	stepWipe step = "wipe"
	// stepClone copies the primary's data to an empty replica.
	stepClone step = "clone"
)

// link is a replica and its primary, as they were found.
type link struct {
	primary, replica database.State
	// lacks are the transactions of the replica that the primary does not have.
	lacks string
	// canClone says whether both servers can.
	canClone bool
	// resumed is how often the replica was started again since it last went well.
	resumed int
	// source that the replica is to follow.
	source database.Source
}

// verdict is a step and, in words, what is wrong.
type verdict struct {
	step step
	// reason for the condition; empty if the replica follows.
	reason  string
	message string
}

// decide is the whole of what is known about repairing replication. The rule above all others: what only this server
// has is never taken from it.
func decide(l link) verdict {
	source := l.replica.Source
	running := source != nil && (source.Receiver.State != database.Stopped || source.Applier.State != database.Stopped)
	switch {
	case l.replica.Wiping:
		return verdict{stepWipe, ReasonReplicaRebuilding, "was being emptied, and is emptied again"}
	case l.lacks != "" && len(l.replica.Schemas) == 0:
		// What making an image's data leaves behind, such as time zones; nothing that somebody made.
		return verdict{stepWipe, ReasonReplicaRebuilding, "has transactions of its own and no data, and is emptied"}
	case l.lacks != "" && len(l.primary.Schemas) == 0:
		v := verdict{stepNone, ReasonPrimaryLostData, fmt.Sprintf("has data and transactions (%s) that the primary, which "+
			"has no data at all, does not have: nothing is changed on it; copy its data back to the primary, see "+
			"docs/replication.md",
			short(l.lacks))}
		if running {
			v.step = stepPause
		}
		return v
	case l.lacks != "":
		return verdict{stepNone, ReasonReplicaDiverged, fmt.Sprintf("has transactions that the primary does not have (%s): "+
			"nothing is changed on it; save what only it has, then drop its schemas, see docs/replication.md", short(l.lacks))}
	case source == nil && l.replica.Executed == "" && len(l.replica.Schemas) == 0 && !l.primary.Complete:
		if !l.canClone {
			return cannotCopy("is empty")
		}
		return verdict{stepClone, ReasonReplicaRebuilding, "is empty, and gets a copy of the primary's data"}
	case source == nil:
		return verdict{stepFollow, ReasonReplicaStarting, "does not follow the primary yet"}
	case !strings.EqualFold(source.Host, l.source.Host) || source.Port != l.source.Port ||
		source.User != l.source.User || source.Encrypted != l.source.Encrypted || !source.ByGTID:
		return verdict{stepFollow, ReasonReplicaBroken, fmt.Sprintf(
			"does not follow the primary as it should, but %s:%d", source.Host, source.Port)}
	}
	return decideThreads(l, source)
}

// decideThreads is about a replica that is set up as it should be.
func decideThreads(l link, source *database.Following) verdict {
	receiver, applier := source.Receiver, source.Applier
	switch {
	case receiver.State == database.Stopped &&
		(receiver.Code == database.CodeSourceLog || receiver.Code == database.CodeSourceLogMySQL):
		return rebuild(l, "needs transactions that the primary no longer has in its binary logs: "+receiver.Error)
	case receiver.Code == database.CodeAccessDenied && receiver.State != database.Running:
		return verdict{stepRenew, ReasonReplicaBroken, "is refused by the primary: " + receiver.Error}
	case applier.State == database.Stopped && applier.Code != 0 && l.resumed >= resumptions:
		return rebuild(l, "cannot apply a transaction of the primary: "+applier.Error)
	case applier.State == database.Stopped && applier.Code != 0:
		return verdict{stepResume, ReasonReplicaBroken, "stopped at a transaction: " + applier.Error}
	case receiver.State == database.Stopped && receiver.Code != 0:
		return verdict{stepResume, ReasonReplicaBroken, "stopped receiving: " + receiver.Error}
	case receiver.State == database.Stopped || applier.State == database.Stopped:
		return verdict{stepResume, ReasonReplicaBroken, "was stopped"}
	case receiver.State == database.Connecting:
		message := "is connecting to the primary"
		if receiver.Error != "" {
			message += ": " + withoutCount(receiver.Error)
		}
		return verdict{stepNone, ReasonReplicaStarting, message}
	case source.Behind == nil:
		return verdict{stepNone, ReasonReplicaStarting, "does not say how far behind it is yet"}
	case *source.Behind > lagBound:
		return verdict{stepNone, ReasonReplicaLagging, "is more than " + roughly(*source.Behind) + " behind the primary"}
	}
	return verdict{}
}

// rebuild begins anew, if there is a way to get all of the data again.
func rebuild(l link, why string) verdict {
	if !l.primary.Complete && !l.canClone {
		return cannotCopy(why)
	}
	return verdict{stepWipe, ReasonReplicaRebuilding, why + ": it is emptied and made anew"}
}

func cannotCopy(why string) verdict {
	return verdict{stepNone, ReasonReplicaBroken, why + ", the primary's binary logs do not reach back to its beginning, " +
		"and the servers cannot clone: put a copy of the primary on it by hand, see docs/replication.md"}
}

// roughly is the largest round time below d: a condition that said more would change, and be written, all the time.
func roughly(d time.Duration) string {
	round := lagBound
	for _, step := range []time.Duration{
		time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour,
	} {
		if d > step {
			round = step
		}
	}
	return round.String()
}

// withoutCount leaves out how often a server has tried to connect, for the same reason.
func withoutCount(text string) string {
	_, message, found := strings.Cut(text, "message: ")
	if !found {
		return text
	}
	return message
}

// short keeps a set of transactions from filling a condition.
func short(set string) string {
	const most = 200
	if len(set) > most {
		return set[:most] + "..."
	}
	return set
}
