package behaviour

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/install"
)

// freshnessRows are about how soon something is known: discovery, schemas, and events.
var freshnessRows = []Row{
	{
		ID: "A35", Group: Machinery, Title: "How discovery learns of a change in the server",
		Why: "After a server was rolled out with a new resource, kubectl may not know it for a minute, " +
			"and nothing says why.",
		Source: "kube-aggregator pkg/apiserver/handler_discovery.go: discoveryRefreshInterval", Flag: Undocumented,
		Labels: []string{Slow}, Site: true,
		Expect: Expectation{
			CRD:        "kube-apiserver asks nobody for /apis",
			Aggregated: "kube-apiserver asks duet-apiserver for /apis, every 60 s",
		},
		Probe: polled("/apis"),
	},
	{
		ID: "A37", Group: Machinery, Title: "How the OpenAPI documents learn of a change in the server",
		Why: "kubectl explain and apply work with the old schema until kube-apiserver has asked again, " +
			"and a server that failed is asked later and later.",
		Source: "kube-aggregator pkg/controllers/openapi, openapiv3: once a minute, failures back off up to an hour",
		Flag:   Undocumented, Labels: []string{Slow}, Site: true,
		Expect: Expectation{
			CRD:        "kube-apiserver asks nobody for /openapi/v2; kube-apiserver asks nobody for /openapi/v3",
			Aggregated: "kube-apiserver asks duet-apiserver for /openapi/v2, every 60 s; kube-apiserver asks duet-apiserver for /openapi/v3, every 60 s",
		},
		Probe: polled("/openapi/v2", "/openapi/v3"),
	},
	{
		ID: "A45", Group: Machinery, Title: "An event of a watch on its way through a proxy",
		Why:    "A proxy that collects what it passes on would make every controller slower than it has to be.",
		Source: "apimachinery pkg/util/proxy/upgradeaware.go: FlushInterval of 200 ms; found not to apply to watches",
		Flag:   Parity,
		Expect: Both("of 20 events most come less than 100 ms after the answer to their write"),
		Probe:  eventDelay,
	},
	{
		ID: "C2", Group: Versioning, Title: "Who converts between versions",
		Why:    "A webhook that converts costs a round trip for each batch of objects, and has to be there for any to be read.",
		Source: "apiextensions-apiserver pkg/apiserver/conversion/webhook_converter.go", Flag: Documented,
		Needs: []install.Capability{install.MultipleVersions}, Site: true,
		Expect: Expectation{CRD: "3 objects in v1alpha1, a webhook is asked", Aggregated: "3 objects in v1alpha1, no webhook is asked"},
		Probe:  whoConverts,
	},
}

// pollPeriod is a little more than the period in which kube-apiserver asks servers for what it has no events of.
const pollPeriod = 70 * time.Second

// aggregators are the names under which kube-apiserver asks the servers behind it.
var aggregators = []string{"system:kube-aggregator", "system:aggregator"}

// polled makes a probe that looks, in the audit log of the server that stores, how often kube-apiserver asks for paths.
func polled(paths ...string) func(context.Context, *Subject) (Observation, error) {
	return func(ctx context.Context, s *Subject) (Observation, error) {
		storing, err := s.storing(ctx)
		if err != nil {
			return Observation{}, err
		}
		var seen []string
		for _, path := range paths {
			var outcome string
			err := eventually(ctx, "a minute of the audit log", func(context.Context) (bool, error) {
				var done bool
				outcome, done, err = pollsIn(storing, s, path)
				return done, err
			})
			if err != nil {
				return Observation{}, err
			}
			seen = append(seen, "kube-apiserver asks "+outcome)
		}
		return observed("%s", strings.Join(seen, "; "))
	}
}

