package scenario

import (
	"bytes"
	"context"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// What servers get through of reads and writes together, as they come in a cluster. The median is that of the reads, and
// the tail that of the writes; what counts is how many come through in a second.
var (
	mix32 = Scenario{
		Name:  "mix-32",
		Title: "Four gets to an update, 32 at once",
		Why: "The servers at their limit with what clusters ask of them: writes wait for the disk, and reads take the " +
			"processors meanwhile.",
		Level: Full, Loop: load.Closed{Workers: 32}, Population: Small, Needs: arm.Keep, Length: 1, Start: startMix,
	}
	mix32At16K = Scenario{
		Name:  "mix-32-16k",
		Title: "Four gets to an update, 32 at once, 16 KB",
		Why:   "The same where encoding and decoding are most of the work.",
		Level: Full, Loop: load.Closed{Workers: 32}, Population: Medium, Needs: arm.Keep, Length: 1, Start: startMix,
	}
)

// oneWriteIn so many operations of a mix.
const oneWriteIn = 5

func startMix(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	cursors, err := members(ctx, s, updateFrom, cell.Workers)
	if err != nil {
		return nil, nil, err
	}
	answers := make([]bytes.Buffer, cell.Workers)
	sources := cell.sources(s)
	op := func(ctx context.Context, call load.Call) (time.Time, error) {
		if sources[call.Worker].IntN(oneWriteIn) > 0 {
			return get(ctx, s, anyMember(sources[call.Worker], s.Population), &answers[call.Worker])
		}
		done, _, err := cursors[call.Worker].replace(ctx)
		return done, err
	}
	return op, nil, nil
}
