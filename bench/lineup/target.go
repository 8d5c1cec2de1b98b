package lineup

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/matrix"
	"github.com/duet-api/duet/shared/install"
)

// benchUser is who the benchmark sends its requests as: an ordinary RBAC user. An administrator of system:masters would
// skip authorization and priority and fairness, and with them what makes the forms differ.
const benchUser = "duet-bench"

// throughAPIServer is what clients of a cluster use.
func throughAPIServer(_ context.Context, side *matrix.Side) (arm.Target, error) { return through(side) }

func through(side *matrix.Side, groups ...string) (arm.Kubernetes, error) {
	user, err := side.Plane.UserConfig(benchUser, groups...)
	return arm.Kubernetes{Config: user, Admin: side.Config()}, err
}

// direct goes to the aggregated server itself, as the same user with the same certificate: without the hop. Nobody uses
// a cluster like that; it shows what the hop is.
func direct(ctx context.Context, side *matrix.Side) (arm.Target, error) {
	user, err := side.Plane.UserConfig(benchUser)
	if err != nil {
		return nil, err
	}
	client, err := clientset.NewForConfig(side.Config())
	if err != nil {
		return nil, fmt.Errorf("could not make a client: %w", err)
	}
	name := install.Resource.Version + "." + install.Group
	registration, err := client.ApiregistrationV1().APIServices().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("could not find the aggregated server: %w", err)
	}
	config, err := directConfig(user, registration)
	if err != nil {
		return nil, err
	}
	return arm.Kubernetes{Config: config, Admin: side.Config(), Identity: user}, nil
}

// directConfig is the user's access with the server of a registration in place of kube-apiserver.
func directConfig(user *rest.Config, registration *apiregistrationv1.APIService) (*rest.Config, error) {
	service := registration.Spec.Service
	if service == nil || service.Port == nil {
		return nil, fmt.Errorf("APIService %s does not say where its server is", registration.Name)
	}
	config := rest.CopyConfig(user)
	config.Host = "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(int(*service.Port)))
	config.CAFile, config.CAData = "", registration.Spec.CABundle
	config.ServerName = service.Name + "." + service.Namespace + ".svc"
	return config, nil
}

// storage is the control plane's own etcd.
func storage(_ context.Context, side *matrix.Side) (arm.Target, error) {
	etcd := side.Plane.Etcd()
	settings, err := transport.TLSInfo{CertFile: etcd.CertFile, KeyFile: etcd.KeyFile, TrustedCAFile: etcd.CAFile}.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("could not read the certificates of etcd: %w", err)
	}
	return arm.Etcd{Config: clientv3.Config{Endpoints: []string{etcd.URL}, TLS: settings, DialTimeout: arm.RequestTimeout}}, nil
}

// behind starts a peer, and is then what clients of a cluster use.
func behind(p peer) targetFunc {
	return func(ctx context.Context, side *matrix.Side) (arm.Target, error) {
		if err := p.start(ctx, side); err != nil {
			return nil, fmt.Errorf("could not start %s: %w", p.program, err)
		}
		return throughAPIServer(ctx, side)
	}
}
