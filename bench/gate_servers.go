package bench

import (
	"fmt"

	"github.com/duet-api/duet/bench/report"
)

// reviews are the questions to kube-apiserver for each request of a scenario, or what is missing to tell.
func reviews(b *report.Bench, scenario, arm string) (value float64, missing string) {
	for _, account := range b.Accounts {
		if account.Scenario != scenario || account.Arm != arm || account.Attempts == 0 {
			continue
		}
		var asked int64
		for _, component := range account.Components {
			asked += component.Reviews
		}
		return float64(asked) / float64(account.Attempts), ""
	}
	return 0, fmt.Sprintf("the servers were not asked what they did in %s on %s", scenario, arm)
}

func gateGrowth(b *report.Bench, g GrowthGoal) report.Outcome {
	if missing := missingArm(b, g.Test, g.Base); missing != "" {
		return unmeasured(g.AtMost, missing)
	}
	var objects, bytes int
	var test, base float64
	for _, t := range b.Footprints {
		for _, other := range b.Footprints {
			same := t.Arm == g.Test && other.Arm == g.Base && t.Objects == other.Objects && t.PayloadBytes == other.PayloadBytes
			if same && t.Objects > objects {
				objects, bytes, test, base = t.Objects, t.PayloadBytes, growth(t, g.Quantity), growth(other, g.Quantity)
			}
		}
	}
	if objects == 0 || base <= 0 {
		return unmeasured(g.AtMost, "the run does not say what objects take in the servers of both arms")
	}
	return report.Outcome{
		Standing: standing(test/base <= g.AtMost), Bound: g.AtMost, Value: test / base,
		Detail: fmt.Sprintf("%s for each of %d objects of %d bytes: %.0f and %.0f bytes", g.Quantity, objects, bytes, test, base),
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
