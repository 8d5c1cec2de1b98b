package switching

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
)

// gate holds back the one worker of kube-apiserver that registers and unregisters APIServices, between the two halves of
// unregistering one.
//
// It is needed because of three things that kube-apiserver does. It takes over the OpenAPI documents of a server only when
// an APIService is registered for the first time, not when one that was Local becomes a service's: so the APIService has
// to be deleted and made again. Once it is deleted, requests go to the CustomResourceDefinition, and kube-apiserver makes
// it again at once, as Local. And an APIService that is made with a service answers 503 until it was found available, but
// one that was Local has been available all the time. So the right object is the Local one with a service patched in, if
// only it is not looked at in between.
//
// Unregistering ends with the OpenAPI v3 documents, for which the worker needs a lock that every reader of such a document
// shares while the answer is written. The gate is a reader who takes its time: it asks for a large document and allows for
// a kilobyte of it. While it is there, other readers of OpenAPI v3 wait, which is why it is there for a moment only, and
// never for longer than it is given. If this program is killed, its connection ends, and so does the gate.
type gate struct {
	transport *http.Transport
	body      io.Closer
}

// gateWrites is long enough for two writes of an APIService on a machine that is busy.
const gateWrites = 3 * time.Second

// largeDocument is some hundred kilobytes, on every cluster.
const largeDocument = "/openapi/v3/apis/apps/v1"

// closeGate closes the gate of a kube-apiserver, until the context ends at the latest.
func closeGate(ctx context.Context, config *rest.Config) (*gate, error) {
	settings, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	settings.NextProtos = []string{"h2"}
	transport := &http.Transport{
		TLSClientConfig: settings, ForceAttemptHTTP2: true, DisableCompression: true,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 1024},
	}
	authenticated, err := rest.HTTPWrappersForConfig(config, transport)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Host+largeDocument, nil)
	if err != nil {
		return nil, err
	}
	answer, err := authenticated.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("could not read %s: %w", largeDocument, err)
	}
	if answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2 {
		_ = answer.Body.Close()
		return nil, fmt.Errorf("could not read %s over HTTP/2: %s %s", largeDocument, answer.Proto, answer.Status)
	}
	return &gate{transport: transport, body: answer.Body}, nil
}

// open lets the worker go on.
func (g *gate) open() {
	_ = g.body.Close() // What is left of the document is not wanted.
	g.transport.CloseIdleConnections()
}

// gates are those of every kube-apiserver. They open at the same time at the latest.
type gates struct {
	cancel context.CancelFunc
	all    []*gate
}

// closeGates closes the gate of each, for no longer than the limit.
func (s *Switcher) closeGates(ctx context.Context, limit time.Duration) (*gates, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	g := &gates{cancel: cancel}
	err := s.installer.Env.AtEachAPIServer(func(config *rest.Config) error {
		gate, err := closeGate(ctx, config)
		if err == nil {
			g.all = append(g.all, gate)
		}
		return err
	})
	if err != nil {
		g.open()
		return nil, err
	}
	return g, nil
}

func (g *gates) open() {
	g.cancel()
	for _, gate := range g.all {
		gate.open()
	}
}
