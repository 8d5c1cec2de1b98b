package scenario

import (
	"bytes"
	"errors"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Reads in another version than that of the stored objects: each object is converted, by a webhook in one form and by
// a function of the server in the other.
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
)

// converted checks that an answer is of the old version, which is plain text in every encoding.
func converted(s *Subject, answer []byte) error {
	if !bytes.Contains(answer, []byte(s.Arm.Kind.Resource.Group+"/"+s.Arm.Kind.OldVersion)) {
		return errors.New("the answer is not of the old version")
	}
	return nil
}
