package process

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Spec says how to run one process. It is plain data, so that it can be compared, stored and sent.
type Spec struct {
	// Name identifies the process within its runner. It is also the name of its log file.
	Name string `json:"name"`
	// Path of the program; absolute.
	Path string `json:"path"`
	// Args without the program's name.
	Args []string `json:"args,omitempty"`
	// Env is added to the environment of the supervisor, as KEY=value.
	Env []string `json:"env,omitempty"`
	// Dir is the working directory; the supervisor's directory when empty.
	Dir string `json:"dir,omitempty"`
}

// Flag is the value of a flag in the arguments, given as --name=value: the last one, as the flag packages take it. It is
// empty where there is none.
func (s Spec) Flag(name string) (value string) {
	for _, arg := range s.Args {
		if text, is := strings.CutPrefix(arg, "--"+name+"="); is {
			value = text
		}
	}
	return value
}

// Equal says whether both specs run the same program in the same way.
func (s Spec) Equal(o Spec) bool {
	return s.Name == o.Name && s.Path == o.Path && s.Dir == o.Dir && slices.Equal(s.Args, o.Args) && slices.Equal(s.Env, o.Env)
}

func (s Spec) validate() error {
	switch {
	case s.Name == "" || strings.ContainsAny(s.Name, "/\\\x00") || strings.HasPrefix(s.Name, "."):
		return fmt.Errorf("could not run a process named %q: the name must be usable as a file name", s.Name)
	case !filepath.IsAbs(s.Path):
		return fmt.Errorf("could not run %s: the path of the program, %q, is not absolute", s.Name, s.Path)
	}
	return nil
}

// State of a process.
type State string

const (
	// Running processes get the processor.
	Running State = "Running"
	// Paused processes were stopped by Pause: they keep their memory, sockets and leases, and answer nothing.
	Paused State = "Paused"
	// Exited processes ended, by themselves or by Kill. They stay listed, and Restart starts them again.
	Exited State = "Exited"
)

// Status is what is known about one process at the moment of the call.
type Status struct {
	Spec  Spec  `json:"spec"`
	State State `json:"state"`
	// PID of the last start; of a process that is gone when the state is Exited.
	PID int `json:"pid"`
	// StartedAt is the time of the last start.
	StartedAt time.Time `json:"startedAt"`
	// Restarts counts the starts after the first.
	Restarts int `json:"restarts"`
	// ExitCode is set when the state is Exited: the program's own code, or 128 plus the signal that ended it.
	ExitCode *int `json:"exitCode,omitempty"`
	// LogFile holds standard output and standard error of all starts, one after the other.
	LogFile string `json:"logFile"`
	// CPU is the user and system time since the last start, in nanoseconds; zero when the state is Exited.
	CPU time.Duration `json:"cpu"`
	// RSSBytes is the resident memory; zero when the state is Exited.
	RSSBytes uint64 `json:"rssBytes"`
}

// Runner runs processes by name. Calls about one name are done one after the other; calls about different names do not
// wait for each other. The context limits how long a call waits, and never the life of a process.
//
// All methods but Run and List return an *UnknownError for a name that was never run or was stopped, and Kill, Pause
// and Resume return a *NotRunningError for a process that has exited.
type Runner interface {
	// Run starts the process. If it runs already with the same spec nothing happens (a paused one is resumed); with
	// another spec it is stopped first. Run does not wait until the process is ready to serve.
	Run(ctx context.Context, s Spec) error
	// Stop ends the process with SIGTERM, or with SIGKILL after a grace period or when the context ends, and forgets it.
	Stop(ctx context.Context, name string) error
	// Kill ends the process with SIGKILL and waits until it is gone. It stays listed as Exited.
	Kill(ctx context.Context, name string) error
	// Pause stops the process with SIGSTOP, and returns when it stands still. Pausing a paused process does nothing.
	Pause(ctx context.Context, name string) error
	// Resume lets a paused process go on. Resuming a running process does nothing.
	Resume(ctx context.Context, name string) error
	// Restart stops the process if it is not gone yet, and starts it again with the same spec.
	Restart(ctx context.Context, name string) error
	// List returns every process in the order of the first start.
	List(ctx context.Context) ([]Status, error)
}

// UnknownError says that the runner has no process of that name.
type UnknownError struct {
	Name  string   `json:"name"`
	Known []string `json:"known"`
}

func (e *UnknownError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("there is no process %q: nothing is running", e.Name)
	}
	return fmt.Sprintf("there is no process %q; there are: %s", e.Name, strings.Join(e.Known, ", "))
}

// NotRunningError says that the process has exited, so that there is nothing to signal.
type NotRunningError struct {
	Name     string `json:"name"`
	ExitCode int    `json:"exitCode"`
}

func (e *NotRunningError) Error() string {
	return fmt.Sprintf("%s is not running: it exited with code %d; restart it first", e.Name, e.ExitCode)
}

// ErrClosed is returned by a runner that is shutting down or has shut down.
var ErrClosed = errors.New("the supervisor is shutting down")

// Find returns the status of one process, or an *UnknownError.
func Find(ctx context.Context, runner Runner, name string) (Status, error) {
	statuses, err := runner.List(ctx)
	if err != nil {
		return Status{}, err
	}
	known := make([]string, 0, len(statuses))
	for _, status := range statuses {
		if status.Spec.Name == name {
			return status, nil
		}
		known = append(known, status.Spec.Name)
	}
	return Status{}, &UnknownError{Name: name, Known: known}
}
