package controlplane

import (
	"fmt"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// etcdDialTimeout is how long an etcd on this machine may take to take a connection.
const etcdDialTimeout = 10 * time.Second

// Client of the etcd, for who has to look past the servers that store there. It is the caller's to close.
func (a EtcdAccess) Client() (*clientv3.Client, error) {
	settings, err := transport.TLSInfo{CertFile: a.CertFile, KeyFile: a.KeyFile, TrustedCAFile: a.CAFile}.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("could not read the credentials for etcd: %w", err)
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{a.URL}, TLS: settings, DialTimeout: etcdDialTimeout, Logger: zap.NewNop(),
	})
	if err != nil {
		return nil, fmt.Errorf("could not make a client of etcd: %w", err)
	}
	return client, nil
}
