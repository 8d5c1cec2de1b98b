package behaviour

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

// Site is a control plane of Duet's own with one form on it: processes that a probe may stop, an etcd and logs that it
// may read. A cluster of somebody else's has none, and the rows that need one are then reported as not applicable.
type Site struct {
	Form      install.Implementation
	Profile   string
	Plane     *controlplane.ControlPlane
	Installer *install.Installer

	// forms and binaries are for other control planes with the same form.
	forms    install.Forms
	binaries string
	// annex that runs now, if any.
	annex *annex
}

// SiteOptions of StartSite.
type SiteOptions struct {
	// Form and Profile to install; an empty profile means the form's default. Forms are those that the installer knows.
	Form    install.Implementation
	Profile string
	Forms   install.Forms
	// Plane says how the control plane is started. Its directory is required.
	Plane controlplane.Options
	// Binaries is the directory of the forms' programs; empty means that of this program.
	Binaries string
	// Progress is told each step of an installation.
	Progress func(format string, args ...any)
}

// StartSite starts a control plane, on which nothing is installed yet. A site beside an error has to be stopped.
func StartSite(ctx context.Context, options SiteOptions) (*Site, error) {
	profile, err := install.ProfileOf(options.Form, options.Profile)
	if err != nil {
		return nil, err
	}
	plane, err := controlplane.Start(ctx, options.Plane)
	if err != nil {
		return nil, fmt.Errorf("could not start a control plane for %s: %w", options.Form.Name(), err)
	}
	site := &Site{
		Form: options.Form, Profile: profile, Plane: plane, forms: options.Forms, binaries: options.Binaries,
	}
	environment, err := install.NewEnvironment(plane, options.Binaries)
	if err != nil {
		return site, err
	}
	site.Installer, err = install.NewInstaller(environment, options.Forms, options.Progress)
	return site, err
}

// SiteOf is the site of a control plane that runs already, with a form installed. Other control planes that a row needs
// get their programs from the directory of this one.
func SiteOf(installer *install.Installer, form install.Implementation, profile string) *Site {
	return &Site{
		Form: form, Profile: profile, Plane: installer.Env.ControlPlane(), Installer: installer, forms: installer.Forms,
	}
}

// Install puts the site's form into place and waits until it answers.
func (s *Site) Install(ctx context.Context) error {
	if err := s.Installer.Install(ctx, s.Form.Name(), s.Profile); err != nil {
		return fmt.Errorf("could not install %s: %w", s.Form.Name(), err)
	}
	return nil
}

// Config is the administrator's access.
func (s *Site) Config() *rest.Config { return s.Installer.Env.Config() }

// Subject is the site as the rows see it.
func (s *Site) Subject() *Subject {
	return &Subject{
		Form: s.Form.Name(), Profile: s.Profile, Capabilities: s.Form.Capabilities(s.Profile),
		Config: s.Config(), User: s.Plane.UserConfig, Site: s,
	}
}

// logged is how often a process has logged a text, since it was first started.
func (s *Site) logged(ctx context.Context, name, text string) (int, error) {
	status, err := process.Find(ctx, s.Plane.Runner(), name)
	if err != nil {
		return 0, err
	}
	log, err := os.ReadFile(status.LogFile)
	if err != nil {
		return 0, fmt.Errorf("could not read the log of %s: %w", name, err)
	}
	return bytes.Count(log, []byte(text)), nil
}

// Stop ends every process of the site.
func (s *Site) Stop(ctx context.Context) error {
	if err := s.Plane.Stop(ctx); err != nil {
		return fmt.Errorf("could not stop the control plane of %s: %w", s.Form.Name(), err)
	}
	return nil
}

// Ready is nil once kube-apiserver, and the form behind it, answer.
func (s *Site) Ready(ctx context.Context) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	return install.Serves(ctx, s.Config(), s.Form.Versions(s.Profile)...)
}

// ready is nil once kube-apiserver answers.
func (s *Site) ready(ctx context.Context) error {
	client, err := wire.New(s.Config())
	if err != nil {
		return err
	}
	answer, err := client.Send(ctx, "GET", "/readyz", nil, wire.Accept("*/*"))
	if err != nil {
		return err
	}
	if !answer.OK() {
		return fmt.Errorf("kube-apiserver is not ready: %s", answer.Verdict())
	}
	return nil
}

// settleTimeout is how long a control plane may take to be well again after a row that disturbed it.
const settleTimeout = time.Minute

// settle waits until a site that a row has disturbed answers again, so that the next row is not blamed for it.
func (s *Site) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	var last error
	if err := eventually(ctx, "the control plane well again", func(ctx context.Context) (bool, error) {
		last = errors.Join(s.Ready(ctx), s.running(ctx))
		return last == nil, nil
	}); err != nil {
		return fmt.Errorf("%w; the last answer: %w", err, last)
	}
	return nil
}

// running is nil if every process of the site runs. The controller is nobody's server: without it everything answers.
func (s *Site) running(ctx context.Context) error {
	statuses, err := s.Plane.Runner().List(ctx)
	if err != nil {
		return err
	}
	for _, status := range statuses {
		if status.State != process.Running {
			return fmt.Errorf("%s is %s: the end of its log in %s may say why", status.Spec.Name, status.State, status.LogFile)
		}
	}
	return nil
}
