package switching

import (
	"context"
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

// window adds up the time in which one client was refused. It belongs to one goroutine.
type window struct {
	asked   int
	refused time.Duration
	since   time.Time // of the first refusal; zero while requests succeed
}

// tell adds one answer.
func (w *window) tell(err error, at time.Time) {
	w.asked++
	switch {
	case err != nil && w.since.IsZero():
		w.since = at
	case err == nil && !w.since.IsZero():
		w.refused += at.Sub(w.since)
		w.since = time.Time{}
	}
}

// total is what there was until a moment.
func (w *window) total(at time.Time) time.Duration {
	if !w.since.IsZero() {
		return (w.refused + at.Sub(w.since)).Round(time.Millisecond)
	}
	return w.refused.Round(time.Millisecond)
}

// watch starts the canaries. What they write is a dry run: it goes the whole way but to the disk.
func (m *move) watch(ctx context.Context) (*watching, error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watching{cancel: cancel}
	err := m.installer.Env.AtEachAPIServer(func(config *rest.Config) error {
		objects, err := dynamic.NewForConfig(config)
		if err != nil {
			return err
		}
		w.begin(ctx, objects.Resource(install.Resource).Namespace(install.Namespace))
		return nil
	})
	if err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

// begin starts those at one kube-apiserver.
func (w *watching) begin(ctx context.Context, instances dynamic.ResourceInterface) {
	s := &sight{}
	w.sights = append(w.sights, s)
	w.ask(ctx, &s.writes, func(ctx context.Context) error {
		_, err := instances.Create(ctx, canaryInstance(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	})
	w.ask(ctx, &s.reads, func(ctx context.Context) error {
		_, err := instances.List(ctx, metav1.ListOptions{Limit: 1})
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
		windows.WriteRefused.Duration = max(windows.WriteRefused.Duration, s.writes.total(now))
		windows.ReadRefused.Duration = max(windows.ReadRefused.Duration, s.reads.total(now))
		windows.Writes += s.writes.asked
		windows.Reads += s.reads.asked
		windows.WatchRestarts += s.watches
	}
	return windows
}
