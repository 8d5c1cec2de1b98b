// Package fakeapi is an API server of one process and one resource, in memory, for the tests of the benchmark: they
// need to see what the benchmark sends, and to make a server misbehave, which a real one does not do on request. What
// a real one does is tried by running the benchmark.
package fakeapi

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
)

// Server serves any group, version and resource under any namespace, one as the other.
type Server struct {
	// Groups of the one user that there is.
	Groups []string
	// Intercept, if it is set and returns true, has answered the request itself.
	Intercept func(w http.ResponseWriter, r *http.Request) bool

	http *httptest.Server

	mu         sync.Mutex
	revision   int
	namespaces map[string]object // by name
	objects    map[string]stored // by namespace/name
	watchers   map[chan []byte]string
	history    []change
	requests   []string
}

// stored is an object as it was sent, with the version that the server gave it.
type stored struct {
	body    []byte
	version string
}

// change is an event, which a watch that begins before it gets as well.
type change struct {
	revision  int
	namespace string
	frame     []byte
}

// echoed are resources that are not kept: what is sent comes back.
var echoed = []string{"roles", "rolebindings", "leases"}

type object map[string]any

func (o object) metadata() map[string]any { return o["metadata"].(map[string]any) }

// New starts a server, which ends with the test.
func New(t testing.TB) *Server {
	s := &Server{
		namespaces: map[string]object{}, objects: map[string]stored{}, watchers: map[chan []byte]string{}, revision: 100,
		Groups: []string{"system:authenticated"},
	}
	s.http = httptest.NewServer(s)
	t.Cleanup(func() {
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

// Config reaches the server, which understands nothing but JSON.
func (s *Server) Config() *rest.Config {
	return &rest.Config{Host: s.http.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
}

// Requests are the requests so far, as "VERB path?query".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Names are the objects in a namespace, sorted.
func (s *Server) Names(namespace string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names(namespace)
}

func (s *Server) names(namespace string) []string {
	var out []string
	for key := range s.objects {
		if name, inside := strings.CutPrefix(key, namespace+"/"); inside {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Bytes that the objects take.
func (s *Server) Bytes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, o := range s.objects {
		n += len(o.body)
	}
	return n
}

// Namespaces that exist, sorted.
func (s *Server) Namespaces() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for name := range s.namespaces {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// AddNamespace makes a namespace that is not the benchmark's.
func (s *Server) AddNamespace(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.namespaces[name] = object{"metadata": map[string]any{"name": name, "uid": "foreign"}}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	s.mu.Unlock()
	if s.Intercept != nil && s.Intercept(w, r) {
		return
	}
	// [api v1 namespaces NS RESOURCE NAME] or [apis GROUP VERSION namespaces NS RESOURCE NAME]
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	at := slices.Index(parts, "namespaces")
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		Fail(w, http.StatusBadRequest, "BadRequest", err.Error())
	case strings.HasSuffix(r.URL.Path, "/selfsubjectreviews"):
		answer(w, object{"status": map[string]any{"userInfo": map[string]any{"username": "somebody", "groups": s.Groups}}})
	case at < 0:
		Fail(w, http.StatusNotFound, "NotFound", r.URL.Path)
	case len(parts) <= at+2:
		s.namespace(w, r, parts[at+1:], body)
	case slices.Contains(echoed, parts[at+2]):
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	case len(parts) == at+3 && r.URL.Query().Get("watch") != "":
		s.watch(w, r, parts[at+1])
	default:
		s.object(w, r, parts[at+1], append(parts[at+3:], "", "")[:2], body)
	}
}

func (s *Server) namespace(w http.ResponseWriter, r *http.Request, name []string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodPost {
		var o object
		if err := json.Unmarshal(body, &o); err != nil {
			Fail(w, http.StatusBadRequest, "BadRequest", err.Error())
			return
		}
		o.metadata()["uid"] = "own"
		s.namespaces[o.metadata()["name"].(string)] = o
		answer(w, o)
		return
	}
	o, found := s.namespaces[name[0]]
	if !found {
		Fail(w, http.StatusNotFound, "NotFound", name[0])
		return
	}
	if r.Method == http.MethodDelete {
		delete(s.namespaces, name[0])
		for _, object := range s.names(name[0]) {
			delete(s.objects, name[0]+"/"+object)
		}
	}
	answer(w, o)
}

func answer(w http.ResponseWriter, o object) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(o) // a client that is gone needs no answer
}

// Fail answers with an error as an API server does.
func Fail(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code,
	})
}
