package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/switching"
)

func newSwitchCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var where location
	var options switching.Options
	var strategy, until string
	output := newChoice("table", "json", "yaml")
	cmd := &cobra.Command{
		Use:     "switch --to crd|aggregated",
		GroupID: groupInstallation,
		Short:   "Have the other form serve, while the API is in use",
		Long: `Have the other form serve MySQLInstance, while clients and the controller go on. Names, UIDs, generations and owner
references stay as they are, and nothing that an instance owns is touched. With strategy api, instances get new UIDs.

A switch is done in steps:
` + describeSteps() + `
Where it stands is kept in the cluster: "duet status" shows it. When a run is interrupted, or even killed, run the same
command again and it goes on; --rollback goes back instead, from any step, and also after the last one.

Strategies, the best that is possible unless one is given:
  shared      both forms use the same keys in the same etcd: nothing is copied, no request is refused
  dedicated   the aggregated form has an etcd of its own: writes are refused while objects are copied
  api         nobody reaches the storage of kube-apiserver: every object is written to a file and made anew through the API,
              while writes are refused; it has a new UID, creationTimestamp and generation then, and its children

The exit code is 0 when the form serves, 4 when the switch is refused, and 1 when it was begun and did not come to its
end.`,
		Example: `  # Look before
  duet switch --to aggregated --dry-run

  # There, and back
  duet switch --to aggregated
  duet switch --rollback

  # Without access to any storage but the server's own
  duet switch --to aggregated --strategy api

  # In two parts: everything but the flip, and then the rest
  duet switch --to crd --until verify
  duet switch --to crd`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if options.Strategy, err = switching.ParseStrategy(strategy); err != nil {
				return usagef(cmd, "%w", err)
			}
			if options.Until, err = switching.ParseStep(until); err != nil {
				return usagef(cmd, "%w", err)
			}
			if err := checkSwitchFlags(cmd, options); err != nil {
				return err
			}
			installer, err := where.installer(cmd, streams)
			if err != nil {
				return err
			}
			installer.Progress = func(format string, args ...any) { fmt.Fprintf(streams.ErrOut, "    "+format+"\n", args...) }
			result, err := switching.New(installer, func(format string, args ...any) {
				fmt.Fprintf(streams.ErrOut, format+"\n", args...)
			}).Run(cmd.Context(), options)
			if result != nil {
				if err := printSwitch(streams.Out, result, output.value); err != nil {
					return err
				}
			}
			var refused *switching.RefusedError
			if err == nil || errors.As(err, &refused) {
				return err
			}
			return fmt.Errorf("%w%s", err, underWay(cmd.Context(), installer, where.flags()))
		},
	}
	where.addFlags(cmd.Flags())
	cmd.Flags().StringVar(&options.To, "to", "", "the form that is to serve: crd or aggregated")
	cmd.Flags().StringVar(&options.Profile, "profile", "", "the form's variant (default: the one that fits the strategy)")
	cmd.Flags().StringVar(&strategy, "strategy", "", "shared, dedicated or api (default: the best that is possible)")
	cmd.Flags().BoolVar(&options.DryRun, "dry-run", false, "say what would be done and why it would be refused, and change nothing")
	cmd.Flags().BoolVar(&options.Rollback, "rollback", false, "go back to where the last switch came from")
	cmd.Flags().StringVar(&until, "until", "", "end after this step; the next run goes on")
	cmd.Flags().VarP(output, "output", "o", "how to print the result")
	return cmd
}

// underWay says what to do after an error. Where no switch is on record nothing was begun: a rollback would take back an earlier
// one.
func underWay(ctx context.Context, installer *install.Installer, flags string) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second) // It may have been interrupted.
	defer cancel()
	state, err := installer.ReadSwitch(ctx)
	switch {
	case err != nil:
		return fmt.Sprintf("; `duet status%s` says where the switch stands, once the control plane answers", flags)
	case state == nil || state.Phase != install.Switching:
		return "; nothing was begun"
	}
	return fmt.Sprintf("; the switch stands at step %s: %s", state.Step, state.GoOn(flags))
}

func checkSwitchFlags(cmd *cobra.Command, options switching.Options) error {
	switch {
	case options.Rollback && options.To != "":
		return usagef(cmd, "--rollback goes back to where the last switch came from: leave --to out")
	case options.Rollback:
		return nil
	case options.To == "":
		return usagef(cmd, "--to is missing: use --to crd, --to aggregated, or --rollback")
	}
	form, err := forms.Named(options.To)
	if err != nil {
		return usagef(cmd, "%w", err)
	}
	if _, err := install.ProfileOf(form, options.Profile); err != nil {
		return usagef(cmd, "%w", err)
	}
	return nil
}

// describeSteps says what each step is for.
func describeSteps() string {
	text := ""
	for _, step := range switching.Steps() {
		text += fmt.Sprintf("  %-10s  %s\n", step, switching.Purpose(step))
	}
	return text
}

func printSwitch(out io.Writer, result *switching.Result, format string) error {
	if format != "table" {
		return printEncoded(out, result, format)
	}
	if result.From == result.To {
		fmt.Fprintf(out, "%s serves already, with profile %s\n", result.To, result.Profile)
		return nil
	}
	table := printers.GetNewTabWriter(out)
	fmt.Fprintln(table, "STEP\tTOOK\tWHAT WAS FOUND")
	for _, step := range result.Steps {
		checks := step.Checks
		if len(checks) == 0 {
			checks = []string{""}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", step.Name, step.Took.Duration, checks[0])
		for _, check := range checks[1:] {
			fmt.Fprintf(table, "\t\t%s\n", check)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	fmt.Fprintln(out, switchVerdict(result))
	return nil
}

// switchVerdict is the outcome in a few lines.
func switchVerdict(result *switching.Result) string {
	var lines []string
	switch {
	case result.DryRun:
		return fmt.Sprintf("%s to %s, strategy %s: nothing was changed", result.From, result.To, result.Strategy)
	case result.Withdrawn:
		return fmt.Sprintf("the switch to %s is taken back; %s has served all the time", result.To, result.From)
	case result.Finished:
		lines = append(lines, fmt.Sprintf("%s serves, with profile %s (strategy %s)", result.To, result.Profile, result.Strategy))
	default:
		lines = append(lines, fmt.Sprintf("the switch from %s to %s is not done yet (strategy %s)", result.From, result.To,
			result.Strategy))
	}
	windows := result.Windows
	lines = append(lines,
		fmt.Sprintf("writes refused for %s, of %d tried", windows.WriteRefused.Duration, windows.Writes),
		fmt.Sprintf("reads refused for %s, and put off for %s (Retry-After), of %d tried", windows.ReadRefused.Duration,
			windows.ReadPutOff.Duration, windows.Reads),
		fmt.Sprintf("an open watch had to be opened again %d times", windows.WatchRestarts))
	for _, refusal := range []struct{ what, told string }{{"write", windows.WriteRefusal}, {"read", windows.ReadRefusal}} {
		if refusal.told != "" {
			lines = append(lines, fmt.Sprintf("the first %s that was refused was told: %s", refusal.what, refusal.told))
		}
	}
	if moved := result.Moved; moved != nil && moved.Export != "" {
		lines = append(lines,
			fmt.Sprintf("%d objects were made anew, with new UIDs, and %d children were given to them", moved.Objects, moved.Children),
			fmt.Sprintf("the objects as they were are kept in %s", moved.Export))
	}
	return strings.Join(lines, "\n")
}
