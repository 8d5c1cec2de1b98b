package scenario

import (
	"bytes"
	"context"
	"time"

	"github.com/duet-api/duet/bench/load"
)

var getOne = Scenario{
	Name:   "get-one",
	Title:  "Get, one name",
	Why:    "The cheapest request there is: the price of each hop shows undiluted, and authorization is remembered.",
	Loop:   load.Closed{Workers: 1},
	Length: 1,
	Start:  startGetOne,
}

func startGetOne(_ context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	answers := make([]bytes.Buffer, cell.Workers)
	op := func(ctx context.Context, call load.Call) (time.Time, error) {
		return get(ctx, s, 0, &answers[call.Worker])
	}
	return op, nil, nil
}

// get reads object i of the population.
func get(ctx context.Context, s *Subject, i int, answer *bytes.Buffer) (time.Time, error) {
	done, err := s.Client.Get(ctx, s.Arm.Namespace, Member(i), answer)
	if err == nil && answer.Len() < s.size {
		err = errShort
	}
	return done, err
}
