package behaviour

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/certs"
)

// reachRows are about the way from kube-apiserver to the form's server.
var reachRows = []Row{
	{
		ID: "G13", Group: Failures, Title: "kube-apiserver cannot reach the network of the form's own server",
		Why: "A firewall between the control plane and the pods is the default of some managed clusters, " +
			"and says nothing.",
		Source: "linkerd2#3473, rancher#53847, antrea#3815, kueue#10553", Flag: Undocumented,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD: "read 200, create 500 InternalError with \"context deadline exceeded\"; nothing says so",
			Aggregated: "read 503 without a Status object, create 503 without a Status object with \"service unavailable\"; " +
				"v1 Available=False FailedDiscoveryCheck, v1alpha1 Available=False FailedDiscoveryCheck",
		},
		Probe: reachedAt(silence),
	},
	{
		ID: "G17", Group: Failures, Title: "The caBundle is of another authority",
		Why:    "It happens when a certificate is rotated and the objects that name its authority are not.",
		Source: "configure-aggregation-layer; extensible-admission-controllers", Flag: Undocumented,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD: "read 200, create 500 InternalError with \"x509: certificate signed by unknown authority\"; nothing says so",
			Aggregated: "read 503 without a Status object, create 503 without a Status object with \"service unavailable\"; " +
				"v1 Available=False FailedDiscoveryCheck, v1alpha1 Available=False FailedDiscoveryCheck",
		},
		Probe: reachedAt(distrusted),
	},
	{
		ID: "G18", Group: Failures, Title: "The serving certificate has expired",
		Why:    "It happens a year after everybody forgot about it, to all clusters that were installed on that day.",
		Source: "kueue#1769; configure-aggregation-layer", Flag: Undocumented,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD: "read 200, create 500 InternalError with \"x509: certificate has expired or is not yet valid\"; " +
				"nothing says so",
			Aggregated: "read 503 without a Status object, create 503 without a Status object with \"service unavailable\"; " +
				"v1 Available=False FailedDiscoveryCheck, v1alpha1 Available=False FailedDiscoveryCheck",
		},
		Probe: reachedAt(expired),
	},
	{
		ID: "G19", Group: Failures, Title: "The form's own server is slow to answer discovery",
		Why: "The aggregation layer waits for five seconds and then takes the whole group away, " +
			"though every request would work.",
		Source: "apiserver-aggregation: latency less than five seconds; remote_available_controller.go", Flag: Documented,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD: "at 5 s read 200, nothing says so; at 3 s read 200, nothing says so; at 7 s read 200, nothing says so",
			Aggregated: "at 5 s read 503 without a Status object, v1 Available=False FailedDiscoveryCheck; " +
				"at 3 s read 200, v1 Available=True Passed; " +
				"at 7 s read 503 without a Status object, v1 Available=False FailedDiscoveryCheck",
		},
		Probe: slowDiscovery,
	},
	{
		ID: "G12", Group: Failures, Title: "Connections that concurrent writes come over",
		Why: "A Service picks a replica for each connection: with one connection for all requests, all but one of the " +
			"replicas are idle until it is lost.",
		Source: "kubernetes#61296, #74280, #60484; apiserver pkg/util/webhook/client.go asks webhooks over HTTP/1.1, " +
			"so over many connections, unless they are on localhost as here", Flag: Parity,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Both("20 concurrent creates come over one connection"),
		Probe:  connections,
	},
}

// reachedAt has kube-apiserver look for the server at an address that does not work.
func reachedAt(somewhere func(*backend) (address, error)) func(context.Context, *Subject) (Observation, error) {
	return func(ctx context.Context, s *Subject) (Observation, error) {
		if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
			return Observation{}, err
		}
		server, err := s.backend(ctx)
		if err != nil {
			return Observation{}, err
		}
		at, err := somewhere(server)
		if err != nil {
			return Observation{}, err
		}
		if err := server.direct(ctx, at); err != nil {
			return Observation{}, err
		}
		said, err := server.await(ctx, metav1.ConditionFalse)
		if err != nil {
			return Observation{}, err
		}
		// kube-apiserver sees a new configuration of a webhook a moment after it was written.
		var created *wire.Answer
		err = eventually(ctx, "a create refused", func(ctx context.Context) (bool, error) {
			created, err = s.post(ctx, s.path(), fixture.Instance("other"), wire.Query("dryRun", metav1.DryRunAll))
			return err == nil && !created.OK(), err
		})
		if err != nil {
			return Observation{}, err
		}
		read, err := s.get(ctx, s.path("db"))
		if err != nil {
			return Observation{}, err
		}
		return observed("read %s, create %s with %q; %s", read.Verdict(), created.Verdict(),
			causes.FindString(string(created.Body)), said)
	}
}

