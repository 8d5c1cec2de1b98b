package mutation

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/e2e/fixture"
)

// Mutation is one fault of a server.
type Mutation struct {
	// Fault in a few words.
	Fault string
	// Row is the ID of the behaviour row that has to notice.
	Row string
	// Request changes what the server is asked, Answer what it says. Either may be nil. Both see only what concerns the
	// API under test, unless Everything is set.
	Request func(*http.Request) error
	Answer  func(*http.Request, *http.Response) error
	// Everything: the fault is in what the server says about itself, such as its OpenAPI document.
	Everything bool
}

// Break returns the subject with the fault, for whoever asks.
func (m Mutation) Break(subject *behaviour.Subject) *behaviour.Subject {
	broken := *subject
	broken.Config = m.wrap(subject.Config)
	if users := subject.User; users != nil {
		broken.User = func(name string, groups ...string) (*rest.Config, error) {
			config, err := users(name, groups...)
			if err != nil {
				return nil, err
			}
			return m.wrap(config), nil
		}
	}
	return &broken
}

func (m Mutation) wrap(config *rest.Config) *rest.Config {
	wrapped := rest.CopyConfig(config)
	wrapped.Wrap(func(next http.RoundTripper) http.RoundTripper { return &fault{Mutation: m, next: next} })
	return wrapped
}

type fault struct {
	Mutation
	next http.RoundTripper
}

func (f *fault) RoundTrip(request *http.Request) (*http.Response, error) {
	if !f.Everything && !strings.Contains(request.URL.Path, fixture.Resource) {
		return f.next.RoundTrip(request)
	}
	if f.Request != nil {
		request = request.Clone(request.Context())
		if err := f.Request(request); err != nil {
			return nil, fmt.Errorf("could not change a request: %w", err)
		}
	}
	response, err := f.next.RoundTrip(request)
	if err != nil || f.Answer == nil {
		return response, err
	}
	if err := f.Answer(request, response); err != nil {
		return nil, fmt.Errorf("could not change an answer: %w", err)
	}
	return response, nil
}

// The rest are the parts that mutations are made of.

// without ignores a query parameter.
func without(parameter string) func(*http.Request) error {
	return func(request *http.Request) error {
		query := request.URL.Query()
		query.Del(parameter)
		request.URL.RawQuery = query.Encode()
		return nil
	}
}

// reading changes the object in the body of requests of a method.
func reading(method string, change func(map[string]any)) func(*http.Request) error {
	return func(request *http.Request) error {
		if request.Method != method || request.Body == nil {
			return nil
		}
		content, err := edited(request.Body, change)
		if err != nil {
			return err
		}
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
		return nil
	}
}

// saying changes the object in the body of accepted answers that are not watches.
func saying(change func(map[string]any)) func(*http.Request, *http.Response) error {
	return func(request *http.Request, response *http.Response) error {
		if response.StatusCode >= http.StatusBadRequest || request.URL.Query().Get("watch") != "" {
			return nil
		}
		content, err := edited(response.Body, change)
		if err != nil {
			return err
		}
		replace(response, response.StatusCode, content)
		return nil
	}
}

// edited is a body with a change to the object in it. A body that is no object is left alone.
func edited(body io.ReadCloser, change func(map[string]any)) ([]byte, error) {
	defer body.Close()
	content, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	object := map[string]any{}
	if json.Unmarshal(content, &object) != nil {
		return content, nil
	}
	change(object)
	return json.Marshal(object)
}

func replace(response *http.Response, code int, content []byte) {
	response.StatusCode, response.Status = code, http.StatusText(code)
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
	response.Header.Set("Content-Length", strconv.Itoa(len(content)))
}

// instead gives another answer where the server refuses with a code.
func instead(refusal, code int, content string) func(*http.Request, *http.Response) error {
	return func(_ *http.Request, response *http.Response) error {
		if response.StatusCode != refusal {
			return nil
		}
		if err := response.Body.Close(); err != nil {
			return err
		}
		replace(response, code, []byte(content))
		return nil
	}
}

// refused gives another answer wherever the server refuses.
func refused(code int, content string) func(*http.Request, *http.Response) error {
	return func(request *http.Request, response *http.Response) error {
		if response.StatusCode < http.StatusBadRequest {
			return nil
		}
		return instead(response.StatusCode, code, content)(request, response)
	}
}

// silent leaves events out of watches.
func silent(about func(kind string, object map[string]any) bool) func(*http.Request, *http.Response) error {
	return func(request *http.Request, response *http.Response) error {
		if request.URL.Query().Get("watch") == "" || response.StatusCode != http.StatusOK {
			return nil
		}
		events, body := bufio.NewReader(response.Body), response.Body
		reader, writer := io.Pipe()
		go func() {
			for {
				line, err := events.ReadBytes('\n')
				var event struct {
					Type   string
					Object map[string]any
				}
				if json.Unmarshal(line, &event) == nil && about(event.Type, event.Object) {
					line = nil
				}
				if _, failed := writer.Write(line); failed != nil {
					return // the client has gone
				}
				if err != nil {
					_ = writer.CloseWithError(err)
					return
				}
			}
		}()
		response.Body = filtered{PipeReader: reader, body: body}
		return nil
	}
}

// filtered is a watch of which a part is left out.
type filtered struct {
	*io.PipeReader
	body io.Closer
}

func (f filtered) Close() error {
	_ = f.PipeReader.Close()
	return f.body.Close()
}
