package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/util/wait"
)

// TestConformance holds both Runners to the same behaviour.
func TestConformance(t *testing.T) {
	runners := map[string]func(t *testing.T) Runner{
		"supervisor": func(t *testing.T) Runner { return newTestSupervisor(t) },
		"client":     newTestClient,
	}
	cases := map[string]func(t *testing.T, runner Runner){
		"run, list and stop":                   testRunListStop,
		"run again with the same spec":         testRunSame,
		"run again with another spec":          testRunOther,
		"run a paused process":                 testRunPaused,
		"run what exited":                      testRunExited,
		"run what cannot start":                testRunBroken,
		"refuse specs that cannot work":        testRunInvalid,
		"an exit is reported with its code":    testExitCode,
		"kill, then restart":                   testKillRestart,
		"pause and resume":                     testPauseResume,
		"stop a paused process":                testStopPaused,
		"stop what ignores SIGTERM":            testStopStubborn,
		"stop reaches the whole group":         testStopGroup,
		"signals to what exited are refused":   testNotRunning,
		"unknown names list the known ones":    testUnknown,
		"arguments, environment, directory":    testSpecIsUsed,
		"logs of all starts, tail of the last": testLogs,
		"the order of the first start":         testOrder,
	}
	for runnerName, newRunner := range runners {
		for caseName, run := range cases {
			t.Run(runnerName+"/"+caseName, func(t *testing.T) {
				t.Parallel()
				run(t, newRunner(t))
			})
		}
	}
}