// causes that an answer may give, without what differs from run to run.
var causes = regexp.MustCompile(`x509: [a-z ]+|context deadline exceeded|service unavailable`)

// silence is an address where connections are accepted and nothing is ever said.
func silence(b *backend) (address, error) {
	listener, err := net.Listen("tcp", loopback(0))
	if err != nil {
		return address{}, fmt.Errorf("could not listen: %w", err)
	}
	b.subject.afterwards(func(context.Context) error { return listener.Close() })
	b.subject.afterwards(b.restore)
	return address{port: listener.Addr().(*net.TCPAddr).Port, bundle: b.at.bundle}, nil
}

// distrusted is the server's own address, with the wrong idea of who signed its certificate.
func distrusted(b *backend) (address, error) {
	other, err := certs.NewCA("duet-row")
	if err != nil {
		return address{}, err
	}
	return address{port: b.at.port, bundle: other.Bundle()}, nil
}

// expired is the address of a server that would answer, if its certificate were still valid.
func expired(b *backend) (address, error) {
	return b.front(-time.Minute, func(next http.Handler) http.Handler { return next })
}

// discoveryOf tells requests for what the group has from requests for the objects in it.
func discoveryOf(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/apis") && !strings.Contains(r.URL.Path, fixture.Resource)
}

// The aggregation layer waits for discovery for five seconds.
const discoveryLimit = 5 * time.Second

func slowDiscovery(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	var delay atomic.Int64
	at, err := server.front(certs.Validity, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if discoveryOf(r) {
				select {
				case <-time.After(time.Duration(delay.Load())):
				case <-r.Context().Done():
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	})
	if err != nil {
		return Observation{}, err
	}
	var seen []string
	// In this order, so that each turns around what the one before it came to.
	for _, step := range []struct {
		title string
		delay time.Duration
		want  metav1.ConditionStatus
	}{
		{"at 5 s", discoveryLimit, metav1.ConditionFalse},
		{"at 3 s", discoveryLimit - 2*time.Second, metav1.ConditionTrue},
		{"at 7 s", discoveryLimit + 2*time.Second, metav1.ConditionFalse},
	} {
		delay.Store(int64(step.delay))
		if err := server.direct(ctx, at); err != nil {
			return Observation{}, err
		}
		if err := server.touch(ctx); err != nil {
			return Observation{}, err
		}
		said, err := server.await(ctx, step.want)
		if err != nil {
			return Observation{}, fmt.Errorf("%s: %w", step.title, err)
		}
		read, err := s.get(ctx, s.path("db"))
		if err != nil {
			return Observation{}, err
		}
		first, _, _ := strings.Cut(said, ", ")
		seen = append(seen, fmt.Sprintf("%s read %s, %s", step.title, read.Verdict(), first))
	}
	return observed("%s", strings.Join(seen, "; "))
}

func connections(ctx context.Context, s *Subject) (Observation, error) {
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	var mu sync.Mutex
	writes := map[string]int{}
	at, err := server.front(certs.Validity, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				mu.Lock()
				writes[r.RemoteAddr]++
				mu.Unlock()
				// Long enough for the others to be under way.
				time.Sleep(200 * time.Millisecond)
			}
			next.ServeHTTP(w, r)
		})
	})
	if err != nil {
		return Observation{}, err
	}
	if err := server.direct(ctx, at); err != nil {
		return Observation{}, err
	}
	all := wire.Query("dryRun", metav1.DryRunAll)
	err = eventually(ctx, "a write come this way", func(ctx context.Context) (bool, error) {
		if _, err := s.post(ctx, s.path(), fixture.Instance("first"), all); err != nil {
			return false, err
		}
		mu.Lock()
		defer mu.Unlock()
		return len(writes) > 0, nil
	})
	if err != nil {
		return Observation{}, err
	}
	clear(writes)
	const count = 20
	var group errgroup.Group
	for i := range count {
		group.Go(func() error {
			_, err := stored(s.post(ctx, s.path(), fixture.Instance(fmt.Sprintf("db-%d", i)), all))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return Observation{}, err
	}
	mu.Lock()
	defer mu.Unlock()
	busiest := 0
	for _, n := range writes {
		busiest = max(busiest, n)
	}
	return observed("%d concurrent creates come over %s", count,
		choose(busiest >= count, "one connection", "several connections"))
}
