package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/duet-api/duet/bench/compare"
	"github.com/duet-api/duet/bench/lineup"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/shared/install"
)

const groupComparison = "comparison"

func newCompareCommand(streams genericiooptions.IOStreams) *cobra.Command {
	options := compare.Options{Forms: forms, Rows: behaviour.Rows(), Progress: streams.ErrOut}
	var profile, crdProfile, aggregatedProfile string
	cmd := &cobra.Command{
		Use:     "compare",
		GroupID: groupComparison,
		Short:   "Compare the forms: behaviours and a paired benchmark, in one report",
		Long: `Start a control plane for each form, install the forms, look at every behaviour row on both, run the paired
benchmark over both, follow single requests through the servers (but with --bench smoke), and write a report:
report.html (one file, opens offline), report.md and results.json.

Everything runs on this machine and is stopped at the end, also after Ctrl-C; a benchmark that is interrupted keeps
its finished rounds. The exit code is 1 when a behaviour was not the expected one; the report is written all the same.`,
		Example: `  duet compare
  duet compare --bench smoke
  duet compare --crd-profile schema-only`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if options.Bench, err = scenario.ProfileNamed(profile); err != nil {
				return usagef(cmd, "%w", err)
			}
			options.Scenarios = options.Bench.Scenarios()
			options.Traces = options.Bench.Level > scenario.Smoke
			if options.Arms, err = lineup.Named(lineup.Default()...); err != nil {
				return err
			}
			options.Profiles = map[string]string{install.CRD: crdProfile, install.Aggregated: aggregatedProfile}
			for _, form := range forms {
				if _, err := install.ProfileOf(form, options.Profiles[form.Name()]); err != nil {
					return usagef(cmd, "%w", err)
				}
			}
			options.Flags = map[string]string{
				"bench": profile, "seed": strconv.FormatUint(options.Seed, 10),
				"crd-profile": crdProfile, "aggregated-profile": aggregatedProfile,
			}
			options.Command = strings.Join([]string{"duet compare --bench", profile, "--seed", options.Flags["seed"],
				"--crd-profile", crdProfile, "--aggregated-profile", aggregatedProfile}, " ")
			run, dir, err := compare.Run(cmd.Context(), options)
			if dir == "" {
				return err
			}
			if summaryErr := report.Summary(streams.Out, run, report.PathsIn(dir)); err == nil {
				err = summaryErr
			}
			if err != nil {
				return err
			}
			return unexpected(run)
		},
	}
	cmd.Flags().StringVar(&options.Out, "out", "out", "directory that gets a directory for the run")
	cmd.Flags().StringVar(&profile, "bench", "quick", "how much to measure: "+benchProfiles())
	cmd.Flags().Uint64Var(&options.Seed, "seed", 1, "decides the objects and the order of the measurements")
	cmd.Flags().StringVar(&crdProfile, "crd-profile", forms[0].Profiles()[0], "profile of the crd form")
	cmd.Flags().StringVar(&aggregatedProfile, "aggregated-profile", forms[1].Profiles()[0], "profile of the aggregated form")
	cmd.Flags().BoolVar(&options.Keep, "keep", false, "keep the control planes' data beside the report")
	return cmd
}

func benchProfiles() string {
	var names []string
	for _, profile := range scenario.Profiles() {
		names = append(names, fmt.Sprintf("%s (%s)", profile.Name, profile.Purpose))
	}
	return strings.Join(names, ", ")
}

// unexpected is an error when a behaviour was not what the rows say: then either Kubernetes or Duet has changed.
func unexpected(run report.Run) error {
	var ids []string
	for _, result := range run.Matrix {
		if result.Unexpected {
			ids = append(ids, result.Form+" "+result.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return fmt.Errorf("%d behaviours were not the expected ones (%s): see the report for what was observed", len(ids), strings.Join(ids, ", "))
}
