package controlplane

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"github.com/duet-api/duet/shared/controlplane/assets"
	"github.com/duet-api/duet/shared/process"
)

const (
	// lockEvery is how often a Start that waits for another one looks again.
	lockEvery = 100 * time.Millisecond
	// attachTimeout is generous for a socket on this machine.
	attachTimeout = 10 * time.Second
)

// Start makes the control plane in options.Dir run, and waits until it is ready. What runs already is left alone; what
// is missing, or runs with other arguments, is started with the data that it had. When it fails, a Supervisor that it
// made is closed; with a Runner of the caller, what it started is left for the caller to stop or to look at.
func Start(ctx context.Context, options Options) (*ControlPlane, error) {
	s, err := newStarter(ctx, options)
	if err != nil {
		return nil, err
	}
	defer s.lock.Close()
	if options.Runner != nil {
		return s.start(ctx)
	}
	supervisor, err := process.NewSupervisor(s.dir)
	if err != nil {
		return nil, err
	}
	s.runner, s.close = supervisor, supervisor.Close
	plane, err := s.start(ctx)
	if err != nil {
		return nil, errors.Join(err, supervisor.Close(context.WithoutCancel(ctx)))
	}
	return plane, nil
}

// starter is one call of Start.
type starter struct {
	Options
	dir    string
	runner process.Runner
	close  func(context.Context) error
	lock   *flock.Flock
	finder *assets.Finder
	state  State
}

func newStarter(ctx context.Context, options Options) (*starter, error) {
	if options.Dir == "" {
		return nil, errors.New("could not start a control plane: it needs a directory")
	}
	if options.Nodes < 0 || (options.Nodes > 0 && !options.Kwok) {
		return nil, fmt.Errorf("could not start a control plane: %d nodes need Kwok, and a number above 0", options.Nodes)
	}
	if options.APIServers < 0 {
		return nil, fmt.Errorf("could not start a control plane with %d kube-apiservers", options.APIServers)
	}
	if options.Name == "" {
		options.Name = "default"
	}
	if options.Out == nil {
		options.Out = io.Discard
	}
	dir, err := filepath.Abs(options.Dir)
	if err != nil {
		return nil, fmt.Errorf("could not start the control plane: %w", err)
	}
	if err := PrepareDir(dir); err != nil {
		return nil, err
	}
	finder, err := assets.NewFinder(options.Out)
	if err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, "start.lock"), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockEvery); err != nil {
		return nil, fmt.Errorf("could not wait for another start of the control plane in %s: %w", dir, err)
	}
	s := &starter{Options: options, dir: dir, runner: options.Runner, lock: lock, finder: finder}
	s.close = s.stopComponents
	return s, nil
}

func (s *starter) start(ctx context.Context) (*ControlPlane, error) {
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := s.retire(ctx); err != nil {
		return nil, err
	}
	for _, name := range s.state.Components() {
		if err := s.startComponent(ctx, name); err != nil {
			return nil, err
		}
	}
	if err := s.awaitUsable(ctx); err != nil {
		return nil, err
	}
	fmt.Fprintf(s.Out, "control plane %s is ready after %s\n", s.Name, time.Since(begin).Round(100*time.Millisecond))
	return &ControlPlane{dir: s.dir, state: s.state, runner: s.runner, close: s.close}, nil
}

