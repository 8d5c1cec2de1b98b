package fakeapi

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// list answers with the objects that the selectors match, in pages if the request has a limit. The token of a page is
// the number of its first object.
func (s *Server) list(w http.ResponseWriter, r *http.Request, namespace string) {
	names := s.selected(r, namespace)
	next := ""
	if limit, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil {
		first, _ := strconv.Atoi(r.URL.Query().Get("continue")) // none is the first page
		if end := first + limit; end < len(names) {
			names, next = names[:end], strconv.Itoa(end)
		}
		names = names[first:]
	}
	s.writeList(w, r, next, s.bodies(namespace, names))
}

// writeList writes objects in the form that the request accepts.
func (s *Server) writeList(w http.ResponseWriter, r *http.Request, next string, bodies []json.RawMessage) {
	for i := range bodies {
		bodies[i] = converted(r, bodies[i])
	}
	metadata := object{"resourceVersion": strconv.Itoa(s.revision)}
	if next != "" {
		metadata["continue"] = next
	}
	list := object{"kind": "List", "metadata": metadata, "items": bodies}
	accept := r.Header.Get("Accept")
	switch {
	case strings.Contains(accept, "as=Table"):
		rows := make([]object, len(bodies))
		for i, body := range bodies {
			partial := object{"kind": "PartialObjectMetadata", "metadata": parsed(body)["metadata"]}
			rows[i] = object{"cells": []any{partial["metadata"].(map[string]any)["name"]}, "object": partial}
		}
		list = object{
			"kind": "Table", "metadata": metadata, "rows": rows,
			"columnDefinitions": []object{{"name": "Name", "type": "string"}},
		}
	case strings.Contains(accept, "as=PartialObjectMetadataList"):
		items := make([]object, len(bodies))
		for i, body := range bodies {
			items[i] = object{"metadata": parsed(body)["metadata"]}
		}
		list["kind"], list["items"] = "PartialObjectMetadataList", items
	}
	var out io.Writer = w
	if r.Header.Get("Accept-Encoding") == "gzip" {
		w.Header().Set("Content-Encoding", "gzip")
		zipped := gzip.NewWriter(w)
		defer zipped.Close()
		out = zipped
	}
	_ = json.NewEncoder(out).Encode(list) // a client that is gone needs no answer
}

func (s *Server) watch(w http.ResponseWriter, r *http.Request, namespace string) {
	events := make(chan []byte, 1000)
	s.mu.Lock()
	s.watchers[events] = namespace
	if from, err := strconv.Atoi(r.URL.Query().Get("resourceVersion")); err == nil {
		for _, past := range s.history {
			if past.revision > from && past.namespace == namespace {
				events <- past.frame
			}
		}
	}
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		for _, body := range s.bodies(namespace, s.names(namespace)) {
			events <- frame("ADDED", body)
		}
		events <- frame("BOOKMARK", fmt.Appendf(nil,
			`{"metadata":{"resourceVersion":"%d","annotations":{"k8s.io/initial-events-end":"true"}}}`, s.revision))
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, events)
	}()
	w.WriteHeader(http.StatusOK)
	flush := w.(http.Flusher)
	flush.Flush()
	for {
		select {
		case frame := <-events:
			if _, err := w.Write(frame); err != nil {
				return
			}
			flush.Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// frame is one event of a watch.
func frame(event string, body []byte) []byte {
	return fmt.Appendf(nil, `{"type":"%s","object":%s}`+"\n", event, body)
}