// pollsIn says how often a server was asked for a path, and whether its audit log is long enough to tell.
func pollsIn(v server, s *Subject, path string) (outcome string, done bool, err error) {
	whole := &trail{subject: s, servers: []server{v}}
	events, err := whole.events(v)
	if err != nil || len(events) == 0 {
		return "", false, err
	}
	var asked []time.Time
	for _, event := range events {
		requested, _, _ := strings.Cut(event.RequestURI, "?")
		if slices.Contains(aggregators, event.User.Username) && requested == path {
			asked = append(asked, event.RequestReceivedTimestamp.Time)
		}
	}
	// Being told of a change, it asks at once, so the time in between may be shorter, and is never longer.
	longest := time.Duration(0)
	for i := 1; i < len(asked); i++ {
		longest = max(longest, asked[i].Sub(asked[i-1]))
	}
	lasts := time.Since(v.StartedAt)
	switch {
	case len(asked) == 0 && lasts > pollPeriod:
		return "nobody for " + path, true, nil
	case longest > pollPeriod/2:
		return fmt.Sprintf("%s for %s, every %.0f s", v.name(), path, math.Round(longest.Seconds()/10)*10), true, nil
	case lasts > 2*pollPeriod:
		return fmt.Sprintf("%s for %s, %d times so far", v.name(), path, len(asked)), true, nil
	default:
		return "", false, nil
	}
}

func eventDelay(ctx context.Context, s *Subject) (Observation, error) {
	const events, proxyFlush = 20, 200 * time.Millisecond
	object, err := s.create(ctx, fixture.Instance("db"))
	if err != nil {
		return Observation{}, err
	}
	stream, err := s.client.Watch(ctx, s.path(), wire.Query("resourceVersion", object.GetResourceVersion()),
		wire.Query("fieldSelector", "metadata.name=db"))
	if err != nil {
		return Observation{}, err
	}
	defer stream.Close()
	arrivals := make(chan arrival, 10*events)
	go func() {
		defer close(arrivals)
		for {
			event, err := stream.Next()
			if err != nil || event.Type == watch.Error {
				return
			}
			arrivals <- arrival{version: event.Object.GetResourceVersion(), at: time.Now()}
		}
	}()
	prompt := 0
	for range events {
		written, err := stored(s.update(ctx, fixture.With("metadata.annotations.note", metav1.NowMicro().String())))
		if err != nil {
			return Observation{}, err
		}
		answered := time.Now()
		for arrived := range arrivals {
			if arrived.version != written.GetResourceVersion() {
				continue // the controller's
			}
			if arrived.at.Sub(answered) < proxyFlush/2 {
				prompt++
			}
			break
		}
	}
	if ctx.Err() != nil {
		return Observation{}, ctx.Err()
	}
	return observed("of %d events %s come less than %d ms after the answer to their write", events,
		choose(prompt > events/2, "most", fmt.Sprint(prompt)), (proxyFlush / 2).Milliseconds())
}

// arrival is when an event came.
type arrival struct {
	version string
	at      time.Time
}

func whoConverts(ctx context.Context, s *Subject) (Observation, error) {
	servers, err := s.servers(ctx)
	if err != nil {
		return Observation{}, err
	}
	const conversions = "apiserver_crd_conversion_webhook_duration_seconds"
	before, _, err := s.count(ctx, servers[0], conversions, labels{"crd_name": fixture.GVR.GroupResource().String()})
	if err != nil {
		return Observation{}, err
	}
	for _, name := range []string{"one", "two", "three"} {
		if _, err := s.create(ctx, fixture.Instance(name)); err != nil {
			return Observation{}, err
		}
	}
	list, err := stored(s.get(ctx, s.alpha()))
	if err != nil {
		return Observation{}, err
	}
	after, _, err := s.count(ctx, servers[0], conversions, labels{"crd_name": fixture.GVR.GroupResource().String()})
	if err != nil {
		return Observation{}, err
	}
	return observed("%d objects in %s, %s webhook is asked", len(namesIn(list)), list.GroupVersionKind().Version,
		choose(after > before, "a", "no"))
}
