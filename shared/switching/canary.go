package switching

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/shared/install"
)

// canaryInterval is how often the canaries ask, which is how fine the windows are that they see.
const canaryInterval = 20 * time.Millisecond

// watching are clients that do nothing but ask, to see what a switch feels like from outside: at each kube-apiserver one
// that writes, one that reads and one that watches.
type watching struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	sights []*sight
}

// sight is what those at one kube-apiserver saw.
type sight struct {
	writes, reads window
	// watches that were opened again.
	watches int
}

// window adds up the time in which one client had no success. It belongs to one goroutine.
type window struct {
	asked int
	// refused and putOff are the times from a first answer that was no success to the next that was. A time in which all of
	// them put the client off is the one, and every other is the other.
	refused, putOff time.Duration
	since           time.Time // of the first answer that was no success; zero while requests succeed
	onlyPutOff      bool      // all of them since
	why             string    // what the first was told that was refused
}

// tell adds one answer.
func (w *window) tell(err error, at time.Time) {
	w.asked++
	if err == nil {
		w.end(at)
		return
	}
	if w.since.IsZero() {
		w.since, w.onlyPutOff = at, true
	}
	w.onlyPutOff = w.onlyPutOff && putsOff(err)
	if w.why == "" && !putsOff(err) {
		w.why = err.Error()
	}
}

// end ends a time without success.
func (w *window) end(at time.Time) {
	switch {
	case w.since.IsZero():
	case w.onlyPutOff:
		w.putOff += at.Sub(w.since)
	default:
		w.refused += at.Sub(w.since)
	}
	w.since = time.Time{}
}

// watch starts the canaries. What they write is a dry run: it goes the whole way but to the disk.
func (m *move) watch(ctx context.Context) (*watching, error) {
	write, err := json.Marshal(canaryInstance())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watching{cancel: cancel}
	err = m.installer.Env.AtEachAPIServer(func(config *rest.Config) error {
		objects, err := dynamic.NewForConfig(config)
		if err != nil {
			return err
		}
		asker, err := newAsker(config)
		if err != nil {
			return err
		}
		w.begin(ctx, asker, write, objects.Resource(install.Resource).Namespace(install.Namespace))
		return nil
	})
	if err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

// begin starts those at one kube-apiserver. Who writes and who reads asks once and no more: client-go would try again by
// itself, and hide what is looked for.
func (w *watching) begin(ctx context.Context, asker *asker, write []byte, instances dynamic.ResourceInterface) {
	s := &sight{}
	w.sights = append(w.sights, s)
	path := instancesPath(install.Resource.Version)
	w.ask(ctx, &s.writes, func(ctx context.Context) error {
		_, err := asker.send(ctx, http.MethodPost, path+"?dryRun="+metav1.DryRunAll, write)
		return err
	})
	w.ask(ctx, &s.reads, func(ctx context.Context) error {
		_, err := asker.get(ctx, path+"?limit=1")
		return err
	})
	w.done.Go(func() { s.follow(ctx, instances) })
}

func canaryInstance() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": install.Resource.GroupVersion().String(), "kind": "MySQLInstance",
		"metadata": map[string]any{"name": "duet-switch-canary"},
		"spec":     map[string]any{"version": "8.4.3", "storage": map[string]any{"size": "1Gi"}},
	}}
}

// ask sends one request after the other.
func (w *watching) ask(ctx context.Context, window *window, request func(context.Context) error) {
	w.done.Go(func() {
		for ctx.Err() == nil {
			err := request(ctx)
			if ctx.Err() != nil {
				return // The end of the run is no refusal.
			}
			window.tell(err, time.Now())
			_ = pause(ctx, canaryInterval)
		}
	})
}

// follow keeps a watch open, and counts how often it had to be opened again.
func (s *sight) follow(ctx context.Context, instances dynamic.ResourceInterface) {
	for opened := 0; ctx.Err() == nil; {
		stream, err := instances.Watch(ctx, metav1.ListOptions{})
		if err != nil {
			_ = pause(ctx, canaryInterval)
			continue
		}
		if opened++; opened > 1 {
			s.watches++
		}
		for event := range stream.ResultChan() {
			_ = event // The suite under load looks at events; this is about the stream.
		}
		stream.Stop()
	}
}

// stop ends the canaries, and says what they saw.
func (w *watching) stop() Windows {
	w.cancel()
	w.done.Wait()
	now := time.Now()
	var windows Windows
	for _, s := range w.sights {
		s.writes.end(now)
		s.reads.end(now)
		longest(&windows.WriteRefused, s.writes.refused+s.writes.putOff)
		longest(&windows.ReadRefused, s.reads.refused)
		longest(&windows.ReadPutOff, s.reads.putOff)
		windows.WriteRefusal = cmp.Or(windows.WriteRefusal, s.writes.why)
		windows.ReadRefusal = cmp.Or(windows.ReadRefusal, s.reads.why)
		windows.Writes += s.writes.asked
		windows.Reads += s.reads.asked
		windows.WatchRestarts += s.watches
	}
	return windows
}

// longest keeps the longer of two times, in whole milliseconds.
func longest(so *metav1.Duration, now time.Duration) {
	so.Duration = max(so.Duration, now.Round(time.Millisecond))
}
