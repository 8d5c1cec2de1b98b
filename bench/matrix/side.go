// Package matrix looks at the behaviour rows on several forms side by side: on control planes that it starts, on one
// that runs already, or on a cluster of somebody else's.
//
// It is apart from the rows, which know nothing of where they run, and from the report, which knows nothing of how its
// results came about.
package matrix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

// logsDir is what stays of a control plane's directory.
const logsDir = "logs"

// Side is one form on a control plane of its own.
type Side struct {
	*behaviour.Site
	// Name is unique in a run.
	Name string
	// Log says one line about this side; Out is where it goes.
	Log func(format string, args ...any)
	Out io.Writer
	dir string
}

// SideOptions say which form is on a side.
type SideOptions struct {
	// Name is unique in a run, and names the side's directory.
	Name string
	Form install.Implementation
	// Profile of the form; empty means its default.
	Profile string
	// EtcdArgs and APIServerArgs are added to those of the control plane's components, and Amend, unless it is nil, has the
	// last word on how the form's processes are run.
	EtcdArgs, APIServerArgs []string
	Amend                   func(process.Spec) process.Spec
}

// SidesOptions of StartSides.
type SidesOptions struct {
	// Sides to start.
	Sides []SideOptions
	// Forms are those that an installer knows.
	Forms install.Forms
	// Dir gets a directory for each side.
	Dir string
	// Progress receives one line for each step.
	Progress io.Writer
}

// EachForm is one side for each form, named after it, with the profile of that name or the form's default.
func EachForm(forms install.Forms, profiles map[string]string) []SideOptions {
	var sides []SideOptions
	for _, form := range forms {
		sides = append(sides, SideOptions{Name: form.Name(), Form: form, Profile: profiles[form.Name()]})
	}
	return sides
}

// Sides are control planes with one form each.
type Sides []*Side

// StartSides starts a control plane for each side, with nothing installed yet. Sides beside an error have to be closed.
func StartSides(ctx context.Context, options SidesOptions) (Sides, error) {
	var sides Sides
	for _, side := range options.Sides {
		s := &Side{
			Name: side.Name, dir: filepath.Join(options.Dir, side.Name), Out: options.Progress, Log: logger(options.Progress, side.Name),
		}
		site, err := behaviour.StartSite(ctx, behaviour.SiteOptions{
			Form: side.Form, Profile: side.Profile, Forms: options.Forms, Progress: s.Log,
			Plane: controlplane.Options{
				Name: side.Name, Dir: s.dir, Out: options.Progress, EtcdArgs: side.EtcdArgs, APIServerArgs: side.APIServerArgs,
			},
		})
		if site != nil {
			s.Site = site
			sides = append(sides, s)
		}
		if err != nil {
			return sides, err
		}
		site.Installer.Env.Amend = side.Amend
	}
	return sides, nil
}

// Install the form of each side.
func (sides Sides) Install(ctx context.Context) error {
	for _, s := range sides {
		if err := s.Install(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Subjects are the sides as the rows see them.
func (sides Sides) Subjects() []*behaviour.Subject {
	subjects := make([]*behaviour.Subject, 0, len(sides))
	for _, s := range sides {
		subjects = append(subjects, s.Subject())
	}
	return subjects
}

// Close ends all processes of all sides. Their logs stay; data and keys go, unless they are to be kept.
func (sides Sides) Close(ctx context.Context, keep bool) error {
	var errs []error
	for _, s := range sides {
		errs = append(errs, s.close(ctx, keep))
	}
	return errors.Join(errs...)
}

func (s *Side) close(ctx context.Context, keep bool) error {
	if err := s.Stop(ctx); err != nil || keep {
		return err
	}
	return s.clear()
}

// Discard ends all processes of all sides at once, whatever they are about, and removes all but their logs.
func (sides Sides) Discard(ctx context.Context) error {
	var errs []error
	for _, s := range sides {
		errs = append(errs, s.Discard(ctx), s.clear())
	}
	return errors.Join(errs...)
}

// clear removes what the processes of a side have left, but their logs.
func (s *Side) clear() error {
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

// logger writes lines about one side.
func logger(out io.Writer, side string) func(format string, args ...any) {
	return func(format string, args ...any) {
		fmt.Fprintf(out, "      %s: "+format+"\n", append([]any{side}, args...)...)
	}
}