func newTestSupervisor(t *testing.T) *Supervisor {
	t.Helper()
	supervisor, err := NewSupervisor(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	supervisor.grace = 300 * time.Millisecond
	t.Cleanup(func() {
		if err := supervisor.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return supervisor
}

func newTestClient(t *testing.T) Runner {
	t.Helper()
	supervisor := newTestSupervisor(t)
	client, stopped := serve(t, supervisor, func() {})
	t.Cleanup(func() {
		if err := stopped(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// serve serves a runner at a socket of its own. The returned function ends that and returns Serve's error.
func serve(t *testing.T, runner Runner, shutdown func()) (*Client, func() error) {
	t.Helper()
	socket := SocketPath(t.TempDir())
	listener, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	server := &Server{Runner: runner, Shutdown: shutdown}
	go func() { result <- server.Serve(ctx, listener) }()
	return NewClient(socket), func() error {
		cancel()
		return <-result
	}
}

// script is a process that runs a shell script.
func script(name, text string) Spec {
	return Spec{Name: name, Path: "/bin/sh", Args: []string{"-c", text}}
}

const forever = "while :; do sleep 1; done"

func testRunListStop(t *testing.T, runner Runner) {
	spec := script("one", forever)
	must(t, runner.Run(t.Context(), spec))
	got := status(t, runner)
	want := Status{Spec: spec, State: Running}
	ignored := cmpopts.IgnoreFields(Status{}, "PID", "StartedAt", "LogFile", "CPU", "RSSBytes")
	if diff := cmp.Diff(want, got, ignored); diff != "" {
		t.Errorf("unexpected status (-want +got):\n%s", diff)
	}
	if got.RSSBytes == 0 {
		t.Error("the resident memory of a running process is zero")
	}
	if age := time.Since(got.StartedAt); age < 0 || age > time.Minute {
		t.Errorf("it started %s ago", age)
	}
	must(t, runner.Stop(t.Context(), "one"))
	wantGone(t, got.PID)
	if list := list(t, runner); len(list) != 0 {
		t.Errorf("a stopped process is still listed: %v", list)
	}
}

func testRunSame(t *testing.T, runner Runner) {
	must(t, runner.Run(t.Context(), script("one", forever)))
	first := status(t, runner)
	must(t, runner.Run(t.Context(), script("one", forever)))
	if second := status(t, runner); second.PID != first.PID || second.Restarts != 0 {
		t.Errorf("the process was replaced: %+v, then %+v", first, second)
	}
}

func testRunOther(t *testing.T, runner Runner) {
	must(t, runner.Run(t.Context(), script("one", forever)))
	first := status(t, runner)
	must(t, runner.Run(t.Context(), script("one", "true; "+forever)))
	second := status(t, runner)
	if second.PID == first.PID || second.Restarts != 1 || !second.Spec.Equal(script("one", "true; "+forever)) {
		t.Errorf("the process was not replaced: %+v, then %+v", first, second)
	}
	wantGone(t, first.PID)
}

func testRunPaused(t *testing.T, runner Runner) {
	must(t, runner.Run(t.Context(), script("one", forever)))
	first := status(t, runner)
	must(t, runner.Pause(t.Context(), "one"))
	must(t, runner.Run(t.Context(), script("one", forever)))
	if got := status(t, runner); got.State != Running || got.PID != first.PID {
		t.Errorf("got state %s of process %d, want Running of %d", got.State, got.PID, first.PID)
	}
}

func testRunExited(t *testing.T, runner Runner) {
	must(t, runner.Run(t.Context(), script("one", forever)))
	must(t, runner.Kill(t.Context(), "one"))
	must(t, runner.Run(t.Context(), script("one", forever)))
	if got := status(t, runner); got.State != Running || got.Restarts != 1 || got.ExitCode != nil {
		t.Errorf("got %+v, want it running again", got)
	}
}

func testRunBroken(t *testing.T, runner Runner) {
	err := runner.Run(t.Context(), Spec{Name: "one", Path: "/no/such/program"})
	if err == nil || !strings.Contains(err.Error(), "could not start one") {
		t.Errorf("got error %v, want it to say what could not start", err)
	}
	if list := list(t, runner); len(list) != 0 {
		t.Errorf("what never started is listed: %v", list)
	}
}

func testRunInvalid(t *testing.T, runner Runner) {
	for _, spec := range []Spec{
		{Path: "/bin/sh"},
		{Name: "../one", Path: "/bin/sh"},
		{Name: ".one", Path: "/bin/sh"},
		{Name: "one"},
		{Name: "one", Path: "sh"},
	} {
		if err := runner.Run(t.Context(), spec); err == nil {
			t.Errorf("%+v was run", spec)
		}
	}
}

func testExitCode(t *testing.T, runner Runner) {
	must(t, runner.Run(t.Context(), script("one", "exit 7")))
	eventually(t, "the exit is reported", func() bool { return status(t, runner).State == Exited })
	got := status(t, runner)
	if got.ExitCode == nil || *got.ExitCode != 7 {
		t.Errorf("got exit code %v, want 7", got.ExitCode)
	}
	if got.CPU != 0 || got.RSSBytes != 0 {
		t.Errorf("what exited still uses %s and %d bytes", got.CPU, got.RSSBytes)
	}
}

func testKillRestart(t *testing.T, runner Runner) {
	must(t, runner.Run(t.Context(), script("one", forever)))
	first := status(t, runner)
	must(t, runner.Kill(t.Context(), "one"))
	killed := status(t, runner)
	if killed.State != Exited || killed.ExitCode == nil || *killed.ExitCode != 128+9 {
		t.Errorf("got %+v, want it exited with code 137", killed)
	}
	wantGone(t, first.PID)
	must(t, runner.Restart(t.Context(), "one"))
	again := status(t, runner)
	if again.State != Running || again.PID == first.PID || again.Restarts != 1 || !again.Spec.Equal(first.Spec) {
		t.Errorf("got %+v, want the same spec running once more", again)
	}
	must(t, runner.Restart(t.Context(), "one"))
	if got := status(t, runner); got.PID == again.PID || got.Restarts != 2 {
		t.Errorf("got %+v, want it replaced", got)
	}
	wantGone(t, again.PID)
}

// testPauseResume watches a counter in a file: a paused process does not advance it.
func testPauseResume(t *testing.T, runner Runner) {
	file := filepath.Join(t.TempDir(), "count")
	// Nothing but the shell itself: while it starts another program the kernel may call it waiting and not stopped.
	must(t, runner.Run(t.Context(), script("one", "i=0; while :; do i=$((i+1)); echo $i > "+file+"; done")))
	count := func() string {
		data, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(data)
	}
	eventually(t, "the count begins", func() bool { return count() != "" })
	must(t, runner.Pause(t.Context(), "one"))
	must(t, runner.Pause(t.Context(), "one"))
	if got := status(t, runner).State; got != Paused {
		t.Errorf("got state %s, want Paused", got)
	}
	wantKernelState(t, status(t, runner).PID, "T")
	stopped := count()
	must(t, runner.Resume(t.Context(), "one"))
	must(t, runner.Resume(t.Context(), "one"))
	if got := status(t, runner).State; got != Running {
		t.Errorf("got state %s, want Running", got)
	}
	eventually(t, "the count goes on", func() bool { return count() != stopped && count() != "" })
}

func testStopPaused(t *testing.T, runner Runner) {
	file := filepath.Join(t.TempDir(), "terminated")
	ready := filepath.Join(t.TempDir(), "ready")
	polite := fmt.Sprintf("trap 'touch %s; exit' TERM; touch %s; while :; do sleep 0.01; done", file, ready)
	must(t, runner.Run(t.Context(), script("one", polite)))
	eventually(t, "the trap is set", func() bool { return exists(ready) })
	pid := status(t, runner).PID
	must(t, runner.Pause(t.Context(), "one"))
	must(t, runner.Stop(t.Context(), "one"))
	wantGone(t, pid)
	if !exists(file) {
		t.Error("a paused process was killed without a chance to end by itself")
	}
}

func testStopStubborn(t *testing.T, runner Runner) {
	ready := filepath.Join(t.TempDir(), "ready")
	must(t, runner.Run(t.Context(), script("one", "trap '' TERM; touch "+ready+"; "+forever)))
	eventually(t, "the trap is set", func() bool { return exists(ready) })
	pid := status(t, runner).PID
	must(t, runner.Stop(t.Context(), "one"))
	wantGone(t, pid)
}

func testStopGroup(t *testing.T, runner Runner) {
	file := filepath.Join(t.TempDir(), "pid")
	must(t, runner.Run(t.Context(), script("one", "sleep 1000 & echo $! > "+file+".new; mv "+file+".new "+file+"; wait")))
	eventually(t, "the child of the child runs", func() bool { return exists(file) })
	data, err := os.ReadFile(file)
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	must(t, err)
	must(t, runner.Stop(t.Context(), "one"))
	wantGone(t, pid)
}

func testNotRunning(t *testing.T, runner Runner) {
	must(t, runner.Run(t.Context(), script("one", "exit 3")))
	eventually(t, "the exit is reported", func() bool { return status(t, runner).State == Exited })
	want := &NotRunningError{Name: "one", ExitCode: 3}
	for action, do := range map[string]func(context.Context, string) error{
		"kill": runner.Kill, "pause": runner.Pause, "resume": runner.Resume,
	} {
		var got *NotRunningError
		if err := do(t.Context(), "one"); !errors.As(err, &got) || *got != *want {
			t.Errorf("%s returned %v, want %v", action, err, want)
		}
	}
	must(t, runner.Stop(t.Context(), "one"))
}

func testUnknown(t *testing.T, runner Runner) {
	must(t, runner.Run(t.Context(), script("one", forever)))
	must(t, runner.Run(t.Context(), script("two", forever)))
	for _, name := range []string{"three", "", "..", "one/two"} {
		want := &UnknownError{Name: name, Known: []string{"one", "two"}}
		for action, do := range map[string]func(context.Context, string) error{
			"stop": runner.Stop, "kill": runner.Kill, "pause": runner.Pause, "resume": runner.Resume, "restart": runner.Restart,
		} {
			var got *UnknownError
			if err := do(t.Context(), name); !errors.As(err, &got) || !cmp.Equal(got, want) {
				t.Errorf("%s returned %v, want %v", action, err, want)
			}
		}
	}
}

func testSpecIsUsed(t *testing.T, runner Runner) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	must(t, runner.Run(t.Context(), Spec{
		Name: "one", Path: "/bin/sh", Args: []string{"-c", `echo "$DUET_TEST $1"; pwd`, "sh", "two words"},
		Env: []string{"DUET_TEST=set"}, Dir: dir,
	}))
	eventually(t, "it has ended", func() bool { return status(t, runner).State == Exited })
	got, err := LogTail(status(t, runner).LogFile, 10)
	must(t, err)
	if diff := cmp.Diff([]string{"set two words", dir}, got); diff != "" {
		t.Errorf("unexpected output (-want +got):\n%s", diff)
	}
}

func testLogs(t *testing.T, runner Runner) {
	must(t, runner.Run(t.Context(), script("one", "echo a; echo b >&2; echo c")))
	eventually(t, "it has ended", func() bool { return status(t, runner).State == Exited })
	must(t, runner.Run(t.Context(), script("one", "echo d; echo e; echo f")))
	eventually(t, "it has ended again", func() bool { return status(t, runner).State == Exited })
	file := status(t, runner).LogFile
	for lines, want := range map[int][]string{2: {"e", "f"}, 10: {"d", "e", "f"}} {
		got, err := LogTail(file, lines)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("unexpected last %d lines (-want +got):\n%s", lines, diff)
		}
	}
	all, err := os.ReadFile(file)
	must(t, err)
	if !strings.Contains(string(all), "a\nb\nc\n") {
		t.Errorf("the log of the first start is lost:\n%s", all)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the log is not private: %v, %v", info.Mode(), err)
	}
}

func testOrder(t *testing.T, runner Runner) {
	for _, name := range []string{"c", "a", "b"} {
		must(t, runner.Run(t.Context(), script(name, forever)))
	}
	must(t, runner.Restart(t.Context(), "c"))
	must(t, runner.Run(t.Context(), script("a", "true; "+forever)))
	var got []string
	for _, s := range list(t, runner) {
		got = append(got, s.Spec.Name)
	}
	if diff := cmp.Diff([]string{"c", "a", "b"}, got); diff != "" {
		t.Errorf("unexpected order (-want +got):\n%s", diff)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, runner Runner) []Status {
	t.Helper()
	statuses, err := runner.List(t.Context())
	must(t, err)
	return statuses
}

// status of the process called "one", which all but the tests of several have.
func status(t *testing.T, runner Runner) Status {
	t.Helper()
	s, err := Find(t.Context(), runner, "one")
	must(t, err)
	return s
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 5*time.Millisecond, 30*time.Second, true,
		func(context.Context) (bool, error) { return condition(), nil })
	if err != nil {
		t.Fatalf("did not happen: %s", what)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// wantGone also accepts a process that waits to be collected by another parent than this program.
func wantGone(t *testing.T, pid int) {
	t.Helper()
	eventually(t, "process "+strconv.Itoa(pid)+" is gone", func() bool {
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || kernelState(t, pid) == "Z"
	})
}

func wantKernelState(t *testing.T, pid int, want string) {
	t.Helper()
	eventually(t, "the kernel's state is "+want, func() bool { return kernelState(t, pid) == want })
}
