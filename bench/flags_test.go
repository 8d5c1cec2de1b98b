package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
)

func TestThrottlingIsTold(t *testing.T) {
	account := func(state measure.State, cpu time.Duration) report.Account {
		state.CPU = cpu
		return report.Account{
			Attempts: 100, Elapsed: time.Second,
			Components: map[string]measure.State{"p/server": state},
		}
	}
	tests := map[string]struct {
		account report.Account
		want    []string
	}{
		"nothing": {account(measure.State{
			LimiterWait: 5 * time.Millisecond, QueueWait: 50 * time.Millisecond, GC: 40 * time.Millisecond, Reviews: 100,
		}, 400*time.Millisecond), nil},
		"own limiter": {account(measure.State{LimiterWait: 700 * time.Millisecond, Reviews: 240}, 0), []string{
			"server's own clients waited for their rate limiter for 700ms in 1s (240 SubjectAccessReviews).",
		}},
		"rejections": {account(measure.State{Rejected: 4}, 0), []string{"Priority and fairness of server rejected 4 requests."}},
		"queue": {account(measure.State{QueueWait: 300 * time.Millisecond}, 0), []string{
			"Priority and fairness of server let requests queue for 3ms on average.",
		}},
		"collection": {account(measure.State{GC: 60 * time.Millisecond}, 200*time.Millisecond), []string{
			"Garbage collection took 30 % of the CPU time of server.",
		}},
		"collection of next to nothing": {account(measure.State{GC: 6 * time.Millisecond}, 20*time.Millisecond), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, throttling(test.account)); diff != "" {
				t.Errorf("unexpected doubts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestASaturatedMachineIsTold(t *testing.T) {
	b := &report.Bench{Cores: 2, Profile: scenario.Profile{Lead: 0.1}}
	row := func(server time.Duration) report.Row {
		return report.Row{
			Elapsed: 900 * time.Millisecond, Attempts: 1000, Latency: report.Latency{Count: 1000},
			Usage: map[string]report.Usage{"p/server": {CPU: server}, measure.Generator: {CPU: 300 * time.Millisecond}},
		}
	}
	told := func(server time.Duration) bool {
		return strings.Contains(strings.Join(flags([]report.Row{row(server)}, b), " "), "busy for 95 %")
	}
	if !told(1600*time.Millisecond) || told(1400*time.Millisecond) {
		t.Errorf("1.9 s of 2 s of processor time is told: %v, 1.7 s: %v", told(1600*time.Millisecond), told(1400*time.Millisecond))
	}
}
