package switching

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/shared/install"
)

// Switcher switches one control plane.
type Switcher struct {
	installer *install.Installer
	progress  func(format string, args ...any)
}

// New returns a switcher that tells each step as it begins. Progress may be nil.
func New(installer *install.Installer, progress func(format string, args ...any)) *Switcher {
	if progress == nil {
		progress = func(string, ...any) {}
	}
	return &Switcher{installer: installer, progress: progress}
}

// Run switches, or goes on with the switch that is under way. An error of type RefusedError means that nothing was
// changed. After any other error, and after this program was killed, Run again goes on, and Run with Rollback goes back.
// The result says what was done, also beside an error.
func (s *Switcher) Run(ctx context.Context, options Options) (*Result, error) {
	if !options.DryRun {
		release, err := s.installer.Lock()
		if err != nil {
			return nil, refuse("%v", err)
		}
		defer release()
	}
	return s.run(ctx, options)
}

func (s *Switcher) run(ctx context.Context, options Options) (*Result, error) {
	now, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	what, state, err := decide(s.installer.Forms, now, options)
	if err != nil {
		return nil, err
	}
	if what == nothing {
		return &Result{From: state.From.Form, To: state.To.Form, Profile: state.To.Profile, Finished: true,
			DryRun: options.DryRun, Steps: []StepResult{}}, nil
	}
	m, err := s.move(ctx, state)
	if err != nil {
		return nil, err
	}
	m.result.DryRun = options.DryRun
	switch {
	case what == finish:
		return s.finish(ctx, m, options)
	case what == again:
		return s.again(ctx, m, options)
	case what == undo && options.DryRun:
		return m.result, m.would(ctx, "what was prepared for %s would be taken away; %s serves", state.To.Form, state.From.Form)
	case what == undo:
		return m.result, m.undo(ctx)
	case options.DryRun:
		return m.result, m.rehearse(ctx)
	}
	return m.result, m.run(ctx, options.Until)
}

// look reads what a decision needs.
func (s *Switcher) look(ctx context.Context) (situation, error) {
	var now situation
	var err error
	if now.last, err = s.installer.ReadSwitch(ctx); err != nil {
		return now, err
	}
	detected, err := install.Detect(ctx, s.installer.Client())
	if err != nil {
		return now, err
	}
	record, err := install.ReadRecord(ctx, s.installer.Client())
	if err != nil {
		return now, err
	}
	now.foreign = detected.Foreign
	if now.last != nil && now.last.Phase == install.Switching {
		if now.flipped, err = s.flipped(ctx, *now.last); err != nil {
			return now, err
		}
	}
	if detected.Form == "" {
		return now, nil
	}
	form, err := s.installer.Forms.Named(detected.Form)
	if err != nil {
		return now, err
	}
	profile, err := install.ServingProfile(form, record, now.last)
	if err != nil {
		return now, err
	}
	now.serving = install.SwitchSide{Form: detected.Form, Profile: profile}
	return now, nil
}

// flipped says whether a version is answered by the form that a switch is to.
func (s *Switcher) flipped(ctx context.Context, state install.SwitchState) (bool, error) {
	from, err := s.installer.Forms.Named(state.From.Form)
	if err != nil {
		return false, err
	}
	for _, version := range from.Versions(state.From.Profile) {
		registration, err := s.registration(ctx, version)
		if err != nil {
			return false, err
		}
		if registration != nil && isLocal(registration) == (state.To.Form == install.CRD) {
			return true, nil
		}
	}
	return false, nil
}

// side is one form of a switch, with what stands behind it.
type side struct {
	form    install.Implementation
	profile string
	plan    *install.Plan
}

func (s side) versions() []string { return s.form.Versions(s.profile) }

// ofKind are the objects of the plan of one kind.
func (s side) ofKind(kind string) []*unstructured.Unstructured {
	return slices.DeleteFunc(slices.Clone(s.plan.Objects), func(o *unstructured.Unstructured) bool { return o.GetKind() != kind })
}

// registrations are the APIServices that send the group to a server. A form that has none is served by kube-apiserver.
func (s side) registrations() []*unstructured.Unstructured { return s.ofKind("APIService") }

// definitions are the CustomResourceDefinitions.
func (s side) definitions() []*unstructured.Unstructured { return s.ofKind("CustomResourceDefinition") }

// companions are the rest of the objects: what is asked beside the server, by either form's server.
func (s side) companions() []*unstructured.Unstructured {
	return slices.DeleteFunc(slices.Clone(s.plan.Objects), func(o *unstructured.Unstructured) bool {
		return o.GetKind() == "APIService" || o.GetKind() == "CustomResourceDefinition"
	})
}

// move is one run of a switch.
type move struct {
	*Switcher
	from, to side
	state    install.SwitchState
	result   *Result
	checks   []string
}

