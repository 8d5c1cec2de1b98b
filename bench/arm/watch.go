package arm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"k8s.io/apimachinery/pkg/watch"
)

// Event is one event of a watch.
type Event struct {
	// Type is what happened.
	Type watch.EventType
	// Meta is the object that it happened to.
	Meta
	// Received is when the event had been read.
	Received time.Time
}

// Watch opens a watch of a namespace from a resource version on, and returns once the server has accepted it. Events go
// to the function, one after the other, until the context ends or the watch breaks; finished then yields nil in the
// first case and the error in the second.
func (c *Client) Watch(
	ctx context.Context, namespace, from string, each func(Event),
) (finished <-chan error, err error) {
	query := url.Values{"watch": {"1"}, "resourceVersion": {from}}
	response, err := c.send(ctx, http.MethodGet, c.collection(namespace)+"?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("could not open a watch on arm %s: %w", c.arm.Name, err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		return nil, fmt.Errorf("could not open a watch on arm %s: the server answered %s", c.arm.Name, response.Status)
	}
	done := make(chan error, 1)
	go func() {
		defer response.Body.Close()
		err := read(json.NewDecoder(response.Body), each)
		if ctx.Err() != nil {
			err = nil
		}
		done <- err
	}()
	return done, nil
}

// read decodes events until the stream ends, which it does with an error.
func read(events *json.Decoder, each func(Event)) error {
	for {
		var frame struct {
			Type   watch.EventType `json:"type"`
			Object struct {
				Metadata Meta   `json:"metadata"`
				Message  string `json:"message"`
			} `json:"object"`
		}
		if err := events.Decode(&frame); err != nil {
			return fmt.Errorf("the watch broke: %w", err)
		}
		if frame.Type == watch.Error {
			return errors.New("the watch broke: the server sent: " + frame.Object.Message)
		}
		each(Event{Type: frame.Type, Meta: frame.Object.Metadata, Received: time.Now()})
	}
}
