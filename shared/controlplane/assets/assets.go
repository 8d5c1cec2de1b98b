package assets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Versions of what is built. A test holds them equal to those in the module files.
const (
	KubernetesVersion = "v1.36.3"
	EtcdVersion       = "v3.6.8"
	KwokVersion       = "v0.8.0"
	// LibraryVersion is that of the Kubernetes modules which other API servers are made of.
	LibraryVersion = "v0.36.3"
	// GoVersion is the oldest Go that builds them.
	GoVersion = "1.26.0"
)

// The programs.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Kwok              = "kwok"
	Kubectl           = "kubectl"
	// ExtensionsServer serves custom resources as a process of its own, as it does inside kube-apiserver.
	ExtensionsServer = "apiextensions-apiserver"
	// SampleServer is upstream's own example of an aggregated API server.
	SampleServer = "sample-apiserver"
)

// Environment variables that say where the programs are.
const (
	// EnvBinaries names a directory of ready programs, as envtest uses it. What it lacks is built.
	EnvBinaries = "KUBEBUILDER_ASSETS"
	// EnvCache names the directory to build into instead of the user's cache directory.
	EnvCache = "DUET_CACHE_DIR"
)

// program is one Go main package. A program that is missing here cannot be asked for.
type program struct {
	module  module
	pkg     string
	version string
}

var programs = map[string]program{
	Etcd:              {kubernetes, "go.etcd.io/etcd/server/v3", EtcdVersion},
	APIServer:         {kubernetes, "k8s.io/kubernetes/cmd/kube-apiserver", KubernetesVersion},
	ControllerManager: {kubernetes, "k8s.io/kubernetes/cmd/kube-controller-manager", KubernetesVersion},
	Scheduler:         {kubernetes, "k8s.io/kubernetes/cmd/kube-scheduler", KubernetesVersion},
	Kubectl:           {kubernetes, "k8s.io/kubernetes/cmd/kubectl", KubernetesVersion},
	Kwok:              {kwok, "sigs.k8s.io/kwok/cmd/kwok", KwokVersion},
	ExtensionsServer:  {peers, "k8s.io/apiextensions-apiserver", KubernetesVersion},
	SampleServer:      {peers, "k8s.io/sample-apiserver", KubernetesVersion},
}

// Finder finds programs, and builds those that are nowhere yet.
type Finder struct {
	// Binaries is a directory of ready programs that is looked at first. Empty means none.
	Binaries string
	// Cache is the directory below which programs are built and kept.
	Cache string
	// Out receives progress, in lines.
	Out io.Writer
}

// NewFinder makes a Finder from the environment: KUBEBUILDER_ASSETS, then DUET_CACHE_DIR or duet in the user's cache
// directory.
func NewFinder(out io.Writer) (*Finder, error) {
	cache := os.Getenv(EnvCache)
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("could not find the cache directory: %w; set %s to a directory for the built programs", err, EnvCache)
		}
		cache = filepath.Join(user, "duet")
	}
	cache, err := filepath.Abs(cache)
	if err != nil {
		return nil, fmt.Errorf("could not use %s: %w", EnvCache, err)
	}
	binaries := os.Getenv(EnvBinaries)
	if binaries != "" {
		if binaries, err = filepath.Abs(binaries); err != nil {
			return nil, fmt.Errorf("could not use %s: %w", EnvBinaries, err)
		}
		if info, err := os.Stat(binaries); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("%s is set to %s, which is not a directory: correct or unset it", EnvBinaries, binaries)
		}
	}
	return &Finder{Binaries: binaries, Cache: cache, Out: out}, nil
}

// Find returns the path of a program, building it first when neither the ready programs nor the cache have it.
func (f *Finder) Find(ctx context.Context, name string) (string, error) {
	p, ok := programs[name]
	if !ok {
		return "", fmt.Errorf("could not find %q: it is no program of the control plane", name)
	}
	if f.Binaries != "" {
		path := filepath.Join(f.Binaries, name)
		switch err := runnable(path); {
		case err == nil:
			return path, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("could not use %s of %s: %w", name, EnvBinaries, err)
		}
		fmt.Fprintf(f.Out, "%s has no %s: using the one that Duet builds\n", EnvBinaries, name)
	}
	path := filepath.Join(f.dir(p.module), name)
	if runnable(path) == nil {
		return path, nil
	}
	if _, err := exec.LookPath(compiler); err != nil {
		return "", fmt.Errorf("could not build %s: there is no go command in PATH: install Go %s or newer, "+
			"or set %s to a directory with %s", name, GoVersion, EnvBinaries, name)
	}
	return path, f.build(ctx, name, p, path)
}

// runnable is nil for an executable file.
func runnable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%s is not an executable file", path)
	}
	return nil
}
