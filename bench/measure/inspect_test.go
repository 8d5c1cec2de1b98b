package measure

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// exposed are lines as an aggregated server and an etcd expose them.
const exposed = `# TYPE go_gc_heap_live_bytes gauge
go_gc_heap_live_bytes 2.5e+07
# TYPE go_goroutines gauge
go_goroutines 312
# TYPE go_cpu_classes_total_cpu_seconds_total counter
go_cpu_classes_total_cpu_seconds_total 100
# TYPE go_cpu_classes_idle_cpu_seconds_total counter
go_cpu_classes_idle_cpu_seconds_total 92.5
# TYPE go_cpu_classes_gc_total_cpu_seconds_total counter
go_cpu_classes_gc_total_cpu_seconds_total 3
# TYPE go_cpu_classes_gc_mark_idle_cpu_seconds_total counter
go_cpu_classes_gc_mark_idle_cpu_seconds_total 2.5
# TYPE rest_client_rate_limiter_duration_seconds histogram
rest_client_rate_limiter_duration_seconds_bucket{host="a",verb="POST",le="+Inf"} 10
rest_client_rate_limiter_duration_seconds_sum{host="a",verb="POST"} 0.25
rest_client_rate_limiter_duration_seconds_count{host="a",verb="POST"} 10
rest_client_rate_limiter_duration_seconds_bucket{host="a",verb="GET",le="+Inf"} 1
rest_client_rate_limiter_duration_seconds_sum{host="a",verb="GET"} 0.5
rest_client_rate_limiter_duration_seconds_count{host="a",verb="GET"} 1
# TYPE apiserver_delegated_authz_request_total counter
apiserver_delegated_authz_request_total{code="200"} 40
apiserver_delegated_authz_request_total{code="201"} 2
# TYPE apiserver_flowcontrol_request_wait_duration_seconds histogram
apiserver_flowcontrol_request_wait_duration_seconds_bucket{execute="true",le="+Inf"} 7
apiserver_flowcontrol_request_wait_duration_seconds_sum{execute="true"} 1.5
apiserver_flowcontrol_request_wait_duration_seconds_count{execute="true"} 7
# TYPE apiserver_flowcontrol_rejected_requests_total counter
apiserver_flowcontrol_rejected_requests_total{reason="queue-full"} 3
# TYPE etcd_mvcc_db_total_size_in_use_in_bytes gauge
etcd_mvcc_db_total_size_in_use_in_bytes 4096
# TYPE etcd_mvcc_range_total counter
etcd_mvcc_range_total 17
# TYPE etcd_mvcc_put_total counter
etcd_mvcc_put_total 11
`

var exposedState = State{
	HeapBytes: 25_000_000, Goroutines: 312, StorageBytes: 4096, CPU: 7500 * time.Millisecond, GC: 500 * time.Millisecond,
	LimiterWait: 750 * time.Millisecond, Reviews: 42, StorageReads: 17, StorageWrites: 11, QueueWait: 1500 * time.Millisecond, Rejected: 3,
}

func TestReadState(t *testing.T) {
	got, err := ReadState(strings.NewReader(exposed))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(exposedState, got); diff != "" {
		t.Errorf("unexpected state (-want +got):\n%s", diff)
	}
	if _, err := ReadState(strings.NewReader("<html>")); err == nil {
		t.Error("what is no metrics was read")
	}
}

func TestSince(t *testing.T) {
	counters := func(gc, limiter time.Duration, reviews int64, queue time.Duration, rejected int64) State {
		return State{GC: gc, LimiterWait: limiter, Reviews: reviews, QueueWait: queue, Rejected: rejected}
	}
	before, after, want := counters(10, 10, 10, 10, 10), counters(11, 12, 13, 14, 15), counters(1, 2, 3, 4, 5)
	before.StorageReads, after.StorageReads, want.StorageReads = 10, 16, 6
	before.StorageWrites, after.StorageWrites, want.StorageWrites = 10, 17, 7
	before.HeapBytes, before.Goroutines, before.StorageBytes = 100, 100, 100
	after.HeapBytes, after.Goroutines, after.StorageBytes = 5, 6, 7
	want.HeapBytes, want.Goroutines, want.StorageBytes = 5, 6, 7
	since, whole := after.Since(before)
	if diff := cmp.Diff(want, since); diff != "" || !whole {
		t.Errorf("unexpected state (-want +got):\n%s", diff)
	}
	if since, whole := before.Since(after); whole {
		t.Errorf("a process that counts anew is said to have done %+v", since)
	}
}

func TestInspect(t *testing.T) {
	var collected []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/debug/pprof/heap":
			collected = append(collected, r.URL.RawQuery)
		case "/metrics":
			_, _ = w.Write([]byte(exposed))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	endpoint := Endpoint{URL: server.URL, Client: server.Client()}
	endpoint.Collect = endpoint.CollectMemory
	endpoints := map[string]Endpoint{"a/server": endpoint}
	for _, collect := range []bool{true, false} {
		got, err := Inspect(t.Context(), endpoints, collect)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]State{"a/server": exposedState}, got); diff != "" {
			t.Errorf("unexpected states (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff([]string{"gc=1"}, collected); diff != "" {
		t.Errorf("garbage was collected otherwise than once, when asked for (-want +got):\n%s", diff)
	}
	endpoints["b/server"] = Endpoint{URL: server.URL + "/nowhere", Client: server.Client()}
	if _, err := Inspect(t.Context(), endpoints, false); err == nil || !strings.Contains(err.Error(), "b/server") {
		t.Errorf("error = %v, want one that names who has no metrics", err)
	}
}

func TestWire(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 10_000))
	}))
	t.Cleanup(server.Close)
	var wire Wire
	client := http.Client{Transport: &http.Transport{DialContext: wire.Count((&net.Dialer{}).DialContext)}}
	get := func() {
		t.Helper()
		response, err := client.Post(server.URL, "text/plain", strings.NewReader(strings.Repeat("x", 5000)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	get()
	before := wire.Read()
	get()
	got := wire.Read().Since(before)
	if got.Sent < 5000 || got.Sent > 6000 || got.Received < 10_000 || got.Received > 11_000 {
		t.Errorf("%d bytes were sent and %d received, want the bodies and some headers", got.Sent, got.Received)
	}
	refused := wire.Count(func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed })
	if _, err := refused(t.Context(), "tcp", "x"); err == nil {
		t.Error("a connection that could not be opened was counted")
	}
	if opened := wire.Read().Opened; opened < 1 {
		t.Errorf("%d connections were opened", opened)
	}
}
