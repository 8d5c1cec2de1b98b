package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/duet-api/duet/shared/process"
)

// The names of the components, as Runner knows them.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	// Scheduler and Kwok are there with fake nodes only.
	Scheduler = "kube-scheduler"
	Kwok      = "kwok"
)

// Components of every control plane, in the order in which they start. One may have more of them: see State.
func Components() []string { return State{}.Components() }

// DefaultNodes is how many fake nodes there are when nobody says: enough to spread the replicas of an instance.
const DefaultNodes = 3

// Options of Start.
type Options struct {
	// Name is shown to people and names the kubeconfig's context. "default" when empty.
	Name string
	// Dir holds everything: data, certificates, logs, state. It is made when it is missing, and must be empty or one that
	// Start has used before. Required.
	Dir string
	// Out receives progress, in lines. Nil means none.
	Out io.Writer
	// Runner runs the components. Nil means a Supervisor in this program, which Stop closes.
	Runner process.Runner
	// Kwok adds kube-scheduler and fake nodes, on which pods become Ready, Jobs complete and claims get volumes, and
	// nothing runs. A control plane that has them keeps them, with or without it.
	Kwok bool
	// Nodes is how many fake nodes there are, with Kwok. 0 leaves their number as it is, or makes DefaultNodes.
	Nodes int
	// APIServers is how many kube-apiservers there are, all on the one etcd. 0 leaves their number as it is, or makes one.
	APIServers int
	// EtcdArgs, APIServerArgs and ControllerManagerArgs are added after Duet's own arguments, and win over them.
	EtcdArgs, APIServerArgs, ControllerManagerArgs []string
}

// ControlPlane is a running control plane.
type ControlPlane struct {
	dir    string
	state  State
	runner process.Runner
	close  func(context.Context) error
}

// EtcdAccess is what a client needs to reach etcd with all rights, and the prefix of kube-apiserver's keys.
type EtcdAccess struct {
	URL, CAFile, CertFile, KeyFile, Prefix string
}

// EtcdPrefix is where kube-apiserver keeps its keys.
const EtcdPrefix = "/registry"

// Runner runs the components, and whatever else the caller wants to live and die with them.
func (c *ControlPlane) Runner() process.Runner { return c.runner }

// Dir holds the data, certificates, logs and state.
func (c *ControlPlane) Dir() string { return c.dir }

// Name as it was given to Start.
func (c *ControlPlane) Name() string { return c.state.Name }

// State is what is remembered about this control plane between runs.
func (c *ControlPlane) State() State { return c.state }

// Components that this control plane consists of, in the order in which they start.
func (c *ControlPlane) Components() []string { return c.state.Components() }

// FakeNodes says whether the nodes are fake: pods become Ready there, and nothing runs in them.
func (c *ControlPlane) FakeNodes() bool { return c.state.Nodes > 0 }

// PodLog is the file that `kubectl logs` shows for every container on fake nodes, in the format of a container runtime:
// "<time in RFC 3339> stdout F <line>". Who tests the streaming of logs appends to it.
func (c *ControlPlane) PodLog() string { return podLog(c.dir) }

// URL of kube-apiserver, of the first one if there are several.
func (c *ControlPlane) URL() string { return loopbackURL(c.state.Ports[APIServer]) }

// AdminKubeconfig is the path of the kubeconfig of the administrator.
func (c *ControlPlane) AdminKubeconfig() string { return AdminKubeconfig(c.dir) }

// AdminKubeconfig is the path of the administrator's kubeconfig of the control plane in dir.
func AdminKubeconfig(dir string) string { return filepath.Join(dir, "admin.kubeconfig") }

// PKIDir holds the certificate authorities and certificates: see pki.go for their names. Tests use it to try what must
// be refused.
func (c *ControlPlane) PKIDir() string { return pkiDir(c.dir) }

// AdminConfig is for the administrator: the group duet:administrators, which RBAC binds to cluster-admin. It is not in
// system:masters, which would skip authorization.
func (c *ControlPlane) AdminConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.AdminKubeconfig())
	if err != nil {
		return nil, fmt.Errorf("could not read the administrator's kubeconfig: %w", err)
	}
	return config, nil
}

// UserConfig is for any user and groups, with a client certificate issued for this call. It has the rights that RBAC
// gives to those names, and no others.
func (c *ControlPlane) UserConfig(user string, groups ...string) (*rest.Config, error) {
	return userConfig(c.dir, c.URL(), user, groups...)
}

// Etcd is how to reach the control plane's etcd.
func (c *ControlPlane) Etcd() EtcdAccess {
	return etcdAccess(c.dir, c.state.Ports[Etcd])
}

// Stop ends the processes. A control plane of a Runner that the caller gave to Start loses only its components; any
// other loses all processes of its runner, and the program that supervises them ends.
func (c *ControlPlane) Stop(ctx context.Context) error { return c.close(ctx) }

// Open attaches to the control plane that `duet up` started in dir.
func Open(dir string) (*ControlPlane, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("could not open the control plane: %w", err)
	}
	down := fmt.Errorf("no control plane is up in %s: start it with duet up", dir)
	state, err := LoadState(dir)
	switch {
	case errors.Is(err, os.ErrNotExist) || errors.Is(err, errStaleState):
		return nil, down
	case err != nil:
		return nil, err
	case state.Socket == "":
		return nil, down
	}
	client := process.NewClient(state.Socket)
	ctx, cancel := context.WithTimeout(context.Background(), attachTimeout)
	defer cancel()
	statuses, err := client.List(ctx)
	if err != nil {
		return nil, down
	}
	for _, name := range state.Components() {
		if !slices.ContainsFunc(statuses, func(s process.Status) bool { return s.Spec.Name == name }) {
			return nil, fmt.Errorf("the control plane in %s is not complete, it has no %s: run duet up", dir, name)
		}
	}
	return &ControlPlane{dir: dir, state: state, runner: client, close: func(ctx context.Context) error {
		_, err := Shutdown(ctx, dir)
		return err
	}}, nil
}
