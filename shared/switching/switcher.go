package switching

import (
	"context"
	"fmt"

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
func (s *Switcher) Run(ctx context.Context, options Options) (*Result, error) {
	if _, err := s.installer.Env.Runner().List(ctx); err != nil {
		return nil, err
	}
	s.progress("switching to %s", options.To)
	return nil, fmt.Errorf("could not switch to %s: no strategy is possible yet", options.To)
}
