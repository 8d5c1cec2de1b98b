package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	aggregatedimpl "github.com/duet-api/duet/aggregated-impl"
	crdimpl "github.com/duet-api/duet/crd-impl"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

// forms are the two ways to serve the API, in the order in which they are listed. This is the one place of the command
// line that names them.
var forms = install.Forms{crdimpl.Form{}, aggregatedimpl.Form{}}

const groupInstallation = "installation"

// installer opens the control plane that a command is about, and prepares to install to it.
func (l *location) installer(cmd *cobra.Command, streams genericiooptions.IOStreams) (*install.Installer, error) {
	if err := l.resolve(cmd); err != nil {
		return nil, err
	}
	plane, err := controlplane.Open(l.dir)
	if err != nil {
		return nil, err
	}
	for _, name := range plane.Components() {
		status, err := process.Find(cmd.Context(), plane.Runner(), name)
		if err != nil {
			return nil, err
		}
		if status.State != process.Running {
			return nil, fmt.Errorf("%s of control plane %q is %s: duet up%s starts it, duet components%s shows all",
				name, l.name, strings.ToLower(string(status.State)), l.flags(), l.flags())
		}
	}
	environment, err := install.NewEnvironment(plane, "")
	if err != nil {
		return nil, err
	}
	return install.NewInstaller(environment, forms, func(format string, args ...any) {
		fmt.Fprintf(streams.ErrOut, format+"\n", args...)
	})
}
