package compare

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/bench/matrix"
	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/process"
)

// inspect reads the metrics of the API servers and etcds of a side, as its administrator.
func (c *comparison) inspect(ctx context.Context, plane string, collect bool) (map[string]measure.State, error) {
	at := slices.IndexFunc(c.sides, func(s *matrix.Side) bool { return s.Name == plane })
	if at < 0 {
		return nil, fmt.Errorf("could not read metrics: there is no control plane %s", plane)
	}
	endpoints, err := endpoints(ctx, c.sides[at])
	if err != nil {
		return nil, err
	}
	return measure.Inspect(ctx, endpoints, collect)
}

// endpoints of a side's processes, found by how they were started: the API servers, whoever's they are, and the etcds
// that these use.
func endpoints(ctx context.Context, side *matrix.Side) (map[string]measure.Endpoint, error) {
	processes, err := side.Plane.Runner().List(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]measure.Endpoint{}
	for _, server := range processes {
		storage := server.Spec.Flag("etcd-servers")
		if storage == "" || server.State != process.Running {
			continue
		}
		config := rest.CopyConfig(side.Config())
		if server.Spec.Name != controlplane.APIServer {
			config.Host = "https://127.0.0.1:" + server.Spec.Flag("secure-port")
			config.CAFile, config.CAData = "", side.Installer.Env.ServingCA()
		}
		client, err := rest.HTTPClientFor(config)
		if err != nil {
			return nil, fmt.Errorf("could not make a client for %s: %w", server.Spec.Name, err)
		}
		endpoint := measure.Endpoint{URL: config.Host, Client: client}
		endpoint.Collect = endpoint.CollectMemory
		out[side.Name+"/"+server.Spec.Name] = endpoint
		access := controlplane.EtcdAccess{
			URL: storage, CAFile: server.Spec.Flag("etcd-cafile"),
			CertFile: server.Spec.Flag("etcd-certfile"), KeyFile: server.Spec.Flag("etcd-keyfile"),
		}
		for _, etcd := range processes {
			if etcd.Spec.Flag("listen-client-urls") != storage {
				continue
			}
			settings, err := transport.TLSInfo{
				CertFile: access.CertFile, KeyFile: access.KeyFile, TrustedCAFile: access.CAFile,
			}.ClientConfig()
			if err != nil {
				return nil, fmt.Errorf("could not read the certificates of %s: %w", etcd.Spec.Name, err)
			}
			// Each look makes its own client, and no connection may be left over from each.
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: settings, DisableKeepAlives: true}}
			out[side.Name+"/"+etcd.Spec.Name] = measure.Endpoint{URL: storage, Client: client, Collect: access.Compact}
		}
	}
	return out, nil
}
