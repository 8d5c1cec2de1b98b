package behaviour

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/duet-api/duet/e2e/fixture"
)

// opened counts the lists that the servers granted to an informer, and sees its watch end.
type opened struct {
	next http.RoundTripper

	mu    sync.Mutex
	lists int
	// ended is closed when the first watch ends, whoever ended it.
	ended chan struct{}
	once  sync.Once
}

func (o *opened) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := o.next.RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	query := request.URL.Query()
	if query.Get("watch") == "true" {
		response.Body = &untilEnd{ReadCloser: response.Body, ended: func() { o.once.Do(func() { close(o.ended) }) }}
	}
	if query.Get("watch") != "true" || query.Get("sendInitialEvents") == "true" {
		o.lists++
	}
	return response, nil
}

// listed is how often everything was listed so far.
func (o *opened) listed() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lists
}

// untilEnd tells when there is no more to read.
type untilEnd struct {
	io.ReadCloser
	ended func()
}

func (u *untilEnd) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if err != nil {
		u.ended()
	}
	return n, err
}

// informer of the instances in the row's namespace, filled, and what it asks the servers. It stops with the context.
func (s *Subject) informer(ctx context.Context) (cache.Store, *opened, error) {
	asked := &opened{ended: make(chan struct{})}
	config := rest.CopyConfig(s.Config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		asked.next = next
		return asked
	})
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("could not make a client: %w", err)
	}
	informer := dynamicinformer.NewFilteredDynamicInformer(client, fixture.GVR, s.Namespace, 0, cache.Indexers{}, nil).Informer()
	go informer.RunWithContext(klog.NewContext(ctx, logr.Discard())) // its complaints are what the row is about
	return informer.GetStore(), asked, eventually(ctx, "the informer filled", func(context.Context) (bool, error) {
		return informer.HasSynced(), nil
	})
}
