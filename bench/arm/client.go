package arm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// RequestTimeout ends a request that is not answered; it then counts as an error.
const RequestTimeout = 20 * time.Second

// Limits says which limits the load client itself imposes, for the run card: none, and how that was brought about.
const Limits = "no client-side rate limit (QPS -1, plain HTTP client), gzip off, JSON, HTTP/2 over one connection per arm"

// Client sends the arm's requests. It is deliberately thinner than client-go's typed clients: bodies are bytes on both
// ways, read in full and not decoded, because decoding costs the generator more than most servers spend on the request
// and differs from kind to kind. It has no rate limiter.
type Client struct {
	arm  *Arm
	http *http.Client
	root string
}

// NewClient connects to the arm as its user. Arms share no connection, even if their configurations are equal.
func (a *Arm) NewClient() (*Client, error) {
	config := rest.CopyConfig(a.Config)
	config.DisableCompression = true
	config.QPS = -1
	config.RateLimiter = nil
	// client-go caches transports by configuration; a dialer of one's own is what makes a configuration unique.
	config.Dial = (&net.Dialer{Timeout: RequestTimeout, KeepAlive: 30 * time.Second}).DialContext
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("could not make a client for arm %s: %w", a.Name, err)
	}
	server, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("could not read the server address of arm %s: %w", a.Name, err)
	}
	gv := a.Kind.Resource.GroupVersion()
	path := "/apis"
	if gv.Group == "" {
		path = "/api"
	}
	return &Client{arm: a, http: client, root: server.JoinPath(path, gv.String()).String() + "/namespaces/"}, nil
}

// Close drops the client's connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Create posts a new object. The answer replaces what is in the buffer; so it does in all methods.
func (c *Client) Create(ctx context.Context, namespace string, body []byte, answer *bytes.Buffer) (time.Time, error) {
	return c.do(ctx, http.MethodPost, c.collection(namespace), body, answer)
}

// Get reads one object, from storage: no resource version is given.
func (c *Client) Get(ctx context.Context, namespace, name string, answer *bytes.Buffer) (time.Time, error) {
	return c.do(ctx, http.MethodGet, c.collection(namespace)+"/"+name, nil, answer)
}

// Update replaces one object.
func (c *Client) Update(
	ctx context.Context, namespace, name string, body []byte, answer *bytes.Buffer,
) (time.Time, error) {
	return c.do(ctx, http.MethodPut, c.collection(namespace)+"/"+name, body, answer)
}

// List reads all objects of a namespace, consistently and in one page.
func (c *Client) List(ctx context.Context, namespace string, answer *bytes.Buffer) (time.Time, error) {
	return c.do(ctx, http.MethodGet, c.collection(namespace), nil, answer)
}

func (c *Client) collection(namespace string) string {
	return c.root + namespace + "/" + c.arm.Kind.Resource.Resource
}

// errCutOff is an answer that began and did not end.
var errCutOff = errors.New("answer was cut off")

// do sends one request and reads the whole answer. It returns when the last byte had been read.
func (c *Client) do(ctx context.Context, verb, url string, body []byte, answer *bytes.Buffer) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	response, err := c.send(ctx, verb, url, body)
	if err != nil {
		return time.Time{}, err
	}
	defer response.Body.Close()
	answer.Reset()
	_, err = answer.ReadFrom(response.Body)
	done := time.Now()
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %s %s: %w", errCutOff, verb, url, err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return time.Time{}, statusError(response.StatusCode, answer.Bytes())
	}
	return done, nil
}

func (c *Client) send(ctx context.Context, verb, url string, body []byte) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, verb, url, reader)
	if err != nil {
		return nil, fmt.Errorf("could not make a request: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return c.http.Do(request)
}

func statusError(code int, body []byte) error {
	var status metav1.Status
	if err := json.Unmarshal(body, &status); err != nil || status.Status != metav1.StatusFailure {
		status = metav1.Status{Status: metav1.StatusFailure, Message: string(body)}
	}
	status.Code = int32(code)
	return &apierrors.StatusError{ErrStatus: status}
}

// Meta is what the benchmark needs to know of an object that a server sent.
type Meta struct {
	Name            string `json:"name"`
	ResourceVersion string `json:"resourceVersion"`
}

// ReadMeta reads the metadata of an object, or of a list.
func ReadMeta(object []byte) (Meta, error) {
	var partial struct {
		Metadata Meta `json:"metadata"`
	}
	if err := json.Unmarshal(object, &partial); err != nil {
		return Meta{}, fmt.Errorf("could not read the metadata of an answer: %w", err)
	}
	return partial.Metadata, nil
}

// ReadItems reads the metadata of a list's items.
func ReadItems(list []byte) ([]Meta, error) {
	var partial struct {
		Items []struct {
			Metadata Meta `json:"metadata"`
		} `json:"items"`
	}
	if err := json.Unmarshal(list, &partial); err != nil {
		return nil, fmt.Errorf("could not read a list: %w", err)
	}
	out := make([]Meta, len(partial.Items))
	for i, item := range partial.Items {
		out[i] = item.Metadata
	}
	return out, nil
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
