package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/controlplane/assets"
	"github.com/duet-api/duet/shared/process"
)

const (
	// supervisorTimeout is how long a new supervisor may take until it answers. It only has to open a socket, but the
	// one before it may still be stopping its processes.
	supervisorTimeout = time.Minute
	// supervisorName is the name of the supervisor's own log.
	supervisorName = "duet"
)

func newUpCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var where location
	var kwok bool
	var nodes, apiServers int
	cmd := &cobra.Command{
		Use:     "up",
		GroupID: groupControlPlane,
		Short:   "Start a control plane on this machine",
		Long: `Start etcd, kube-apiserver and kube-controller-manager on this machine, wait until they are ready, and leave
them running. They listen on 127.0.0.1 only.

The first time this builds the programs from Go modules, which takes minutes; they are kept in the user's cache
directory, or in DUET_CACHE_DIR. If KUBEBUILDER_ASSETS names a directory, the programs in it are used.

A control plane that is up already is left alone. After a crash, "duet up" starts what is missing with the data
that it had.

With --apiservers there are several kube-apiservers on the one etcd, each of which learns on its own of what changes how a
group is served. The kubeconfig is for the first, and "duet components" lists all. Each takes some hundred megabytes of
memory. A control plane keeps as many as it has until it is told another number.

With --kwok, kube-scheduler and kwok are started as well, and the cluster gets fake nodes: pods become Ready at once,
Jobs complete, claims get volumes that grow, and nothing runs in any of them. It can be added to a control plane that
is up, which then keeps it, also without the flag. Install a form after it, or again: its controller must know that
there are no servers in the pods.`,
		Example: `  # Start, look around, stop
  duet up
  duet kubectl get namespaces
  duet down

  # A second one beside it
  duet up --name other

  # With two kube-apiservers, to see that a switch reaches both
  duet up --apiservers 2

  # With nodes, so that the pods of an instance become Ready
  duet up --kwok
  duet kubectl get nodes`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := where.resolve(cmd); err != nil {
				return err
			}
			switch {
			case cmd.Flags().Changed("apiservers") && apiServers < 1:
				return usagef(cmd, "invalid --apiservers %d: there must be at least one", apiServers)
			case cmd.Flags().Changed("nodes") && nodes < 1:
				return usagef(cmd, "invalid --nodes %d: there must be at least one", nodes)
			case cmd.Flags().Changed("nodes") && !kwok:
				return usagef(cmd, "--nodes is about fake nodes: give --kwok too")
			case cmd.Flags().Changed("kwok") && !kwok:
				return usagef(cmd, "--kwok cannot be turned off: without it a control plane keeps what it has; "+
					"\"duet down --delete-data\" is the way to start again")
			}
			return up(cmd.Context(), streams, where, controlplane.Options{Kwok: kwok, Nodes: nodes, APIServers: apiServers})
		},
	}
	where.addFlags(cmd.Flags())
	cmd.Flags().BoolVar(&kwok, "kwok", false, "add a scheduler and fake nodes, on which pods become Ready and nothing runs")
	cmd.Flags().IntVar(&nodes, "nodes", 0, fmt.Sprintf("number of fake nodes, with --kwok (default %d, or as many as there are)",
		controlplane.DefaultNodes))
	cmd.Flags().IntVar(&apiServers, "apiservers", 0, "number of kube-apiservers (default 1, or as many as there are)")
	return cmd
}

func up(ctx context.Context, streams genericiooptions.IOStreams, where location, options controlplane.Options) error {
	if err := controlplane.PrepareDir(where.dir); err != nil {
		return err
	}
	client := process.NewClient(process.SocketPath(where.dir))
	wasUp := isUp(ctx, client, where.dir)
	started, err := ensureSupervisor(ctx, client, where)
	if err != nil {
		return err
	}
	options.Name, options.Dir, options.Out, options.Runner = where.name, where.dir, streams.ErrOut, client
	plane, err := controlplane.Start(ctx, options)
	if err != nil {
		if started {
			fmt.Fprintln(streams.ErrOut, "stopping what was started")
			_, stopErr := controlplane.Shutdown(context.WithoutCancel(ctx), where.dir)
			err = errors.Join(err, stopErr)
		}
		return err
	}
	what := "is up"
	if wasUp {
		what = "is already up"
	}
	printLines(streams.Out,
		fmt.Sprintf("control plane %q %s: Kubernetes %s at %s", where.name, what, assets.KubernetesVersion, strings.Join(plane.URLs(), " and ")),
		"kubeconfig: "+plane.AdminKubeconfig())
	if plane.FakeNodes() {
		printLines(streams.Out, fmt.Sprintf("fake nodes: %d; pods become Ready there, and nothing runs", plane.State().Nodes))
	}
	printLines(streams.Out,
		"",
		"Next:",
		"  duet kubectl"+where.flags()+" get namespaces",
		"  duet components"+where.flags(),
		"  duet down"+where.flags())
	return nil
}

// isUp says whether all components that the control plane had last run already.
func isUp(ctx context.Context, runner process.Runner, dir string) bool {
	state, err := controlplane.LoadState(dir)
	if err != nil {
		return false
	}
	for _, name := range state.Components() {
		if status, err := process.Find(ctx, runner, name); err != nil || status.State != process.Running {
			return false
		}
	}
	return true
}

// ensureSupervisor makes sure that a supervisor answers, and says whether it had to start one.
func ensureSupervisor(ctx context.Context, client *process.Client, where location) (started bool, err error) {
	if _, err := client.Info(ctx); err == nil {
		return false, nil
	}
	executable, err := os.Executable()
	if err != nil {
		return false, fmt.Errorf("could not find the program to supervise with: %w", err)
	}
	logFile := process.LogFile(where.dir, supervisorName)
	if err := os.MkdirAll(filepath.Dir(logFile), 0o700); err != nil {
		return false, fmt.Errorf("could not create the directory for logs: %w", err)
	}
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return false, fmt.Errorf("could not open the supervisor's log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(executable, "supervise", "--dir", where.dir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = where.dir
	// A session of its own: it stays when the terminal goes, and its Ctrl-C is for this program only.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("could not start the supervisor: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	err = wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, supervisorTimeout, true, func(ctx context.Context) (bool, error) {
		if info, err := client.Info(ctx); err == nil {
			started = info.PID == cmd.Process.Pid
			return true, nil
		}
		select {
		case exit := <-ended:
			tail, err := process.LogTail(logFile, 1)
			return false, errors.Join(fmt.Errorf("it ended, and its log with %q", strings.Join(tail, " ")), exit, err)
		default:
			return false, nil
		}
	})
	if !started {
		// It did not get ready, or another duet up was faster and it waits for the directory in vain.
		_ = cmd.Process.Kill()
	}
	if err != nil {
		return false, fmt.Errorf("could not start the supervisor: %w; see %s", err, logFile)
	}
	return started, nil
}
