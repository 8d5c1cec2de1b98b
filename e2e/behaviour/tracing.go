package behaviour

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

var tracingRows = []Row{
	{
		ID: "H12", Group: Operations, Title: "One trace of a request over all servers",
		Why:    "Where the time of a slow request went is only seen if every hop reports to the same trace.",
		Source: "https://kubernetes.io/docs/concepts/cluster-administration/system-traces/; kube-aggregator handler_proxy.go",
		Flag:   Undocumented, Labels: []string{Slow, Disruptive}, Site: true,
		Expect: Expectation{
			CRD:        "apiserver, one trace",
			Aggregated: "apiserver and duet-apiserver, one trace",
		},
		Probe: oneTrace,
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

// of are the services that reported a span of requests to a path, and the IDs of the traces that these spans are in.
func (c *collector) of(path string) (services, traces []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, candidate := range c.spans {
		if !slices.ContainsFunc(pathAttributes, func(key string) bool { return attribute(candidate.Attributes, key) == path }) {
			continue
		}
		if !slices.Contains(services, candidate.service) {
			services = append(services, candidate.service)
		}
		if trace := hex.EncodeToString(candidate.TraceId); !slices.Contains(traces, trace) {
			traces = append(traces, trace)
		}
	}
	slices.Sort(services)
	return services, traces
}

func oneTrace(ctx context.Context, s *Subject) (Observation, error) {
	there, err := s.annex(ctx, production)
	if err != nil {
		return Observation{}, err
	}
	// Nobody else asks for this path.
	path := there.path("traced")
	if _, err := there.get(ctx, path); err != nil {
		return Observation{}, err
	}
	servers, err := there.servers(ctx)
	if err != nil {
		return Observation{}, err
	}
	var services, traces []string
	err = eventually(ctx, "a span of every server", func(context.Context) (bool, error) {
		services, traces = s.Site.annex.spans.of(path)
		return len(services) == len(servers), nil
	})
	if err != nil {
		return Observation{}, fmt.Errorf("%w; there are spans of %v", err, services)
	}
	s.recorder.Note("the collector of traces", strings.Join(traces, ", "))
	return observed("%s, %s", strings.Join(services, " and "),
		choose(len(traces) == 1, "one trace", fmt.Sprintf("%d traces", len(traces))))
}
