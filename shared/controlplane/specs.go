package controlplane

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/duet-api/duet/shared/process"
)

const (
	serviceClusterIPRange = "10.96.0.0/16"
	// serviceClusterIP is the first address of the range: the Service "kubernetes".
	serviceClusterIP = "10.96.0.1"
	issuer           = "https://kubernetes.default.svc.cluster.local"
)

// auditPolicy logs who did what, but no bodies: the log is for finding out, and bodies would hold Secrets.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

func loopbackURL(port int) string { return fmt.Sprintf("https://127.0.0.1:%d", port) }

// environment keeps the components off a proxy that the user has for the Internet: they only ever speak to this
// machine, but a webhook's address is the name of a Service, which a proxy setting does not exempt.
func environment() []string { return []string{"NO_PROXY=*", "no_proxy=*"} }

// spec is how to run one component. The arguments follow kubeadm where it has an opinion, so that what is measured is
// what people run.
func spec(dir, name, path string, ports map[string]int, extra []string) process.Spec {
	var args []string
	env := environment()
	switch {
	case name == Etcd:
		args = EtcdConfig{
			DataDir: filepath.Join(dir, "etcd"), Port: ports[Etcd], CAFile: certFile(dir, EtcdCA),
			CertFile: certFile(dir, etcdServer), KeyFile: keyFile(dir, etcdServer),
		}.Args()
	case isAPIServer(name):
		args = apiServerArgs(dir, name, ports)
	case name == ControllerManager:
		args = controllerManagerArgs(dir, ports[ControllerManager])
	case name == Scheduler:
		args = schedulerArgs(dir, ports[Scheduler])
	case name == Kwok:
		args, env = kwokArgs(dir, ports[Kwok]), append(env, kwokEnvironment(dir)...)
	}
	return process.Spec{Name: name, Path: path, Args: append(args, extra...), Env: env, Dir: dir}
}

func apiServerArgs(dir, name string, ports map[string]int) []string {
	etcd := etcdAccess(dir, ports[Etcd])
	return []string{
		"--etcd-servers=" + etcd.URL,
		"--etcd-cafile=" + etcd.CAFile,
		"--etcd-certfile=" + etcd.CertFile,
		"--etcd-keyfile=" + etcd.KeyFile,
		"--etcd-prefix=" + etcd.Prefix,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", ports[name]),
		"--tls-cert-file=" + certFile(dir, name),
		"--tls-private-key-file=" + keyFile(dir, name),
		"--client-ca-file=" + certFile(dir, ClientCA),
		// The aggregation layer.
		"--requestheader-client-ca-file=" + certFile(dir, FrontProxyCA),
		"--requestheader-allowed-names=" + FrontProxyClient,
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + certFile(dir, FrontProxyClient),
		"--proxy-client-key-file=" + keyFile(dir, FrontProxyClient),
		// A Service of type ExternalName is how a server on this machine is reached; routing to endpoints refuses it.
		"--enable-aggregator-routing=false",
		// The nodes, as for logs.
		"--kubelet-client-certificate=" + certFile(dir, kubeletClient),
		"--kubelet-client-key=" + keyFile(dir, kubeletClient),
		"--kubelet-certificate-authority=" + certFile(dir, ClusterCA),
		"--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
		"--authorization-mode=RBAC",
		"--service-account-issuer=" + issuer,
		"--service-account-key-file=" + filepath.Join(pkiDir(dir), serviceAccountKey+".pub"),
		"--service-account-signing-key-file=" + keyFile(dir, serviceAccountKey),
		"--service-cluster-ip-range=" + serviceClusterIPRange,
		"--allow-privileged=true",
		// Endpoints may not be loopback addresses, and nothing inside a cluster needs to reach this server.
		"--endpoint-reconciler-type=none",
		"--audit-policy-file=" + auditPolicyFile(dir),
		"--audit-log-path=" + filepath.Join(dir, "logs", "audit"+strings.TrimPrefix(name, APIServer)+".log"),
		// Written in batches, so that the disk is not part of what a request waits for; and not for ever.
		"--audit-log-mode=batch",
		"--audit-log-maxsize=100",
		"--audit-log-maxbackup=2",
	}
}

// serverArgs of a component that is a client of kube-apiserver, and asks it who may see the component's own state.
func serverArgs(dir, name string, port int) []string {
	kubeconfig := clientKubeconfig(dir, name)
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port),
		"--tls-cert-file=" + certFile(dir, name),
		"--tls-private-key-file=" + keyFile(dir, name),
		"--client-ca-file=" + certFile(dir, ClientCA),
		"--requestheader-client-ca-file=" + certFile(dir, FrontProxyCA),
		"--requestheader-allowed-names=" + FrontProxyClient,
		// There is one, and after a kill nothing should wait for the lease of the dead one to end.
		"--leader-elect=false",
		// The defaults make the first start, and every burst, wait for seconds.
		"--kube-api-qps=100",
		"--kube-api-burst=200",
	}
}

func controllerManagerArgs(dir string, port int) []string {
	return append(serverArgs(dir, ControllerManager, port),
		"--root-ca-file="+certFile(dir, ClusterCA),
		"--service-account-private-key-file="+keyFile(dir, serviceAccountKey),
		"--cluster-signing-cert-file="+certFile(dir, ClientCA),
		"--cluster-signing-key-file="+keyFile(dir, ClientCA),
		// Each controller with its own service account, and so with its own rights, as in a real cluster.
		"--use-service-account-credentials=true",
		// The default is a system directory, which it creates.
		"--flex-volume-plugin-dir="+filepath.Join(dir, "flexvolume"),
	)
}

func schedulerArgs(dir string, port int) []string { return serverArgs(dir, Scheduler, port) }

func auditPolicyFile(dir string) string { return filepath.Join(dir, "audit-policy.yaml") }

func writeAuditPolicy(dir string) error {
	if err := renameio.WriteFile(auditPolicyFile(dir), []byte(auditPolicy), 0o600); err != nil {
		return fmt.Errorf("could not write the audit policy: %w", err)
	}
	return os.MkdirAll(filepath.Join(dir, "logs"), 0o700)
}
