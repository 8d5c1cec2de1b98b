package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/duet-api/duet/bench/matrix"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/shared/install"
)

// matrixCommand is what `duet matrix` was asked for.
type matrixCommand struct {
	streams    genericiooptions.IOStreams
	selection  matrix.Selection
	form       *choice
	profiles   map[string]*string
	output     *choice
	list       bool
	installed  bool
	where      location
	kubeconfig []string
	contexts   []string
	profile    string
	out        string
	keep       bool
}

func newMatrixCommand(streams genericiooptions.IOStreams) *cobra.Command {
	m := &matrixCommand{
		streams: streams, form: newChoice("both", install.CRD, install.Aggregated), profiles: map[string]*string{},
		output: newChoice("table", "wide", "json", "markdown", "junit", "comparison"),
	}
	cmd := &cobra.Command{
		Use:     "matrix",
		GroupID: groupComparison,
		Short:   "Look at what each form does, row by row, with the evidence",
		Long: `Look at the behaviour rows: each is a question to the API, with the answer that is expected of each form. The rows
are sent to real servers, and what they answered is printed and saved with the requests: report.html, report.md,
results.json and junit.xml.

Where they are looked at:
  by default      on control planes that are started for it, one for each form, and stopped at the end
  --installed     on the control plane that "duet up" started, for the form that is installed there
  --kubeconfig    on any cluster where one of the forms is installed; give the flag twice for one of each form.
                  Rows that need control of processes are then reported as not applicable, with the reason.
                  The user must be an administrator, and may impersonate others.

Disruptive rows stop and restart servers. They run last, one at a time, and put everything back.

The exit code is 1 when an observation was not the expected one.`,
		Example: `  duet matrix
  duet matrix --list
  duet matrix --group security --form aggregated -o wide
  duet matrix --row A2 --row A7 -o markdown
  duet matrix --label '!slow && !disruptive' -o json
  duet matrix --kubeconfig ~/.kube/config --context test`,
		Args: arguments(),
		RunE: m.run,
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&m.selection.Groups, "group", nil, "only rows of this group, or of those that begin so (repeatable)")
	flags.StringArrayVar(&m.selection.IDs, "row", nil, "only the row of this ID (repeatable)")
	flags.StringVar(&m.selection.Labels, "label", "", "only rows that this filter fits: labels are slow, disruptive, the group and the ID")
	flags.Var(m.form, "form", "which forms to start control planes for")
	for _, form := range forms {
		m.profiles[form.Name()] = flags.String(form.Name()+"-profile", form.Profiles()[0], "profile of the "+form.Name()+" form")
	}
	flags.VarP(m.output, "output", "o", "how to print")
	flags.BoolVar(&m.list, "list", false, "print the rows and what is expected of them, and look at nothing")
	flags.BoolVar(&m.installed, "installed", false, `look at the control plane that "duet up" started`)
	m.where.addFlags(flags)
	flags.StringArrayVar(&m.kubeconfig, "kubeconfig", nil, "look at the cluster of this kubeconfig (repeatable)")
	flags.StringArrayVar(&m.contexts, "context", nil, "context in the kubeconfig of the same place (repeatable)")
	flags.StringVar(&m.profile, "profile", "", "profile of the form on a cluster that no record of Duet's says it of")
	flags.StringVar(&m.out, "out", "out", "directory that gets a directory for the run")
	flags.BoolVar(&m.keep, "keep", false, "keep the control planes' data beside the report")
	return cmd
}

func (m *matrixCommand) run(cmd *cobra.Command, _ []string) error {
	rows, err := matrix.Select(behaviour.Rows(), m.selection)
	if err != nil {
		return usagef(cmd, "%w", err)
	}
	if err := m.check(cmd); err != nil {
		return err
	}
	if m.list {
		if !slices.Contains([]string{"table", "wide", "json"}, m.output.value) {
			return usagef(cmd, "rows can be listed as table, wide or json, not as %s", m.output.value)
		}
		return listRows(m.streams.Out, rows, m.output.value)
	}
	run := report.Run{Schema: report.Schema, Card: report.NewCard(time.Now(), "duet "+strings.Join(os.Args[1:], " "), nil)}
	dir, err := filepath.Abs(filepath.Join(m.out, run.Card.ID))
	if err != nil {
		return err
	}
	if run.Matrix, err = m.look(cmd, rows, dir); err != nil {
		return err
	}
	run.Card.Finished = time.Now()
	if err := errors.Join(report.Write(dir, run), m.print(run)); err != nil {
		return err
	}
	fmt.Fprintf(m.streams.ErrOut, "Report:  %s\n", report.PathsIn(dir).HTML)
	return unexpected(run)
}

// check refuses flags that do not fit together, before anything is started.
func (m *matrixCommand) check(cmd *cobra.Command) error {
	for _, form := range forms {
		if _, err := install.ProfileOf(form, *m.profiles[form.Name()]); err != nil {
			return usagef(cmd, "%w", err)
		}
	}
	own := !m.installed && len(m.kubeconfig) == 0
	switch {
	case m.installed && len(m.kubeconfig) > 0:
		return usagef(cmd, "--installed and --kubeconfig are two places: choose one")
	case len(m.contexts) > 0 && len(m.kubeconfig) == 0:
		return usagef(cmd, "--context is about a kubeconfig: give it with --kubeconfig")
	case len(m.contexts) > len(m.kubeconfig):
		return usagef(cmd, "there are more contexts than kubeconfigs: give --kubeconfig once for each --context")
	case m.profile != "" && len(m.kubeconfig) == 0:
		return usagef(cmd, "--profile is about a cluster: use --crd-profile or --aggregated-profile for what is started here")
	case !own && (m.form.value != "both" || m.keep):
		return usagef(cmd, "--form and --keep are about control planes that are started for this: leave them out")
	}
	return nil
}

