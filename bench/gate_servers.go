package bench

import (
	"fmt"
	"slices"
	"strings"

	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/report"
)

// counted are the quantities that servers count.
var counted = map[Quantity]func(measure.State) int64{
	Reviews:       func(s measure.State) int64 { return s.Reviews },
	StorageReads:  func(s measure.State) int64 { return s.StorageReads },
	StorageWrites: func(s measure.State) int64 { return s.StorageWrites },
}

// perRequest is what servers counted for each request of a scenario, or what is missing to tell.
func perRequest(b *report.Bench, v ValueGoal, count func(measure.State) int64) (value float64, missing string) {
	account := b.Account(v.Scenario, v.Arm)
	if account == nil || account.Attempts == 0 {
		return 0, fmt.Sprintf("the servers were not asked what they did in %s on %s", v.Scenario, v.Arm)
	}
	var all int64
	for _, component := range account.Components {
		all += count(component)
	}
	if all == 0 && v.Quantity != Reviews { // A run of a version that did not ask etcd has none.
		return 0, fmt.Sprintf("etcd did not say what it did in %s on %s", v.Scenario, v.Arm)
	}
	return float64(all) / float64(account.Attempts), ""
}

func gateGrowth(b *report.Bench, g GrowthGoal) report.Outcome {
	arms := []string{g.Test}
	if g.Base != "" {
		arms = append(arms, g.Base)
	}
	if missing := missingArm(b, arms...); missing != "" {
		return unmeasured(g.AtMost, missing)
	}
	var largest report.Footprint
	var of []float64
	for _, t := range b.Footprints {
		if t.Arm != g.Test || t.Objects <= largest.Objects {
			continue
		}
		values := []float64{growth(t, g.Quantity)}
		for _, other := range b.Footprints {
			if other.Arm == g.Base && t.Objects == other.Objects && t.PayloadBytes == other.PayloadBytes {
				values = append(values, growth(other, g.Quantity))
			}
		}
		if len(values) == len(arms) {
			largest, of = t, values
		}
	}
	switch {
	case largest.Objects == 0 || slices.Min(of) <= 0:
		return unmeasured(g.AtMost, "the run does not say what objects take in the servers of "+strings.Join(arms, " and "))
	case g.Base == "":
		return report.Outcome{
			Standing: standing(of[0] <= g.AtMost), Bound: g.AtMost, Value: of[0],
			Detail: fmt.Sprintf("%s for each of %d objects of %d bytes, in bytes", g.Quantity, largest.Objects, largest.PayloadBytes),
		}
	}
	return report.Outcome{
		Standing: standing(of[0]/of[1] <= g.AtMost), Bound: g.AtMost, Value: of[0] / of[1],
		Detail: fmt.Sprintf("%s for each of %d objects of %d bytes: %.0f and %.0f bytes", g.Quantity, largest.Objects,
			largest.PayloadBytes, of[0], of[1]),
	}
}

// growth of all servers for each object.
func growth(f report.Footprint, quantity Quantity) float64 {
	var bytes int64
	for _, component := range f.Components {
		if quantity == Heap {
			bytes += component.Heap
		} else {
			bytes += component.Storage
		}
	}
	return float64(bytes) / float64(f.Objects)
}
