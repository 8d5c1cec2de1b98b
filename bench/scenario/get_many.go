package scenario

import (
	"bytes"
	"context"
	"math/rand/v2"
	"time"

	"github.com/duet-api/duet/bench/load"
)

var getMany = Scenario{
	Name:  "get-many",
	Title: "Get, many names",
	Why: "As a controller or many users read: a server that asks another one whether each name may be read, " +
		"and remembers answers by name, pays here and not in the line above.",
	Loop:   load.Closed{Workers: 1},
	Length: 1,
	Start:  startGetMany,
}

func startGetMany(_ context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	answers := make([]bytes.Buffer, cell.Workers)
	sources := make([]*rand.Rand, cell.Workers)
	for worker := range sources {
		sources[worker] = rand.New(rand.NewPCG(cell.Seed, uint64(worker)))
	}
	op := func(ctx context.Context, call load.Call) (time.Time, error) {
		return get(ctx, s, sources[call.Worker].IntN(Population), &answers[call.Worker])
	}
	return op, nil, nil
}
