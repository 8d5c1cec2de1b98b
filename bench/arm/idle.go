package arm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// Idler is a target that can be watched without reading what comes.
type Idler interface {
	// Idle opens a watch of the arm's namespace, from a resource version on, over a connection of its own, and reads nothing
	// of it.
	Idle(ctx context.Context, a *Arm, from string) (*IdleWatch, error)
}

// window is how much a server may send before somebody reads: the least that a client can say.
const window = 64 << 10

// Idle implements Idler.
func (k Kubernetes) Idle(ctx context.Context, a *Arm, from string) (*IdleWatch, error) {
	narrow := k
	narrow.Config = rest.CopyConfig(k.Config)
	var missing error
	narrow.Config.Wrap(func(transport http.RoundTripper) http.RoundTripper {
		inner := transport
		for {
			wrapper, ok := inner.(utilnet.RoundTripperWrapper)
			if !ok {
				break
			}
			inner = wrapper.WrappedRoundTripper()
		}
		if plain, ok := inner.(*http.Transport); ok {
			plain.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: window}
		} else {
			missing = fmt.Errorf("could not limit what arm %s receives: its transport is a %T", a.Name, inner)
		}
		return transport
	})
	connected, err := narrow.Connect(a)
	if err = errors.Join(err, missing); err != nil {
		return nil, err
	}
	client := connected.(*httpClient)
	ctx, cancel := context.WithCancel(ctx)
	response, err := client.send(ctx, Request{
		Verb: http.MethodGet, Namespace: a.Namespace, Query: url.Values{"watch": {"1"}, "resourceVersion": {from}},
	})
	if err == nil && response.StatusCode != http.StatusOK {
		response.Body.Close()
		err = fmt.Errorf("the server answered %s", response.Status)
	}
	if err != nil {
		cancel()
		client.Close()
		return nil, fmt.Errorf("could not open a watch on arm %s: %w", a.Name, err)
	}
	return &IdleWatch{client: client, response: response, cancel: cancel}, nil
}

// IdleWatch is a watch that nobody reads.
type IdleWatch struct {
	client   *httpClient
	response *http.Response
	cancel   context.CancelFunc
}

// Catch reads, at last, until there is the event of a write, and returns whether there is: if not, the server has ended the
// watch. What does neither in the patience that an answer gets is an error.
func (w *IdleWatch) Catch(written Meta) (bool, error) {
	timeout := time.AfterFunc(RequestTimeout, w.cancel)
	found := false
	err := read(w.client.arm.Encoding.events(w.response.Body), func(event Event) {
		if event.Meta == written {
			found = true
			w.cancel()
		}
	})
	if !timeout.Stop() && !found {
		return false, fmt.Errorf("the watch that nobody read neither has all events nor ends: %w", err)
	}
	return found, nil
}

// Close ends the watch.
func (w *IdleWatch) Close() {
	w.cancel()
	w.response.Body.Close()
	w.client.Close()
}
