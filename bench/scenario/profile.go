package scenario

import (
	"fmt"
	"slices"
	"time"

	"github.com/duet-api/duet/bench/arm"
)

// Level says how much of the scenarios a profile has: its own and those of the levels before it.
type Level int

// The levels.
const (
	// Smoke: one operation of each kind.
	Smoke Level = iota
	// Quick: the six operations that a first answer needs.
	Quick
	// Standard: every kind of request.
	Standard
	// Full: every size, every width, and what few clients do.
	Full
)

// String is the name of the profile that has so much.
func (l Level) String() string { return [...]string{"smoke", "quick", "standard", "full"}[l] }

// Profile is how much is measured. Profiles are data: a longer one differs in numbers only.
type Profile struct {
	// Name is what a user asks for, Purpose what it is good for.
	Name    string `json:"name"`
	Purpose string `json:"purpose"`
	// Level chooses the scenarios when the user does not.
	Level Level `json:"-"`
	// Rounds is the number of times that each scenario runs on each arm.
	Rounds int `json:"rounds"`
	// Cell is the length of one run, in nanoseconds, which a scenario may stretch; Lead is the share of it that is not
	// measured.
	Cell time.Duration `json:"cellNanoseconds"`
	Lead float64       `json:"lead"`
	// Explained is in which pairs of rounds the references have a part: in one of so many.
	Explained int `json:"explainedInOneOf"`
	// Slices is the number of pieces that a cell is measured in, where arms take turns within cells (see Scenario.Sliced).
	Slices int `json:"slices"`
	// Weighs is whether is looked how much servers grow with objects, for which there have to be many.
	Weighs bool `json:"weighs"`
	// WarmUpCell is the length of a cell in the rounds before the first, which are not kept, in nanoseconds. They are
	// repeated until the medians stand still, at most MaxWarmUps times.
	WarmUpCell time.Duration `json:"warmUpCellNanoseconds"`
	MaxWarmUps int           `json:"maxWarmUps"`
}

// Profiles returns the known profiles, the shortest first. None has fewer than ten rounds: the exact interval of ten
// leaves one outlier on each side outside, and so many are needed for a claim among two dozen. More scenarios are more
// claims, which need more rounds.
func Profiles() []Profile {
	return []Profile{
		{
			Name: "smoke", Purpose: "does it run at all; differences below a factor of two do not show",
			Level: Smoke, Rounds: 10, Explained: 1, Cell: 50 * time.Millisecond, Lead: 0.2, Slices: 2,
			WarmUpCell: 50 * time.Millisecond, MaxWarmUps: 1,
		},
		{
			Name: "quick", Purpose: "the first answer, in the time of a coffee",
			Level: Quick, Rounds: 10, Explained: 1, Cell: 390 * time.Millisecond, Lead: 0.1, Slices: 15, Weighs: true,
			WarmUpCell: 150 * time.Millisecond, MaxWarmUps: 3,
		},
		{
			Name: "standard", Purpose: "every kind of request, in 25 minutes, or longer with more arms",
			Level: Standard, Rounds: 12, Explained: 2, Cell: 208 * time.Millisecond, Lead: 0.1, Slices: 8, Weighs: true,
			WarmUpCell: 100 * time.Millisecond, MaxWarmUps: 2,
		},
		{
			Name: "full", Purpose: "every size and width, with rounds enough for small differences, in two hours",
			Level: Full, Rounds: 14, Explained: 2, Cell: 260 * time.Millisecond, Lead: 0.1, Slices: 10, Weighs: true,
			WarmUpCell: 150 * time.Millisecond, MaxWarmUps: 2,
		},
	}
}

// ProfileNamed returns the profile of that name.
func ProfileNamed(name string) (Profile, error) {
	var known []string
	for _, profile := range Profiles() {
		if profile.Name == name {
			return profile, nil
		}
		known = append(known, profile.Name)
	}
	return Profile{}, fmt.Errorf("unknown profile %q; there are %q", name, known)
}

// Scenarios are those that the profile measures, in the order of All.
func (p Profile) Scenarios() []Scenario {
	var out []Scenario
	for _, scenario := range All() {
		if scenario.Level <= p.Level {
			out = append(out, scenario)
		}
	}
	return out
}

// Measures is whether an arm has a part in a round. References have one in some pairs of rounds, of which the second is the
// first in reverse.
func (p Profile) Measures(a *arm.Arm, round int) bool {
	return !a.Reference || a.Throughout || (round-1)/2%max(p.Explained, 1) == 0
}

// between is about what passes from the end of a cell to the start of the next one: what a scenario prepares and
// removes, collections of the generator's garbage, and looks at every process. It is what a standard run of 18 arms took
// beyond its cells.
const between = 130 * time.Millisecond

// filling is about what an object takes to be made where there are many. Those of the last stage are not removed, and the
// others are few beside them.
const filling = 6 * time.Millisecond

// Duration is about how long the cells of a run take, warm-up rounds at their most, and large populations. Starting the
// control planes and cleaning up come on top, which is a few minutes however long the run is.
func (p Profile) Duration(arms []*arm.Arm, scenarios []Scenario) time.Duration {
	var sum time.Duration
	for _, a := range arms {
		filled := map[Population]bool{}
		rounds := 0
		for round := 1; round <= p.Rounds; round++ {
			if p.Measures(a, round) {
				rounds++
			}
		}
		for _, s := range scenarios {
			if !s.Fits(a) {
				continue
			}
			cells := rounds + 1
			if s.Repeats() {
				cells = rounds + p.MaxWarmUps
				sum += time.Duration(s.Length * (float64(rounds)*float64(p.Cell) + float64(p.MaxWarmUps)*float64(p.WarmUpCell)))
			}
			sum += time.Duration(cells) * (between + s.Takes)
			if s.Population.Scales() && !slices.ContainsFunc(arms, a.IsTwinOf) && !filled[s.Population] {
				filled[s.Population] = true
				sum += time.Duration(s.Population.Objects) * filling
			}
		}
	}
	return sum
}
