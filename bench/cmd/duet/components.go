package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/yaml"

	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/process"
)

func newComponentsCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var where location
	output := newChoice("table", "json", "yaml")
	cmd := &cobra.Command{
		Use:     "components",
		GroupID: groupControlPlane,
		Short:   "List the processes of a control plane; kill, pause, resume and restart one of them",
		Long: `List the processes of a control plane, with what each of them has cost so far, and act on one of them by
name. Nothing is restarted by itself: what is killed stays down until it is restarted here or by "duet up".`,
		Example: `  duet components
  duet components -o json
  duet components kill kube-controller-manager
  duet components restart kube-controller-manager
  duet components logs kube-apiserver --tail 20`,
	}
	needsCommand(cmd)
	unknown := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknown(cmd, args)
		}
		runner, err := where.runner(cmd)
		if err != nil {
			return err
		}
		return listComponents(cmd.Context(), streams.Out, runner, output.value)
	}
	where.addFlags(cmd.PersistentFlags())
	cmd.Flags().VarP(output, "output", "o", "how to print")
	for _, action := range []struct {
		name, short, done string
		do                func(process.Runner, context.Context, string) error
	}{
		{"kill", "End a process at once (SIGKILL); it stays down", "is killed", process.Runner.Kill},
		{"pause", "Stop a process where it is (SIGSTOP); its connections stay open and unanswered", "is paused", process.Runner.Pause},
		{"resume", "Let a paused process go on", "runs again", process.Runner.Resume},
		{"restart", "Stop a process if it runs, and start it in the same way", "is restarted", process.Runner.Restart},
	} {
		cmd.AddCommand(&cobra.Command{
			Use:     action.name + " NAME",
			Short:   action.short,
			Example: "  duet components " + action.name + " " + controlplane.APIServer,
			Args:    arguments("NAME"),
			RunE: func(cmd *cobra.Command, args []string) error {
				runner, err := where.runner(cmd)
				if err != nil {
					return err
				}
				if err := action.do(runner, cmd.Context(), args[0]); err != nil {
					return err
				}
				fmt.Fprintf(streams.Out, "%s %s\n", args[0], action.done)
				return nil
			},
		})
	}
	cmd.AddCommand(newLogsCommand(streams, &where))
	return cmd
}

// runner is that of the control plane's supervisor. It does not ask that all components are there: acting on the rest
// when one is gone is what these commands are for.
func (l *location) runner(cmd *cobra.Command) (process.Runner, error) {
	if err := l.resolve(cmd); err != nil {
		return nil, err
	}
	client := process.NewClient(process.SocketPath(l.dir))
	if _, err := client.Info(cmd.Context()); err != nil {
		return nil, fmt.Errorf("control plane %q is not up: start it with duet up%s", l.name, l.flags())
	}
	return client, nil
}

// component is how a process is printed for programs.
type component struct {
	Name       string        `json:"name"`
	State      process.State `json:"state"`
	PID        int           `json:"pid"`
	StartedAt  time.Time     `json:"startedAt"`
	Restarts   int           `json:"restarts"`
	ExitCode   *int          `json:"exitCode,omitempty"`
	CPUSeconds float64       `json:"cpuSeconds"`
	RSSBytes   uint64        `json:"rssBytes"`
	LogFile    string        `json:"logFile"`
	Command    []string      `json:"command"`
}

func listComponents(ctx context.Context, out io.Writer, runner process.Runner, format string) error {
	statuses, err := runner.List(ctx)
	if err != nil {
		return err
	}
	if format == "table" {
		return printComponents(out, statuses)
	}
	return printEncoded(out, encodeComponents(statuses), format)
}

// encodeComponents turns processes into what is printed for programs.
func encodeComponents(statuses []process.Status) []component {
	components := make([]component, 0, len(statuses))
	for _, s := range statuses {
		components = append(components, component{
			Name: s.Spec.Name, State: s.State, PID: s.PID, StartedAt: s.StartedAt, Restarts: s.Restarts, ExitCode: s.ExitCode,
			CPUSeconds: s.CPU.Seconds(), RSSBytes: s.RSSBytes, LogFile: s.LogFile, Command: append([]string{s.Spec.Path}, s.Spec.Args...),
		})
	}
	return components
}

// printEncoded prints a value for programs, as json or yaml.
func printEncoded(out io.Writer, value any, format string) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err == nil && format == "yaml" {
		data, err = yaml.JSONToYAML(data)
	}
	if err != nil {
		return fmt.Errorf("could not encode the answer: %w", err)
	}
	_, err = fmt.Fprintln(out, strings.TrimSuffix(string(data), "\n"))
	return err
}

func printComponents(out io.Writer, statuses []process.Status) error {
	table := printers.GetNewTabWriter(out)
	fmt.Fprintln(table, "NAME\tSTATE\tPID\tCPU\tMEMORY\tRESTARTS\tAGE")
	for _, s := range statuses {
		state, cpu := string(s.State), s.CPU.Round(10*time.Millisecond).String()
		memory := resource.NewQuantity(int64(s.RSSBytes>>20)<<20, resource.BinarySI).String()
		if s.ExitCode != nil {
			state, cpu, memory = state+" ("+strconv.Itoa(*s.ExitCode)+")", "-", "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%d\t%s\n", s.Spec.Name, state, s.PID, cpu, memory, s.Restarts,
			duration.HumanDuration(time.Since(s.StartedAt)))
	}
	return table.Flush()
}
