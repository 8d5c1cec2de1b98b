package controller

import (
	"fmt"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// TestABurstIsNotThrottled: with the library's queue and this controller's limiter, a thousand instances are there to be
// worked on without any time passing, and a thousand that fail at once do not wait for each other.
func TestABurstIsNotThrottled(t *testing.T) {
	const burst = 1000
	limiter := newRateLimiter()
	queue := priorityqueue.New("burst", func(o *priorityqueue.Opts[reconcile.Request]) { o.RateLimiter = limiter })
	defer queue.ShutDown()
	for i := range burst {
		queue.Add(reconcile.Request{NamespacedName: client.ObjectKey{Namespace: "shop", Name: fmt.Sprint(i)}})
	}
	if got := queue.Len(); got != burst {
		t.Errorf("%d of %d can be worked on", got, burst)
	}
	for i := range burst {
		request := reconcile.Request{NamespacedName: client.ObjectKey{Namespace: "shop", Name: fmt.Sprint(i)}}
		if got := limiter.When(request); got != firstRetry {
			t.Fatalf("after its first failure, instance %d waits %s, want %s like every other", i, got, firstRetry)
		}
	}
	always := reconcile.Request{NamespacedName: client.ObjectKey{Namespace: "shop", Name: "0"}}
	var last time.Duration
	for range 100 {
		last = limiter.When(always)
	}
	if last != lastRetry {
		t.Errorf("an instance that always fails is tried every %s, want %s", last, lastRetry)
	}
}
