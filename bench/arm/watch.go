package arm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor/direct"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
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

// Watch implements Watcher.
func (c *httpClient) Watch(
	ctx context.Context, namespace, from string, each func(Event),
) (finished <-chan error, err error) {
	response, err := c.send(ctx, Request{
		Verb: http.MethodGet, Namespace: namespace, Query: url.Values{"watch": {"1"}, "resourceVersion": {from}},
	})
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
		err := read(c.arm.Encoding.events(response.Body), each)
		if ctx.Err() != nil {
			err = nil
		}
		done <- err
	}()
	return done, nil
}

// frame is one event as it came.
type frame struct {
	kind watch.EventType
	// meta of the object; message if the event is an error.
	meta    Meta
	message string
}

// read reads events until the stream ends, which it does with an error.
func read(next func() (frame, error), each func(Event)) error {
	for {
		event, err := next()
		if err != nil {
			return fmt.Errorf("the watch broke: %w", err)
		}
		if event.kind == watch.Error {
			return errors.New("the watch broke: the server sent: " + event.message)
		}
		each(Event{Type: event.kind, Meta: event.meta, Received: time.Now()})
	}
}

// events returns what reads one event after the other from a stream of the encoding.
func (e Encoding) events(stream io.ReadCloser) func() (frame, error) {
	switch e {
	case Protobuf:
		return e.framed(protobuf.LengthDelimitedFramer.NewFrameReader(stream), func(data []byte) (*metav1.WatchEvent, error) {
			event := &metav1.WatchEvent{}
			return event, event.Unmarshal(data)
		})
	case CBOR:
		return e.framed(cbor.NewFramer().NewFrameReader(stream), func(data []byte) (*metav1.WatchEvent, error) {
			event := &metav1.WatchEvent{}
			return event, direct.Unmarshal(data, event)
		})
	}
	decoder := json.NewDecoder(stream)
	return func() (frame, error) {
		var event struct {
			Type   watch.EventType `json:"type"`
			Object struct {
				Metadata Meta   `json:"metadata"`
				Message  string `json:"message"`
			} `json:"object"`
		}
		err := decoder.Decode(&event)
		return frame{event.Type, event.Object.Metadata, event.Object.Message}, err
	}
}

// usualFrame is room for an event of the usual size, in bytes. A thousand watchers must not need more than they read.
const usualFrame = 16 << 10

// framed reads events of a binary encoding, which come in frames.
func (e Encoding) framed(frames io.Reader, decode func([]byte) (*metav1.WatchEvent, error)) func() (frame, error) {
	buffer := make([]byte, usualFrame)
	return func() (frame, error) {
		n, err := frames.Read(buffer)
		for errors.Is(err, io.ErrShortBuffer) {
			buffer = append(buffer, make([]byte, len(buffer))...)
			var more int
			more, err = frames.Read(buffer[n:])
			n += more
		}
		if err != nil {
			return frame{}, err
		}
		event, err := decode(buffer[:n])
		if err != nil {
			return frame{}, err
		}
		out := frame{kind: watch.EventType(event.Type)}
		if out.kind == watch.Error {
			var status metav1.Status
			err = e.unmarshal(event.Object.Raw, &status)
			out.message = status.Message
			return out, err
		}
		out.meta, err = e.meta(event.Object.Raw)
		return out, err
	}
}
