package controlplane

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/shared/certs"
)

// The certificate authorities, as <name>.crt and <name>.key in PKIDir. Each signs for one purpose, so that what is good
// for one is refused for another.
const (
	// ClusterCA signs the serving certificates of the components.
	ClusterCA = "cluster-ca"
	// ClientCA signs the client certificates of users: who they are is in the certificate.
	ClientCA = "client-ca"
	// FrontProxyCA signs the one certificate with which kube-apiserver may tell an aggregated server, in headers, who
	// the user is. If it were the client CA, every user could do that.
	FrontProxyCA = "front-proxy-ca"
	// EtcdCA signs for both sides of connections to etcd. Who has such a certificate can read and write everything.
	EtcdCA = "etcd-ca"
)

// Certificates and keys in PKIDir, signed by the authorities above.
const (
	// FrontProxyClient is also the common name that aggregated servers accept.
	FrontProxyClient = "front-proxy-client"
	// EtcdClient is the certificate of kube-apiserver, and of an aggregated server that stores in the same etcd.
	EtcdClient = "etcd-client"
	// etcdServer and etcdPeer are etcd's own.
	etcdServer = "etcd-server"
	// serviceAccountKey signs the tokens of service accounts.
	serviceAccountKey = "service-account"
	// controllerManagerClient is who kube-controller-manager is to kube-apiserver.
	controllerManagerClient = "kube-controller-manager-client"
	// kubeletClient is who kube-apiserver is to the nodes.
	kubeletClient = "kubelet-client"
	// schedulerClient and kwokClient are who kube-scheduler and kwok are to kube-apiserver.
	schedulerClient = "kube-scheduler-client"
	kwokClient      = "kwok-client"
)

// Users and groups that Duet itself needs.
const (
	// AdministratorsGroup is bound to cluster-admin.
	AdministratorsGroup = "duet:administrators"
	// AdministratorUser is the user of the administrator's kubeconfig.
	AdministratorUser = "duet-admin"
	bootstrapUser     = "duet-bootstrap"
	// kwokUser has the rights of kwokRole.
	kwokUser = "duet-kwok"
	// mastersGroup skips authorization. It is used in memory, only to write the binding of AdministratorsGroup.
	mastersGroup = "system:masters"
)

func pkiDir(dir string) string { return filepath.Join(dir, "pki") }

func certFile(dir, name string) string { file, _ := certs.Files(pkiDir(dir), name); return file }

func keyFile(dir, name string) string { _, file := certs.Files(pkiDir(dir), name); return file }

// componentClients are the certificates of the components that are clients of kube-apiserver, and the users in them.
var componentClients = map[string]struct{ name, user string }{
	ControllerManager: {controllerManagerClient, "system:kube-controller-manager"},
	Scheduler:         {schedulerClient, "system:kube-scheduler"},
	Kwok:              {kwokClient, kwokUser},
}

// ensurePKI makes every authority, certificate and key of the components that is missing or about to expire. Running
// components reload the files.
func ensurePKI(dir string, components []string) error {
	pki := pkiDir(dir)
	authorities := map[string]*certs.CA{}
	for _, name := range []string{ClusterCA, ClientCA, FrontProxyCA, EtcdCA} {
		ca, err := certs.LoadOrCreateCA(pki, name)
		if err != nil {
			return err
		}
		authorities[name] = ca
	}
	local := []string{"127.0.0.1", "localhost"}
	if _, _, err := certs.EnsureServingFiles(pki, etcdServer, authorities[EtcdCA], local...); err != nil {
		return err
	}
	for _, name := range components {
		hosts := local
		switch {
		case name == Etcd:
			continue
		case isAPIServer(name):
			hosts = append(slices.Clone(local), "kubernetes", "kubernetes.default", "kubernetes.default.svc",
				"kubernetes.default.svc.cluster.local", serviceClusterIP)
		}
		if _, _, err := certs.EnsureServingFiles(pki, name, authorities[ClusterCA], hosts...); err != nil {
			return err
		}
		if client, ok := componentClients[name]; ok {
			if _, _, err := certs.EnsureClientFiles(pki, client.name, authorities[ClientCA], client.user); err != nil {
				return err
			}
		}
	}
	for _, client := range []struct{ name, ca, user string }{
		{EtcdClient, EtcdCA, EtcdClient},
		{FrontProxyClient, FrontProxyCA, FrontProxyClient},
		{kubeletClient, ClientCA, "kube-apiserver-kubelet-client"},
	} {
		if _, _, err := certs.EnsureClientFiles(pki, client.name, authorities[client.ca], client.user); err != nil {
			return err
		}
	}
	_, _, err := certs.EnsureKeyPair(pki, serviceAccountKey)
	return err
}

// userConfig issues a client certificate that names the user and the groups.
func userConfig(dir, url, user string, groups ...string) (*rest.Config, error) {
	ca, err := certs.LoadCA(pkiDir(dir), ClientCA)
	if err != nil {
		return nil, err
	}
	cert, key, err := ca.IssueClient(user, groups...)
	if err != nil {
		return nil, err
	}
	trusted, err := os.ReadFile(certFile(dir, ClusterCA))
	if err != nil {
		return nil, fmt.Errorf("could not read the cluster's certificate authority: %w", err)
	}
	return &rest.Config{Host: url, TLSClientConfig: rest.TLSClientConfig{CAData: trusted, CertData: cert, KeyData: key}}, nil
}

func etcdAccess(dir string, port int) EtcdAccess {
	return EtcdAccess{
		URL: loopbackURL(port), CAFile: certFile(dir, EtcdCA), CertFile: certFile(dir, EtcdClient), KeyFile: keyFile(dir, EtcdClient),
		Prefix: EtcdPrefix,
	}
}
