package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

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
				run, err := readRun(path)
				if err != nil {
					return err
				}
				if run.Bench == nil {
					return fmt.Errorf("%s has no benchmark", path)
				}
				runs[i] = run.Bench
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

The exit code is %d when a goal was missed.`, exitMissed),
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
			run, err := readRun(args[0])
			if err != nil {
				return err
			}
			if run.Bench == nil {
				return fmt.Errorf("%s has no benchmark", args[0])
			}
			outcomes := bench.Gate(run.Bench, goals)
			if output.value != "table" {
				err = printEncoded(streams.Out, outcomes, output.value)
			} else {
				err = printOutcomes(streams.Out, outcomes)
			}
			if err != nil {
				return err
			}
			for _, outcome := range outcomes {
				if outcome.Standing == report.Missed {
					return errMissed
				}
			}
			return nil
		},
	}
	cmd.Flags().VarP(output, "output", "o", "how to print")
	return cmd
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

// runDir is the directory of a run.
func runDir(path string) string {
	if filepath.Base(path) == filepath.Base(report.PathsIn("").JSON) {
		return filepath.Dir(path)
	}
	return path
}
