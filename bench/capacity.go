package bench

import (
	"context"
	"fmt"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
	"github.com/duet-api/duet/bench/stats"
)

// gaugings is how many cells a capacity is the median of. There is one more before them, which warms up.
const gaugings = 9

// gauge measures what each arm gets through, for the scenarios that are run at a share of it. The arms take turns, as they
// do in the rounds. A run that goes on has the capacities of its first part: the rates of all rounds are the same.
func (r *runner) gauge(ctx context.Context) error {
	done := map[string]bool{"": true}
	for _, s := range r.Scenarios {
		if done[s.Capacity] {
			continue
		}
		done[s.Capacity] = true
		found, err := scenario.Named(s.Capacity)
		if err != nil {
			return err
		}
		if err := r.gaugeBy(ctx, found[0], s); err != nil {
			return err
		}
	}
	return nil
}

// gaugeBy measures the throughput of one scenario on all arms that have a part in another one.
func (r *runner) gaugeBy(ctx context.Context, by, of scenario.Scenario) error {
	cells := map[int][]float64{}
	for cell := range gaugings + 1 {
		for i, a := range r.Arms {
			if a.Repeats != "" || !of.Fits(a) || r.capacity(by.Name, a) > 0 {
				continue
			}
			subject := r.subjects[i][of.Population]
			r.Progress(Progress{Phase: "gauge", Done: cell, Total: gaugings + 1, Arm: a.Name, Scenario: by.Name})
			row, err := r.cell(ctx, by, subject, -cell, r.Profile.Cell)
			if err != nil {
				return err
			}
			if row.Latency.Count == 0 {
				return fmt.Errorf("could not measure the capacity of arm %s: no operation of %s succeeded: %v", a.Name, by.Name,
					row.Errors)
			}
			if cell > 0 {
				cells[i] = append(cells[i], float64(row.Latency.Count)/row.Elapsed.Seconds())
			}
		}
	}
	for i, a := range r.Arms {
		if len(cells[i]) > 0 {
			r.result.Capacities = append(r.result.Capacities, report.Capacity{
				Scenario: by.Name, Arm: a.Name, PerSecond: stats.Of(cells[i]).Median, Cells: cells[i],
			})
		}
	}
	return nil
}

func (r *runner) capacity(scenario string, a *arm.Arm) float64 {
	return r.result.Capacity(scenario, report.Arm{Name: a.Name, Repeats: a.Repeats})
}

// rated is a scenario with the rate that an arm is asked for.
func (r *runner) rated(s scenario.Scenario, a *arm.Arm) scenario.Scenario {
	if s.Capacity == "" {
		return s
	}
	return s.At(r.capacity(s.Capacity, a))
}