func (s *Switcher) move(ctx context.Context, state install.SwitchState) (*move, error) {
	m := &move{Switcher: s, state: state, result: &Result{
		From: state.From.Form, To: state.To.Form, Profile: state.To.Profile, Strategy: Strategy(state.Strategy),
		Rollback: state.Rollback, Steps: []StepResult{},
	}}
	for _, each := range []struct {
		of   install.SwitchSide
		side *side
	}{{state.From, &m.from}, {state.To, &m.to}} {
		form, err := s.installer.Forms.Named(each.of.Form)
		if err != nil {
			return nil, err
		}
		plan, err := s.installer.Env.Plan(ctx, form, each.of.Profile)
		if err != nil {
			return nil, err
		}
		*each.side = side{form: form, profile: each.of.Profile, plan: plan}
	}
	return m, nil
}

// direct is access to the own server of a side, which has to have one.
func (m *move) direct(of side) (*rest.Config, error) {
	server, ok := of.plan.Server()
	if !ok {
		return nil, fmt.Errorf("%s with profile %s has no server", of.form.Name(), of.profile)
	}
	return m.installer.Env.DirectConfig(server.Name)
}

// strategy says how.
func (m *move) strategy() Strategy { return Strategy(m.state.Strategy) }

// check notes what was found to be so.
func (m *move) check(format string, args ...any) {
	m.checks = append(m.checks, fmt.Sprintf(format, args...))
}

// step does one step, and notes it if it was done.
func (m *move) step(ctx context.Context, name Step, do func(context.Context) error) error {
	m.progress("%s", name)
	m.checks = nil
	began := time.Now()
	err := do(ctx)
	if refused := (*RefusedError)(nil); errors.As(err, &refused) {
		return err
	}
	if err != nil {
		return fmt.Errorf("step %s: %w", name, err)
	}
	for _, check := range m.checks {
		m.progress("  %s", check)
	}
	m.result.Steps = append(m.result.Steps, StepResult{Name: name, Took: took(began), Checks: m.checks})
	return nil
}

// would says what a run would do, and does nothing.
func (m *move) would(ctx context.Context, format string, args ...any) error {
	return m.step(ctx, Preflight, func(context.Context) error {
		m.check(format, args...)
		return nil
	})
}

// rehearse finds every reason not to begin, and changes nothing.
func (m *move) rehearse(ctx context.Context) error {
	return m.step(ctx, Preflight, func(ctx context.Context) error {
		if err := m.preflight(ctx); err != nil {
			return err
		}
		for _, line := range m.intentions() {
			m.check("%s", line)
		}
		return nil
	})
}

// run does what is left to do. Where it stands is written down before each step, since a step that was interrupted has to
// be begun again.
func (m *move) run(ctx context.Context, until Step) error {
	if until != "" && before(until, Step(m.state.Step)) {
		m.progress("%s is done already; the next step is %s", until, m.state.Step)
		return nil
	}
	watching, err := m.watch(ctx)
	if err != nil {
		return err
	}
	defer func() { m.result.Windows = watching.stop() }()
	if err := m.revive(ctx); err != nil {
		return err
	}
	for _, each := range []struct {
		step Step
		do   func(context.Context) error
	}{
		{Preflight, m.preflight}, {Fence, m.fence}, {Import, m.bring}, {Verify, m.verify}, {Flip, m.flip}, {Park, m.park},
		{Confirm, m.confirm},
	} {
		if before(each.step, Step(m.state.Step)) {
			continue
		}
		if each.step != Preflight { // which changes nothing, the record included
			if err := m.stand(ctx, each.step, install.Switching); err != nil {
				return err
			}
		}
		err := m.step(ctx, each.step, each.do)
		if refused := (*RefusedError)(nil); errors.As(err, &refused) && each.step != Preflight {
			return m.withdraw(ctx, refused)
		}
		if err != nil {
			return err
		}
		if each.step == until && each.step != Confirm {
			return m.pause(ctx, each.step)
		}
	}
	if err := m.stand(ctx, "", install.Switched); err != nil {
		return err
	}
	m.result.Finished = true
	return nil
}

// revive starts what a run that goes on depends on and does not find: a machine that was started anew has a control plane, and
// nothing of a form. What is as planned goes on.
func (m *move) revive(ctx context.Context) error {
	at := Step(m.state.Step)
	// A rollback may be for the reason that the form that it leaves is broken, and needs no more of it than what is stored.
	left := m.state.Rollback && (m.strategy() == Shared || m.state.Restores)
	if before(Preflight, at) && before(at, Park) && !left {
		if err := m.bringUp(ctx, m.from); err != nil {
			return err
		}
	}
	if before(Import, at) {
		return m.bringUp(ctx, m.to)
	}
	return nil
}

// bringUp starts the processes of a side, unless all of them run.
func (m *move) bringUp(ctx context.Context, side side) error {
	if m.installer.Running(ctx, side.plan) == nil {
		return nil
	}
	m.progress("starting what %s needs", side.form.Name())
	return m.installer.Prepare(ctx, side.plan)
}

// pause ends the run after a step, so that the next one begins with the one after.
func (m *move) pause(ctx context.Context, after Step) error {
	if after == Preflight { // nothing has begun that would have to be gone on with
		return nil
	}
	return m.stand(ctx, Steps()[indexOf(after)+1], install.Switching)
}

// stand writes down where the switch stands.
func (m *move) stand(ctx context.Context, step Step, phase install.Phase) error {
	m.state.Step, m.state.Phase, m.state.Since = string(step), phase, metav1.Now()
	return m.installer.WriteSwitch(ctx, m.state)
}
