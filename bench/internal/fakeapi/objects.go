package fakeapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

// object answers a request to one object, its status, or the collection: path is the name and the subresource.
func (s *Server) object(w http.ResponseWriter, r *http.Request, namespace string, path []string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, status := path[0], path[1] == "status"
	var sent struct {
		Metadata struct{ Name, ResourceVersion string }
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &sent); err != nil {
			Fail(w, http.StatusBadRequest, "BadRequest", err.Error())
			return
		}
	}
	if r.Method == http.MethodPost {
		name = sent.Metadata.Name
	}
	found, exists := s.objects[namespace+"/"+name]
	apply := r.Method == http.MethodPatch && strings.HasPrefix(r.Header.Get("Content-Type"), "application/apply-patch")
	switch {
	case r.Method == http.MethodGet && name == "":
		s.list(w, r, namespace)
	case r.Method == http.MethodDelete && name == "":
		s.removeAll(w, r, namespace)
	case r.Method == http.MethodPost && exists:
		Fail(w, http.StatusConflict, "AlreadyExists", name)
	case apply && bytes.Contains(body, []byte(`"resourceVersion":""`)):
		Fail(w, http.StatusUnprocessableEntity, "Invalid", "metadata.resourceVersion: must be specified for an update")
	case apply && !exists:
		s.store(w, namespace, name, "ADDED", stored{merged(body, object{"metadata": object{"resourceVersion": ""}}), ""})
	case r.Method == http.MethodPost:
		s.store(w, namespace, name, "ADDED", stored{body, sent.Metadata.ResourceVersion})
	case !exists:
		Fail(w, http.StatusNotFound, "NotFound", name)
	case r.Method == http.MethodGet:
		_, _ = w.Write(converted(r, found.body))
	case r.Method == http.MethodPut && sent.Metadata.ResourceVersion != found.version:
		Fail(w, http.StatusConflict, "Conflict", name)
	case r.Method == http.MethodPut && status:
		s.change(w, namespace, name, found, merged(found.body, only("status", body)))
	case r.Method == http.MethodPut:
		s.change(w, namespace, name, found, body)
	case r.Method == http.MethodPatch:
		s.change(w, namespace, name, found, merged(found.body, without("resourceVersion", body)))
	case r.Method == http.MethodDelete:
		s.remove(namespace, name)
		answer(w, object{"kind": "Status", "apiVersion": "v1", "status": "Success"})
	default:
		Fail(w, http.StatusMethodNotAllowed, "MethodNotAllowed", r.Method)
	}
}

// change stores the new body of an object. As a real server does, it short-cuts a change of nothing.
func (s *Server) change(w http.ResponseWriter, namespace, name string, found stored, body []byte) {
	if bytes.Equal(body, found.body) {
		_, _ = w.Write(found.body)
		return
	}
	s.store(w, namespace, name, "MODIFIED", stored{body, found.version})
}

// store writes an object and tells the watchers before it answers, as it may happen on a real server.
func (s *Server) store(w http.ResponseWriter, namespace, name, event string, o stored) {
	s.revision++
	version := strconv.Itoa(s.revision)
	field := `"resourceVersion":"%s"`
	o.body = bytes.Replace(o.body, fmt.Appendf(nil, field, o.version), fmt.Appendf(nil, field, version), 1)
	o.version = version
	s.objects[namespace+"/"+name] = o
	told := frame(event, o.body)
	s.history = append(s.history, change{s.revision, namespace, told})
	for watcher, watched := range s.watchers {
		if watched == namespace {
			watcher <- told
		}
	}
	_, _ = w.Write(o.body)
}

func (s *Server) remove(namespace, name string) {
	s.revision++
	delete(s.objects, namespace+"/"+name)
}

// removeAll deletes what the selectors match, and answers with it.
func (s *Server) removeAll(w http.ResponseWriter, r *http.Request, namespace string) {
	names := s.selected(r, namespace)
	bodies := s.bodies(namespace, names)
	for _, name := range names {
		s.remove(namespace, name)
	}
	s.writeList(w, r, "", bodies)
}

// merged is the object after a JSON merge patch.
func merged(body []byte, patch object) []byte {
	change, err := json.Marshal(patch)
	if err != nil {
		panic(err) // it was read from JSON
	}
	out, err := jsonpatch.MergePatch(body, change)
	if err != nil {
		panic(err) // both were read before
	}
	return out
}

// only is a body with no other field than one.
func only(field string, body []byte) object {
	return object{field: parsed(body)[field]}
}

// without is a body whose metadata does not have a field.
func without(field string, body []byte) object {
	out := parsed(body)
	if metadata, found := out["metadata"].(map[string]any); found {
		delete(metadata, field)
	}
	return out
}

func parsed(body []byte) object {
	var out object
	if err := json.Unmarshal(body, &out); err != nil {
		panic(err) // the request was read before
	}
	return out
}

// selected are the names in a namespace that a request's selectors match, sorted: label=value and, of fields,
// spec.FIELD=value.
func (s *Server) selected(r *http.Request, namespace string) []string {
	label, wantLabel, byLabel := strings.Cut(r.URL.Query().Get("labelSelector"), "=")
	field, wantField, byField := strings.Cut(strings.TrimPrefix(r.URL.Query().Get("fieldSelector"), "spec."), "=")
	return slices.DeleteFunc(s.names(namespace), func(name string) bool {
		if !byLabel && !byField {
			return false
		}
		var read struct {
			Metadata struct{ Labels map[string]string }
			Spec     map[string]any
		}
		if err := json.Unmarshal(s.objects[namespace+"/"+name].body, &read); err != nil {
			return true
		}
		return byLabel && read.Metadata.Labels[label] != wantLabel || byField && read.Spec[field] != wantField
	})
}

// converted is a body in the version of the request. The versions differ in nothing but their name.
func converted(r *http.Request, body []byte) []byte {
	group, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/apis/"), "/")
	version, _, _ := strings.Cut(rest, "/")
	return bytes.Replace(body, []byte(`"apiVersion":"`+group+`/v1"`), []byte(`"apiVersion":"`+group+"/"+version+`"`), 1)
}

func (s *Server) bodies(namespace string, names []string) []json.RawMessage {
	out := make([]json.RawMessage, len(names))
	for i, name := range names {
		out[i] = s.objects[namespace+"/"+name].body
	}
	return out
}
