// Package aggregatedimpl is the aggregated form: a server on k8s.io/apiserver behind kube-apiserver's aggregation
// layer. This file says what an installation of it is made of; how the server works is in apiserver, registry and
// admission, how it is registered and what it may do is in config.
package aggregatedimpl

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/duet-api/duet/aggregated-impl/config"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

// Profiles.
const (
	// ProfileShared keeps the objects in the control plane's etcd, under the keys of the CustomResourceDefinition.
	ProfileShared = "shared-etcd"
	// ProfileDedicated runs an etcd for the server alone: load and size of one API do not touch the cluster's.
	ProfileDedicated = "dedicated-etcd"
)

// ServerName is the name of the server's program and of its process.
const ServerName = "duet-apiserver"

// Form is the aggregated form.
type Form struct{}

var _ install.Implementation = Form{}

// Name is "aggregated".
func (Form) Name() string { return install.Aggregated }

// Profiles are the places to store in.
func (Form) Profiles() []string { return []string{ProfileShared, ProfileDedicated} }

// Capabilities are the same wherever the objects are, but for that.
func (f Form) Capabilities(profile string) sets.Set[install.Capability] {
	able := sets.New(install.MultipleVersions, install.GoValidation, install.LookUps, install.OwnServer,
		install.Protobuf, install.StrategicMergePatch)
	if f.Storage(profile) == install.ControlPlaneEtcd {
		able.Insert(install.ClusterStorage)
	}
	return able
}

// Storage is what the profiles differ in.
func (Form) Storage(profile string) install.Storage {
	if profile == ProfileDedicated {
		return install.DedicatedEtcd
	}
	return install.ControlPlaneEtcd
}

// Versions that the server serves.
func (Form) Versions(string) []string {
	return []string{v1.SchemeGroupVersion.Version, v1alpha1.SchemeGroupVersion.Version}
}

// Plan is the server, what it may do, and its registration.
func (Form) Plan(ctx context.Context, env *install.Environment, profile string) (*install.Plan, error) {
	prerequisites, err := config.Prerequisites()
	if err != nil {
		return nil, err
	}
	plan := &install.Plan{Prerequisites: prerequisites}

	etcd := env.Etcd()
	if profile == ProfileDedicated {
		var spec process.Spec
		if spec, etcd, err = dedicatedEtcd(ctx, env); err != nil {
			return nil, err
		}
		plan.Processes = append(plan.Processes, spec)
	}

	port, err := env.Port(ServerName)
	if err != nil {
		return nil, err
	}
	// kube-apiserver connects to localhost, and expects the certificate of the Service.
	host := config.Service + "." + install.Namespace + ".svc"
	certFile, keyFile, caBundle, err := env.ServingFiles(ServerName, host, "localhost", "127.0.0.1")
	if err != nil {
		return nil, err
	}
	server, err := serverProcess(env, etcd, port, certFile, keyFile)
	if err != nil {
		return nil, err
	}
	plan.Processes, plan.Etcd = append(plan.Processes, server), etcd

	plan.Objects, err = config.APIServices(port, caBundle)
	return plan, err
}

// Park leaves nothing behind: deleting an APIService deletes no object.
func (Form) Park(*install.Plan) []*unstructured.Unstructured { return nil }

func serverProcess(env *install.Environment, etcd controlplane.EtcdAccess, port int,
	certFile, keyFile string) (process.Spec, error) {
	path, err := env.Binary(ServerName)
	if err != nil {
		return process.Spec{}, err
	}
	dir, err := env.Dir(ServerName)
	if err != nil {
		return process.Spec{}, err
	}
	auditPolicy := filepath.Join(dir, "audit-policy.yaml")
	if err := os.WriteFile(auditPolicy, config.AuditPolicy, 0o600); err != nil {
		return process.Spec{}, fmt.Errorf("could not write the audit policy: %w", err)
	}
	kubeconfig := env.KubeconfigFile(config.ServiceAccount)
	// The server speaks to this machine only, whatever proxy the user has for the Internet.
	environment := []string{"NO_PROXY=*", "no_proxy=*"}
	return process.Spec{Name: ServerName, Path: path, Env: environment, Args: []string{
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port),
		"--tls-cert-file=" + certFile,
		"--tls-private-key-file=" + keyFile,
		"--etcd-servers=" + etcd.URL,
		"--etcd-prefix=" + etcd.Prefix,
		"--etcd-cafile=" + etcd.CAFile,
		"--etcd-certfile=" + etcd.CertFile,
		"--etcd-keyfile=" + etcd.KeyFile,
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		// As kube-apiserver of the control plane is started: what one form pays for, the other pays for too.
		"--audit-policy-file=" + auditPolicy,
		"--audit-log-path=" + filepath.Join(dir, "audit.log"),
		"--audit-log-mode=batch",
		"--audit-log-maxsize=100",
		"--audit-log-maxbackup=2",
	}}, nil
}
