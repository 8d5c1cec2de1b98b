package scenario

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

var create = Scenario{
	Name:   "create",
	Title:  "Create",
	Why:    "The whole write path: decode, default, validate, admit, encode, one durable write.",
	Loop:   load.Closed{Workers: 1},
	Length: 1,
	Start:  startCreate,
}

func startCreate(_ context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	bodies := make([][]byte, cell.Workers)
	answers := make([]bytes.Buffer, cell.Workers)
	namespace := s.Arm.Scratch()
	op := func(ctx context.Context, call load.Call) (time.Time, error) {
		n := s.created.Add(1)
		name := fmt.Sprintf("new-%09d", n)
		body, err := s.Arm.Kind.Append(bodies[call.Worker][:0], s.Arm.Encoding, arm.Object{
			Namespace: namespace, Name: name, Number: int(n),
		})
		if err != nil {
			return time.Time{}, err
		}
		bodies[call.Worker] = body
		return s.Client.Create(ctx, namespace, name, body, &answers[call.Worker])
	}
	return op, nil, nil
}
