package behaviour

import (
	"time"

	"github.com/duet-api/duet/e2e/wire"
)

// Exchange is one request and its answer, as evidence.
type Exchange = wire.Exchange

// Observation is what a probe saw.
type Observation struct {
	// Summary says it in a few words that do not change from run to run. It is compared with the expectation.
	Summary string
	// Evidence is what went over the wire. Run fills it in if the probe leaves it empty.
	Evidence []Exchange
}

// Result is what one run of one row on one form came to.
type Result struct {
	ID     string `json:"id"`
	Group  Group  `json:"group"`
	Title  string `json:"title"`
	Why    string `json:"why"`
	Source string `json:"source"`
	Flag   Flag   `json:"flag"`
	// Form and Profile that were observed.
	Form    string `json:"form"`
	Profile string `json:"profile"`
	// Observed is empty if the row did not apply or could not be observed.
	Observed string `json:"observed,omitempty"`
	Expected string `json:"expected"`
	// Unexpected: the observation is not the expected one, or there is none although the row applies.
	Unexpected bool `json:"unexpected"`
	// NotApplicable is why the row says nothing about this form and profile.
	NotApplicable string `json:"notApplicable,omitempty"`
	// Error is why there is no observation, or what the row left behind.
	Error    string        `json:"error,omitempty"`
	Evidence []Exchange    `json:"evidence,omitempty"`
	Duration time.Duration `json:"duration"` // nanoseconds in JSON
}
