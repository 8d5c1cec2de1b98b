package assets

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
)

const (
	// compiler is looked up in PATH, as the user's own.
	compiler = "go"
	// progressEvery is often enough to see that a build of minutes is alive.
	progressEvery = 10 * time.Second
	// lockEvery is how often a waiting duet looks whether the building one has finished.
	lockEvery = 500 * time.Millisecond
)

// ldflags leave out the debugging tables, which are most of the size, and make a program of Kubernetes say which version
// it is. Two packages hold that version.
func (p program) ldflags() []string {
	flags := []string{"-s", "-w"}
	if p.version != KubernetesVersion {
		return flags
	}
	major, rest, _ := strings.Cut(strings.TrimPrefix(p.version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	for _, pkg := range []string{"k8s.io/client-go/pkg/version", "k8s.io/component-base/version"} {
		for _, v := range [][2]string{
			{"gitVersion", p.version}, {"gitMajor", major}, {"gitMinor", minor},
			{"gitTreeState", "archive"}, {"gitCommit", ""}, {"buildDate", time.Now().UTC().Format(time.RFC3339)},
		} {
			flags = append(flags, fmt.Sprintf("-X=%s.%s=%s", pkg, v[0], v[1]))
		}
	}
	return flags
}

// build builds one program to path. Another duet that wants to build at the same time waits, and finds it done.
func (f *Finder) build(ctx context.Context, name string, p program, path string) error {
	dir := filepath.Dir(path)
	module := filepath.Join(dir, "module")
	if err := os.MkdirAll(module, 0o755); err != nil {
		return f.noCache(name, err)
	}
	lock := flock.New(filepath.Join(dir, "build.lock"))
	locked, err := lock.TryLock()
	if err == nil && !locked {
		fmt.Fprintf(f.Out, "another duet is building in %s: waiting for it\n", dir)
		_, err = lock.TryLockContext(ctx, lockEvery)
	}
	if err != nil {
		return f.noCache(name, err)
	}
	defer lock.Close()
	if runnable(path) == nil {
		return nil
	}
	// A Go module again, under the names that Go wants.
	for file, content := range map[string][]byte{"go.mod": p.module.file, "go.sum": p.module.sums} {
		if err := renameio.WriteFile(filepath.Join(module, file), content, 0o644); err != nil {
			return f.noCache(name, err)
		}
	}

	fmt.Fprintf(f.Out, "building %s %s into %s: once, and the first of them takes minutes\n", name, p.version, dir)
	begin := time.Now()
	// A name of its own until it is whole, so that an interrupted build is never taken for a program.
	unfinished := path + ".building"
	defer os.Remove(unfinished)
	if err := f.compile(ctx, name, p, module, unfinished); err != nil {
		return err
	}
	if err := os.Rename(unfinished, path); err != nil {
		return f.noCache(name, err)
	}
	fmt.Fprintf(f.Out, "built %s in %s\n", name, time.Since(begin).Round(time.Second))
	return nil
}

func (f *Finder) compile(ctx context.Context, name string, p program, module, path string) error {
	cmd := exec.CommandContext(ctx, compiler, "build", "-v", "-trimpath", "-buildvcs=false",
		"-ldflags", strings.Join(p.ldflags(), " "), "-o", path, p.pkg)
	cmd.Dir = module
	// What a developer has set for the own modules must not reach this one.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly",
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	// The compilers that it runs must end with it, and within a moment, when the user presses Ctrl-C.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var output compilerOutput
	cmd.Stdout, cmd.Stderr = &output, &output

	begin := time.Now()
	result := make(chan error, 1)
	go func() { result <- cmd.Run() }()
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			fmt.Fprintf(f.Out, "building %s: %s, %s\n", name, time.Since(begin).Round(time.Second), output.progress())
		case err := <-result:
			switch {
			case err == nil:
				return nil
			case ctx.Err() != nil:
				return fmt.Errorf("could not build %s: %w", name, context.Cause(ctx))
			}
			return f.failed(name, err, output.tail())
		}
	}
}

// noCache says what to do when the cache directory cannot be used.
func (f *Finder) noCache(name string, err error) error {
	return fmt.Errorf("could not build %s: the cache directory cannot be used (%w): set %s to a directory that can take 2 GB, "+
		"or %s to one that has the programs", name, err, EnvCache, EnvBinaries)
}

// failed says what to do when the compiler has failed.
func (f *Finder) failed(name string, err error, output string) error {
	if strings.Contains(output, syscall.ENOSPC.Error()) {
		return fmt.Errorf("could not build %s: no space left for %s or for Go's own cache: free 2 GB, or set %s and GOCACHE to "+
			"directories that have it", name, f.Cache, EnvCache)
	}
	return fmt.Errorf("could not build %s: %w: %s", name, err, output)
}
