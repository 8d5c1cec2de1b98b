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

	url := fmt.Sprintf("https://127.0.0.1:%d", port)
	const peer = "https://127.0.0.1:2380" // One member, which never speaks to itself: a name in its records.
	spec = process.Spec{Name: etcdName, Path: sibling.Spec.Path, Dir: dir, Env: sibling.Spec.Env, Args: []string{
		"--name=duet",
		"--data-dir=" + filepath.Join(dir, "data"),
		"--listen-client-urls=" + url,
		"--advertise-client-urls=" + url,
		"--client-cert-auth=true",
		"--trusted-ca-file=" + caFile,
		"--cert-file=" + certFile,
		"--key-file=" + keyFile,
		"--listen-peer-urls=https://127.0.0.1:0",
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=duet=" + peer,
		"--peer-client-cert-auth=true",
		"--peer-trusted-ca-file=" + caFile,
		"--peer-cert-file=" + certFile,
		"--peer-key-file=" + keyFile,
		"--enable-grpc-gateway=false",
		// Consistent lists from the watch cache wait for this; the control plane's etcd has the same interval.
		"--watch-progress-notify-interval=5s",
		"--log-level=warn",
	}}
	access = controlplane.EtcdAccess{URL: url, CAFile: caFile, CertFile: clientCert, KeyFile: clientKey,
		Prefix: controlplane.EtcdPrefix}
	return spec, access, nil
}
