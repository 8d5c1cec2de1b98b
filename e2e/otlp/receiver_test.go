package otlp

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	resourcev1 "go.opentelemetry.io/proto/otlp/resource/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func TestReceiver(t *testing.T) {
	var receiver Receiver
	t.Cleanup(receiver.Close)
	address, err := receiver.Listen("somebody")
	if err != nil {
		t.Fatal(err)
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	sent := &tracev1.Span{
		TraceId: []byte{0xab, 1}, SpanId: []byte{2}, ParentSpanId: []byte{3}, Name: "HTTP GET",
		Kind: tracev1.Span_SPAN_KIND_CLIENT, StartTimeUnixNano: 10, EndTimeUnixNano: 20,
		Attributes: []*commonv1.KeyValue{text("http.target", "/healthz")},
		Links:      []*tracev1.Span_Link{{TraceId: []byte{4}, SpanId: []byte{5}}},
		Events: []*tracev1.Span_Event{
			{Name: "About to Encode", TimeUnixNano: 11},
			{Name: "message", TimeUnixNano: 12, Attributes: []*commonv1.KeyValue{text("message.type", "SENT")}},
		},
	}
	if _, err := collectorv1.NewTraceServiceClient(connection).Export(t.Context(), &collectorv1.ExportTraceServiceRequest{
		ResourceSpans: []*tracev1.ResourceSpans{{
			Resource:   &resourcev1.Resource{Attributes: []*commonv1.KeyValue{text("service.name", "server")}},
			ScopeSpans: []*tracev1.ScopeSpans{{Spans: []*tracev1.Span{sent}}},
		}},
	}); err != nil {
		t.Fatal(err)
	}
	want := []Span{{
		Component: "somebody", Service: "server", Path: "/healthz", Name: "HTTP GET", Kind: Client, Trace: "ab01", ID: "02", Parent: "03",
		Links: []Reference{{"04", "05"}}, Start: 10, End: 20,
		Events: []Event{{"About to Encode", 11}, {"message SENT", 12}},
	}}
	if diff := cmp.Diff(want, receiver.Spans()); diff != "" {
		t.Errorf("unexpected spans (-want +got):\n%s", diff)
	}
}

func text(key, value string) *commonv1.KeyValue {
	return &commonv1.KeyValue{Key: key, Value: &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: value}}}
}
