package switching

import (
	"context"
	"errors"
	"fmt"

	"github.com/duet-api/duet/shared/install"
)

// These are the ways back that are not a switch in the other direction.

// finish ends a switch and takes it back.
func (s *Switcher) finish(ctx context.Context, m *move, options Options) (*Result, error) {
	return s.first(ctx, m, options, fmt.Sprintf("the switch to %s would be ended, and then be taken back", m.state.To.Form),
		fmt.Sprintf("the switch to %s has objects in both forms: it is ended first, and then taken back", m.state.To.Form),
		func(ctx context.Context) error { return m.run(ctx, "") })
}

// again takes away what is being taken away, and begins anew.
func (s *Switcher) again(ctx context.Context, m *move, options Options) (*Result, error) {
	return s.first(ctx, m, options,
		fmt.Sprintf("what was prepared for %s would be taken away first, as was begun; then the switch would begin anew", m.state.To.Form),
		fmt.Sprintf("the switch to %s is being taken back: that is ended first, and then it begins anew", m.state.To.Form), m.undo)
}

// first does, or says that it would, what comes before that which a run was asked for.
func (s *Switcher) first(
	ctx context.Context, m *move, options Options, would, does string, do func(context.Context) error,
) (*Result, error) {
	if options.DryRun {
		return m.result, m.would(ctx, "%s", would)
	}
	s.progress("%s", does)
	if err := do(ctx); err != nil {
		return m.result, err
	}
	return s.run(ctx, options)
}

// withdraw puts everything back after a refusal that only the other form itself could say, beside the one that serves. Where
// both forms may serve there is no way back but on.
func (m *move) withdraw(ctx context.Context, refused *RefusedError) error {
	flipped, err := m.flipped(ctx, m.state)
	if err != nil || flipped || m.state.Flipping || m.state.MidSwitch {
		return errors.Join(errors.New(refused.Error()), err) // It is no refusal then: something has changed.
	}
	if err := m.takeBack(ctx); err != nil {
		return fmt.Errorf("%s; what was prepared could not be taken away: %w", refused.Error(), err)
	}
	return refused
}

// undo takes away what was prepared for a form that has not served. On a machine that was started anew the one that serves is
// not there either, and with strategy api it is who knows the owners.
func (m *move) undo(ctx context.Context) error {
	m.result.Rollback = true
	err := m.bringUp(ctx, m.from)
	if err == nil && m.strategy() == API {
		err = until(ctx, m.from.form.Name()+" to answer", fenceInterval, func(ctx context.Context) error {
			return m.installer.Serves(ctx, m.from.versions()...)
		})
	}
	if err != nil {
		return fmt.Errorf("%s serves, and has to be there: %w", m.from.form.Name(), err)
	}
	if err := m.step(ctx, Park, m.takeBack); err != nil {
		return err
	}
	m.result.Finished = true
	return nil
}

// takeBack takes away what was prepared. That it has begun is written down before a fence falls: who went on from where the
// switch had been would flip to a copy that is out of date by then, or to a server that is gone.
func (m *move) takeBack(ctx context.Context) error {
	m.state.TakingBack = true
	if err := m.installer.WriteSwitch(ctx, m.state); err != nil {
		return err
	}
	if err := m.unprepare(ctx); err != nil {
		return err
	}
	m.result.Withdrawn = true
	if m.state.Rollback { // The switch that it was to take back stands.
		m.state = install.SwitchState{
			From: m.state.To, To: m.state.From, Strategy: m.state.Strategy, Export: m.state.PreviousExport,
		}
		return m.stand(ctx, "", install.Switched)
	}
	m.state.TakingBack = false
	return m.stand(ctx, "", install.TakenBack)
}
