package trace

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/duet-api/duet/shared/process"
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
		Links: []*tracev1.Span_Link{{TraceId: []byte{4}, SpanId: []byte{5}}},
		Events: []*tracev1.Span_Event{
			{Name: "About to Encode", TimeUnixNano: 11},
			{Name: "message", TimeUnixNano: 12, Attributes: []*commonv1.KeyValue{
				{Key: "message.type", Value: &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: "SENT"}}},
			}},
		},
	}
	if _, err := collectorv1.NewTraceServiceClient(connection).Export(t.Context(), &collectorv1.ExportTraceServiceRequest{
		ResourceSpans: []*tracev1.ResourceSpans{{ScopeSpans: []*tracev1.ScopeSpans{{Spans: []*tracev1.Span{sent}}}}},
	}); err != nil {
		t.Fatal(err)
	}
	want := []Span{{
		Component: "somebody", Name: "HTTP GET", Kind: Client, Trace: "ab01", ID: "02", Parent: "03",
		Links: []Reference{{"04", "05"}}, Start: 10, End: 20,
		Events: []Event{{"About to Encode", 11}, {"message SENT", 12}},
	}}
	if diff := cmp.Diff(want, receiver.Spans()); diff != "" {
		t.Errorf("unexpected spans (-want +got):\n%s", diff)
	}
}

func TestSettingsReachEveryServer(t *testing.T) {
	var receiver Receiver
	t.Cleanup(receiver.Close)
	settings, err := receiver.Settings(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	own := settings.Amend(process.Spec{Args: []string{"--etcd-servers=x"}}).Args
	for who, args := range map[string][]string{"kube-apiserver": settings.APIServerArgs, "the form's server": own} {
		at := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--tracing-config-file=") })
		if at < 0 {
			t.Fatalf("%s is not told where to report: %q", who, args)
		}
		content, err := os.ReadFile(strings.TrimPrefix(args[at], "--tracing-config-file="))
		if err != nil || !strings.Contains(string(content), "samplingRatePerMillion: 1000000") {
			t.Errorf("%s reports %q (%v), want everything", who, content, err)
		}
	}
	if diff := cmp.Diff(own, settings.APIServerArgs); diff == "" {
		t.Error("two servers report to one address: nobody could tell them apart")
	}
	storage := settings.Amend(process.Spec{Args: []string{"--listen-client-urls=x"}}).Args
	if diff := cmp.Diff(settings.EtcdArgs, storage[1:]); diff != "" {
		t.Errorf("the form's etcd is not told the same as the other (-want +got):\n%s", diff)
	}
	plain := process.Spec{Name: "webhook", Args: []string{"--secure-port=1"}}
	if diff := cmp.Diff(plain, settings.Amend(plain)); diff != "" {
		t.Errorf("a process that cannot report is changed (-want +got):\n%s", diff)
	}
}

func TestRequestsAreAnnounced(t *testing.T) {
	var headers []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		headers = append(headers, r.Header.Get("Traceparent"))
	}))
	t.Cleanup(server.Close)
	client := http.Client{Transport: announcer{http.DefaultTransport}}
	request := Request{Trace: strings.Repeat("a", 32), ID: strings.Repeat("b", 16)}
	for _, ctx := range []struct{ announced bool }{{true}, {false}} {
		within := t.Context()
		if ctx.announced {
			within = announced(within, request)
		}
		r, err := http.NewRequestWithContext(within, http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	want := []string{"00-" + request.Trace + "-" + request.ID + "-01", ""}
	if diff := cmp.Diff(want, headers); diff != "" {
		t.Errorf("unexpected headers (-want +got):\n%s", diff)
	}
}
