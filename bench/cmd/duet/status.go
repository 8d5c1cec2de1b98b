package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/duet-api/duet/shared/install"
)

func newStatusCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var where location
	output := newChoice("table", "json", "yaml")
	cmd := &cobra.Command{
		Use:     "status",
		GroupID: groupInstallation,
		Short:   "Show which form serves, whether each version answers, and what runs",
		Long: `Show which form serves MySQLInstance, as the cluster itself says, whether each version answers a LIST, discovery and
the schema, how many objects there are, and the processes behind it.

The exit code is 1 when a form is installed and one of its versions does not answer.`,
		Example: `  duet status
  duet status -o json`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			installer, err := where.installer(cmd, streams)
			if err != nil {
				return err
			}
			status, err := installer.Status(cmd.Context())
			if err != nil {
				return err
			}
			if err := printStatus(streams.Out, status, output.value); err != nil {
				return err
			}
			for _, version := range status.Versions {
				if !version.Serves {
					return fmt.Errorf("%s is installed, but %s does not answer: %s", status.Form, version.Version, version.Error)
				}
			}
			return nil
		},
	}
	where.addFlags(cmd.Flags())
	cmd.Flags().VarP(output, "output", "o", "how to print")
	return cmd
}

func printStatus(out io.Writer, status install.Status, format string) error {
	if format != "table" {
		return printEncoded(out, struct {
			install.Status
			Processes []component `json:"processes"`
		}{status, encodeComponents(status.Processes)}, format)
	}
	table := printers.GetNewTabWriter(out)
	switch {
	case status.Foreign != "":
		fmt.Fprintf(table, "Form\tnone of Duet's: service %s serves %s\n", status.Foreign, install.Group)
	case status.Form == "":
		fmt.Fprintf(table, "Form\tnone\n")
	default:
		fmt.Fprintf(table, "Form\t%s\nProfile\t%s\n", status.Form, status.Profile)
	}
	if status.Storage != "" {
		fmt.Fprintf(table, "Storage\t%s\n", status.Storage)
	}
	for _, version := range status.Versions {
		answer := "answers"
		if !version.Serves {
			answer = version.Error
		}
		fmt.Fprintf(table, "%s\t%s\n", version.Version, answer)
	}
	if status.Objects != nil {
		fmt.Fprintf(table, "Objects\t%d\n", *status.Objects)
	}
	if line := switchLine(status.Switch); line != "" {
		fmt.Fprintf(table, "Switch\t%s\n", line)
	}
	if status.Held {
		fmt.Fprintf(table, "Hold\tthe parked CustomResourceDefinition may not be deleted: objects are stored below its keys\n")
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	return printComponents(out, status.Processes)
}

// switchLine says where the last switch stands; a switch that was taken back left nothing to say.
func switchLine(state *install.SwitchState) string {
	switch {
	case state == nil, state.Phase == install.TakenBack:
		return ""
	case state.Phase == install.Switching:
		return fmt.Sprintf("from %s to %s (%s) under way since %s, at step %s: %s",
			state.From.Form, state.To.Form, state.Strategy, state.Since.Format(time.RFC3339), state.Step, state.GoOn(""))
	}
	line := fmt.Sprintf("from %s to %s (%s) done at %s", state.From.Form, state.To.Form, state.Strategy,
		state.Since.Format(time.RFC3339))
	if state.Export != "" {
		line += "; the objects as they were are kept in " + state.Export
	}
	return line
}
