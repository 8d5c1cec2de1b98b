package measure

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"

	servermetrics "github.com/duet-api/duet/shared/metrics"
)

// State is what a process says of itself in its metrics. What it does not say is zero.
type State struct {
	// HeapBytes is the memory of live objects after the last garbage collection, Goroutines their number now.
	HeapBytes  uint64 `json:"heapBytes"`
	Goroutines int64  `json:"goroutines"`
	// StorageBytes are in use in the database of an etcd.
	StorageBytes uint64 `json:"storageBytes,omitempty"`
	// The others count from the start of the process. CPU is what it took, GC what garbage collection took of that, both as
	// Go's runtime estimates them at each collection: more than the system says on a busy machine, so that they are to be
	// compared with each other only. 0 where a process does not tell.
	CPU time.Duration `json:"cpu"`
	GC  time.Duration `json:"gcCpu"`
	// LimiterWait is what the process's own clients waited for their own rate limiters. The peers' servers do not tell.
	LimiterWait time.Duration `json:"limiterWait"`
	// Reviews are the questions to kube-apiserver whether a user may.
	Reviews int64 `json:"reviews"`
	// StorageReads and StorageWrites are the ranges that were read from the database of an etcd, and the keys that were put.
	StorageReads  int64 `json:"storageReads,omitempty"`
	StorageWrites int64 `json:"storageWrites,omitempty"`
	// QueueWait is what requests waited for a seat of priority and fairness, Rejected how many were sent away.
	QueueWait time.Duration `json:"queueWait"`
	Rejected  int64         `json:"rejected"`
}

// Since is the state with the counters since an earlier one; false if the process was restarted in between, and counts anew.
func (s State) Since(before State) (State, bool) {
	if s.CPU < before.CPU || s.Reviews < before.Reviews {
		return State{}, false
	}
	s.CPU -= before.CPU
	s.GC -= before.GC
	s.LimiterWait -= before.LimiterWait
	s.Reviews -= before.Reviews
	s.StorageReads -= before.StorageReads
	s.StorageWrites -= before.StorageWrites
	s.QueueWait -= before.QueueWait
	s.Rejected -= before.Rejected
	return s, true
}

// Endpoint is where a process serves its metrics.
type Endpoint struct {
	// URL of the server, without a path, and a client that may read the metrics.
	URL    string
	Client *http.Client
	// Collect makes the process put its garbage away, so that what it uses is what it needs: a server its memory, an etcd its
	// history. It is nil for one that cannot be asked to.
	Collect func(ctx context.Context) error
}

// Inspector reads the state of the processes of a control plane, by component. Where collect is set, each process
// collects its garbage first, if it can be asked to: then HeapBytes and StorageBytes are exact. Reading the metrics of an API server
// costs it some tens of milliseconds, so that this is never done around a measured cell.
type Inspector func(ctx context.Context, plane string, collect bool) (map[string]State, error)

// Inspect reads the states of several processes at once.
func Inspect(ctx context.Context, endpoints map[string]Endpoint, collect bool) (map[string]State, error) {
	type answer struct {
		name  string
		state State
		err   error
	}
	answers := make(chan answer, len(endpoints))
	var group sync.WaitGroup
	for name, endpoint := range endpoints {
		group.Go(func() {
			state, err := endpoint.inspect(ctx, collect)
			answers <- answer{name, state, err}
		})
	}
	group.Wait()
	close(answers)
	out := make(map[string]State, len(endpoints))
	for a := range answers {
		if a.err != nil {
			return nil, fmt.Errorf("could not read the metrics of %s: %w", a.name, a.err)
		}
		out[a.name] = a.state
	}
	return out, nil
}

func (e Endpoint) inspect(ctx context.Context, collect bool) (State, error) {
	var state State
	if collect && e.Collect != nil {
		if err := e.Collect(ctx); err != nil {
			return state, err
		}
	}
	return state, e.get(ctx, "/metrics", func(body io.Reader) (err error) {
		state, err = ReadState(body)
		return err
	})
}

// CollectMemory is the Collect of a program in Go, which collects its garbage if its heap profile is asked for so.
func (e Endpoint) CollectMemory(ctx context.Context) error {
	return e.get(ctx, "/debug/pprof/heap?gc=1", func(body io.Reader) error {
		_, err := io.Copy(io.Discard, body)
		return err
	})
}

func (e Endpoint) get(ctx context.Context, path string, read func(io.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL+path, nil)
	if err != nil {
		return err
	}
	response, err := e.Client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, response.Status)
	}
	return read(response.Body)
}

// ReadState reads metrics in the text format of Prometheus.
func ReadState(text io.Reader) (State, error) {
	families, err := servermetrics.Read(text)
	if err != nil {
		return State{}, err
	}
	sum := func(name string) float64 {
		total := 0.0
		for _, metric := range families[name].GetMetric() {
			total += valueOf(metric)
		}
		return total
	}
	seconds := func(name string) time.Duration { return time.Duration(sum(name) * float64(time.Second)) }
	return State{
		HeapBytes:    uint64(sum("go_gc_heap_live_bytes")),
		Goroutines:   int64(sum("go_goroutines")),
		StorageBytes: uint64(sum("etcd_mvcc_db_total_size_in_use_in_bytes")),
		CPU:          seconds("go_cpu_classes_total_cpu_seconds_total") - seconds("go_cpu_classes_idle_cpu_seconds_total"),
		// What is done while the processors are idle anyway is not taken from the program.
		GC: seconds("go_cpu_classes_gc_total_cpu_seconds_total") -
			seconds("go_cpu_classes_gc_mark_idle_cpu_seconds_total"),
		LimiterWait:   seconds("rest_client_rate_limiter_duration_seconds"),
		Reviews:       int64(sum("apiserver_delegated_authz_request_total")),
		StorageReads:  int64(sum("etcd_mvcc_range_total")),
		StorageWrites: int64(sum("etcd_mvcc_put_total")),
		QueueWait:     seconds("apiserver_flowcontrol_request_wait_duration_seconds"),
		Rejected:      int64(sum("apiserver_flowcontrol_rejected_requests_total")),
	}, nil
}

// valueOf a metric; of a histogram it is the sum of what was observed.
func valueOf(metric *dto.Metric) float64 {
	switch {
	case metric.Counter != nil:
		return metric.Counter.GetValue()
	case metric.Gauge != nil:
		return metric.Gauge.GetValue()
	case metric.Histogram != nil:
		return metric.Histogram.GetSampleSum()
	}
	return metric.GetUntyped().GetValue()
}

// SelfState is the state of this process.
func SelfState() State {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/cpu/classes/gc/mark/idle:cpu-seconds"}, {Name: "/cpu/classes/total:cpu-seconds"},
		{Name: "/cpu/classes/idle:cpu-seconds"},
	}
	metrics.Read(samples)
	difference := func(of, less int) time.Duration {
		return time.Duration((samples[of].Value.Float64() - samples[less].Value.Float64()) * float64(time.Second))
	}
	return State{
		HeapBytes: samples[0].Value.Uint64(), Goroutines: int64(runtime.NumGoroutine()),
		GC: difference(1, 2), CPU: difference(3, 4),
	}
}
