package compare

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
)

// benchUser is who the benchmark sends its requests as: an ordinary RBAC user. An administrator of system:masters would
// skip authorization and priority and fairness, and with them what makes the forms differ.
const benchUser = "duet-bench"

// logsDir is what stays of a control plane's directory.
const logsDir = "logs"

// side is one form on a control plane of its own.
type side struct {
	*behaviour.Site
	dir string
	log func(format string, args ...any)
}

// newSide starts a control plane. A side beside an error has to be stopped.
func newSide(ctx context.Context, dir string, form install.Implementation, options Options) (*side, error) {
	s := &side{dir: dir, log: func(format string, args ...any) {
		fmt.Fprintf(options.Progress, "      %s: "+format+"\n", append([]any{form.Name()}, args...)...)
	}}
	site, err := behaviour.StartSite(ctx, behaviour.SiteOptions{
		Form: form, Profile: options.Profiles[form.Name()], Forms: options.Forms, Progress: s.log,
		Plane: controlplane.Options{Name: form.Name(), Dir: dir, Out: options.Progress},
	})
	if site == nil {
		return nil, err
	}
	s.Site = site
	return s, err
}

// arms of this side: the form's, and on the first side its identical twin, which shows what noise looks like, and the
// in-tree baseline.
func (s *side) arms(seed uint64, first bool) ([]*arm.Arm, error) {
	instances, err := arm.MySQLInstances(seed)
	if err != nil {
		return nil, err
	}
	arms := []*arm.Arm{{Name: s.Form.Name(), Form: s.Form.Name(), Kind: instances}}
	if first {
		configMaps, err := arm.ConfigMaps(seed)
		if err != nil {
			return nil, err
		}
		arms = append(arms,
			&arm.Arm{Name: s.Form.Name() + "-again", Form: s.Form.Name(), Repeats: s.Form.Name(), Kind: instances},
			&arm.Arm{Name: "configmap", Form: arm.BuiltIn, Kind: configMaps})
	}
	user, err := s.Plane.UserConfig(benchUser)
	if err != nil {
		return nil, err
	}
	for _, a := range arms {
		a.Plane, a.Config, a.Admin = s.Form.Name(), user, s.Config()
	}
	return arms, nil
}

// close ends the side's processes. Their logs stay; data and keys go, unless they are to be kept.
func (s *side) close(ctx context.Context, keep bool) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	if keep {
		return nil
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if entry.Name() != logsDir {
			errs = append(errs, os.RemoveAll(filepath.Join(s.dir, entry.Name())))
		}
	}
	return errors.Join(errs...)
}
