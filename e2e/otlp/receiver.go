// Package otlp receives what servers report of themselves as OpenTelemetry spans. The benchmark divides the time of a
// request with them, and the behaviour rows look at how the spans of one request hang together.
package otlp

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"sync"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// Kind is the side of a request that a span was recorded on.
type Kind string

// The kinds.
const (
	Server   Kind = "server"
	Client   Kind = "client"
	Internal Kind = "internal"
)

// Span is what a process did between two moments.
type Span struct {
	// Component is whose address it was reported to, and Service what the process calls itself.
	Component string `json:"component"`
	Service   string `json:"-"`
	Name      string `json:"name"`
	Kind      Kind   `json:"kind"`
	// Trace, ID and Parent are hexadecimal; Parent is empty where the process began the trace.
	Trace  string `json:"trace"`
	ID     string `json:"id"`
	Parent string `json:"parent,omitempty"`
	// Links are the spans elsewhere that this one is about: who does not trust a caller links to its span, and begins a
	// trace of its own.
	Links []Reference `json:"links,omitempty"`
	// Start and End are nanoseconds since 1970.
	Start  int64   `json:"start"`
	End    int64   `json:"end"`
	Events []Event `json:"events,omitempty"`
	// Path of the HTTP request that the span is about; empty if it is about something else.
	Path string `json:"-"`
}

// Reference is a span of any process.
type Reference struct {
	Trace string `json:"trace"`
	ID    string `json:"id"`
}

// Event is a moment inside a span.
type Event struct {
	Name string `json:"name"`
	// At is nanoseconds since 1970.
	At int64 `json:"at"`
}

// Receiver collects the spans of any number of processes. Each is given an address of its own to report to: all servers
// of k8s.io/apiserver call themselves "apiserver", and only where a span arrives tells whose it is.
type Receiver struct {
	mu      sync.Mutex
	spans   []Span
	servers []*grpc.Server
}

// Listen opens an address for a process, on loopback, until Close.
func (r *Receiver) Listen(component string) (address string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("could not listen for the spans of %s: %w", component, err)
	}
	server := grpc.NewServer()
	collectorv1.RegisterTraceServiceServer(server, &inbox{receiver: r, component: component})
	r.mu.Lock()
	r.servers = append(r.servers, server)
	r.mu.Unlock()
	go func() { _ = server.Serve(listener) }() // ends with Close
	return listener.Addr().String(), nil
}

// Configuration makes a server of k8s.io/apiserver report everything to an address. The requests of an ordinary user would
// not be sampled if it were left to their header.
func Configuration(address string) string {
	return `apiVersion: apiserver.config.k8s.io/v1
kind: TracingConfiguration
endpoint: ` + address + `
samplingRatePerMillion: 1000000
`
}

// Close ends the reception. What has arrived stays.
func (r *Receiver) Close() {
	r.mu.Lock()
	servers := r.servers
	r.servers = nil
	r.mu.Unlock()
	for _, server := range servers {
		server.Stop()
	}
}

// Spans are those that have arrived, in no order.
func (r *Receiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Span(nil), r.spans...)
}

// inbox is the address of one process.
type inbox struct {
	collectorv1.UnimplementedTraceServiceServer
	receiver  *Receiver
	component string
}

// Export is what a process calls with its spans.
func (i *inbox) Export(
	_ context.Context, request *collectorv1.ExportTraceServiceRequest,
) (*collectorv1.ExportTraceServiceResponse, error) {
	var spans []Span
	for _, resource := range request.ResourceSpans {
		service := attribute(resource.GetResource().GetAttributes(), "service.name")
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				spans = append(spans, read(i.component, service, span))
			}
		}
	}
	i.receiver.mu.Lock()
	i.receiver.spans = append(i.receiver.spans, spans...)
	i.receiver.mu.Unlock()
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

// read a span as it came over the wire. Some events are told apart by their attributes alone: those of gRPC messages.
func read(component, service string, span *tracev1.Span) Span {
	out := Span{
		Component: component, Service: service, Name: span.Name, Kind: Internal,
		// What instrumentation calls a path was changed on the way to stable conventions.
		Path:  cmp.Or(attribute(span.Attributes, "url.path"), attribute(span.Attributes, "http.target")),
		Trace: hex.EncodeToString(span.TraceId), ID: hex.EncodeToString(span.SpanId),
		Parent: hex.EncodeToString(span.ParentSpanId),
		Start:  int64(span.StartTimeUnixNano), End: int64(span.EndTimeUnixNano),
	}
	switch span.Kind {
	case tracev1.Span_SPAN_KIND_SERVER:
		out.Kind = Server
	case tracev1.Span_SPAN_KIND_CLIENT:
		out.Kind = Client
	}
	for _, link := range span.Links {
		out.Links = append(out.Links, Reference{hex.EncodeToString(link.TraceId), hex.EncodeToString(link.SpanId)})
	}
	for _, event := range span.Events {
		name := event.Name
		if name == "message" {
			name += " " + attribute(event.Attributes, "message.type")
		}
		out.Events = append(out.Events, Event{Name: name, At: int64(event.TimeUnixNano)})
	}
	return out
}

func attribute(all []*commonv1.KeyValue, key string) string {
	for _, each := range all {
		if each.Key == key {
			return each.Value.GetStringValue()
		}
	}
	return ""
}
