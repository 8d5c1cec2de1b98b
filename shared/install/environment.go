package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/certs"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/process"
)

// tokenLifetime of the service account tokens that local processes run with. A pod's token is renewed by its kubelet;
// here nobody does it, and an installation on a laptop should outlive a long weekend.
const tokenLifetime = 30 * 24 * time.Hour

// Environment is the place a form is installed to: a control plane on this machine, whose processes run on loopback.
// Ports and certificates are remembered below the control plane's directory, so that installing twice gives the same
// plan twice.
type Environment struct {
	// Amend, if it is set, has the last word on how a form's processes are run. It is for who tries other settings than a
	// form plans: encryption at rest, an audit policy, a small quota.
	Amend func(process.Spec) process.Spec

	controlPlane *controlplane.ControlPlane
	config       *rest.Config
	binaries     string
	dir          string
	ca           *certs.CA
}

// NewEnvironment prepares an installation to a control plane. Binaries is the directory with the programs of the
// forms and the controller; empty means the one this program is in.
func NewEnvironment(controlPlane *controlplane.ControlPlane, binaries string) (*Environment, error) {
	if binaries == "" {
		executable, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("could not find this program's directory: %w", err)
		}
		if executable, err = filepath.EvalSymlinks(executable); err != nil {
			return nil, fmt.Errorf("could not find this program's directory: %w", err)
		}
		binaries = filepath.Dir(executable)
	}
	config, err := controlPlane.AdminConfig()
	if err != nil {
		return nil, err
	}
	// Duet asks for deprecated versions on purpose, and a limit of five requests a second helps nobody on one machine.
	config.WarningHandler, config.QPS = rest.NoWarnings{}, -1
	dir := filepath.Join(controlPlane.Dir(), "install")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("could not create the installation's directory: %w", err)
	}
	ca, err := certs.LoadOrCreateCA(dir, "serving-ca")
	if err != nil {
		return nil, err
	}
	return &Environment{controlPlane: controlPlane, config: config, binaries: binaries, dir: dir, ca: ca}, nil
}

// Config is an administrator's access to the control plane.
func (e *Environment) Config() *rest.Config { return rest.CopyConfig(e.config) }

// DirectConfig is an administrator's access to a server of the installation itself, past kube-apiserver. The server has
// to take client certificates of the cluster for what they are.
func (e *Environment) DirectConfig(server string) (*rest.Config, error) {
	port, err := e.Port(server)
	if err != nil {
		return nil, err
	}
	config := e.Config()
	config.Host = fmt.Sprintf("https://127.0.0.1:%d", port)
	config.CAFile, config.CAData = "", e.ca.Bundle()
	return config, nil
}

// Plan is a form's plan with the processes as they are run here.
func (e *Environment) Plan(ctx context.Context, form Implementation, profile string) (*Plan, error) {
	plan, err := form.Plan(ctx, e, profile)
	if err != nil || e.Amend == nil {
		return plan, err
	}
	for i, spec := range plan.Processes {
		plan.Processes[i] = e.Amend(spec)
	}
	return plan, nil
}

// ControlPlane is what is installed to.
func (e *Environment) ControlPlane() *controlplane.ControlPlane { return e.controlPlane }

// Runner runs the processes.
func (e *Environment) Runner() process.Runner { return e.controlPlane.Runner() }

// podsRun says whether there are servers in the pods. On fake nodes there are none.
func (e *Environment) podsRun() bool { return !e.controlPlane.FakeNodes() }

// Etcd is the control plane's own etcd.
func (e *Environment) Etcd() controlplane.EtcdAccess { return e.controlPlane.Etcd() }

// Dir is a directory for a process of the installation to keep state in, created if need be.
func (e *Environment) Dir(name string) (string, error) {
	dir := filepath.Join(e.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("could not create the directory of %s: %w", name, err)
	}
	return dir, nil
}

// Binary is the path of one of Duet's own programs.
func (e *Environment) Binary(name string) (string, error) {
	path := filepath.Join(e.binaries, name)
	if info, err := os.Stat(path); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("could not find the program %s in %s: run `make build`", name, e.binaries)
	}
	return path, nil
}

// ServingFiles are a process's serving certificate and key, valid for the hosts, and the bundle that clients verify it
// with. They are issued again when they are about to expire.
func (e *Environment) ServingFiles(name string, hosts ...string) (certFile, keyFile string, caBundle []byte, err error) {
	certFile, keyFile, err = certs.EnsureServingFiles(e.dir, name, e.ca, hosts...)
	return certFile, keyFile, e.ca.Bundle(), err
}

// ServingCA is the authority of all serving certificates that the environment issues, as a bundle.
func (e *Environment) ServingCA() []byte { return e.ca.Bundle() }

// Port is a process's port: free when it was first asked for, the same from then on.
func (e *Environment) Port(name string) (int, error) {
	file := filepath.Join(e.dir, "ports.json")
	ports := map[string]int{}
	data, err := os.ReadFile(file)
	switch {
	case err == nil:
		if err := json.Unmarshal(data, &ports); err != nil {
			return 0, fmt.Errorf("could not read %s: %w: delete it and install again", file, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return 0, err
	}
	if ports[name] != 0 {
		return ports[name], nil
	}
	port, err := process.FreePort()
	if err != nil {
		return 0, err
	}
	ports[name] = port
	if data, err = json.MarshalIndent(ports, "", "  "); err != nil {
		return 0, err
	}
	return port, os.WriteFile(file, data, 0o600)
}

// KubeconfigFile is where ServiceAccountKubeconfig writes the file of a service account. A plan may name it before the
// service account exists.
func (e *Environment) KubeconfigFile(serviceAccount string) string {
	return filepath.Join(e.dir, serviceAccount+".kubeconfig")
}

// ServiceAccountKubeconfig writes a kubeconfig with a token of a service account in Namespace: local processes have
// exactly the rights that pods would have.
func (e *Environment) ServiceAccountKubeconfig(ctx context.Context, serviceAccount string) (string, error) {
	return e.TokenKubeconfig(ctx, types.NamespacedName{Namespace: Namespace, Name: serviceAccount})
}

// TokenKubeconfig is ServiceAccountKubeconfig for a service account anywhere.
func (e *Environment) TokenKubeconfig(ctx context.Context, serviceAccount types.NamespacedName) (string, error) {
	client, err := kubernetes.NewForConfig(e.config)
	if err != nil {
		return "", err
	}
	token, err := client.CoreV1().ServiceAccounts(serviceAccount.Namespace).CreateToken(ctx, serviceAccount.Name,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
			ExpirationSeconds: ptr.To(int64(tokenLifetime.Seconds())),
		}}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("could not get a token for service account %s: %w", serviceAccount, err)
	}
	file := e.KubeconfigFile(serviceAccount.Name)
	return file, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"duet": {
			Server: e.config.Host, CertificateAuthority: e.config.CAFile, CertificateAuthorityData: e.config.CAData,
		}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{serviceAccount.Name: {Token: token.Status.Token}},
		Contexts:       map[string]*clientcmdapi.Context{"duet": {Cluster: "duet", AuthInfo: serviceAccount.Name}},
		CurrentContext: "duet",
	}, file)
}
