package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/duet-api/duet/bench/compare"
	"github.com/duet-api/duet/bench/lineup"
	"github.com/duet-api/duet/bench/matrix"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
)

// Where the arms take part that are references.
const (
	briefReferences = "brief"
	fullReferences  = "full"
)

// benchCommand is what `duet bench` was asked for.
type benchCommand struct {
	streams     genericiooptions.IOStreams
	options     compare.Options
	profile     string
	arms        []string
	scenarios   []string
	references  *choice
	kubeconfig  string
	context     string
	formProfile string
	resume      string
	output      *choice
}

func newBenchCommand(streams genericiooptions.IOStreams) *cobra.Command {
	b := &benchCommand{
		streams: streams, options: compare.Options{Forms: forms, Progress: streams.ErrOut}, output: newRunOutput(),
		references: &choice{allowed: []string{briefReferences, fullReferences}},
	}
	cmd := &cobra.Command{
		Use:     "bench",
		GroupID: groupComparison,
		Short:   "Measure the forms against each other and against their limits; compare runs; hold one against goals",
		Long: `Start the control planes that the arms need, measure every scenario on every arm, round by round in turn, and write a
report: report.html, report.md, results.json, and bench.txt for benchstat, results.csv and perfdash.json.

Everything runs on this machine and is stopped at the end, also after Ctrl-C, which keeps the finished rounds: --resume
goes on with such a run, with its seed, arms, scenarios and order, and refuses if the machine, a version or a flag is not
what it was.

With --kubeconfig nothing is started: the arms are those that the cluster serves, which are the form that is installed
there, the form again, and kinds that are built in. What needs control of processes is reported as not available. The user
must be an administrator; requests are sent by a ServiceAccount that is made for the run. What is made is removed.

The arms, and why each is there:
` + describeArms() + `
The scenarios, each with its loop and the shortest profile that has it:
` + describeScenarios(),
		Example: `  duet bench
  duet bench --profile smoke --arm crd --arm crd-again --arm aggregated
  duet bench --scenario get-one --scenario list-500 --arm crd --arm crd-hop --arm aggregated --arm aggregated-direct
  duet bench --list
  duet bench --resume out/20260101-100000
  duet bench --kubeconfig ~/.kube/config --context test
  duet bench compare out/20260101-100000 out/20260101-110000
  duet bench gate out/20260101-110000`,
	}
	needsCommand(cmd)
	var list bool
	unknown := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknown(cmd, args)
		}
		if list {
			return listBench(streams.Out)
		}
		return b.run(cmd)
	}
	flags := cmd.Flags()
	flags.BoolVar(&list, "list", false, "print the scenarios and the arms and why each is there, and measure nothing")
	flags.StringVar(&b.profile, "profile", "quick", "how much to measure: "+benchProfiles())
	flags.StringSliceVar(&b.arms, "arm", nil, "what to measure (repeatable), or "+lineup.All+"; if not given "+
		strings.Join(lineup.Default(), ", ")+", and on a cluster all that it has")
	flags.StringSliceVar(&b.scenarios, "scenario", nil, "which operations (repeatable); those of the profile if not given")
	flags.Var(b.references, "references", "where arms take part that only explain the two forms: in what the quick profile has "+
		"and what each is there for, or in all that they can; if not given brief, and full with --scenario")
	flags.Uint64Var(&b.options.Seed, "seed", 1, "decides the objects and the order of the measurements")
	flags.StringVar(&b.options.Out, "out", "out", "directory that gets a directory for the run")
	flags.BoolVar(&b.options.Traces, "traces", true,
		"follow single requests through the servers afterwards, on control planes of their own, to say where their time goes; "+
			"with --profile smoke only if asked for")
	flags.BoolVar(&b.options.Keep, "keep", false, "keep the control planes' data beside the report")
	flags.StringVar(&b.resume, "resume", "", "directory of an interrupted run that is to go on")
	flags.StringVar(&b.kubeconfig, "kubeconfig", "", "measure the cluster of this kubeconfig, and start nothing")
	flags.StringVar(&b.context, "context", "", "context in the kubeconfig")
	flags.StringVar(&b.formProfile, "form-profile", "", "profile of the form on a cluster that no record of Duet's says it of")
	flags.VarP(b.output, "output", "o", "what to print: a summary, or the whole report")
	cmd.AddCommand(newBenchCompareCommand(streams), newBenchGateCommand(streams))
	return cmd
}

func (b *benchCommand) run(cmd *cobra.Command) error {
	if err := b.restore(cmd); err != nil {
		return err
	}
	if err := b.complete(cmd); err != nil {
		return err
	}
	var run report.Run
	var dir string
	var err error
	if b.kubeconfig == "" {
		run, dir, err = compare.Run(cmd.Context(), b.options)
	} else {
		run, dir, err = b.measureCluster(cmd)
	}
	if dir == "" {
		return err
	}
	err = errors.Join(err, printRun(b.streams.Out, run, dir, b.output))
	if run.Bench != nil && run.Bench.Interrupted {
		err = errors.Join(err, fmt.Errorf("the run is not complete. To go on with it: duet bench --resume %s", quote(dir)))
	}
	return err
}

