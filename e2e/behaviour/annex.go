package behaviour

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/duet-api/duet/e2e/otlp"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

// setting is how an annex is set up: another control plane with the subject's form, which several rows use one after
// the other, since starting one costs more than asking it. Rows that use one are Slow and Disruptive, and those of one
// setting stand together: there is one annex at a time. It is replaced after a row that ended badly.
type setting struct {
	name string
	// storage that the form is to use, if it has a profile for it.
	storage install.Storage
	// prepare writes what the arguments refer to into a directory, and returns arguments for every API server
	// (kube-apiserver, and the form's own if it has one), and more for kube-apiserver.
	prepare func(dir string, started *annex) (everyServer, front []string, err error)
	// etcdArgs are for every etcd, and managerArgs for kube-controller-manager.
	etcdArgs, managerArgs []string
}

// annex is a running one.
type annex struct {
	setting string
	site    *Site
	dir     string
	// spans are what the servers have traced, and asked is what kube-apiserver has asked its authorizer, if the setting
	// has them do it.
	spans *otlp.Receiver
	asked *authorizer
	// changed is what a change of form there has shown, once there was one.
	changed *formChange
}

// annex starts the control plane of a setting, or takes the one that runs, and returns the form there.
func (s *Subject) annex(ctx context.Context, wanted setting) (*Subject, error) {
	if there := s.Site.annex; there != nil && there.setting != wanted.name {
		if err := s.Site.leaveAnnex(ctx); err != nil {
			return nil, err
		}
	}
	if s.Site.annex == nil {
		if err := s.Site.openAnnex(ctx, wanted); err != nil {
			return nil, err
		}
	}
	return s.on(ctx, s.Site.annex.site)
}

func (s *Site) openAnnex(ctx context.Context, wanted setting) error {
	dir, err := os.MkdirTemp("", "duet-annex-")
	if err != nil {
		return fmt.Errorf("could not make a directory for another control plane: %w", err)
	}
	s.annex = &annex{setting: wanted.name, dir: dir}
	serverArgs, frontArgs, err := wanted.prepare(dir, s.annex)
	if err != nil {
		return err
	}
	s.annex.site, err = s.another(ctx, dir, s.profileWith(wanted.storage),
		controlplane.Options{
			APIServerArgs: slices.Concat(serverArgs, frontArgs), EtcdArgs: wanted.etcdArgs,
			ControllerManagerArgs: wanted.managerArgs,
		},
		func(spec process.Spec) process.Spec {
			switch {
			case spec.Flag("etcd-servers") != "":
				spec.Args = append(spec.Args, serverArgs...)
			case spec.Flag("listen-client-urls") != "":
				spec.Args = append(spec.Args, wanted.etcdArgs...)
			}
			return spec
		})
	return err
}

// leaveAnnex stops the annex, if there is one.
func (s *Site) leaveAnnex(ctx context.Context) error {
	there := s.annex
	if there == nil {
		return nil
	}
	s.annex = nil
	if there.spans != nil {
		there.spans.Close()
	}
	if there.asked != nil {
		there.asked.stop()
	}
	if there.site != nil {
		if err := there.site.Discard(ctx); err != nil {
			return err
		}
	}
	return os.RemoveAll(there.dir)
}

// Discard stops a site whose data nobody wants: its servers need not wait until their watches have ended.
func (s *Site) Discard(ctx context.Context) error {
	statuses, err := s.Plane.Runner().List(ctx)
	if err != nil {
		return err
	}
	for _, status := range statuses {
		if status.State == process.Exited {
			continue
		}
		// One that exits in this moment, because a server that it needs was killed before it, is gone as well.
		var gone *process.NotRunningError
		if err := s.Plane.Runner().Kill(ctx, status.Spec.Name); err != nil && !errors.As(err, &gone) {
			return err
		}
	}
	return s.Stop(ctx)
}

// profileWith is the form's profile that stores in a certain place, or the site's own if there is none.
func (s *Site) profileWith(storage install.Storage) string {
	if storage == "" {
		return s.Profile
	}
	for _, profile := range s.Form.Profiles() {
		if s.Form.Storage(profile) == storage {
			return profile
		}
	}
	return s.Profile
}

// another starts a control plane in a directory and installs the site's form there. A site beside an error has to be
// stopped.
func (s *Site) another(ctx context.Context, dir, profile string, plane controlplane.Options,
	amend func(process.Spec) process.Spec) (*Site, error) {
	plane.Name, plane.Dir = "row", filepath.Join(dir, "control-plane")
	other, err := StartSite(ctx, SiteOptions{
		Form: s.Form, Profile: profile, Forms: s.forms, Binaries: s.binaries, Plane: plane,
		Progress: func(string, ...any) {},
	})
	if err != nil {
		return other, err
	}
	other.Installer.Env.Amend = amend
	return other, other.Install(ctx)
}

// on is the subject of a row on another site, in a namespace there.
func (s *Subject) on(ctx context.Context, site *Site) (*Subject, error) {
	other := site.Subject()
	client, err := other.unlimited()
	if err != nil {
		return nil, err
	}
	namespace, err := makeNamespace(ctx, client, "elsewhere")
	if err != nil {
		return nil, err
	}
	own, err := other.within(namespace, s.recorder)
	if err != nil {
		return nil, err
	}
	s.afterwards(own.cleanUp)
	return own, nil
}
