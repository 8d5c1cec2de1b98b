package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shirou/gopsutil/v4/process"
)

// TestMain lets a test run this program as a supervisor that it can kill.
func TestMain(m *testing.M) {
	if dir := os.Getenv("DUET_TEST_SUPERVISE"); dir != "" {
		superviseForTest(dir)
	}
	os.Exit(m.Run())
}

func superviseForTest(dir string) {
	supervisor, err := NewSupervisor(dir)
	if err == nil {
		err = supervisor.Run(context.Background(), script("one", forever))
	}
	if err == nil {
		err = supervisor.Run(context.Background(), script("two", "trap '' TERM; "+forever))
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	statuses, err := supervisor.List(context.Background())
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(statuses[0].PID, statuses[1].PID)
	select {}
}

func TestChildrenDieWithAKilledSupervisor(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DUET_TEST_SUPERVISE="+dir)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var pids [2]int
	if _, err := fmt.Fscan(stdout, &pids[0], &pids[1]); err != nil {
		t.Fatalf("the supervisor did not start: %v", err)
	}
	must(t, cmd.Process.Kill())
	if err := cmd.Wait(); err == nil {
		t.Fatal("the supervisor ended by itself")
	}
	if runtime.GOOS == "linux" {
		for _, pid := range pids {
			wantGone(t, pid) // the kernel sees to it
		}
	}
	// Elsewhere the next supervisor does, and both ways it finds the directory free.
	next, err := NewSupervisor(dir)
	must(t, err)
	for _, pid := range pids {
		wantGone(t, pid)
	}
	must(t, next.Close(t.Context()))
}

func TestOneSupervisorPerDirectory(t *testing.T) {
	dir := t.TempDir()
	first, err := NewSupervisor(dir)
	must(t, err)
	var already *AlreadySupervisedError
	if _, err := NewSupervisor(dir); !errors.As(err, &already) || already.Dir != dir {
		t.Errorf("got error %v for a second supervisor, want that the directory is in use", err)
	}
	must(t, first.Close(t.Context()))
	second, err := NewSupervisor(dir)
	must(t, err)
	must(t, second.Close(t.Context()))
}

func TestCloseStopsInReverseOrder(t *testing.T) {
	supervisor := newTestSupervisor(t)
	file := filepath.Join(t.TempDir(), "order")
	names := []string{"c", "a", "b"}
	for _, name := range names {
		must(t, supervisor.Run(t.Context(), script(name,
			"trap 'echo "+name+" >> "+file+"; exit' TERM; echo ready; while :; do sleep 0.01; done")))
		eventually(t, name+" is ready", func() bool {
			lines, err := LogTail(LogFile(supervisor.dir, name), 1)
			must(t, err)
			return cmp.Equal(lines, []string{"ready"})
		})
	}
	supervisor.grace = DefaultGrace
	must(t, supervisor.Close(t.Context()))
	must(t, supervisor.Close(t.Context()))
	data, err := os.ReadFile(file)
	must(t, err)
	if diff := cmp.Diff([]string{"b", "a", "c"}, strings.Fields(string(data))); diff != "" {
		t.Errorf("unexpected order of ends (-want +got):\n%s", diff)
	}
	if err := supervisor.Run(t.Context(), script("d", forever)); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed supervisor returned %v, want %v", err, ErrClosed)
	}
}

func TestStopIsCutShortByTheContext(t *testing.T) {
	supervisor := newTestSupervisor(t)
	supervisor.grace = time.Hour
	ready := filepath.Join(t.TempDir(), "ready")
	must(t, supervisor.Run(t.Context(), script("one", "trap '' TERM; touch "+ready+"; "+forever)))
	eventually(t, "the trap is set", func() bool { return exists(ready) })
	pid := status(t, supervisor).PID
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, supervisor.Stop(ctx, "one"))
	wantGone(t, pid)
}

// TestConcurrentCalls is for the race detector, and for a process that would start after Close has looked for it.
func TestConcurrentCalls(t *testing.T) {
	supervisor := newTestSupervisor(t)
	var calls sync.WaitGroup
	for worker := range 8 {
		calls.Go(func() {
			name := fmt.Sprintf("p%d", worker%3)
			for range 5 {
				// Any order of these is allowed, so any of their typed errors is too.
				for _, err := range []error{
					supervisor.Run(t.Context(), script(name, forever)),
					supervisor.Pause(t.Context(), name),
					supervisor.Restart(t.Context(), name),
					supervisor.Kill(t.Context(), name),
					supervisor.Stop(t.Context(), name),
				} {
					var unknown *UnknownError
					var notRunning *NotRunningError
					if err != nil && !errors.As(err, &unknown) && !errors.As(err, &notRunning) && !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
				}
				if _, err := supervisor.List(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	calls.Go(func() {
		eventually(t, "something runs", func() bool { return len(list(t, supervisor)) > 0 })
		if err := supervisor.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	calls.Wait()
	if left := list(t, supervisor); len(left) != 0 {
		t.Errorf("after Close these are left: %v", left)
	}
}

func TestOrphansAreEndedAndStrangersAreNot(t *testing.T) {
	start := func() *exec.Cmd {
		cmd := exec.Command("/bin/sh", "-c", forever)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		must(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		return cmd
	}
	orphan, stranger := start(), start()
	var ended sync.WaitGroup
	ended.Go(func() { _ = orphan.Wait() })
	created := func(pid int) int64 {
		p, err := process.NewProcess(int32(pid))
		must(t, err)
		millis, err := p.CreateTime()
		must(t, err)
		return millis
	}
	for name, records := range map[string]string{
		// The stranger has the number of a process that was started an hour before it.
		"whole": fmt.Sprintf(`[{"pid":%d,"createdMillis":%d},{"pid":%d,"createdMillis":%d}]`,
			orphan.Process.Pid, created(orphan.Process.Pid), stranger.Process.Pid, created(stranger.Process.Pid)-3600_000),
		"damaged": `[{"pid":`,
	} {
		dir := t.TempDir()
		must(t, os.WriteFile(recordFile(dir), []byte(records), 0o600))
		supervisor, err := NewSupervisor(dir)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		must(t, supervisor.Close(t.Context()))
	}
	ended.Wait()
	wantGone(t, orphan.Process.Pid)
	if kernelState(t, stranger.Process.Pid) == "Z" {
		t.Error("a process with a reused number was killed")
	}
	must(t, stranger.Process.Kill())
	_ = stranger.Wait() // it reports the kill
}

// kernelState is R, S, T, Z and so on; empty when there is no such process.
func kernelState(t *testing.T, pid int) string {
	t.Helper()
	out, err := exec.Command("ps", "-o", "stat=", "-p", fmt.Sprint(pid)).Output()
	if err != nil || len(out) == 0 {
		return ""
	}
	return string(out[0])
}
