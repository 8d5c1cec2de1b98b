package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/duet-api/duet/bench"
	"github.com/duet-api/duet/bench/report"
)

func newBenchCompareCommand(streams genericiooptions.IOStreams) *cobra.Command {
	output := newChoice("table", "json", "yaml")
	cmd := &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "Say which claims two runs share, and which ratios moved by more than chance",
		Long: `Hold two runs against each other. Each run has compared its arms round by round; what is compared here is what came of
it: whether both make the same claim, and whether the intervals of a ratio still meet. Times are not compared: those of
two runs differ by whatever the machine did.`,
		Example: `  duet bench compare out/20260101-100000 out/20260101-110000`,
		Args:    arguments("OLD", "NEW"),
		RunE: func(_ *cobra.Command, args []string) error {
			var runs [2]*report.Bench
			for i, path := range args {
				var err error
				if runs[i], err = readBench(path); err != nil {
					return err
				}
			}
			all := report.Agreements(runs[0], runs[1])
			if output.value != "table" {
				return printEncoded(streams.Out, all, output.value)
			}
			return report.WriteAgreements(streams.Out, all)
		},
	}
	cmd.Flags().VarP(output, "output", "o", "how to print")
	return cmd
}

// errMissed ends `duet bench gate` with a code of its own, so that CI can tell a missed goal from a failure.
var errMissed = errors.New("goals were missed")

func newBenchGateCommand(streams genericiooptions.IOStreams) *cobra.Command {
	output := newChoice("table", "json", "yaml")
	cmd := &cobra.Command{
		Use:   "gate RUN [GOALS]",
		Short: "Hold a run against goals",
		Long: fmt.Sprintf(`Hold a run against goals. Without a file, the goals are Duet's own, bench/goals.yaml. A ratio has to keep its bound with
the whole of its interval; what the run did not measure is listed and counts as neither.

The exit code is %d when a goal was missed, and %d when nothing was, but the run is not complete or has measured none of them.`,
			exitMissed, exitFailure),
		Example: `  duet bench gate out/20260101-100000
  duet bench gate out/20260101-100000 my-goals.yaml -o json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return arguments("RUN")(cmd, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			file := bench.DefaultGoals
			if len(args) == 2 {
				var err error
				if file, err = os.ReadFile(args[1]); err != nil {
					return fmt.Errorf("could not read the goals: %w", err)
				}
			}
			goals, err := bench.ReadGoals(file)
			if err != nil {
				return err
			}
			measured, err := readBench(args[0])
			if err != nil {
				return err
			}
			outcomes := bench.Gate(measured, goals)
			if output.value != "table" {
				err = printEncoded(streams.Out, outcomes, output.value)
			} else {
				err = printOutcomes(streams.Out, outcomes)
			}
			if err != nil {
				return err
			}
			return judge(args[0], measured, outcomes)
		},
	}
	cmd.Flags().VarP(output, "output", "o", "how to print")
	return cmd
}

// judge says whether a run may pass.
func judge(path string, measured *report.Bench, outcomes []report.Outcome) error {
	has := func(standing report.Standing) bool {
		return slices.ContainsFunc(outcomes, func(o report.Outcome) bool { return o.Standing == standing })
	}
	switch {
	case has(report.Missed):
		return errMissed
	case measured.Interrupted:
		return fmt.Errorf("%s is not complete, so that goals which it keeps may yet be missed. To go on with it: duet bench --resume %s",
			path, quote(runDir(path)))
	case !has(report.Met):
		return fmt.Errorf("%s has measured nothing that one of the goals is about", path)
	}
	return nil
}

func printOutcomes(out io.Writer, outcomes []report.Outcome) error {
	table := printers.GetNewTabWriter(out)
	fmt.Fprintln(table, "GOAL\tSTANDING\tBOUND\tVALUE\tFROM")
	counts := map[report.Standing]int{}
	for _, o := range outcomes {
		counts[o.Standing]++
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", o.Goal, o.Standing, o.BoundText(), o.ValueText(), o.Detail)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("could not write the table: %w", err)
	}
	_, err := fmt.Fprintf(out, "\n%d met, %d missed, %d not measured\n", counts[report.Met], counts[report.Missed],
		counts[report.NotMeasured])
	return err
}

func newReportCommand(streams genericiooptions.IOStreams) *cobra.Command {
	output := newRunOutput()
	cmd := &cobra.Command{
		Use:     "report RUN",
		GroupID: groupComparison,
		Short:   "Write the reports of a finished run again, from its data",
		Long: `Write every file of a run's report again from its results.json, with what this version of Duet makes of the data: the
statistics are computed anew from the rows. RUN is the run's directory, or its results.json.`,
		Example: `  duet report out/20260101-100000
  duet report out/20260101-100000 -o markdown`,
		Args: arguments("RUN"),
		RunE: func(_ *cobra.Command, args []string) error {
			run, err := readRun(args[0])
			if err != nil {
				return err
			}
			if run.Bench != nil {
				bench.Analyse(run.Bench)
			}
			dir := runDir(args[0])
			if err := report.Write(dir, run); err != nil {
				return err
			}
			return printRun(streams.Out, run, dir, output)
		},
	}
	cmd.Flags().VarP(output, "output", "o", "what to print: a summary, or the whole report")
	return cmd
}

func newRunOutput() *choice { return newChoice("summary", "markdown") }

// printRun prints a run that was written to a directory.
func printRun(out io.Writer, run report.Run, dir string, output *choice) error {
	if output.value == "markdown" {
		return report.WriteMarkdown(out, run)
	}
	return report.Summary(out, run, report.PathsIn(dir))
}

// readRun reads the data of a run, by its directory or its file.
func readRun(path string) (report.Run, error) {
	file, err := os.Open(report.PathsIn(runDir(path)).JSON)
	if err != nil {
		return report.Run{}, fmt.Errorf("could not read the run: %w", err)
	}
	defer file.Close()
	run, err := report.ReadJSON(file)
	if err != nil {
		return report.Run{}, fmt.Errorf("%s: %w", path, err)
	}
	return run, nil
}

// readBench reads the benchmark of a run, with what this version makes of its rows.
func readBench(path string) (*report.Bench, error) {
	run, err := readRun(path)
	if err != nil {
		return nil, err
	}
	if run.Bench == nil {
		return nil, fmt.Errorf("%s has no benchmark", path)
	}
	bench.Analyse(run.Bench)
	return run.Bench, nil
}

// runDir is the directory of a run.
func runDir(path string) string {
	if filepath.Base(path) == filepath.Base(report.PathsIn("").JSON) {
		return filepath.Dir(path)
	}
	return path
}
