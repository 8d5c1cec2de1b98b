package scenario

import (
	"fmt"
	"time"
)

// Profile is how much is measured. Profiles are data: a longer one differs in numbers only.
type Profile struct {
	// Name is what a user asks for, Purpose what it is good for.
	Name    string `json:"name"`
	Purpose string `json:"purpose"`
	// Rounds is the number of times that each scenario runs on each arm.
	Rounds int `json:"rounds"`
	// Cell is the length of one run, in nanoseconds, which a scenario may stretch; Lead is the share of it that is not
	// measured.
	Cell time.Duration `json:"cellNanoseconds"`
	Lead float64       `json:"lead"`
	// WarmUpCell is the length of a cell in the rounds before the first, which are not kept, in nanoseconds. They are
	// repeated until the medians stand still, at most MaxWarmUps times.
	WarmUpCell time.Duration `json:"warmUpCellNanoseconds"`
	MaxWarmUps int           `json:"maxWarmUps"`
}

// Profiles returns the known profiles, the shortest first. None has fewer than ten rounds: the exact interval of ten
// leaves one outlier on each side outside, and so many are needed for a claim among two dozen.
func Profiles() []Profile {
	return []Profile{
		{
			Name: "smoke", Purpose: "does it run at all; differences below a factor of two do not show",
			Rounds: 10, Cell: 120 * time.Millisecond, Lead: 0.2,
			WarmUpCell: 100 * time.Millisecond, MaxWarmUps: 2,
		},
		{
			Name: "quick", Purpose: "the first answer, in the time of a coffee",
			Rounds: 10, Cell: 400 * time.Millisecond, Lead: 0.1,
			WarmUpCell: 150 * time.Millisecond, MaxWarmUps: 3,
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

// Duration is about how long the measured rounds take, without preparation and clean-up.
func (p Profile) Duration(arms int, scenarios []Scenario) time.Duration {
	lengths := 0.0
	for _, scenario := range scenarios {
		lengths += scenario.Length
	}
	return time.Duration(lengths * float64(p.Rounds*arms) * float64(p.Cell))
}