func (m *matrixCommand) look(cmd *cobra.Command, rows []behaviour.Row, dir string) ([]behaviour.Result, error) {
	ctx := cmd.Context()
	if m.installed || len(m.kubeconfig) > 0 {
		subjects, err := m.subjects(cmd)
		if err != nil {
			return nil, err
		}
		return m.lookAt(ctx, subjects, rows), nil
	}
	return m.lookAtOwn(ctx, rows, dir)
}

func (m *matrixCommand) lookAt(ctx context.Context, subjects []*behaviour.Subject, rows []behaviour.Row) []behaviour.Result {
	fmt.Fprintf(m.streams.ErrOut, "looking at %d behaviours\n", len(rows))
	return matrix.Look(ctx, subjects, rows, m.streams.ErrOut)
}

// lookAtOwn starts a control plane for each form, and stops them, whatever happens.
func (m *matrixCommand) lookAtOwn(ctx context.Context, rows []behaviour.Row, dir string) (results []behaviour.Result, err error) {
	profiles := map[string]string{}
	var chosen install.Forms
	for _, form := range forms {
		profiles[form.Name()] = *m.profiles[form.Name()]
		if m.form.value == "both" || m.form.value == form.Name() {
			chosen = append(chosen, form)
		}
	}
	options := matrix.SidesOptions{
		Sides: matrix.EachForm(chosen, profiles), Forms: forms, Dir: dir, Progress: m.streams.ErrOut,
	}
	sides, err := matrix.StartSides(ctx, options)
	defer func() { err = errors.Join(err, sides.Close(context.WithoutCancel(ctx), m.keep)) }()
	if err != nil {
		return nil, err
	}
	if err := sides.Install(ctx); err != nil {
		return nil, err
	}
	return m.lookAt(ctx, sides.Subjects(), rows), nil
}

// subjects are forms that somebody else has installed.
func (m *matrixCommand) subjects(cmd *cobra.Command) ([]*behaviour.Subject, error) {
	if m.installed {
		return m.installedSubject(cmd)
	}
	var subjects []*behaviour.Subject
	for i, path := range m.kubeconfig {
		var context string
		if i < len(m.contexts) {
			context = m.contexts[i]
		}
		config, err := clusterConfig(path, context)
		if err != nil {
			return nil, err
		}
		subject, err := matrix.OnCluster(cmd.Context(), config, forms, m.profile)
		if err != nil {
			return nil, fmt.Errorf("could not look at the cluster of %s: %w", path, err)
		}
		for _, other := range subjects {
			if other.Form == subject.Form {
				return nil, fmt.Errorf("both clusters serve the %s form: one of each can be compared", subject.Form)
			}
		}
		subjects = append(subjects, subject)
	}
	return subjects, nil
}

func (m *matrixCommand) installedSubject(cmd *cobra.Command) ([]*behaviour.Subject, error) {
	installer, err := m.where.installer(cmd, m.streams)
	if err != nil {
		return nil, err
	}
	status, err := installer.Status(cmd.Context())
	if err != nil {
		return nil, err
	}
	if status.Form == "" {
		return nil, fmt.Errorf("neither form is installed: duet install --impl crd|aggregated%s", m.where.flags())
	}
	form, err := forms.Named(status.Form)
	if err != nil {
		return nil, err
	}
	site := behaviour.SiteOf(installer, form, status.Profile)
	return []*behaviour.Subject{site.Subject()}, nil
}

// print writes the run to the standard output in the format that was asked for.
func (m *matrixCommand) print(run report.Run) error {
	switch m.output.value {
	case "json":
		return report.WriteJSON(m.streams.Out, run)
	case "markdown":
		return report.WriteMarkdown(m.streams.Out, run)
	case "junit":
		return report.WriteJUnit(m.streams.Out, run)
	case "comparison":
		return report.WriteComparison(m.streams.Out, run)
	}
	return report.WriteTable(m.streams.Out, run, m.output.value == "wide")
}

// listedRow is a row without its probe.
type listedRow struct {
	ID         string          `json:"id"`
	Group      behaviour.Group `json:"group"`
	Title      string          `json:"title"`
	Why        string          `json:"why"`
	Source     string          `json:"source"`
	Flag       behaviour.Flag  `json:"flag"`
	Labels     []string        `json:"labels,omitempty"`
	CRD        string          `json:"expectedOfCRD"`
	Aggregated string          `json:"expectedOfAggregated"`
}

// listRows prints rows and what is expected of them.
func listRows(out io.Writer, rows []behaviour.Row, format string) error {
	if format == "json" {
		var list []listedRow
		for _, row := range rows {
			list = append(list, listedRow{
				ID: row.ID, Group: row.Group, Title: row.Title, Why: row.Why, Source: row.Source, Flag: row.Flag,
				Labels: row.Labels, CRD: row.Expect.CRD, Aggregated: row.Expect.Aggregated,
			})
		}
		return printEncoded(out, list, format)
	}
	table := printers.GetNewTabWriter(out)
	fmt.Fprintln(table, "ROW\tGROUP\tLABELS\tBEHAVIOUR")
	for _, row := range rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", row.ID, row.Group, strings.Join(row.Labels, ","), row.Title)
		if format == "wide" {
			fmt.Fprintf(table, "\t\t\t  %s: %s\n\t\t\t  %s: %s\n", install.CRD, row.Expect.CRD, install.Aggregated, row.Expect.Aggregated)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("could not write the list: %w", err)
	}
	_, err := fmt.Fprintf(out, "\n%d rows\n", len(rows))
	return err
}
