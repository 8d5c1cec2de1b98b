package arm

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RequestTimeout ends a request that is not answered; it then counts as an error.
const RequestTimeout = 20 * time.Second

// Limits says which limits the load client itself imposes, for the run card: none, and how that was brought about.
const Limits = "no client-side rate limit (QPS -1, plain HTTP client), gzip off, HTTP/2 over one connection per arm"

// Client sends an arm's requests: what every arm can do, whatever is behind it. Each method returns the moment at which
// the last byte of the answer had been read; the answer replaces what is in the buffer.
type Client interface {
	// Create stores a new object.
	Create(ctx context.Context, namespace, name string, body []byte, answer *bytes.Buffer) (time.Time, error)
	// Get reads one object, from storage: no resource version is given.
	Get(ctx context.Context, namespace, name string, answer *bytes.Buffer) (time.Time, error)
	// Update replaces one object, if it still has the resource version, which is also in the body if it is an API's.
	Update(ctx context.Context, namespace, name, resourceVersion string, body []byte, answer *bytes.Buffer) (time.Time, error)
	// Delete removes one object.
	Delete(ctx context.Context, namespace, name string, answer *bytes.Buffer) (time.Time, error)
	// List reads all objects of a namespace, consistently and in one page.
	List(ctx context.Context, namespace string, answer *bytes.Buffer) (time.Time, error)
	// Meta reads the metadata of an object that was answered, Items the resource version and the items of a list.
	Meta(object []byte) (Meta, error)
	Items(list []byte) (resourceVersion string, items []Meta, err error)
	// Close drops the connections.
	Close()
}

// Watcher is a client that can watch.
type Watcher interface {
	Client
	// Watch opens a watch of a namespace from a resource version on, and returns once it is accepted. Events go to the
	// function, one after the other, until the context ends or the watch breaks; finished then yields nil in the first
	// case and the error in the second.
	Watch(ctx context.Context, namespace, from string, each func(Event)) (finished <-chan error, err error)
}

// API is a client of a Kubernetes API, which has more kinds of requests than the others can have.
type API interface {
	Watcher
	// Do sends any request.
	Do(ctx context.Context, request Request, answer *bytes.Buffer) (time.Time, error)
	// Continue reads the token for the page after this one, which is empty when there is none.
	Continue(list []byte) (token string, err error)
}

// Request is any request about the arm's resource.
type Request struct {
	// Verb of HTTP.
	Verb string
	// Version of the API; that of the arm's kind when it is empty.
	Version string
	// Namespace of the objects. Name is empty for requests to the collection, Subresource for the object itself.
	Namespace, Name, Subresource string
	Query                        url.Values
	// Accept and ContentType are those of the arm's encoding when they are empty.
	Accept, ContentType string
	// Gzip asks for a compressed answer, which is read as it comes.
	Gzip bool
	Body []byte
	// Until ends the reading as soon as the answer has this in it: a watch has no other end. An answer that ends without
	// it was cut off. Empty means all of the answer.
	Until []byte
}

// Reason puts an error into a class: the HTTP code and reason of a server's refusal, or what went wrong on the way.
func Reason(err error) string {
	var status *apierrors.StatusError
	var network net.Error
	switch {
	case errors.As(err, &status):
		if reason := apierrors.ReasonForError(err); reason != metav1.StatusReasonUnknown {
			return strconv.Itoa(int(status.ErrStatus.Code)) + " " + string(reason)
		}
		return strconv.Itoa(int(status.ErrStatus.Code))
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "no answer in " + RequestTimeout.String()
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.Is(err, errCutOff):
		return errCutOff.Error()
	case errors.As(err, &network):
		return "connection failed"
	}
	return err.Error()
}
