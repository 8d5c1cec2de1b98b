package switching

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Strategy is how the objects get from one form to the other.
type Strategy string

// Strategies, the best first.
const (
	// Shared: both forms use the same keys in the same etcd. Nothing is copied, and no request is refused.
	Shared Strategy = "shared"
	// Dedicated: the aggregated form has an etcd of its own. Writes are refused while the objects are copied.
	Dedicated Strategy = "dedicated"
	// API: nobody can reach the storage of kube-apiserver, and the objects are made anew through the API, with new UIDs. Writes
	// are refused meanwhile.
	API Strategy = "api"
)

// Strategies are all there are, the best first.
func Strategies() []Strategy { return []Strategy{Shared, Dedicated, API} }

// Step is one state of the machine. A step that is done is not repeated by a run that goes on; a step that was
// interrupted is begun again, and finds what it had done already.
type Step string

// Steps, in their order.
const (
	// Preflight changes nothing: it finds every reason not to begin.
	Preflight Step = "preflight"
	// Fence keeps away what could do harm in the meantime: the garbage collector, who deletes the
	// CustomResourceDefinition and, where objects are copied, every write.
	Fence Step = "fence"
	// Import starts the servers of the other form, and gives it the objects.
	Import Step = "import"
	// Verify compares every object as both forms have it.
	Verify Step = "verify"
	// Flip has the other form answer.
	Flip Step = "flip"
	// Park takes the old form out of service, and lowers the fences.
	Park Step = "park"
	// Confirm looks at the result as a user will.
	Confirm Step = "confirm"
)

// Steps are all there are, in their order.
func Steps() []Step { return []Step{Preflight, Fence, Import, Verify, Flip, Park, Confirm} }

// Purpose says in one line what a step is for.
func Purpose(step Step) string {
	return map[Step]string{
		Preflight: "find every reason not to begin; changes nothing",
		Fence:     "hold the garbage collector, and writes if objects are copied or made anew",
		Import:    "start the other form beside the one that serves, and give it the objects",
		Verify:    "compare every object as both have it",
		Flip:      "have the other form answer, one version after the other",
		Park:      "take the old form out of service, and lower the fences",
		Confirm:   "look at the result as a user will",
	}[step]
}

// Options say which switch is meant.
type Options struct {
	// To is the form that is to serve. It may be empty with Rollback.
	To string
	// Profile of that form; empty: the one that fits the strategy.
	Profile string
	// Strategy; empty: the best that is possible.
	Strategy Strategy
	// DryRun does the preflight alone, which changes nothing, and says what would be done.
	DryRun bool
	// Rollback goes back to the form that served before the switch that is under way, or was the last.
	Rollback bool
	// Until ends the run after this step; another run goes on. Empty: no end before the last.
	Until Step
}

// Result is what a run did and measured.
type Result struct {
	From     string   `json:"from"`
	To       string   `json:"to"`
	Profile  string   `json:"profile"`
	Strategy Strategy `json:"strategy"`
	// Rollback: the run took a switch back.
	Rollback bool `json:"rollback,omitempty"`
	// DryRun: nothing was changed.
	DryRun bool `json:"dryRun,omitempty"`
	// Finished: the last step is done. Otherwise another run goes on, if the switch was not Withdrawn: everything is as it was
	// before, because the other form refused it, or because it was taken back before that had served.
	Finished  bool `json:"finished"`
	Withdrawn bool `json:"withdrawn,omitempty"`
	// Objects that there were when they were compared.
	Objects int `json:"objects"`
	// Steps of this run. A run that goes on does not have those of the runs before it.
	Steps []StepResult `json:"steps"`
	// Windows that canaries saw during this run.
	Windows Windows `json:"windows"`
	// Moved says what was made anew, with strategy api.
	Moved *Moved `json:"moved,omitempty"`
}

// Moved is what a run made anew through the API.
type Moved struct {
	// Objects that were made anew, and Children that were given to them.
	Objects  int `json:"objects"`
	Children int `json:"children"`
	// Export is the file that has the objects as they were, and SHA256 its digest. The file is never deleted.
	Export string `json:"export"`
	SHA256 string `json:"sha256,omitempty"`
}

// StepResult is one step that was done.
type StepResult struct {
	Name Step `json:"name"`
	// Took is the time for it.
	Took metav1.Duration `json:"took"`
	// Checks are what was found to be so, one sentence each.
	Checks []string `json:"checks,omitempty"`
}

// Windows are what clients that did nothing but ask, all the time, were refused.
type Windows struct {
	// WriteRefused and ReadRefused are the times from a first refusal to the next success, added up; where there are several
	// kube-apiservers, at the one where it took longest.
	WriteRefused metav1.Duration `json:"writeRefused"`
	ReadRefused  metav1.Duration `json:"readRefused"`
	// ReadPutOff are the times in which reads were put off and not refused: 429 or 504 with Retry-After, after which clients
	// come again, client-go by itself.
	ReadPutOff metav1.Duration `json:"readPutOff"`
	// WriteRefusal and ReadRefusal are what a first request was told that was refused; empty if none was.
	WriteRefusal string `json:"writeRefusal,omitempty"`
	ReadRefusal  string `json:"readRefusal,omitempty"`
	// Writes and Reads that were tried, at all of them.
	Writes int `json:"writes"`
	Reads  int `json:"reads"`
	// WatchRestarts is how often a watch ended and was opened again.
	WatchRestarts int `json:"watchRestarts"`
}

// RefusedError says why a switch was not begun, or not gone on with. Nothing was changed because of it.
type RefusedError struct {
	// Reasons, one sentence each.
	Reasons []string
}

func (e *RefusedError) Error() string {
	if len(e.Reasons) == 1 {
		return e.Reasons[0]
	}
	text := "the switch is refused:"
	for _, reason := range e.Reasons {
		text += "\n  - " + reason
	}
	return text
}

func refuse(format string, args ...any) error {
	return &RefusedError{Reasons: []string{fmt.Sprintf(format, args...)}}
}

// ParseStep returns the step that is meant by a flag's value; empty is none.
func ParseStep(name string) (Step, error) {
	if name != "" && !slices.Contains(Steps(), Step(name)) {
		return "", fmt.Errorf("unknown step %q: use one of %v", name, Steps())
	}
	return Step(name), nil
}

// ParseStrategy returns the strategy that is meant by a flag's value; empty is the best that is possible.
func ParseStrategy(name string) (Strategy, error) {
	if name != "" && !slices.Contains(Strategies(), Strategy(name)) {
		return "", fmt.Errorf("unknown strategy %q: use one of %v", name, Strategies())
	}
	return Strategy(name), nil
}

// took is the time since a moment, in whole milliseconds.
func took(since time.Time) metav1.Duration {
	return metav1.Duration{Duration: time.Since(since).Round(time.Millisecond)}
}
