package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// DefaultGrace is how long Stop waits after SIGTERM. kube-apiserver needs a few seconds to finish what it has accepted.
const DefaultGrace = 20 * time.Second

// Supervisor is the Runner that owns the processes, as children of this program.
type Supervisor struct {
	dir     string
	lock    *flock.Flock
	spawner *spawner
	grace   time.Duration

	mu       sync.Mutex
	closed   bool
	children []*child // in the order of the first start
}

var _ Runner = (*Supervisor)(nil)

// AlreadySupervisedError says that another living program supervises the directory.
type AlreadySupervisedError struct{ Dir string }

func (e *AlreadySupervisedError) Error() string {
	return fmt.Sprintf("%s is in use by another duet process", e.Dir)
}

// NewSupervisor supervises processes whose logs and records are kept in dir. Only one living Supervisor can have a
// directory; it ends processes that an earlier one left behind. Close it to end its processes.
func NewSupervisor(dir string) (*Supervisor, error) {
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o700); err != nil {
		return nil, fmt.Errorf("could not create the directory for logs: %w", err)
	}
	// The kernel drops the lock when this program dies, however it dies, so there are no stale locks to clean up.
	lock := flock.New(filepath.Join(dir, lockName), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("could not lock %s: %w", dir, err)
	}
	if !locked {
		return nil, &AlreadySupervisedError{Dir: dir}
	}
	if err := endOrphans(dir); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return &Supervisor{dir: dir, lock: lock, spawner: newSpawner(), grace: DefaultGrace}, nil
}

const lockName = "supervisor.lock"

// LogFile is where the process called name logs to, under a supervisor of dir.
func LogFile(dir, name string) string {
	return filepath.Join(dir, "logs", name+".log")
}

// Run implements Runner.
func (s *Supervisor) Run(ctx context.Context, spec Spec) error {
	if err := spec.validate(); err != nil {
		return err
	}
	c, err := s.acquire(spec.Name, &spec)
	if err != nil {
		return err
	}
	defer c.op.Unlock()
	state := s.stateOf(c)
	switch {
	case state == Running && c.spec.Equal(spec):
		return nil
	case state == Paused && c.spec.Equal(spec):
		return s.resume(c)
	case state != Exited:
		s.terminate(ctx, c)
	}
	s.mu.Lock()
	c.spec = spec
	s.mu.Unlock()
	err = s.start(c)
	if err != nil && c.starts == 0 {
		s.forget(c)
	}
	return err
}

// Stop implements Runner.
func (s *Supervisor) Stop(ctx context.Context, name string) error {
	return s.with(name, func(c *child) error {
		s.terminate(ctx, c)
		s.forget(c)
		return nil
	})
}

// Kill implements Runner.
func (s *Supervisor) Kill(ctx context.Context, name string) error {
	return s.with(name, func(c *child) error {
		if err := s.notRunning(c); err != nil {
			return err
		}
		c.signal(sigKill)
		select {
		case <-c.done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("could not wait for %s to die: %w", name, ctx.Err())
		}
	})
}

// Pause implements Runner.
func (s *Supervisor) Pause(ctx context.Context, name string) error {
	return s.with(name, func(c *child) error {
		if err := s.notRunning(c); err != nil {
			return err
		}
		c.signal(sigStop)
		if err := c.awaitStop(ctx); err != nil {
			return err
		}
		s.setState(c, Paused)
		return nil
	})
}

// Resume implements Runner.
func (s *Supervisor) Resume(_ context.Context, name string) error {
	return s.with(name, func(c *child) error {
		if err := s.notRunning(c); err != nil {
			return err
		}
		return s.resume(c)
	})
}

func (s *Supervisor) resume(c *child) error {
	c.signal(sigContinue)
	s.setState(c, Running)
	return nil
}

// Restart implements Runner.
func (s *Supervisor) Restart(ctx context.Context, name string) error {
	return s.with(name, func(c *child) error {
		s.terminate(ctx, c)
		return s.start(c)
	})
}

// List implements Runner.
func (s *Supervisor) List(context.Context) ([]Status, error) {
	s.mu.Lock()
	statuses := make([]Status, 0, len(s.children))
	for _, c := range s.children {
		if c.starts == 0 {
			continue // its first start is under way
		}
		statuses = append(statuses, Status{
			Spec: c.spec, State: c.state, PID: c.pid, StartedAt: c.startedAt, Restarts: c.starts - 1,
			ExitCode: c.exitCode, LogFile: LogFile(s.dir, c.spec.Name),
		})
	}
	s.mu.Unlock()
	for i := range statuses {
		if statuses[i].State != Exited {
			statuses[i].CPU, statuses[i].RSSBytes = usage(statuses[i].PID)
		}
	}
	return statuses, nil
}

// Close stops every process in the reverse order of their first start, so that nothing loses what it depends on while
// it still works, and gives up the directory. It may be called more than once.
func (s *Supervisor) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	children := slices.Clone(s.children)
	s.mu.Unlock()
	for _, c := range slices.Backward(children) {
		c.op.Lock()
		s.terminate(ctx, c)
		s.forget(c)
		c.op.Unlock()
	}
	s.spawner.stop()
	if err := s.lock.Unlock(); err != nil {
		return fmt.Errorf("could not unlock %s: %w", s.dir, err)
	}
	return nil
}

// with calls do with the child of that name, while no other call works on it.
func (s *Supervisor) with(name string, do func(*child) error) error {
	c, err := s.acquire(name, nil)
	if err != nil {
		return err
	}
	defer c.op.Unlock()
	return do(c)
}

// acquire returns the child of that name with its op lock held. A missing one is added when a spec for it is given.
func (s *Supervisor) acquire(name string, add *Spec) (*child, error) {
	for {
		c, err := s.find(name, add)
		if err != nil {
			return nil, err
		}
		c.op.Lock()
		// It may have been stopped and forgotten while this call waited its turn.
		if again, err := s.find(name, nil); err == nil && again == c {
			return c, nil
		}
		c.op.Unlock()
	}
}

func (s *Supervisor) find(name string, add *Spec) (*child, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	known := make([]string, 0, len(s.children))
	for _, c := range s.children {
		if c.spec.Name == name {
			return c, nil
		}
		known = append(known, c.spec.Name)
	}
	if add == nil {
		return nil, &UnknownError{Name: name, Known: known}
	}
	c := &child{spec: *add, state: Exited}
	s.children = append(s.children, c)
	return c, nil
}

func (s *Supervisor) forget(c *child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.children = slices.DeleteFunc(s.children, func(o *child) bool { return o == c })
}

func (s *Supervisor) stateOf(c *child) State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.state
}

// setState never revives a process that exited meanwhile.
func (s *Supervisor) setState(c *child, state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.state != Exited {
		c.state = state
	}
}

func (s *Supervisor) notRunning(c *child) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.state == Exited {
		return &NotRunningError{Name: c.spec.Name, ExitCode: *c.exitCode}
	}
	return nil
}
