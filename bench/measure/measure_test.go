package measure

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBetween(t *testing.T) {
	before := map[string]Usage{
		"etcd":      {CPU: time.Second, RSSBytes: 100},
		"restarted": {CPU: time.Minute, RSSBytes: 100},
		"gone":      {CPU: time.Second},
	}
	after := map[string]Usage{
		"etcd":      {CPU: 3 * time.Second, RSSBytes: 70},
		"restarted": {CPU: time.Second, RSSBytes: 10},
		"new":       {CPU: time.Second, RSSBytes: 50},
	}
	want := map[string]Change{
		"etcd": {CPU: 2 * time.Second, RSSBytes: 70, RSSDeltaBytes: -30},
		"new":  {CPU: time.Second, RSSBytes: 50, RSSDeltaBytes: 50},
	}
	if diff := cmp.Diff(want, Between(before, after)); diff != "" {
		t.Errorf("unexpected changes (-want +got):\n%s", diff)
	}
}

func TestAroundTellsTheGeneratorFromTheOthers(t *testing.T) {
	reads := time.Duration(0)
	busy := func(d time.Duration) {
		for began := time.Now(); time.Since(began) < d; {
			// This process is what is looked at.
		}
	}
	source := func(context.Context) (map[string]Usage, error) {
		busy(50 * time.Millisecond) // nobody's measurement
		reads++
		return map[string]Usage{"etcd": {CPU: reads * time.Second, RSSBytes: 7}}, nil
	}
	got, err := Around(t.Context(), source, func() error { busy(2 * time.Millisecond); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if want := (Change{CPU: time.Second, RSSBytes: 7}); got["etcd"] != want {
		t.Errorf("etcd = %+v, want %+v", got["etcd"], want)
	}
	if used := got[Generator].CPU; used <= 0 || used > 40*time.Millisecond {
		t.Errorf("the generator used %v, want what it did, without reading the others", used)
	}
	if got, err = Around(t.Context(), nil, func() error { return nil }); err != nil || len(got) != 1 {
		t.Errorf("Around() = %v, %v, want this process alone", got, err)
	}
}

func TestAroundReportsWhatFails(t *testing.T) {
	broken := errors.New("broken")
	good := func(context.Context) (map[string]Usage, error) { return nil, nil }
	bad := func(context.Context) (map[string]Usage, error) { return nil, broken }
	if _, err := Around(t.Context(), bad, func() error { return nil }); !errors.Is(err, broken) {
		t.Errorf("error of the source = %v, want %v", err, broken)
	}
	if _, err := Around(t.Context(), good, func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error of what is done = %v, want %v", err, broken)
	}
}

func TestThisMachine(t *testing.T) {
	m := ThisMachine()
	if m.Cores != runtime.NumCPU() || m.Go != runtime.Version() || m.Arch != runtime.GOARCH || m.OS == "" || m.Kernel == "" {
		t.Errorf("machine is not described: %+v", m)
	}
}

func TestOSRelease(t *testing.T) {
	tests := map[string]struct{ content, want string }{
		"quoted":   {"ID=x\nPRETTY_NAME=\"Some Linux 1\"\n", "Some Linux 1"},
		"unquoted": {"PRETTY_NAME=Plain\n", "Plain"},
		"absent":   {"ID=x\n", runtime.GOOS},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "os-release")
			if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := osRelease(path); got != test.want {
				t.Errorf("osRelease() = %q, want %q", got, test.want)
			}
		})
	}
}
