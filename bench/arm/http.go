package arm

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// httpClient speaks to a Kubernetes API. It is deliberately thinner than client-go's typed clients: bodies are bytes on
// both ways, read in full and not decoded, because decoding costs the generator more than most servers spend on the
// request and differs from kind to kind. It has no rate limiter.
type httpClient struct {
	arm  *Arm
	http *http.Client
	root string
}

// Connect implements Target.
func (k Kubernetes) Connect(a *Arm) (Client, error) {
	config := unlimited(k.Config)
	config.DisableCompression = true
	config.RateLimiter = nil
	// client-go caches transports by configuration; a dialer of one's own is what makes a configuration unique.
	config.Dial = a.dialer()
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
	return &httpClient{arm: a, http: client, root: server.JoinPath(path, gv.Group).String() + "/"}, nil
}

func (c *httpClient) Close() { c.http.CloseIdleConnections() }

func (c *httpClient) Meta(object []byte) (Meta, error) { return c.arm.Encoding.meta(object) }

func (c *httpClient) Items(list []byte) (string, []Meta, error) { return c.arm.Encoding.items(list) }

func (c *httpClient) Create(
	ctx context.Context, namespace, _ string, body []byte, answer *bytes.Buffer,
) (time.Time, error) {
	return c.Do(ctx, Request{Verb: http.MethodPost, Namespace: namespace, Body: body}, answer)
}

func (c *httpClient) Get(ctx context.Context, namespace, name string, answer *bytes.Buffer) (time.Time, error) {
	return c.Do(ctx, Request{Verb: http.MethodGet, Namespace: namespace, Name: name}, answer)
}

func (c *httpClient) Update(
	ctx context.Context, namespace, name, _ string, body []byte, answer *bytes.Buffer,
) (time.Time, error) {
	return c.Do(ctx, Request{Verb: http.MethodPut, Namespace: namespace, Name: name, Body: body}, answer)
}

func (c *httpClient) Delete(ctx context.Context, namespace, name string, answer *bytes.Buffer) (time.Time, error) {
	return c.Do(ctx, Request{Verb: http.MethodDelete, Namespace: namespace, Name: name}, answer)
}

func (c *httpClient) Continue(list []byte) (string, error) { return c.arm.Encoding.token(list) }

func (c *httpClient) List(ctx context.Context, namespace string, answer *bytes.Buffer) (time.Time, error) {
	return c.Do(ctx, Request{Verb: http.MethodGet, Namespace: namespace}, answer)
}

// errCutOff is an answer that began and did not end.
var errCutOff = errors.New("answer was cut off")

// Do sends one request and reads the whole answer. It returns when the last byte had been read.
func (c *httpClient) Do(ctx context.Context, request Request, answer *bytes.Buffer) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	response, err := c.send(ctx, request)
	if err != nil {
		return time.Time{}, err
	}
	defer response.Body.Close()
	answer.Reset()
	err = receive(response, request.Until, answer)
	done := time.Now()
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %s %s: %w", errCutOff, request.Verb, response.Request.URL, err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return time.Time{}, statusError(response.StatusCode, answer.Bytes())
	}
	return done, nil
}

// receive reads an answer to its end or, if that is asked for and the request did not fail, until it has a text in it.
func receive(response *http.Response, until []byte, answer *bytes.Buffer) error {
	if len(until) == 0 || response.StatusCode != http.StatusOK {
		_, err := answer.ReadFrom(response.Body)
		return err
	}
	for seen := 0; ; {
		answer.Grow(bytes.MinRead)
		n, err := response.Body.Read(answer.AvailableBuffer()[:answer.Available()])
		answer.Write(answer.AvailableBuffer()[:n])
		if bytes.Contains(answer.Bytes()[seen:], until) {
			return nil
		}
		if err != nil {
			return err
		}
		seen = max(answer.Len()-len(until), 0)
	}
}

func (c *httpClient) url(request Request) string {
	resource := c.arm.Kind.Resource
	url := c.root + cmp.Or(request.Version, resource.Version) + "/namespaces/" + request.Namespace + "/" + resource.Resource
	for _, part := range []string{request.Name, request.Subresource} {
		if part != "" {
			url += "/" + part
		}
	}
	if len(request.Query) > 0 {
		url += "?" + request.Query.Encode()
	}
	return url
}

func (c *httpClient) send(ctx context.Context, request Request) (*http.Response, error) {
	var body io.Reader
	if request.Body != nil {
		body = bytes.NewReader(request.Body)
	}
	out, err := http.NewRequestWithContext(ctx, request.Verb, c.url(request), body)
	if err != nil {
		return nil, fmt.Errorf("could not make a request: %w", err)
	}
	out.Header.Set("Accept", cmp.Or(request.Accept, c.arm.Encoding.contentType()))
	if request.Body != nil {
		out.Header.Set("Content-Type", cmp.Or(request.ContentType, c.arm.Encoding.contentType()))
	}
	if request.Gzip {
		out.Header.Set("Accept-Encoding", "gzip")
	}
	return c.http.Do(out)
}

// statusError reads a refusal. A server that was asked for another encoding may refuse in it; then the code has to do.
func statusError(code int, body []byte) error {
	var status metav1.Status
	if err := json.Unmarshal(body, &status); err != nil || status.Status != metav1.StatusFailure {
		status = metav1.Status{Status: metav1.StatusFailure, Message: string(body)}
	}
	status.Code = int32(code)
	return &apierrors.StatusError{ErrStatus: status}
}
