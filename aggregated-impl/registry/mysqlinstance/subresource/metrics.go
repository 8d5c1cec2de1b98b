package subresource

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/database"
	"github.com/duet-api/duet/shared/names"
)

// askTimeout is how long one server may take. All are asked at once, so the answer takes no longer.
const askTimeout = 5 * time.Second

// Metrics is the metrics subresource: GET asks the servers how they are, now. Nothing is stored and nothing is cached, so
// there is nothing to watch either. A server that does not answer is a line of the answer and not an error: that is what
// the question was about.
type Metrics struct {
	instances
	core   coreclient.CoreV1Interface
	dialer database.Dialer
}

var (
	_ rest.Storage        = &Metrics{}
	_ rest.Getter         = &Metrics{}
	_ rest.TableConvertor = &Metrics{}
)

// NewMetrics returns the subresource of the instances in a store. The client reads pods, and the Secrets with the root
// passwords; the dialer reaches the servers.
func NewMetrics(store rest.Getter, core coreclient.CoreV1Interface, dialer database.Dialer) *Metrics {
	return &Metrics{instances: instances{store}, core: core, dialer: dialer}
}

// New returns an empty answer.
func (*Metrics) New() runtime.Object { return &v1.MySQLInstanceMetrics{} }

// Destroy does nothing: the main resource owns the storage.
func (*Metrics) Destroy() {}

// Get asks every server.
func (r *Metrics) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	instance, err := r.get(ctx, name)
	if err != nil {
		return nil, err
	}
	answer := &v1.MySQLInstanceMetrics{
		ObjectMeta: identity(&instance.ObjectMeta),
		Timestamp:  metav1.Now(),
		Servers:    make([]v1.ServerMetrics, wantedServers(instance)),
	}
	secrets := sync.OnceValues(func() (secrets, error) { return r.secrets(ctx, instance) })
	var asking sync.WaitGroup
	for ordinal := range answer.Servers {
		asking.Go(func() {
			server := &answer.Servers[ordinal]
			server.Name, server.Ordinal = names.Server(instance.Name, ordinal), int32(ordinal)
			server.Role = v1.ServerReplica
			if ordinal == 0 {
				server.Role = v1.ServerPrimary
			}
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			if err := r.ask(ctx, instance, server, secrets); err != nil {
				server.Error = err.Error()
			}
		})
	}
	asking.Wait()
	return answer, nil
}

func wantedServers(instance *v1.MySQLInstance) int32 {
	if instance.Spec.PowerState == v1.PowerStopped || instance.Spec.Replicas == nil {
		return 0
	}
	return *instance.Spec.Replicas
}

// secrets are what a session at the servers needs.
type secrets struct {
	// rootPassword of the servers.
	rootPassword string
	// authority in PEM that their certificates come from; empty without one.
	authority []byte
}

func (r *Metrics) secrets(ctx context.Context, instance *v1.MySQLInstance) (secrets, error) {
	ref := names.RootSecretRef(instance)
	root, err := r.core.Secrets(instance.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return secrets{}, fmt.Errorf("could not read the root password: %w", err)
	}
	password, found := root.Data[ref.Key]
	if !found {
		return secrets{}, fmt.Errorf("could not read the root password: the Secret %s has no key %s", ref.Name, ref.Key)
	}
	read := secrets{rootPassword: string(password)}
	if tls := instance.Spec.TLS; tls.SecretName != nil && tls.Mode != v1.TLSDisabled {
		certificate, err := r.core.Secrets(instance.Namespace).Get(ctx, *tls.SecretName, metav1.GetOptions{})
		if err != nil {
			return secrets{}, fmt.Errorf("could not read the certificates' authority: %w", err)
		}
		read.authority = certificate.Data[corev1.ServiceAccountRootCAKey]
	}
	return read, nil
}

// ask fills in what one server says. What it has said before an error stays.
func (r *Metrics) ask(ctx context.Context, instance *v1.MySQLInstance, metrics *v1.ServerMetrics,
	secrets func() (secrets, error)) error {
	pod, err := server(ctx, r.core, instance, int(metrics.Ordinal))
	if err != nil {
		return fmt.Errorf("could not find the server: %w", err)
	}
	if pod.Status.PodIP == "" {
		return errors.New("could not reach the server: its pod has no address yet")
	}
	known, err := secrets()
	if err != nil {
		return err
	}
	session, err := r.dialer.Dial(ctx, database.TargetOf(instance.Spec.TLS.Mode, pod.Status.PodIP, known.rootPassword, known.authority))
	if err != nil {
		return err
	}
	defer session.Close()
	metrics.Reachable = true
	stats, err := session.Stats(ctx)
	if err != nil {
		return err
	}
	metrics.UptimeSeconds = new(int64(stats.Uptime / time.Second))
	metrics.Connections = counter(stats.ThreadsConnected)
	metrics.Queries = counter(stats.Queries)
	if metrics.Role == v1.ServerPrimary {
		return nil
	}
	state, err := session.State(ctx)
	if err != nil {
		return err
	}
	if source := state.Source; source != nil && source.Behind != nil {
		metrics.ReplicationLagSeconds = new(int64(*source.Behind / time.Second))
	}
	return nil
}

// counter is a number that JSON has room for.
func counter(value uint64) *int64 { return new(int64(min(value, math.MaxInt64))) }
