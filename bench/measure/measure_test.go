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
		"new":       {CPU: time.Second},
	}
	want := map[string]Change{"etcd": {CPU: 2 * time.Second, RSSBytes: 70, RSSDeltaBytes: -30}}
	if diff := cmp.Diff(want, Between(before, after)); diff != "" {
		t.Errorf("unexpected changes (-want +got):\n%s", diff)
	}
}

func TestWithSelfAddsTheGenerator(t *testing.T) {
	source := WithSelf(func(context.Context) (map[string]Usage, error) {
		return map[string]Usage{"etcd": {CPU: time.Second, RSSBytes: 1}}, nil
	})
	got, err := source(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got["etcd"] != (Usage{CPU: time.Second, RSSBytes: 1}) {
		t.Errorf("etcd = %+v, want what its source said", got["etcd"])
	}
	if got[Generator].CPU <= 0 {
		t.Errorf("the generator used %v, want some CPU time", got[Generator].CPU)
	}
}

func TestWithSelfReportsAFailingSource(t *testing.T) {
	broken := errors.New("broken")
	_, err := WithSelf(func(context.Context) (map[string]Usage, error) { return nil, broken })(t.Context())
	if !errors.Is(err, broken) {
		t.Errorf("error = %v, want %v", err, broken)
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
