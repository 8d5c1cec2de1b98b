package switching

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/duet-api/duet/shared/install"
)

// intent is what a run is about to do.
type intent int

const (
	// nothing: the form that is asked for serves already.
	nothing intent = iota
	// begin a switch.
	begin
	// goOn with the switch that is under way.
	goOn
	// undo a switch that is under way, whose other form has not served yet.
	undo
	// again: undo what is being taken back, and begin anew.
	again
	// finish the switch that is under way, and then take it back: it is at a point that has no other way back.
	finish
)

// situation is what a decision is made on.
type situation struct {
	// last is where the last switch stands; nil if there was none.
	last *install.SwitchState
	// serving is the form that the cluster says serves, with the profile that it was installed with.
	serving install.SwitchSide
	// flipped: a version is answered by the form that the switch under way is to.
	flipped bool
	// foreign is somebody else's service behind the group.
	foreign string
}

// decide says what a run with these options is about. A refusal has changed nothing.
func decide(forms install.Forms, now situation, options Options) (intent, install.SwitchState, error) {
	if options.Rollback && (options.To != "" || options.Profile != "" || options.Strategy != "") {
		return nothing, install.SwitchState{}, refuse("a rollback goes back to where the last switch came from: it takes neither " +
			"a form nor a profile nor a strategy")
	}
	if now.last != nil && now.last.Phase == install.Switching {
		return decideUnderWay(*now.last, now.flipped || now.last.Flipping, options)
	}
	if now.foreign != "" {
		return nothing, install.SwitchState{}, refuse("service %s serves %s: Duet does not take a group away from somebody else",
			now.foreign, install.Group)
	}
	if now.serving.Form == "" {
		return nothing, install.SwitchState{}, refuse("no form is installed, so there is nothing to switch from: use " +
			"`duet install --impl crd|aggregated`")
	}
	to := install.SwitchSide{Form: options.To, Profile: options.Profile}
	strategy := options.Strategy
	previousExport := ""
	if options.Rollback {
		if now.last == nil || now.last.Phase != install.Switched || now.last.To != now.serving {
			return nothing, install.SwitchState{}, refuse("there is no switch to take back: %s was installed, or the last switch was "+
				"taken back already", now.serving.Form)
		}
		if now.last.Rollback { // To take a rollback back would go forth, which --to says.
			return nothing, install.SwitchState{From: now.serving, To: now.serving}, nil
		}
		to, strategy, previousExport = now.last.From, Strategy(now.last.Strategy), now.last.Export
	}
	if to.Form == now.serving.Form {
		if to.Profile != "" && to.Profile != now.serving.Profile {
			return nothing, install.SwitchState{}, refuse("%s serves already, with profile %s: a switch changes the form, and not the "+
				"profile of one", now.serving.Form, now.serving.Profile)
		}
		return nothing, install.SwitchState{From: now.serving, To: now.serving}, nil
	}
	strategy, profile, err := choose(forms, now.serving, to, strategy)
	if err != nil {
		return nothing, install.SwitchState{}, err
	}
	to.Profile = profile
	return begin, install.SwitchState{
		Phase: install.Switching, From: now.serving, To: to, Strategy: string(strategy), Step: string(Preflight),
		Rollback: options.Rollback, PreviousExport: previousExport, Since: metav1.Now(),
	}, nil
}

// decideUnderWay goes on with a switch, or takes it back. Until the first version is flipped the old form has served alone,
// and what was prepared is taken away. From then on the way back is the whole way in the other direction: each step of it looks at
// what is there, and a version that was never flipped stays as it is.
func decideUnderWay(last install.SwitchState, flipped bool, options Options) (intent, install.SwitchState, error) {
	alone := before(Step(last.Step), Park) && !flipped && !last.MidSwitch
	back := options.Rollback && !last.Rollback || last.Rollback && options == Options{To: last.From.Form, DryRun: options.DryRun}
	if back && (alone || last.TakingBack) {
		return undo, last, nil
	}
	if !options.Rollback || last.Rollback {
		if err := continues(last, options); err != nil {
			return nothing, last, err
		}
		if last.TakingBack {
			return again, last, nil
		}
		return goOn, last, nil
	}
	// Objects that are made anew, and their children, have one owner again only when the switch is done.
	if Strategy(last.Strategy) == API {
		return finish, last, nil
	}
	return goOn, install.SwitchState{
		Phase: install.Switching, From: last.To, To: last.From, Strategy: last.Strategy, Step: string(Fence), Rollback: true,
		MidSwitch: true, Restores: Strategy(last.Strategy) == Dedicated && !last.Opened, Raised: last.Raised, Since: metav1.Now(),
	}, nil
}

// continues is nil if the options are about the switch that is under way.
func continues(last install.SwitchState, options Options) error {
	underWay := fmt.Sprintf("a switch from %s to %s (strategy %s) is under way, at step %s",
		last.From.Form, last.To.Form, last.Strategy, last.Step)
	switch {
	case last.Rollback && !options.Rollback:
		return refuse("%s, as a rollback: %s", underWay, last.GoOn(""))
	case last.Rollback:
		return nil
	case options.To != last.To.Form,
		options.Profile != "" && options.Profile != last.To.Profile,
		options.Strategy != "" && options.Strategy != Strategy(last.Strategy):
		return refuse("%s: %s", underWay, last.GoOn(""))
	}
	return nil
}

// choose returns the strategy and the profile of the form to switch to. Where two strategies are possible, the one that
// refuses fewer requests is the better.
func choose(forms install.Forms, from, to install.SwitchSide, strategy Strategy) (Strategy, string, error) {
	source, err := forms.Named(from.Form)
	if err != nil {
		return "", "", err
	}
	target, err := forms.Named(to.Form)
	if err != nil {
		return "", "", refuse("%s", err)
	}
	if to.Profile != "" {
		if _, err := install.ProfileOf(target, to.Profile); err != nil {
			return "", "", refuse("%s", err)
		}
	}
	stored := source.Storage(from.Profile)
	for _, profile := range target.Profiles() {
		if to.Profile != "" && profile != to.Profile {
			continue
		}
		same := target.Storage(profile) == stored
		switch {
		case same && (strategy == Shared || strategy == ""):
			return Shared, profile, nil
		case !same && strategy == "":
			// A profile with the same storage may follow; one that the user names is meant.
			if to.Profile != "" || !anyStores(target, stored) {
				return Dedicated, profile, nil
			}
		case !same && strategy != Shared:
			return strategy, profile, nil
		}
	}
	if strategy == Shared {
		return "", "", refuse("strategy %s is for forms that use the same keys: %s keeps its objects in %s, and %s would not; use "+
			"strategy %s", Shared, from.Form, stored, describe(to), Dedicated)
	}
	return "", "", refuse("strategy %s moves objects to another storage, and %s would find them where they are, in %s: use strategy %s",
		strategy, describe(to), stored, Shared)
}

func anyStores(form install.Implementation, storage install.Storage) bool {
	for _, profile := range form.Profiles() {
		if form.Storage(profile) == storage {
			return true
		}
	}
	return false
}

func describe(side install.SwitchSide) string {
	if side.Profile == "" {
		return side.Form
	}
	return fmt.Sprintf("%s with profile %s", side.Form, side.Profile)
}

// before says whether one step comes before another.
func before(a, b Step) bool { return indexOf(a) < indexOf(b) }

func indexOf(step Step) int {
	for i, candidate := range Steps() {
		if candidate == step {
			return i
		}
	}
	return -1
}
