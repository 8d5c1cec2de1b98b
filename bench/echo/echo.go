// Package echo is a server that does nothing but answer: over the same TLS and HTTP/2, with the same bytes, and with no
// API behind it. What it takes is the price of the connection on this machine; what it takes behind a reverse proxy more
// than that is the price of a hop. Without these two numbers a reader cannot tell what an API server does from what any
// server does.
package echo

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// Handler answers as an API does, by the path alone: .../RESOURCE/NAME is an object, .../RESOURCE is a list, and what is
// posted comes back with 201.
type Handler struct {
	// Resource is the last part of the path of a collection.
	Resource string
	// Object and List are the bodies of the answers.
	Object, List []byte
}

// ServeHTTP implements http.Handler.
func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method == http.MethodPost:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusCreated)
		h.write(w, body)
	case r.Method != http.MethodGet:
		http.Error(w, "this server knows GET and POST only", http.StatusMethodNotAllowed)
	case strings.HasSuffix(r.URL.Path, "/"+h.Resource):
		h.write(w, h.List)
	default:
		h.write(w, h.Object)
	}
}

func (h Handler) write(w io.Writer, body []byte) {
	_, _ = w.Write(body) // a client that went away is not this server's business
}

// Proxy passes everything on to another server, as the aggregation layer does: Go's own reverse proxy, over TLS and
// HTTP/2 on both sides.
func Proxy(to *url.URL, trust *tls.Config) http.Handler {
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.Transport = &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}
	return proxy
}

// Body makes the answers of a handler from objects that were encoded as JSON.
func Body(objects [][]byte) (object, list []byte, err error) {
	if len(objects) == 0 {
		return nil, nil, fmt.Errorf("could not make an answer: there are no objects")
	}
	list = append(list, `{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[`...)
	for i, object := range objects {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, object...)
	}
	return objects[0], append(list, `]}`...), nil
}
