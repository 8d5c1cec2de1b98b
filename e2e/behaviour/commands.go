package behaviour

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/kubectl/pkg/cmd/apply"
	"k8s.io/kubectl/pkg/cmd/autoscale"
	"k8s.io/kubectl/pkg/cmd/diff"
	"k8s.io/kubectl/pkg/cmd/edit"
	"k8s.io/kubectl/pkg/cmd/get"
	scalecmd "k8s.io/kubectl/pkg/cmd/scale"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubectl/pkg/cmd/wait"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

// commandRows look at kubectl as its users do: at what it prints and at what it leaves behind.
var commandRows = []Row{
	{
		ID: "I5", Group: Clients, Title: "kubectl get",
		Why:    "It is what most people ever see of an API.",
		Source: "api-concepts, Receiving resources as Tables", Flag: Parity,
		Expect: Both("NAME VERSION READY REPLICAS STORAGE AGE, of an instance: db 8.4.3 3 1Gi; -o wide adds ENDPOINT"),
		Probe:  kubectlGet,
	},
	{
		ID: "I6", Group: Clients, Title: "kubectl wait, get --watch, scale, autoscale, diff, edit",
		Why:    "Each of them reaches the API in its own way, and any of them may be in somebody's script.",
		Source: "kubectl pkg/cmd", Flag: Parity,
		Expect: Both("wait: met by a change that came later; watch: ADDED, MODIFIED, DELETED; scale: 1 to 3; " +
			"autoscale: targets the instance; diff: -  powerState: Running +  powerState: Stopped, nothing is written; " +
			"edit: Stopped"),
		Probe: kubectlMatrix,
	},
}

// newGet is kubectl get, which is made with its program's name.
func newGet(factory cmdutil.Factory, streams genericiooptions.IOStreams) *cobra.Command {
	return get.NewCmdGet("kubectl", factory, streams)
}

// newApply is kubectl apply, made likewise.
func newApply(factory cmdutil.Factory, streams genericiooptions.IOStreams) *cobra.Command {
	return apply.NewCmdApply("kubectl", factory, streams)
}

// newWait is kubectl wait, which takes less than a whole factory.
func newWait(factory cmdutil.Factory, streams genericiooptions.IOStreams) *cobra.Command {
	return wait.NewCmdWait(factory, streams)
}

func kubectlGet(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db", fixture.With("spec.replicas", 3))); err != nil {
		return Observation{}, err
	}
	printed, err := s.kubectl().run(ctx, newGet, "mysqlinstances")
	if err != nil {
		return Observation{}, err
	}
	heading, row, _ := strings.Cut(printed, "\n")
	columns := strings.Fields(heading)
	wide, err := s.kubectl().run(ctx, newGet, "mysql", "db", "-o", "wide")
	if err != nil {
		return Observation{}, err
	}
	heading, _, _ = strings.Cut(wide, "\n")
	more := slices.DeleteFunc(strings.Fields(heading), func(c string) bool { return slices.Contains(columns, c) })
	// The age and what the controller has said meanwhile are another's business.
	var cells []string
	for _, cell := range strings.Fields(row) {
		if slices.Contains([]string{"db", "8.4.3", "3", "1Gi"}, cell) {
			cells = append(cells, cell)
		}
	}
	return observed("%s, of an instance: %s; -o wide adds %s",
		strings.Join(columns, " "), strings.Join(cells, " "), strings.Join(more, " "))
}

func kubectlMatrix(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	var seen []string
	for _, command := range []struct {
		name string
		try  func(context.Context) (string, error)
	}{
		{"wait", s.kubectlWait},
		{"watch", s.kubectlWatch},
		{"scale", s.kubectlScale},
		{"autoscale", s.kubectlAutoscale},
		{"diff", s.kubectlDiff},
		{"edit", s.kubectlEdit},
	} {
		outcome, err := command.try(ctx)
		if err != nil {
			return Observation{}, fmt.Errorf("could not look at kubectl %s: %w", command.name, err)
		}
		seen = append(seen, command.name+": "+outcome)
	}
	return observed("%s", strings.Join(seen, "; "))
}

// merge changes the instance db by a merge patch.
func (s *Subject) merge(ctx context.Context, patch string) error {
	_, err := stored(s.patch(ctx, s.path("db"), patch, wire.PatchType(types.MergePatchType)))
	return err
}

// watching waits until a command has opened its watch, so that what comes next comes after it.
func (s *Subject) watching(ctx context.Context, open int) error {
	return eventually(ctx, "the command's watch", func(context.Context) (bool, error) {
		return s.watches() > open, nil
	})
}

// watches is the number of watches that were opened so far.
func (s *Subject) watches() int {
	count := 0
	for _, exchange := range s.recorder.Exchanges() {
		if strings.Contains(exchange.Path, "watch=true") && exchange.Code != 0 {
			count++
		}
	}
	return count
}

func (s *Subject) kubectlWait(ctx context.Context) (string, error) {
	open := s.watches()
	done := make(chan error, 1)
	go func() {
		_, err := s.kubectl().run(ctx, newWait, "mysqlinstance/db", "--for=jsonpath={.spec.powerState}=Stopped",
			"--timeout=60s")
		done <- err
	}()
	if err := s.watching(ctx, open); err != nil {
		return "", err
	}
	if err := s.merge(ctx, `{"spec":{"powerState":"Stopped"}}`); err != nil {
		return "", err
	}
	if err := <-done; err != nil {
		return "", err
	}
	return "met by a change that came later", s.merge(ctx, `{"spec":{"powerState":"Running"}}`)
}

