package scenario

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

var list500 = Scenario{
	Name:  "list-500",
	Title: "List 500 objects",
	Why: "Encoding dominates: typed objects against maps. Consistent (no resource version), so a server that " +
		"shares its etcd with other writers may have to wait for a progress notification of up to 100 ms.",
	Loop:   load.Closed{Workers: 1},
	Length: 2,
	Start:  startList,
}

func startList(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	answers := make([]bytes.Buffer, cell.Workers)
	// Counting decodes the list, so it is done once, here. The operation itself looks at the size.
	if _, err := s.Client.List(ctx, s.Arm.Namespace, &answers[0]); err != nil {
		return nil, nil, err
	}
	_, items, err := s.Client.Items(answers[0].Bytes())
	if err != nil {
		return nil, nil, err
	}
	if err := checkPopulation(items); err != nil {
		return nil, nil, err
	}
	op := func(ctx context.Context, call load.Call) (time.Time, error) {
		answer := &answers[call.Worker]
		done, err := s.Client.List(ctx, s.Arm.Namespace, answer)
		if err == nil && answer.Len() < Population*s.size {
			err = errShort
		}
		return done, err
	}
	return op, nil, nil
}

// checkPopulation reports a list that is not of the population. A few strangers do not matter: Kubernetes itself puts a
// ConfigMap into each namespace.
func checkPopulation(items []arm.Meta) error {
	members := 0
	for _, item := range items {
		if strings.HasPrefix(item.Name, memberPrefix) {
			members++
		}
	}
	if strangers := len(items) - members; members != Population || strangers > Population/100 {
		return fmt.Errorf("the list has %d of %d members and %d other objects", members, Population, strangers)
	}
	return nil
}
