package assets

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestVersionsAreThoseOfTheModule(t *testing.T) {
	for _, tc := range []struct {
		module module
		want   string
	}{
		{kubernetes, "\ngo " + GoVersion + "\n"},
		{kubernetes, "\n\tk8s.io/kubernetes " + KubernetesVersion + "\n"},
		{kubernetes, "\n\tgo.etcd.io/etcd/server/v3 " + EtcdVersion + "\n"},
		{kwok, "\ngo " + GoVersion + "\n"},
		{kwok, "\nrequire sigs.k8s.io/kwok " + KwokVersion + "\n"},
		{peers, "\ngo " + GoVersion + "\n"},
		{peers, "\tk8s.io/sample-apiserver " + LibraryVersion + " "},
		{peers, "\tk8s.io/apiextensions-apiserver " + LibraryVersion + " "},
	} {
		if !bytes.Contains(tc.module.file, []byte(tc.want)) {
			t.Errorf("the module of %s does not have %q", tc.module.name, tc.want)
		}
	}
	for name, p := range programs {
		// One tool has a line of its own, several are in a block.
		if !bytes.Contains(p.module.file, []byte("\n\t"+p.pkg+"\n")) && !bytes.Contains(p.module.file, []byte("\ntool "+p.pkg+"\n")) {
			t.Errorf("the module of %s does not list %s as a tool: its modules may be missing", name, p.pkg)
		}
	}
}

func TestDirHoldsTheKey(t *testing.T) {
	finder := &Finder{Cache: "/cache"}
	for _, tc := range []struct {
		module module
		want   []string
	}{
		{kubernetes, []string{"/cache/assets/", KubernetesVersion, EtcdVersion, runtime.GOOS, runtime.GOARCH}},
		{kwok, []string{"/cache/assets/", KwokVersion, runtime.GOOS, runtime.GOARCH}},
		{peers, []string{"/cache/assets/", LibraryVersion, runtime.GOOS, runtime.GOARCH}},
	} {
		for _, want := range tc.want {
			if dir := finder.dir(tc.module); !strings.Contains(dir, want) {
				t.Errorf("%s does not have %q", dir, want)
			}
		}
	}
}

func TestNewFinder(t *testing.T) {
	ready := t.TempDir()
	file := filepath.Join(ready, "file")
	writeProgram(t, file, "")
	for name, tc := range map[string]struct {
		env          map[string]string
		wantBinaries string
		wantCache    string
		wantErr      string
	}{
		"nothing set":    {map[string]string{"XDG_CACHE_HOME": "/xdg", "HOME": "/home/user"}, "", userCache(t) + "/duet", ""},
		"cache set":      {map[string]string{EnvCache: "/other"}, "", "/other", ""},
		"binaries set":   {map[string]string{EnvCache: "/other", EnvBinaries: ready}, ready, "/other", ""},
		"binaries wrong": {map[string]string{EnvCache: "/other", EnvBinaries: file}, "", "", "is not a directory"},
		"binaries gone":  {map[string]string{EnvCache: "/other", EnvBinaries: ready + "/gone"}, "", "", "is not a directory"},
		"no home":        {map[string]string{"XDG_CACHE_HOME": "", "HOME": ""}, "", "", "set " + EnvCache},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(EnvCache, "")
			t.Setenv(EnvBinaries, "")
			for key, value := range tc.env {
				t.Setenv(key, value)
			}
			finder, err := NewFinder(&bytes.Buffer{})
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Errorf("got error %v, want one with %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tc.wantBinaries, tc.wantCache}, []string{finder.Binaries, finder.Cache}); diff != "" {
				t.Errorf("unexpected directories (-want +got):\n%s", diff)
			}
		})
	}
}

