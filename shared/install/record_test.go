package install

import "testing"

func TestServingProfile(t *testing.T) {
	aggregated := form(Aggregated)
	record := func(form string) Record { return Record{Form: form, Profile: "own"} }
	towards := func(phase Phase) *SwitchState {
		return &SwitchState{Phase: phase, From: SwitchSide{Form: CRD, Profile: "webhooks"},
			To: SwitchSide{Form: Aggregated, Profile: "own"}}
	}

	for name, test := range map[string]struct {
		record Record
		last   *SwitchState
		want   string
	}{
		"nobody knows":                    {want: "shared"},
		"installed":                       {record: record(Aggregated), want: "own"},
		"the other form is on record":     {record: Record{Form: CRD, Profile: "webhooks"}, want: "shared"},
		"in the middle of a switch to it": {record: record(CRD), last: towards(Switching), want: "own"},
		"after a switch, and another installation": {
			record: Record{Form: Aggregated, Profile: "shared"}, last: towards(Switched), want: "shared",
		},
		"on record with a profile that there is not": {record: Record{Form: Aggregated, Profile: "fast"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ServingProfile(aggregated, test.record, test.last)
			if got != test.want || (err != nil) != (test.want == "") {
				t.Errorf("ServingProfile() = %q, %v, want %q", got, err, test.want)
			}
		})
	}
}
