package controlplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// etcdDialTimeout is how long an etcd on this machine may take to take a connection.
const etcdDialTimeout = 10 * time.Second

// compactTimeout is how long it may take to compact, which grows with what was written.
const compactTimeout = 5 * time.Minute

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

// Compact makes etcd forget all but the newest revision, and returns when its database has given back what that frees.
// kube-apiserver does so for what is older than five minutes, every five minutes.
func (a EtcdAccess) Compact(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, compactTimeout) // The client would wait for ever.
	defer cancel()
	client, err := a.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	now, err := client.Get(ctx, EtcdPrefix, clientv3.WithCountOnly()) // whatever is asked for, the answer has the revision
	if err == nil {
		_, err = client.Compact(ctx, now.Header.Revision, clientv3.WithCompactPhysical())
	}
	if err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		return fmt.Errorf("could not compact etcd: %w", err)
	}
	return nil
}
