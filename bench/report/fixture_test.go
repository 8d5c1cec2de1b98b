package report_test

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/duet-api/duet/bench"
	"github.com/duet-api/duet/bench/load"
	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
	"github.com/duet-api/duet/e2e/behaviour"
)

// hostile is what a server could send to attack a reader of the report.
const hostile = `</script><script src="https://evil.example/x.js"></script><img src=x onerror=alert(1)> | **x** "'` + "`\n"

// began is when all runs of these tests took place.
var began = time.Date(2026, 9, 14, 10, 31, 0, 0, time.UTC)

// fixture is a whole run with the shapes of a real one: four arms, each scenario with its own distribution, a machine
// that drifts, and checks of each kind.
func fixture() report.Run {
	b := analysed()
	return report.Run{
		Schema: report.Schema,
		Card: report.Card{
			ID: "20260914-103100", Started: began, Finished: began.Add(212 * time.Second),
			Command: "duet compare --profile quick --seed 7",
			Machine: measure.Machine{
				OS: "Debian GNU/Linux 12 (bookworm)", Kernel: "Linux 6.1.0", Arch: "amd64", CPU: "AMD EPYC 7B13", Cores: 2,
				MemoryBytes: 24 << 30, Load1: 0.31, Go: "go1.26.8",
			},
			Revision: "f82df68c1d", Versions: map[string]string{"kube-apiserver": "v1.36.3", "etcd": "v3.6.8"},
			Flags:  map[string]string{"profile": "quick", "seed": "7"},
			Limits: []string{"no client-side rate limit"},
			Notes:  []string{"The controller was paused while operations were measured."},
		},
		Bench:  b,
		Matrix: fixtureMatrix(),
	}
}

// analysed is made once: no test changes what it points to.
var analysed = sync.OnceValue(func() *report.Bench {
	b := fixtureBench()
	bench.Analyse(b)
	return b
})

func fixtureBench() *report.Bench {
	profile, err := scenario.ProfileNamed("quick")
	if err != nil {
		panic(err)
	}
	b := &report.Bench{Profile: profile, Seed: 7, Cores: 2, Rounds: profile.Rounds, WarmUps: 2, Stationary: true}
	b.Arms = []report.Arm{
		{Name: "configmap", Form: "built-in", Plane: "crd", Resource: "v1/configmaps", PayloadBytes: 2048},
		{Name: "crd", Form: "crd", Plane: "crd", Resource: "mysql.example.com/v1/mysqlinstances", PayloadBytes: 2048},
		{Name: "crd-again", Form: "crd", Repeats: "crd", Plane: "crd", Resource: "mysql.example.com/v1/mysqlinstances",
			PayloadBytes: 2048},
		{Name: "aggregated", Form: "aggregated", Plane: "aggregated", Resource: "mysql.example.com/v1/mysqlinstances",
			PayloadBytes: 2048},
	}
	// Median in microseconds for each arm, and the spread of the logarithm.
	medians := map[string][4]float64{
		"get-one": {690, 820, 820, 1090}, "get-many": {700, 830, 830, 1180}, "list-500": {12500, 34000, 34000, 16800},
		"create": {1500, 2250, 2250, 2190}, "update": {1750, 2600, 2600, 2500}, "watch": {2500, 3300, 3300, 3900},
	}
	random := rand.New(rand.NewPCG(7, 7))
	for _, s := range profile.Scenarios() {
		b.Scenarios = append(b.Scenarios, report.Scenario{Name: s.Name, Title: s.Title, Why: s.Why, Loop: s.Loop.String()})
		for round := 1; round <= b.Rounds; round++ {
			drift := 1 + 0.2*math.Sin(float64(round))
			for i, a := range b.Arms {
				b.Rows = append(b.Rows, fixtureRow(random, s.Name, a, round, i, medians[s.Name][i]*drift))
			}
		}
	}
	return b
}

func fixtureRow(random *rand.Rand, scenario string, a report.Arm, round, i int, median float64) report.Row {
	h := load.NewHistogram()
	noise := math.Exp(random.NormFloat64() * 0.02)
	for range max(int(360_000/median), 12) {
		value := median * noise * math.Exp(random.NormFloat64()*0.12)
		if random.IntN(100) == 0 {
			value *= 2 + 3*random.Float64()
		}
		if err := h.RecordValue(int64(value * 1000)); err != nil {
			panic(err)
		}
	}
	n := h.TotalCount()
	cpu := time.Duration(median * noise * float64(n) * 600)
	usage := map[string]report.Usage{
		a.Plane + "/kube-apiserver":          {CPU: cpu, RSS: 331 << 20},
		a.Plane + "/etcd":                    {CPU: cpu / 4, RSS: 92 << 20},
		a.Plane + "/kube-controller-manager": {CPU: cpu / 30, RSS: 88 << 20},
		measure.Generator:                    {CPU: cpu / 5, RSS: 60 << 20},
	}
	if a.Form == "aggregated" {
		usage[a.Plane+"/duet-apiserver"] = report.Usage{CPU: cpu / 2, RSS: 118 << 20}
	}
	row := report.Row{
		Round: round, Position: (i+round)%4 + 1, Scenario: scenario, Arm: a.Name,
		Started: began.Add(time.Duration(round) * 10 * time.Second), Elapsed: 360 * time.Millisecond,
		Attempts: n + n/9, WarmUp: n / 9, Latency: percentiles(h), FirstHalf: h.ValueAtPercentile(50),
		SecondHalf: h.ValueAtPercentile(50), Usage: usage,
	}
	if scenario == "create" && a.Name == "aggregated" && round == 3 {
		row.Errors = map[string]int64{"429 TooManyRequests": 3, hostile: 1}
	}
	blob, err := h.EncodeV2()
	if err != nil {
		panic(err)
	}
	row.HDR = string(blob)
	return row
}

