package scenario

import (
	"github.com/duet-api/duet/bench/load"
)

// Load by what each arm can bear. An equal rate, as in get-rate, is a light load for one server and a heavy one for
// another; here each has the same share of what it gets through, so that their rates differ. Whoever compares two arms
// compares what a caller waits at the same load of the server, and not for the same work.

// busyWorkers is wide enough for a server that stalls: more at once than any capacity is measured with.
const busyWorkers = 64

// shares are gets and creates at a quarter, half and three quarters of the arm's own capacity.
func shares() []Scenario {
	var out []Scenario
	for _, operation := range []struct {
		name, title string
		capacity    Scenario
		length      float64
	}{
		{"get", "Get, many names", getMany32, 1},
		{"create", "Create", create32, 2}, // which are slower
	} {
		for _, share := range []struct {
			number, why string
			of          float64
		}{
			{"25", "A server that has time: the wait is the work itself.", 0.25},
			{"50", "As busy as a server should be: what waits for what begins to show.", 0.5},
			{"75", "Nearly as much as it can: the queues, and what a stall costs.", 0.75},
		} {
			s := operation.capacity // the same operation on the same objects
			s.Name = operation.name + "-at-" + share.number
			s.Title = operation.title + ", at " + share.number + " % of the arm's own capacity"
			s.Why = share.why + " Each arm has a rate of its own, by what it gets through in " + operation.capacity.Name + "."
			s.Loop = load.Share{Of: share.of, Workers: busyWorkers}
			s.Capacity, s.Length = operation.capacity.Name, operation.length
			out = append(out, s)
		}
	}
	return out
}