func (s *Subject) kubectlWatch(ctx context.Context) (string, error) {
	open := s.watches()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	command := s.kubectl()
	command.told = func(printed string) {
		if strings.Contains(printed, "DELETED") {
			stop()
		}
	}
	done := make(chan string, 1)
	go func() {
		// It ends as watches end, or with the complaint that its context did: what it has printed is what counts.
		printed, _ := command.run(watching, newGet, "mysqlinstances", "--watch", "--output-watch-events",
			"--field-selector=metadata.name=other", "--no-headers")
		done <- printed
	}()
	if err := s.watching(ctx, open); err != nil {
		return "", err
	}
	if _, err := s.create(ctx, fixture.Instance("other")); err != nil {
		return "", err
	}
	if _, err := stored(s.patch(ctx, s.path("other"), `{"metadata":{"labels":{"tier":"prod"}}}`,
		wire.PatchType(types.MergePatchType))); err != nil {
		return "", err
	}
	if _, err := stored(s.delete(ctx, s.path("other"), nil)); err != nil {
		return "", err
	}
	var events []string
	for line := range strings.Lines(<-done) {
		if event, rest, _ := strings.Cut(strings.TrimSpace(line), " "); strings.Contains(rest, "other") {
			events = append(events, event)
		}
	}
	return strings.Join(slices.Compact(events), ", "), nil // the controller may have written as well
}

func (s *Subject) kubectlScale(ctx context.Context) (string, error) {
	before, err := s.read(ctx)
	if err != nil {
		return "", err
	}
	if _, err := s.kubectl().run(ctx, scalecmd.NewCmdScale, "mysqlinstance/db", "--replicas=3"); err != nil {
		return "failed: " + firstClause(err.Error()), nil
	}
	after, err := s.read(ctx)
	return show(before, "spec", "replicas") + " to " + show(after, "spec", "replicas"), err
}

func (s *Subject) kubectlAutoscale(ctx context.Context) (string, error) {
	if _, err := s.kubectl().run(ctx, autoscale.NewCmdAutoscale, "mysqlinstance/db", "--max=5"); err != nil {
		return "failed: " + firstClause(err.Error()), nil
	}
	autoscaler, err := s.autoscaler(ctx)
	if err != nil {
		return "", err
	}
	target := autoscaler.Spec.ScaleTargetRef
	ours := target.APIVersion == fixture.GVR.GroupVersion().String() && target.Kind == fixture.Kind && target.Name == "db"
	return choose(ours, "targets the instance", fmt.Sprintf("targets %+v", target)), nil
}

func (s *Subject) kubectlDiff(ctx context.Context) (string, error) {
	changed := fixture.Instance("db", fixture.With("metadata.namespace", s.Namespace),
		fixture.With("spec.powerState", "Stopped"))
	file, remove, err := s.kubectl().file(changed)
	if err != nil {
		return "", err
	}
	defer remove()
	before, err := s.read(ctx)
	if err != nil {
		return "", err
	}
	// Its exit code is that of diff: 1 where there is a difference. The text tells one from a failure.
	printed, failed := s.kubectl().run(ctx, diff.NewCmdDiff, "-f", file)
	var lines []string
	for line := range strings.Lines(printed) {
		if strings.Contains(line, "powerState") {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	if len(lines) == 0 {
		return fmt.Sprintf("no difference: %v", failed), nil
	}
	after, err := s.read(ctx)
	written := after == nil || show(before, "spec") != show(after, "spec")
	return strings.Join(lines, " ") + choose(written, ", and it is written", ", nothing is written"), err
}

// editing is held while the editor is chosen: that is a setting of the whole process, which may look at both forms.
var editing sync.Mutex

func (s *Subject) kubectlEdit(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "duet-editor-")
	if err != nil {
		return "", fmt.Errorf("could not create a directory for an editor: %w", err)
	}
	defer os.RemoveAll(dir)
	editor := filepath.Join(dir, "editor")
	script := "#!/bin/sh\nsed 's/powerState: Running/powerState: Stopped/' \"$1\" > \"$1.new\" && mv \"$1.new\" \"$1\"\n"
	if err := os.WriteFile(editor, []byte(script), 0o700); err != nil { //nolint:gosec // a program has to be executable
		return "", fmt.Errorf("could not write an editor: %w", err)
	}
	editing.Lock()
	defer editing.Unlock()
	if err := os.Setenv("KUBE_EDITOR", editor); err != nil {
		return "", fmt.Errorf("could not choose an editor: %w", err)
	}
	defer os.Unsetenv("KUBE_EDITOR")
	if _, err := s.kubectl().run(ctx, edit.NewCmdEdit, "mysqlinstance/db"); err != nil {
		return "failed: " + firstClause(err.Error()), nil
	}
	object, err := s.read(ctx)
	if err != nil {
		return "", err
	}
	return show(object, "spec", "powerState"), nil
}
