package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// Client sends single requests to one API server as one user.
type Client struct {
	http *http.Client
	base *url.URL
}

// New makes a client with the credentials and trust of a configuration. Rate limits, retries and the content types of
// the configuration do not apply.
func New(config *rest.Config) (*Client, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("could not make an HTTP client: %w", err)
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("could not read the server's address: %w", err)
	}
	return &Client{http: client, base: base}, nil
}

// Option changes one request.
type Option func(*http.Request)

// Query adds one query parameter.
func Query(key, value string) Option {
	return func(r *http.Request) {
		query := r.URL.Query()
		query.Add(key, value)
		r.URL.RawQuery = query.Encode()
	}
}

// ContentType sets the media type of the request's body, which is JSON otherwise.
func ContentType(mediaType string) Option {
	return func(r *http.Request) { r.Header.Set("Content-Type", mediaType) }
}

// PatchType sets the media type of a patch.
func PatchType(t types.PatchType) Option { return ContentType(string(t)) }

// Accept sets the media types that the response may have.
func Accept(mediaTypes ...string) Option {
	return func(r *http.Request) { r.Header.Set("Accept", strings.Join(mediaTypes, ",")) }
}

// Send sends one request and reads the whole answer. A body may be nil, a string or bytes, which are sent as they are, a
// reader, which is sent as it comes, or anything else, which is sent as JSON. An answer that refuses the request is not an error; an error means that
// there was no answer.
func (c *Client) Send(ctx context.Context, method, path string, body any, options ...Option) (*Answer, error) {
	response, err := c.open(ctx, method, path, body, options...)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("could not read the answer to %s %s: %w", method, path, err)
	}
	return &Answer{Code: response.StatusCode, Header: response.Header, Body: content}, nil
}

// open sends one request and leaves the answer's body to the caller, who must close it.
func (c *Client) open(ctx context.Context, method, path string, body any, options ...Option) (*http.Response, error) {
	content, err := encode(body)
	if err != nil {
		return nil, fmt.Errorf("could not encode the body of %s %s: %w", method, path, err)
	}
	address := *c.base
	address.Path = strings.TrimSuffix(address.Path, "/") + path
	request, err := http.NewRequestWithContext(ctx, method, address.String(), content)
	if err != nil {
		return nil, fmt.Errorf("could not make the request %s %s: %w", method, path, err)
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, option := range options {
		option(request)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("could not send the request: %w", err)
	}
	return response, nil
}

func encode(body any) (io.Reader, error) {
	switch content := body.(type) {
	case nil:
		return bytes.NewReader(nil), nil
	case []byte:
		return bytes.NewReader(content), nil
	case string:
		return strings.NewReader(content), nil
	case io.Reader:
		return content, nil
	default:
		encoded, err := json.Marshal(content)
		return bytes.NewReader(encoded), err
	}
}
