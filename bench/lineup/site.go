package lineup

import (
	"context"
	"fmt"

	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/matrix"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
)

// ownThroughAPIServer is throughAPIServer where all that is behind the API is the form's, so that it can be installed
// anew.
func ownThroughAPIServer(_ context.Context, side *matrix.Side) (arm.Target, error) {
	target, err := through(side)
	quiet := *side.Installer
	quiet.Progress = func(string, ...any) {} // each step of each round would be a line
	target.Site = &site{side: side, installer: &quiet}
	return target, err
}

// masters is throughAPIServer as a member of system:masters.
func masters(_ context.Context, side *matrix.Side) (arm.Target, error) {
	target, err := through(side, user.SystemPrivilegedGroup)
	target.Masters = true
	return target, err
}

// site is a side as an arm sees it.
type site struct {
	side      *matrix.Side
	installer *install.Installer
	// stopped is the name of the server, while it is stopped.
	stopped string
}

// Install implements arm.Site.
func (s *site) Install(ctx context.Context) error {
	if err := s.installer.Install(ctx, s.side.Form.Name(), s.side.Profile); err != nil {
		return err
	}
	return s.StopController(ctx)
}

// Uninstall implements arm.Site.
func (s *site) Uninstall(ctx context.Context) error {
	_, err := s.installer.Uninstall(ctx, true)
	return err
}

// StopServer implements arm.Site. What serves a custom resource is kube-apiserver. It is killed: asked to end, it first waits for
// those who watch, for up to a minute.
func (s *site) StopServer(ctx context.Context) error {
	name := controlplane.APIServer
	if s.side.Form.Name() != install.CRD {
		plan, err := s.installer.Env.Plan(ctx, s.side.Form, s.side.Profile)
		if err != nil {
			return err
		}
		server, own := plan.Server()
		if !own {
			return fmt.Errorf("form %s has no server of its own", s.side.Form.Name())
		}
		name = server.Name
	}
	s.stopped = name
	return s.side.Plane.Runner().Kill(ctx, name)
}

// StartServer implements arm.Site.
func (s *site) StartServer(ctx context.Context) error {
	if s.stopped == "" {
		return nil
	}
	name := s.stopped
	s.stopped = ""
	return s.side.Plane.Runner().Restart(ctx, name)
}

// StartController implements arm.Site.
func (s *site) StartController(ctx context.Context) error {
	return s.installer.StartController(ctx)
}

// StopController implements arm.Site.
func (s *site) StopController(ctx context.Context) error { return s.installer.StopController(ctx) }
