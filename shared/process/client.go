package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// Client is the Runner that speaks to the Server of another program.
type Client struct {
	socket string
	http   *http.Client
}

var _ Runner = (*Client)(nil)

// NewClient makes a client for the server at a unix socket. It does not connect yet.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Socket is the path of the socket.
func (c *Client) Socket() string { return c.socket }

// Info says which program answers at the socket. It fails when none does.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var info Info
	return info, c.call(ctx, http.MethodGet, "/info", nil, &info)
}

// Shutdown asks the program at the socket to stop its processes and end. It does not wait for that.
func (c *Client) Shutdown(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/shutdown", nil, nil)
}

// Run implements Runner.
func (c *Client) Run(ctx context.Context, spec Spec) error {
	if err := spec.validate(); err != nil {
		return err
	}
	return c.call(ctx, http.MethodPost, "/run", spec, nil)
}

// Stop implements Runner.
func (c *Client) Stop(ctx context.Context, name string) error { return c.act(ctx, name, "stop") }

// Kill implements Runner.
func (c *Client) Kill(ctx context.Context, name string) error { return c.act(ctx, name, "kill") }

// Pause implements Runner.
func (c *Client) Pause(ctx context.Context, name string) error { return c.act(ctx, name, "pause") }

// Resume implements Runner.
func (c *Client) Resume(ctx context.Context, name string) error { return c.act(ctx, name, "resume") }

// Restart implements Runner.
func (c *Client) Restart(ctx context.Context, name string) error { return c.act(ctx, name, "restart") }

// List implements Runner.
func (c *Client) List(ctx context.Context) ([]Status, error) {
	var statuses []Status
	return statuses, c.call(ctx, http.MethodGet, "/processes", nil, &statuses)
}

func (c *Client) act(ctx context.Context, name, action string) error {
	return c.call(ctx, http.MethodPost, "/"+action+"?name="+url.QueryEscape(name), nil, nil)
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("could not encode the request to the supervisor: %w", err)
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://supervisor"+path, body)
	if err != nil {
		return fmt.Errorf("could not make the request to the supervisor: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		var urlErr *url.Error
		if errors.As(err, &urlErr) {
			err = urlErr.Err // without the made-up address
		}
		return fmt.Errorf("could not reach the supervisor at %s: %w", c.socket, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return decodeError(response)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		return fmt.Errorf("could not read the answer of the supervisor at %s: %w", c.socket, err)
	}
	return nil
}

func decodeError(response *http.Response) error {
	var body errorBody
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil || body.Message == "" {
		return fmt.Errorf("the supervisor answered %s: is it of another version?", response.Status)
	}
	switch {
	case body.Unknown != nil:
		return body.Unknown
	case body.NotRunning != nil:
		return body.NotRunning
	case body.Closed:
		return ErrClosed
	}
	return errors.New(body.Message)
}