func percentiles(h *hdrhistogram.Histogram) report.Latency {
	return report.Latency{
		Count: h.TotalCount(), Mean: h.Mean(), P50: h.ValueAtPercentile(50), P90: h.ValueAtPercentile(90),
		P95: h.ValueAtPercentile(95), P99: h.ValueAtPercentile(99), P999: h.ValueAtPercentile(99.9), Max: h.Max(),
	}
}

func fixtureMatrix() []behaviour.Result {
	exchange := behaviour.Exchange{
		Method: "PATCH", Path: "/apis/mysql.example.com/v1/namespaces/x/mysqlinstances/a?dryRun=All",
		RequestHeader: map[string][]string{"Content-Type": {"application/merge-patch+json"}},
		RequestBody:   `{"spec":{"replicas":3}}`, Code: 200,
		ResponseHeader: map[string][]string{"Content-Type": {"application/json"}},
		ResponseBody:   `{"kind":"MySQLInstance","apiVersion":"mysql.example.com/v1","spec":{"replicas":3}}`,
	}
	var out []behaviour.Result
	add := func(id string, group behaviour.Group, title, crd, aggregated string, change func(crd, aggregated *behaviour.Result)) {
		base := behaviour.Result{
			ID: id, Group: group, Title: title, Why: "A client that relies on it sees the difference.",
			Source: "KEP-555", Flag: behaviour.Parity, Evidence: []behaviour.Exchange{exchange}, Duration: 40 * time.Millisecond,
		}
		one, two := base, base
		one.Form, one.Profile, one.Observed, one.Expected = "crd", "webhooks", crd, crd
		two.Form, two.Profile, two.Observed, two.Expected = "aggregated", "shared-etcd", aggregated, aggregated
		if change != nil {
			change(&one, &two)
		}
		out = append(out, one, two)
	}
	const machinery, validation, security = "API machinery", "Validation and defaulting", "Security"
	add("dry-run", machinery, "Dry run stores nothing", "200, nothing stored", "200, nothing stored", nil)
	add("merge-patch", machinery, "JSON merge patch", "200, merged", "200, merged", nil)
	add("strategic-merge-patch", machinery, "Strategic merge patch", "415 UnsupportedMediaType", "200, merged", nil)
	add("protobuf", machinery, "Protobuf answers", "406 NotAcceptable", "200 application/vnd.kubernetes.protobuf", nil)
	add("watch-list", machinery, "Streaming list with bookmarks", "initial events, then the bookmark",
		"initial events, then the bookmark", nil)
	add("malformed-v1alpha1", validation, "A v1alpha1 string that does not parse", "422 Invalid, spec.storageGB",
		"422 Invalid, spec.storageGB", nil)
	add("defaults", validation, "Defaults are written back", "stored with defaults", "stored without defaults",
		func(_, aggregated *behaviour.Result) {
			aggregated.Expected, aggregated.Unexpected = "stored with defaults", true
		})
	add("direct-port", security, "Spoofed identity sent to the server's own port", "", "401 Unauthorized",
		func(crd, _ *behaviour.Result) { crd.NotApplicable = "the crd form has no server of its own" })
	add("hostile", security, "A server that answers "+hostile, hostile, hostile, func(crd, aggregated *behaviour.Result) {
		crd.Why, crd.Source = hostile, hostile
		aggregated.Evidence = []behaviour.Exchange{{
			Method: "GET", Path: "/" + hostile, Code: 500, ResponseBody: hostile,
			ResponseHeader: map[string][]string{hostile: {hostile}}, Error: hostile,
		}}
	})
	add("litter", security, "A check that left something behind", "200", "200", func(crd, _ *behaviour.Result) {
		crd.Error, crd.Unexpected = "could not see the row's namespace go", true
	})
	add("lost", security, "A check that could not be made", "403 Forbidden", "", func(_, aggregated *behaviour.Result) {
		aggregated.Error, aggregated.Unexpected = "could not reach the server: connection refused", true
	})
	return out
}
