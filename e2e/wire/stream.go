package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/watch"
)

// Event is one event of a watch.
type Event struct {
	Type   watch.EventType
	Object *unstructured.Unstructured
}

// Stream is an open watch.
type Stream struct {
	body    io.ReadCloser
	decoder *json.Decoder
}

// Refusal is the error about a watch that the server refused.
type Refusal struct{ Answer Answer }

// Error is the verdict of the answer.
func (r *Refusal) Error() string { return "the server refused the watch with " + r.Answer.Verdict() }

// Watch opens a watch on a collection. The context ends it, and so does Close. A Refusal is an error.
func (c *Client) Watch(ctx context.Context, path string, options ...Option) (*Stream, error) {
	options = append([]Option{Query("watch", "true")}, options...)
	response, err := c.open(ctx, http.MethodGet, path, nil, options...)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		content, _ := io.ReadAll(response.Body)
		return nil, &Refusal{Answer{Code: response.StatusCode, Header: response.Header, Body: content}}
	}
	return &Stream{body: response.Body, decoder: json.NewDecoder(response.Body)}, nil
}

// Next waits for the next event. At the end of the watch it returns io.EOF.
func (s *Stream) Next() (Event, error) {
	var raw struct {
		Type   watch.EventType `json:"type"`
		Object json.RawMessage `json:"object"`
	}
	if err := s.decoder.Decode(&raw); err != nil {
		if errors.Is(err, io.EOF) {
			return Event{}, io.EOF
		}
		return Event{}, fmt.Errorf("could not read an event of the watch: %w", err)
	}
	object := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal(raw.Object, &object.Object); err != nil {
		return Event{}, fmt.Errorf("could not read the object of a %s event: %w", raw.Type, err)
	}
	return Event{Type: raw.Type, Object: object}, nil
}

// Until reads events up to and including the first one that a condition accepts, and returns them all.
func (s *Stream) Until(accept func(Event) bool) ([]Event, error) {
	var events []Event
	for {
		event, err := s.Next()
		if err != nil {
			return events, err
		}
		events = append(events, event)
		if accept(event) {
			return events, nil
		}
	}
}

// Close ends the watch.
func (s *Stream) Close() error { return s.body.Close() }