// complete reads what the flags name, and refuses flags that do not fit together, before anything is started.
func (b *benchCommand) complete(cmd *cobra.Command) error {
	cluster := b.kubeconfig != ""
	switch flags := cmd.Flags(); {
	case !cluster && (b.context != "" || b.formProfile != ""):
		return usagef(cmd, "--context and --form-profile are about a cluster: give its --kubeconfig")
	case cluster && b.references.value != "":
		return usagef(cmd, "--references is about control planes that are started for this: on a cluster all arms take part in all")
	case cluster && (b.options.Keep || flags.Changed("traces") && b.options.Traces):
		return usagef(cmd, "--keep and --traces are about control planes that are started for this: leave them out")
	}
	if !cluster && len(b.arms) == 0 {
		b.arms = lineup.Default()
	}
	var err error
	if b.options.Bench, err = scenario.ProfileNamed(b.profile); err != nil {
		return usagef(cmd, "%w", err)
	}
	if b.options.Arms, err = lineup.Named(b.arms...); err != nil {
		return usagef(cmd, "%w", err)
	}
	if b.options.Scenarios, err = scenario.Named(b.scenarios...); err != nil {
		return usagef(cmd, "%w", err)
	}
	if b.references.value == "" && !cluster {
		b.references.value = briefReferences
		if len(b.scenarios) > 0 {
			b.references.value = fullReferences
		}
	}
	for i := range b.options.Arms {
		b.options.Arms[i].Reference = b.options.Arms[i].Reference && b.references.value == briefReferences
	}
	if len(b.scenarios) == 0 {
		b.options.Scenarios = b.options.Bench.Scenarios()
	}
	if cluster || b.options.Bench.Level == scenario.Smoke && !cmd.Flags().Changed("traces") {
		b.options.Traces = false
	}
	b.describe()
	return nil
}

// describe puts into the run card what repeats the run, in full: a later version may have other defaults.
func (b *benchCommand) describe() {
	b.options.Flags = map[string]string{
		"profile": b.profile, "seed": strconv.FormatUint(b.options.Seed, 10), "arm": strings.Join(b.arms, ","),
		"scenario": strings.Join(namesOf(b.options.Scenarios), ","), "references": b.references.value,
		"traces": strconv.FormatBool(b.options.Traces),
	}
	for name, value := range map[string]string{
		"kubeconfig": b.kubeconfig, "context": b.context, "form-profile": b.formProfile,
	} {
		if value != "" {
			b.options.Flags[name] = value
		}
	}
	command := []string{"duet bench"}
	for _, name := range []string{"profile", "seed", "arm", "scenario", "references", "traces", "kubeconfig", "context", "form-profile"} {
		if value := b.options.Flags[name]; value != "" {
			command = append(command, "--"+name+"="+quote(value))
		}
	}
	b.options.Command = strings.Join(command, " ")
}

// restore reads the run that is to go on, and takes the flags that were not given from it. Those that were given and
// differ are refused with the rest of the run card.
func (b *benchCommand) restore(cmd *cobra.Command) error {
	if b.resume == "" {
		return nil
	}
	run, err := readRun(b.resume)
	if err != nil {
		return err
	}
	switch {
	case run.Bench == nil || len(run.Matrix) > 0:
		return fmt.Errorf("could not go on with %s: it is not a run of duet bench", b.resume)
	case !run.Bench.Interrupted:
		return fmt.Errorf("could not go on with %s: it is complete. Start a new run with: %s", b.resume, run.Card.Command)
	}
	var failed error
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if value, recorded := run.Card.Flags[flag.Name]; recorded && !flag.Changed && value != "" {
			failed = errors.Join(failed, cmd.Flags().Set(flag.Name, value))
		}
	})
	b.options.Resume = &compare.Interrupted{Run: run, Dir: runDir(b.resume)}
	return failed
}

func (b *benchCommand) measureCluster(cmd *cobra.Command) (report.Run, string, error) {
	config, err := clusterConfig(b.kubeconfig, b.context)
	if err != nil {
		return report.Run{}, "", err
	}
	subject, err := matrix.OnCluster(cmd.Context(), config, forms, b.formProfile)
	if err != nil {
		return report.Run{}, "", fmt.Errorf("could not measure the cluster of %s: %w", b.kubeconfig, err)
	}
	return compare.RunOnCluster(cmd.Context(), subject, b.arms, b.options)
}

func describeArms() string {
	var text strings.Builder
	for _, entry := range lineup.Entries() {
		fmt.Fprintf(&text, "  %-20s %s\n", entry.Name, entry.Why)
	}
	return text.String()
}

func describeScenarios() string {
	var text strings.Builder
	for _, s := range scenario.All() {
		fmt.Fprintf(&text, "  %-20s %s (%s; %s)\n", s.Name, s.Title, s.Loop, s.Level)
	}
	return text.String()
}

func namesOf(scenarios []scenario.Scenario) []string {
	var names []string
	for _, s := range scenarios {
		names = append(names, s.Name)
	}
	return names
}
