package scenario

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

var list500 = Scenario{
	Name:  "list-500",
	Title: "List 500 objects",
	Why: "Encoding dominates: typed objects against maps. Consistent (no resource version), so a server that " +
		"shares its etcd with other writers may have to wait for a progress notification of up to 100 ms.",
	Loop:  load.Closed{Workers: 1},
	Start: startList,
}

func startList(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	answers := make([]bytes.Buffer, cell.Workers)
	// Counting decodes the list, so it is done once, here. The operation itself looks at the size.
	if _, err := s.Client.List(ctx, s.Arm.Namespace, &answers[0]); err != nil {
		return nil, nil, err
	}
	items, err := arm.CountItems(answers[0].Bytes())
	if err != nil {
		return nil, nil, err
	}
	if items != Population {
		return nil, nil, fmt.Errorf("the list has %d items, not %d", items, Population)
	}
	op := func(ctx context.Context, call load.Call) (time.Time, error) {
		answer := &answers[call.Worker]
		done, err := s.Client.List(ctx, s.Arm.Namespace, answer)
		if err == nil && answer.Len() < Population*arm.PayloadBytes {
			err = errShort
		}
		return done, err
	}
	return op, nil, nil
}
