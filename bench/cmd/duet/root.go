package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// commands of the root, in the order in which a newcomer needs them.
var commands = []func(genericiooptions.IOStreams) *cobra.Command{
	newUpCommand,
	newDownCommand,
	newComponentsCommand,
	newKubectlCommand,
	newBuildCommand,
	newInstallCommand,
	newUninstallCommand,
	newSwitchCommand,
	newStatusCommand,
	newCompareCommand,
	newMatrixCommand,
	newReportCommand,
	newBenchCommand,
	newSuperviseCommand,
	newEchoCommand,
}

// Groups of commands in the root's help.
const groupControlPlane = "control-plane"

var groups = []*cobra.Group{
	{ID: groupComparison, Title: "The main job:"},
	{ID: groupControlPlane, Title: "The control plane on this machine:"},
	{ID: groupInstallation, Title: "The form that serves the API:"},
}

func newRootCommand(streams genericiooptions.IOStreams) *cobra.Command {
	root := &cobra.Command{
		Use:   "duet",
		Short: "Compare a CustomResourceDefinition with an aggregated API server, on the same API",
		Long: `Duet serves one API, MySQLInstance (mysql.example.com), in two ways and shows the difference:
as a CustomResourceDefinition with webhooks, and by an aggregated API server.

Everything runs on this machine, on a real control plane that the first "duet up" builds.`,
		Example: `  # Compare the two forms, and read the report
  duet compare

  # Use one of them
  duet up
  duet install --impl aggregated
  duet kubectl get mysqlinstances -A
  duet down`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		DisableAutoGenTag: true,
	}
	needsCommand(root)
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef(cmd, "%w", err) })
	root.AddGroup(groups...)
	for _, command := range commands {
		root.AddCommand(command(streams))
	}
	return root
}

// needsCommand makes a command that only groups others: alone it shows its help, and an unknown word gets a hint.
func needsCommand(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
			return usagef(cmd, "unknown command %q for %q; did you mean %q?", args[0], cmd.CommandPath(), similar[0])
		}
		return usagef(cmd, "unknown command %q for %q", args[0], cmd.CommandPath())
	}
}

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{command: cmd.CommandPath(), err: fmt.Errorf(format, args...)}
}

// arguments checks that a command got exactly the arguments that it names.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > len(names):
			return usagef(cmd, "unexpected argument %q", args[len(names)])
		case len(args) < len(names):
			return usagef(cmd, "%s is missing", strings.Join(names[len(args):], " "))
		}
		return nil
	}
}

// choice is a flag whose value is one of a few words.
type choice struct {
	value   string
	allowed []string
}

func newChoice(allowed ...string) *choice { return &choice{value: allowed[0], allowed: allowed} }

func (c *choice) String() string { return c.value }

func (c *choice) Type() string { return strings.Join(c.allowed, "|") }

func (c *choice) Set(value string) error {
	if !slices.Contains(c.allowed, value) {
		return fmt.Errorf("must be one of %s", strings.Join(c.allowed, ", "))
	}
	c.value = value
	return nil
}

// printLines prints a block of text for a person.
func printLines(out io.Writer, lines ...string) {
	fmt.Fprintln(out, strings.Join(lines, "\n"))
}
