package consistency

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/duet-api/duet/e2e/wire"
)

// Watcher follows a collection as an informer does: it lists, watches from there, goes on where a watch ended, and
// lists again when that is forgotten (410).
type Watcher struct {
	Client *Client
	Scope  Scope
	// Initial has the watch send the state first, instead of a list, as informers do by default.
	Initial bool
	// Longest that the server keeps one connection; 0 leaves it to the server, which takes half an hour and more.
	Longest time.Duration
}

// retryInterval is how long a watcher waits after a refusal.
const retryInterval = 100 * time.Millisecond

// Run watches until the context is done. It calls opened when the first watch is open.
func (w *Watcher) Run(ctx context.Context, opened func()) {
	var reached int64
	for ctx.Err() == nil {
		if reached == 0 && !w.Initial {
			list, err := w.Client.List(ctx, w.Scope, ListOptions{})
			if err != nil || list.Code != http.StatusOK {
				pause(ctx)
				continue
			}
			reached = list.Revision
		}
		stream, code := w.open(ctx, reached)
		switch {
		case stream != nil:
			opened()
			opened = func() {}
			reached = w.follow(ctx, stream, reached)
		case code == http.StatusGone:
			reached = 0
		default:
			pause(ctx)
		}
	}
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(retryInterval):
	}
}

// open opens one connection, or returns the code of the refusal.
func (w *Watcher) open(ctx context.Context, start int64) (*wire.Stream, int) {
	options := append(w.Scope.options(), wire.Query("allowWatchBookmarks", "true"))
	operation := Operation{Client: w.Client.Name, Verb: Watch, Scope: w.Scope}
	if start > 0 {
		operation.Asked = strconv.FormatInt(start, 10)
		options = append(options, wire.Query("resourceVersion", operation.Asked))
	} else {
		options = append(options, wire.Query("sendInitialEvents", "true"),
			wire.Query("resourceVersionMatch", string(metav1.ResourceVersionMatchNotOlderThan)))
	}
	if w.Longest > 0 {
		options = append(options, wire.Query("timeoutSeconds", strconv.Itoa(int(w.Longest.Seconds()))))
	}
	finish := w.Client.Recorder.Begin(operation)
	stream, err := w.Client.Wire.Watch(ctx, w.Client.path(w.Scope.Namespace), options...)
	answer := Answer{Code: http.StatusOK}
	var refusal *wire.Refusal
	if errors.As(err, &refusal) {
		answer.Code, answer.Later = refusal.Answer.Code, refusal.Answer.Header.Get("Retry-After") != ""
		if status := refusal.Answer.Status(); status != nil {
			answer.Reason = string(status.Reason)
		}
	} else if err != nil {
		answer = unanswered(ctx, err)
	}
	finish(answer)
	return stream, answer.Code
}

// follow records one connection to its end, and returns where to go on from: 0 for a new beginning.
func (w *Watcher) follow(ctx context.Context, stream *wire.Stream, start int64) int64 {
	defer stream.Close()
	record := w.Client.Recorder.Open(Stream{
		Watcher: w.Client.Name, Scope: w.Scope, Start: start, Initial: start == 0,
	})
	// The initial events have the revisions of their objects, in no order. Nothing can be resumed before their end.
	reached, told := start, start > 0
	for {
		event, err := stream.Next()
		switch {
		case ctx.Err() != nil:
			record.Finish(Closed, 0, "")
			return reached
		case errors.Is(err, io.EOF):
			record.Finish(Ended, 0, "")
			return reached
		case err != nil:
			record.Finish(Ended, 0, err.Error())
			return reached
		case event.Type == watch.Error:
			status := statusOf(event.Object)
			ending := endingBy(status)
			record.Finish(ending, int(status.Code), messageOf(status))
			switch ending {
			case Gone:
				return 0
			case Deferred:
				pause(ctx)
			}
			return reached
		}
		seen, err := w.Client.Reader.seen(event)
		if err != nil {
			record.Finish(Rejected, 0, err.Error())
			return reached
		}
		record.Saw(seen)
		if told = told || seen.InitialEnd; told {
			reached = max(reached, seen.Revision)
		}
	}
}

// statusOf an ERROR event; what cannot be read has no code.
func statusOf(object *unstructured.Unstructured) (status metav1.Status) {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &status); err != nil {
		return metav1.Status{Message: err.Error()}
	}
	return status
}

// seen reads an event.
func (r Reader) seen(event wire.Event) (Seen, error) {
	revision, err := parseRevision(event.Object.GetResourceVersion())
	if err != nil {
		return Seen{}, err
	}
	seen := Seen{Type: event.Type, Revision: revision}
	if event.Type == watch.Bookmark {
		seen.InitialEnd = event.Object.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true"
		return seen, nil
	}
	state, err := r.State(event.Object.Object)
	seen.State = &state
	return seen, err
}