// userCache is where this system keeps caches, for the environment of the test that sets nothing else.
func userCache(t *testing.T) string {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", "/xdg")
	t.Setenv("HOME", "/home/user")
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOrderOfPlaces(t *testing.T) {
	finder, out := newTestFinder(t, "")
	t.Setenv("PATH", t.TempDir()) // no compiler: whatever is found was there
	cached := filepath.Join(finder.dir(kubernetes), Etcd)
	writeProgram(t, cached, "")
	wantFind(t, finder, Etcd, cached)

	finder.Binaries = t.TempDir()
	wantFind(t, finder, Etcd, cached)
	if !strings.Contains(out.String(), EnvBinaries+" has no etcd") {
		t.Errorf("nothing says that the ready programs are incomplete: %q", out)
	}

	ready := filepath.Join(finder.Binaries, Etcd)
	writeProgram(t, ready, "")
	wantFind(t, finder, Etcd, ready)

	if err := os.Chmod(ready, 0o600); err != nil {
		t.Fatal(err)
	}
	wantFindError(t, finder, Etcd, "is not an executable file")
}

func TestFindErrors(t *testing.T) {
	t.Run("unknown program", func(t *testing.T) {
		finder, _ := newTestFinder(t, "")
		wantFindError(t, finder, "kubelet", "no program of the control plane")
	})
	t.Run("no compiler", func(t *testing.T) {
		finder, _ := newTestFinder(t, "")
		t.Setenv("PATH", t.TempDir())
		wantFindError(t, finder, Kubectl, "no go command", GoVersion, EnvBinaries)
	})
	t.Run("cache cannot be used", func(t *testing.T) {
		finder, _ := newTestFinder(t, `: > "$out"`)
		finder.Cache = filepath.Join(t.TempDir(), "file")
		writeProgram(t, finder.Cache, "")
		wantFindError(t, finder, Kubectl, finder.Cache, EnvCache, EnvBinaries)
	})
	t.Run("disk full", func(t *testing.T) {
		finder, _ := newTestFinder(t, `echo "link: write $out: no space left on device" >&2; exit 1`)
		wantFindError(t, finder, Kubectl, "no space left", finder.Cache, EnvCache, "GOCACHE")
	})
	t.Run("compiler fails", func(t *testing.T) {
		finder, _ := newTestFinder(t, `{ echo k8s.io/one; echo "# k8s.io/two"; echo "two.go:1:2: undefined: x"; } >&2; exit 1`)
		wantFindError(t, finder, Kubectl, "exit status 1", "undefined: x")
		if entries, err := filepath.Glob(filepath.Join(finder.dir(kubernetes), "kubectl*")); err != nil || len(entries) > 0 {
			t.Errorf("a failed build left %v (%v)", entries, err)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		started := filepath.Join(t.TempDir(), "started")
		finder, _ := newTestFinder(t, `: > "$out"; : > `+started+`; exec sleep 1000`)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for ctx.Err() == nil {
				if _, err := os.Stat(started); err == nil {
					cancel()
				}
				runtime.Gosched()
			}
		}()
		if _, err := finder.Find(ctx, Kubectl); err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
			t.Errorf("got error %v, want that it was cancelled", err)
		}
		if entries, err := filepath.Glob(filepath.Join(finder.dir(kubernetes), "kubectl*")); err != nil || len(entries) > 0 {
			t.Errorf("an interrupted build left %v (%v)", entries, err)
		}
	})
}

func TestBuild(t *testing.T) {
	report := filepath.Join(t.TempDir(), "report")
	finder, out := newTestFinder(t, `
		{ echo "$@"; echo "$CGO_ENABLED $GOWORK $GOFLAGS $GOOS/$GOARCH"; } > `+report+`
		cat go.mod go.sum > "$out"; chmod 755 "$out"`)
	t.Setenv("GOFLAGS", "-mod=vendor")
	t.Setenv("GOOS", "plan9")
	path, err := finder.Find(t.Context(), APIServer)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(finder.dir(kubernetes), APIServer); path != want {
		t.Errorf("got %s, want %s", path, want)
	}
	built, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(built, append(bytes.Clone(kubernetes.file), kubernetes.sums...)) {
		t.Error("the compiler did not find the pinned module in its directory")
	}
	data, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	args, env, _ := strings.Cut(string(data), "\n")
	if want := "0 off -mod=readonly " + runtime.GOOS + "/" + runtime.GOARCH + "\n"; env != want {
		t.Errorf("got environment %q, want %q", env, want)
	}
	for _, want := range []string{
		"-trimpath",
		"-X=k8s.io/component-base/version.gitVersion=" + KubernetesVersion,
		"-X=k8s.io/client-go/pkg/version.gitMajor=1 ",
		"-X=k8s.io/client-go/pkg/version.gitMinor=36 ",
		" k8s.io/kubernetes/cmd/kube-apiserver",
	} {
		if !strings.Contains(args, want) {
			t.Errorf("the arguments do not have %q: %s", want, args)
		}
	}
	for _, want := range []string{"building kube-apiserver " + KubernetesVersion, finder.dir(kubernetes), "minutes", "built kube-apiserver in "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the progress does not say %q: %s", want, out)
		}
	}
}

