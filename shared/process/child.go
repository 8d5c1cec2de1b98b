package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

const (
	sigKill      = syscall.SIGKILL
	sigTerminate = syscall.SIGTERM
	sigStop      = syscall.SIGSTOP
	sigContinue  = syscall.SIGCONT
)

// child is one named process over all its starts.
type child struct {
	// op is held by the one call that works on this child.
	op sync.Mutex

	// The rest is guarded by Supervisor.mu; only the holder of op changes it, except that the end of the process is
	// recorded when it happens.
	spec      Spec
	state     State
	pid       int
	startedAt time.Time
	starts    int
	exitCode  *int
	done      chan struct{} // closed when the last start has ended and its state is Exited
}

// signal reaches the whole process group, so that a wrapper script cannot shield what it runs. A process that is gone
// already is no error: its end is on its way to being recorded.
func (c *child) signal(sig syscall.Signal) {
	_ = syscall.Kill(-c.pid, sig)
}

// start needs c.op, and a child that has exited.
func (s *Supervisor) start(c *child) error {
	log, err := os.OpenFile(LogFile(s.dir, c.spec.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("could not open the log of %s: %w", c.spec.Name, err)
	}
	defer log.Close()
	if _, err := fmt.Fprintf(log, "%s%s %s %s\n", logHeader, time.Now().Format(time.RFC3339), c.spec.Path,
		strings.Join(c.spec.Args, " ")); err != nil {
		return fmt.Errorf("could not write the log of %s: %w", c.spec.Name, err)
	}
	cmd := exec.Command(c.spec.Path, c.spec.Args...)
	cmd.Env = append(os.Environ(), c.spec.Env...)
	cmd.Dir = c.spec.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = sysProcAttr()
	if err := s.spawner.do(cmd.Start); err != nil {
		return fmt.Errorf("could not start %s: %w", c.spec.Name, err)
	}

	done := make(chan struct{})
	s.mu.Lock()
	c.pid, c.state, c.startedAt, c.exitCode, c.done = cmd.Process.Pid, Running, time.Now(), nil, done
	c.starts++
	err = s.record()
	s.mu.Unlock()
	go s.await(c, cmd, done)
	if err != nil {
		s.terminate(context.Background(), c)
	}
	return err
}

// await records the end of one start.
func (s *Supervisor) await(c *child, cmd *exec.Cmd, done chan struct{}) {
	_ = cmd.Wait() // the state says it better than the error
	code := cmd.ProcessState.ExitCode()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = 128 + int(status.Signal())
	}
	_ = syscall.Kill(-cmd.Process.Pid, sigKill) // whatever it left in its group
	s.mu.Lock()
	c.state, c.exitCode = Exited, &code
	s.mu.Unlock()
	close(done)
}

// terminate needs c.op. It returns when the process is gone.
func (s *Supervisor) terminate(ctx context.Context, c *child) {
	if s.stateOf(c) == Exited {
		return
	}
	c.signal(sigTerminate)
	c.signal(sigContinue) // a paused process would see the first signal only when it is resumed
	grace := time.NewTimer(s.grace)
	defer grace.Stop()
	select {
	case <-c.done:
		return
	case <-grace.C:
	case <-ctx.Done():
	}
	c.signal(sigKill)
	<-c.done
}

// stopPatience bounds awaitStop: a process that was about to start another program is called waiting, and not stopped.
const stopPatience = time.Second

// awaitStop returns when the system has stopped the process, which on a busy machine is some time after the signal was
// sent, or when it has ended instead.
func (c *child) awaitStop(ctx context.Context) error {
	p, err := process.NewProcess(int32(c.pid))
	if err != nil {
		return nil // its end is on its way to being recorded
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	enough := time.NewTimer(stopPatience)
	defer enough.Stop()
	for {
		states, err := p.StatusWithContext(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("could not wait until %s stands still: %w", c.spec.Name, ctx.Err())
		}
		if err != nil || slices.Contains(states, process.Stop) {
			return nil
		}
		select {
		case <-tick.C:
		case <-enough.C:
			return nil
		case <-c.done:
			return nil
		case <-ctx.Done():
		}
	}
}

// usage is zero for a process that just went away.
func usage(pid int) (cpu time.Duration, rssBytes uint64) {
	p := &process.Process{Pid: int32(pid)} // NewProcess reads half a dozen files that nobody asks for
	if exact, ok := cpuTime(pid); ok {
		cpu = exact
	} else if times, err := p.Times(); err == nil {
		cpu = time.Duration((times.User + times.System) * float64(time.Second))
	}
	if memory, err := p.MemoryInfo(); err == nil {
		rssBytes = memory.RSS
	}
	return cpu, rssBytes
}
