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
	if options.DryRun {
		return m.result, m.step(ctx, Preflight, func(context.Context) error {
			m.check("the switch to %s would be ended, and then be taken back", m.state.To.Form)
			return nil
		})
	}
	s.progress("the switch to %s has objects in both forms: it is ended first, and then taken back", m.state.To.Form)
	if err := m.run(ctx, ""); err != nil {
		return m.result, err
	}
	return s.run(ctx, options)
}

// withdraw puts everything back after a refusal that only the other form itself could say, beside the one that serves. A
// rollback has no way back but on: both forms may serve, and what is on record is the form before.
func (m *move) withdraw(ctx context.Context, refused *RefusedError) error {
	flipped, err := m.flipped(ctx, m.state)
	if err != nil || flipped || m.state.Rollback {
		return errors.Join(errors.New(refused.Error()), err) // It is no refusal then: something has changed.
	}
	m.result.Withdrawn = true
	if err := m.unprepare(ctx); err != nil {
		return fmt.Errorf("%s; what was prepared could not be taken away: %w", refused.Error(), err)
	}
	if err := m.stand(ctx, "", install.TakenBack); err != nil {
		return err
	}
	return refused
}

// undo takes away what was prepared for a form that has not served.
func (m *move) undo(ctx context.Context) error {
	m.result.Rollback, m.result.Withdrawn = true, true
	if err := m.step(ctx, Park, m.unprepare); err != nil {
		return err
	}
	if err := m.stand(ctx, "", install.TakenBack); err != nil {
		return err
	}
	m.result.Finished = true
	return nil
}