func TestTwoAtOnceBuildOnce(t *testing.T) {
	builds := filepath.Join(t.TempDir(), "builds")
	release := filepath.Join(t.TempDir(), "release")
	finder, out := newTestFinder(t, `
		echo x >> `+builds+`
		while [ ! -e `+release+` ]; do sleep 0.01; done
		: > "$out"; chmod 755 "$out"`)
	second := *finder
	second.Out = &watcher{text: "another duet is building", then: func() { writeProgram(t, release, "") }}
	var done sync.WaitGroup
	done.Go(func() { wantFind(t, finder, Kubectl, filepath.Join(finder.dir(kubernetes), Kubectl)) })
	for {
		if _, err := os.Stat(builds); err == nil {
			break
		}
		runtime.Gosched()
	}
	// The first one goes on only when the second one waits for it.
	wantFind(t, &second, Kubectl, filepath.Join(finder.dir(kubernetes), Kubectl))
	done.Wait()
	if data, err := os.ReadFile(builds); err != nil || string(data) != "x\n" {
		t.Errorf("got builds %q (%v), want one; %s", data, err, out)
	}
}

func TestCompilerOutput(t *testing.T) {
	var o compilerOutput
	for _, piece := range []string{
		"go: downloading k8s.io/api v1\nk8s.io/a", "pi/core/v1\nfmt\n# k8s.io/x\nx.go:1:1: no", " such thing\nlast",
	} {
		if n, err := o.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatalf("got %d, %v for a write of %d bytes", n, err, len(piece))
		}
	}
	if got, want := o.progress(), "1 modules downloaded, 2 packages compiled"; got != want {
		t.Errorf("got progress %q, want %q", got, want)
	}
	if got, want := o.tail(), "# k8s.io/x; x.go:1:1: no such thing; last"; got != want {
		t.Errorf("got tail %q, want %q", got, want)
	}
}

// newTestFinder has an empty cache, and a compiler that is a shell script. The script finds the file to make in $out.
func newTestFinder(t *testing.T, script string) (*Finder, *bytes.Buffer) {
	t.Helper()
	bin := t.TempDir()
	writeProgram(t, filepath.Join(bin, "go"), `#!/bin/sh
set -e
for arg in "$@"; do [ "$previous" != -o ] || out=$arg; previous=$arg; done
`+script)
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	out := &bytes.Buffer{}
	return &Finder{Cache: t.TempDir(), Out: out}, out
}

// watcher calls a function when a text is written to it.
type watcher struct {
	text string
	then func()
}

func (w *watcher) Write(data []byte) (int, error) {
	if strings.Contains(string(data), w.text) {
		w.then()
	}
	return len(data), nil
}

func writeProgram(t *testing.T, path, content string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(content), 0o755)
	}
	if err != nil {
		t.Error(err)
	}
}

func wantFind(t *testing.T, finder *Finder, name, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if got, err := finder.Find(ctx, name); err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func wantFindError(t *testing.T, finder *Finder, name string, want ...string) {
	t.Helper()
	_, err := finder.Find(t.Context(), name)
	if err == nil {
		t.Fatal("no error")
	}
	for _, text := range want {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got error %q, want it to say %q", err, text)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is not one line: %q", err)
	}
}
