package scenario

import (
	"bytes"
	"context"
	"errors"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Reads and writes in another version than that of the stored objects: each object is converted, by a webhook in one form
// and by a function of the server in the other.
var (
	getOldVersion = Scenario{
		Name:  "get-old-version",
		Title: "Get, converted to the old version",
		Why:   "What a conversion costs: a request to a webhook server for each read, or a call.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Kind: (*arm.Kind).HasOldVersion,
		Length: 1,
		Start: startList(asked(func(s *Subject) arm.Request {
			return arm.Request{Version: s.Arm.Kind.OldVersion, Name: Member(0)}
		}), converted),
	}
	listOldVersion = Scenario{
		Name:  "list-old-version",
		Title: "List 500 objects, converted to the old version",
		Why:   "All objects travel to the webhook server and back, or are converted where they are.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Kind: (*arm.Kind).HasOldVersion,
		Length: 2,
		Start: startList(asked(func(s *Subject) arm.Request {
			return arm.Request{Version: s.Arm.Kind.OldVersion}
		}), func(s *Subject, answer []byte) error { return errors.Join(converted(s, answer), population(s, answer)) }),
	}
	createOldVersion = Scenario{
		Name:  "create-old-version",
		Title: "Create, in the old version",
		Why: "A client that was never changed: what it sends is converted before it is looked at, and what it gets is " +
			"converted back.",
		Level: Full, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Kind: (*arm.Kind).HasOldVersion,
		Length: 1, Start: startCreateOldVersion,
	}
	updateOldVersion = Scenario{
		Name:  "update-old-version",
		Title: "Update, in the old version",
		Why:   "The object that is there is converted as well, to be compared with the one that was sent.",
		Level: Full, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Kind: (*arm.Kind).HasOldVersion,
		Length: 1, Start: startUpdateOldVersion,
	}
)

func startCreateOldVersion(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	old, err := s.inOldVersion(ctx)
	if err != nil {
		return nil, nil, err
	}
	return creating(ctx, old, cell, "old")
}

// startUpdateOldVersion updates objects of its own: those of the population say what the old version does not know.
func startUpdateOldVersion(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	old, err := s.inOldVersion(ctx)
	if err != nil {
		return nil, nil, err
	}
	return startChanging("dated", (*cursor).create, (*cursor).replace)(ctx, old, cell)
}

// converted checks that an answer is of the old version, which is plain text in every encoding.
func converted(s *Subject, answer []byte) error {
	if !bytes.Contains(answer, []byte(s.Arm.Kind.Resource.Group+"/"+s.Arm.Kind.OldVersion)) {
		return errors.New("the answer is not of the old version")
	}
	return nil
}
