package behaviour

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/e2e/wire"
)

var tracingRows = []Row{
	{
		ID: "H12", Group: Operations, Title: "The trace of a request over all servers",
		Why: "Where the time of a slow request went is only seen if every hop reports to one trace, and an aggregated " +
			"server begins another one unless the user is privileged, and reports under kube-apiserver's name.",
		Source: "https://kubernetes.io/docs/concepts/cluster-administration/system-traces/; " +
			"apiserver pkg/endpoints/filters/traces.go, pkg/server/options/tracing.go",
		Flag: Undocumented, Labels: []string{Slow, Disruptive}, Site: true,
		Expect: Expectation{
			CRD: "a user's request: 1 span of apiserver in 1 trace; one of system:masters: 1 span of apiserver in 1 trace",
			Aggregated: "a user's request: 2 spans of apiserver in 2 traces, linked; " +
				"one of system:masters: 2 spans of apiserver in 1 trace",
		},
		Probe: tracedRequest,
	},
}

// collector receives the traces of an annex's servers.
type collector struct {
	collectorv1.UnimplementedTraceServiceServer
	address string
	server  *grpc.Server

	mu    sync.Mutex
	spans []span
}

// span is one of them, and the service that reported it.
type span struct {
	*tracev1.Span
	service string
}

func startCollector() (*collector, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("could not listen for traces: %w", err)
	}
	c := &collector{address: listener.Addr().String(), server: grpc.NewServer()}
	collectorv1.RegisterTraceServiceServer(c.server, c)
	go func() { _ = c.server.Serve(listener) }()
	return c, nil
}

func (c *collector) stop() { c.server.Stop() }

// Export is what servers call with their spans.
func (c *collector) Export(_ context.Context, request *collectorv1.ExportTraceServiceRequest) (
	*collectorv1.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		service := attribute(resource.GetResource().GetAttributes(), "service.name")
		for _, scope := range resource.ScopeSpans {
			for _, received := range scope.Spans {
				c.spans = append(c.spans, span{Span: received, service: service})
			}
		}
	}
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

func attribute(all []*commonv1.KeyValue, key string) string {
	for _, each := range all {
		if each.Key == key {
			return each.Value.GetStringValue()
		}
	}
	return ""
}

// pathAttributes are what instrumentation calls a request's path: the name was changed on the way to stable conventions.
var pathAttributes = []string{"url.path", "http.target"}

// of are the spans in which servers handled requests to a path.
func (c *collector) of(path string) []span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []span
	for _, candidate := range c.spans {
		is := func(key string) bool { return attribute(candidate.Attributes, key) == path }
		if candidate.Kind == tracev1.Span_SPAN_KIND_SERVER && slices.ContainsFunc(pathAttributes, is) {
			found = append(found, candidate)
		}
	}
	return found
}

// describeTrace says how spans of one request hang together.
func describeTrace(spans []span) string {
	services, traces := sets.New[string](), sets.New[string]()
	for _, each := range spans {
		services.Insert(each.service)
		traces.Insert(string(each.TraceId))
	}
	linked := slices.ContainsFunc(spans, func(each span) bool {
		return slices.ContainsFunc(each.Links, func(link *tracev1.Span_Link) bool { return traces.Has(string(link.TraceId)) })
	})
	text := fmt.Sprintf("%d span%s of %s in %d trace%s", len(spans), choose(len(spans) == 1, "", "s"),
		strings.Join(sets.List(services), " and "), len(traces), choose(len(traces) == 1, "", "s"))
	if len(traces) == 1 {
		return text
	}
	return text + choose(linked, ", linked", ", not linked")
}

func tracedRequest(ctx context.Context, s *Subject) (Observation, error) {
	there, err := s.annex(ctx, production)
	if err != nil {
		return Observation{}, err
	}
	servers, err := there.servers(ctx)
	if err != nil {
		return Observation{}, err
	}
	master, err := there.user("root", "system:masters")
	if err != nil {
		return Observation{}, err
	}
	var seen []string
	for _, request := range []struct {
		who  string
		user *rest.Config
		path string // which nobody else asks for
	}{
		{"a user's request", there.Config, there.path("traced")},
		{"one of system:masters", master, there.path("traced-master")},
	} {
		client, err := wire.New(request.user)
		if err != nil {
			return Observation{}, err
		}
		if _, err := client.Send(ctx, "GET", request.path, nil); err != nil {
			return Observation{}, err
		}
		var spans []span
		err = eventually(ctx, "a span of every server", func(context.Context) (bool, error) {
			spans = s.Site.annex.spans.of(request.path)
			return len(spans) >= len(servers), nil
		})
		if err != nil {
			return Observation{}, fmt.Errorf("%w; there are %s", err, describeTrace(spans))
		}
		for _, each := range spans {
			s.recorder.Note("span of "+each.service, fmt.Sprintf("trace %x, span %x, parent %x, %s",
				each.TraceId, each.SpanId, each.ParentSpanId, each.Name))
		}
		seen = append(seen, request.who+": "+describeTrace(spans))
	}
	return observed("%s", strings.Join(seen, "; "))
}