// prepare makes everything on disk that the components need.
func (s *starter) prepare(ctx context.Context) error {
	state, err := LoadState(s.dir)
	if errors.Is(err, errStaleState) {
		fmt.Fprintf(s.Out, "%v: choosing new ports, keeping the data\n", err)
		state, err = State{}, nil
	}
	if err != nil {
		return err
	}
	if state.Ports == nil {
		state.Ports = map[string]int{}
	}
	state.Name, state.KubernetesVersion, state.EtcdVersion = s.Name, assets.KubernetesVersion, assets.EtcdVersion
	state.Socket, state.Supervisor = "", &Supervisor{PID: os.Getpid(), StartedAt: time.Now()}
	if client, ok := s.runner.(*process.Client); ok {
		info, err := client.Info(ctx)
		if err != nil {
			return err
		}
		state.Socket, state.Supervisor = client.Socket(), &Supervisor{PID: info.PID, StartedAt: info.StartedAt}
	}
	if s.Kwok {
		state.Nodes = cmp.Or(s.Nodes, state.Nodes, DefaultNodes)
	}
	state.APIServers = cmp.Or(s.APIServers, state.APIServers)
	s.state = state
	if err := ensurePKI(s.dir, state.Components()); err != nil {
		return err
	}
	if state.Nodes > 0 {
		if err := writeKwokConfig(s.dir); err != nil {
			return err
		}
	}
	return writeAuditPolicy(s.dir)
}

// startAttempts covers losing a port to another program between finding it free and binding it.
const startAttempts = 3

func (s *starter) startComponent(ctx context.Context, name string) error {
	path, err := s.finder.Find(ctx, program(name))
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err := s.tryComponent(ctx, name, path)
		if err == nil || attempt == startAttempts || !lostPort(err) {
			return err
		}
		fmt.Fprintf(s.Out, "another program took port %d: choosing another for %s\n", s.state.Ports[name], name)
		delete(s.state.Ports, name)
	}
}

func (s *starter) tryComponent(ctx context.Context, name, path string) error {
	if err := s.choosePort(ctx, name); err != nil {
		return err
	}
	// Saved before it is used: what a crash leaves behind can be found.
	if err := s.state.save(s.dir); err != nil {
		return err
	}
	if err := s.writeKubeconfig(name); err != nil {
		return err
	}
	wanted := spec(s.dir, name, path, s.state.Ports, s.extraArgs(name))
	before, err := process.Find(ctx, s.runner, name)
	if err != nil || before.State != process.Running || !before.Spec.Equal(wanted) {
		fmt.Fprintf(s.Out, "starting %s on 127.0.0.1:%d\n", name, s.state.Ports[name])
	}
	if err := Run(ctx, s.runner, wanted); err != nil {
		return err
	}
	if err := s.awaitReady(ctx, name); err != nil {
		return err
	}
	switch name {
	case APIServer:
		return s.bindAdministrators(ctx)
	case Scheduler:
		return s.prepareNodes(ctx)
	}
	return nil
}

// writeKubeconfig writes the file that a component needs, or that is needed to use it.
func (s *starter) writeKubeconfig(name string) error {
	url := loopbackURL(s.state.Ports[APIServer])
	switch {
	case name == APIServer:
		return writeAdminKubeconfig(s.dir, url, s.Name)
	case name == Etcd, isAPIServer(name):
		return nil
	}
	return writeClientKubeconfig(s.dir, name, url)
}

// extraArgs are those that the caller adds.
func (s *starter) extraArgs(name string) []string {
	switch program(name) {
	case Etcd:
		return s.EtcdArgs
	case APIServer:
		return s.APIServerArgs
	case ControllerManager:
		return s.ControllerManagerArgs
	}
	return nil
}

// choosePort keeps the port of the last run, unless another program has it now.
func (s *starter) choosePort(ctx context.Context, name string) error {
	if port := s.state.Ports[name]; port != 0 {
		status, err := process.Find(ctx, s.runner, name)
		if (err == nil && status.State != process.Exited) || process.PortFree(port) {
			return nil
		}
		fmt.Fprintf(s.Out, "port %d of %s is in use by another program: choosing another\n", port, name)
	}
	port, err := process.FreePort()
	if err != nil {
		return err
	}
	s.state.Ports[name] = port
	return nil
}

// stopComponents is Stop for a Runner of the caller.
func (s *starter) stopComponents(ctx context.Context) error {
	var errs []error
	for _, name := range slices.Backward(s.state.Components()) {
		err := s.runner.Stop(ctx, name)
		var unknown *process.UnknownError
		if err != nil && !errors.As(err, &unknown) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
