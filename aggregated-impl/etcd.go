package aggregatedimpl

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/duet-api/duet/shared/certs"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

// etcdName is the process of the dedicated etcd.
const etcdName = "duet-etcd"

// dedicatedEtcd plans an etcd for the server alone: the program that the control plane runs, on a port, data directory
// and certificate authority of its own.
func dedicatedEtcd(ctx context.Context, env *install.Environment) (process.Spec, controlplane.EtcdAccess, error) {
	spec, access, err := planEtcd(ctx, env)
	if err != nil {
		err = fmt.Errorf("could not plan the dedicated etcd: %w", err)
	}
	return spec, access, err
}

func planEtcd(ctx context.Context, env *install.Environment) (process.Spec, controlplane.EtcdAccess, error) {
	var spec process.Spec
	var access controlplane.EtcdAccess
	sibling, err := process.Find(ctx, env.Runner(), controlplane.Etcd)
	if err != nil {
		return spec, access, err
	}
	dir, err := env.Dir(etcdName)
	if err != nil {
		return spec, access, err
	}
	port, err := env.Port(etcdName)
	if err != nil {
		return spec, access, err
	}
	ca, err := certs.LoadOrCreateCA(dir, "ca")
	if err != nil {
		return spec, access, err
	}
	certFile, keyFile, err := certs.EnsureServingFiles(dir, "server", ca, "127.0.0.1", "localhost")
	if err != nil {
		return spec, access, err
	}
	clientCert, clientKey, err := certs.EnsureClientFiles(dir, "client", ca, ServerName)
	if err != nil {
		return spec, access, err
	}
	caFile, _ := certs.Files(dir, "ca")

	config := controlplane.EtcdConfig{
		DataDir: filepath.Join(dir, "data"), Port: port, CAFile: caFile, CertFile: certFile, KeyFile: keyFile,
	}
	spec = process.Spec{Name: etcdName, Path: sibling.Spec.Path, Dir: dir, Env: sibling.Spec.Env, Args: config.Args()}
	access = controlplane.EtcdAccess{URL: config.URL(), CAFile: caFile, CertFile: clientCert, KeyFile: clientKey,
		Prefix: controlplane.EtcdPrefix}
	return spec, access, nil
}
