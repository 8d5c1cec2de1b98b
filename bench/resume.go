package bench

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
)

// begin is the result that the rounds are added to: an empty one, or that of the run that is to go on.
func (o Options) begin(now time.Time) (*report.Bench, error) {
	fresh := describe(o)
	if o.Resume == nil {
		return fresh, nil
	}
	if changed := changes(*o.Resume, *fresh); len(changed) > 0 {
		return nil, fmt.Errorf("could not go on with the run: %s. Start a new one", strings.Join(changed, "; "))
	}
	result := *o.Resume
	if result.Rounds == 0 || !result.Interrupted {
		return nil, errors.New("could not go on with the run: it is complete. Start a new one")
	}
	result.Interrupted = false
	result.Rows = slices.Clone(result.Rows)
	result.Resumptions = append(slices.Clone(result.Resumptions), report.Resumption{
		At: now, Rows: len(result.Rows), Load1: measure.ThisMachine().Load1,
	})
	return &result, nil
}

// changes are what two runs do not have in common, of what their numbers depend on.
func changes(was, is report.Bench) []string {
	var out []string
	differ := func(what string, was, is any) {
		if !reflect.DeepEqual(was, is) {
			out = append(out, fmt.Sprintf("its %s %v, and would now be %v", what, was, is))
		}
	}
	was.Profile.Level, is.Profile.Level = 0, 0 // which scenarios it chose is what the list of scenarios says
	differ("seed is", was.Seed, is.Seed)
	differ("profile is", was.Profile, is.Profile)
	differ("processors are", was.Cores, is.Cores)
	differ("arms are", namesOfArms(was), namesOfArms(is))
	differ("scenarios are", namesOfScenarios(was), namesOfScenarios(is))
	if len(out) > 0 {
		return out
	}
	if !reflect.DeepEqual(was.Arms, is.Arms) || !reflect.DeepEqual(was.Scenarios, is.Scenarios) {
		return []string{"an arm or a scenario of the same name is not what it was"}
	}
	return nil
}

func namesOfArms(b report.Bench) []string {
	var names []string
	for _, a := range b.Arms {
		names = append(names, a.Name)
	}
	return names
}

func namesOfScenarios(b report.Bench) []string {
	var names []string
	for _, s := range b.Scenarios {
		names = append(names, s.Name)
	}
	return names
}

// Left are the scenarios of the stages that an earlier run has not finished: all of them if there was none.
func Left(earlier *report.Bench, profile scenario.Profile, scenarios []scenario.Scenario) []scenario.Scenario {
	var left []scenario.Scenario
	for _, stage := range scenario.Stages(scenarios) {
		if earlier == nil || finished(earlier, stage) < profile.Rounds {
			left = append(left, stage...)
		}
	}
	return left
}

// finished is how many rounds of some scenarios, which are measured together, a result has.
func finished(b *report.Bench, scenarios []scenario.Scenario) int {
	rounds := 0
	for _, row := range b.Rows {
		if slices.ContainsFunc(scenarios, func(s scenario.Scenario) bool { return s.Name == row.Scenario }) {
			rounds = max(rounds, row.Round)
		}
	}
	return rounds
}
