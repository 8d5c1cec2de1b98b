package lineup

import (
	"slices"

	"github.com/duet-api/duet/bench/arm"
)

// The arms whose differences say what no server reports: what is left of the aggregated form without the hop, and the
// least that a connection, and a hop, cost on this machine.
const (
	Direct      = "aggregated-direct"
	Echo        = "echo"
	EchoProxied = "echo-proxied"
)

// Traced are the entries whose requests can be followed through servers that report what they do, of those that a run
// measures, and those beside them that say what the servers do not.
func Traced(measured []Entry) []Entry {
	follows := func(e Entry) bool { return e.Repeats == "" && e.form != arm.Storage && e.form != arm.Transport }
	through := slices.ContainsFunc(measured, func(e Entry) bool { return e.side == aggregatedSide })
	var out []Entry
	for _, e := range Entries() {
		asked := slices.ContainsFunc(measured, func(m Entry) bool { return m.Name == e.Name })
		probes := through && (e.Name == Direct || e.Name == Echo || e.Name == EchoProxied)
		if asked && follows(e) || probes {
			out = append(out, e)
		}
	}
	return out
}
