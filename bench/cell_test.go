package bench

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/scenario"
)

// In eight passes each of four arms is the first as often as the last, and follows every other one.
func TestTurnsAreBalanced(t *testing.T) {
	var cells []*cell
	for _, name := range []string{"A", "B", "C", "D"} {
		cells = append(cells, &cell{subject: &scenario.Subject{Arm: &arm.Arm{Name: name}}})
	}
	var passes []string
	for pass := range 8 {
		order := ""
		for _, c := range turns(cells, pass) {
			order += c.subject.Arm.Name
		}
		passes = append(passes, order)
	}
	want := []string{"ABCD", "DCBA", "BCDA", "ADCB", "CDAB", "BADC", "DABC", "CBAD"}
	if diff := cmp.Diff(want, passes); diff != "" {
		t.Errorf("unexpected order (-want +got):\n%s", diff)
	}
}

// The lead of a slice is for operations of which it has several, on all arms.
func TestLeadOfASlice(t *testing.T) {
	named, err := scenario.Named("get-one", "get-rate", "list-500", "create-8")
	if err != nil {
		t.Fatal(err)
	}
	get, rate, list, eight := named[0], named[1], named[2], named[3]
	subjects := []*scenario.Subject{{Arm: &arm.Arm{Name: "a"}}, {Arm: &arm.Arm{Name: "b"}}}
	tests := map[string]struct {
		scenario   scenario.Scenario
		slices     int
		slow, fast time.Duration
		length     time.Duration
		lead       float64
	}{
		"several operations":          {get, 10, 4 * time.Millisecond, time.Millisecond, 30 * time.Millisecond, 0.1},
		"one of the arms is slow":     {get, 10, 8 * time.Millisecond, time.Millisecond, 30 * time.Millisecond, 0},
		"one operation in each slice": {list, 10, 90 * time.Millisecond, 30 * time.Millisecond, 40 * time.Millisecond, 0},
		"one piece is a cell":         {get, 1, 8 * time.Millisecond, time.Millisecond, 300 * time.Millisecond, 0.1},
		"at a rate":                   {rate, 10, 90 * time.Millisecond, time.Millisecond, 450 * time.Millisecond, 0.1},
		"many at once":                {eight, 10, 90 * time.Millisecond, time.Millisecond, 200 * time.Millisecond, 0.1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := &runner{Options: Options{Profile: scenario.Profile{Cell: 200 * time.Millisecond, Lead: 0.1, Slices: test.slices}}}
			r.warm = map[cellKey]int64{
				{test.scenario.Name, "a"}: int64(test.slow), {test.scenario.Name, "b"}: int64(test.fast),
			}
			length, lead := r.sliced(test.scenario, subjects)
			if length != test.length || lead != test.lead {
				t.Errorf("sliced() = %v, %v, want %v, %v", length, lead, test.length, test.lead)
			}
		})
	}
}
