package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"k8s.io/client-go/rest"
)

const (
	// keptBytes of each body are kept in memory, enough to read most objects as JSON before they are trimmed.
	keptBytes = 64 << 10
	// shownBytes of each body are shown as evidence.
	shownBytes = 2 << 10
	// keptExchanges of one recorder: the rest is counted only, so that no probe can fill the report.
	keptExchanges = 40
)

// shownHeaders tell an answer from another. Credentials are in none of them.
var shownHeaders = []string{"Accept", "Content-Type", "Warning", "Retry-After", "Audit-Id"}

// Exchange is one request and its answer, short enough to show to a reader.
type Exchange struct {
	Method         string              `json:"method"`
	Path           string              `json:"path"` // with the query
	RequestHeader  map[string][]string `json:"requestHeader,omitempty"`
	RequestBody    string              `json:"requestBody,omitempty"`
	Code           int                 `json:"code,omitempty"` // 0 if there was no answer
	ResponseHeader map[string][]string `json:"responseHeader,omitempty"`
	ResponseBody   string              `json:"responseBody,omitempty"`
	Error          string              `json:"error,omitempty"` // why there was no answer, or only part of one
	// Times that the same request came to the same answer in a row, if more than once. The last is the one shown.
	Times int `json:"times,omitempty"`
}

// Recorder keeps the exchanges of the clients whose configuration it wrapped. The zero value is ready for use.
type Recorder struct {
	mu      sync.Mutex
	entries []*entry
	left    int
}

type entry struct {
	exchange          Exchange
	request, response capture
}

// repeats tells whether two entries are one poll after another. Bodies of requests tell writes apart.
func (e *entry) repeats(before *entry) bool {
	return e.exchange.Method == before.exchange.Method && e.exchange.Path == before.exchange.Path &&
		e.exchange.Code != 0 && e.exchange.Code == before.exchange.Code &&
		e.request.kept.String() == before.request.kept.String()
}

// Wrap returns a copy of a configuration whose clients are recorded and not rate limited.
func (r *Recorder) Wrap(config *rest.Config) *rest.Config {
	recorded := rest.CopyConfig(config)
	recorded.QPS = -1
	recorded.Wrap(func(next http.RoundTripper) http.RoundTripper { return &transport{recorder: r, next: next} })
	return recorded
}

// Exchanges are what was recorded so far, trimmed, in the order the requests were sent. Of very many the first are
// kept, and the last one says how many were left out.
func (r *Recorder) Exchanges() []Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	exchanges := make([]Exchange, 0, len(r.entries)+1)
	for _, e := range r.entries {
		exchange := e.exchange
		exchange.RequestBody = e.request.show()
		exchange.ResponseBody = e.response.show()
		exchanges = append(exchanges, exchange)
	}
	if r.left > 0 {
		exchanges = append(exchanges, Exchange{Error: fmt.Sprintf("%d later exchanges are not shown", r.left)})
	}
	return exchanges
}

// Look is the method of a note: somebody looked at something that no request shows.
const Look = "LOOK"

// Note keeps what was seen elsewhere than in an answer, among the exchanges: a key of etcd, a line of a log, a metric.
func (r *Recorder) Note(source, content string) {
	e := &entry{exchange: Exchange{Method: Look, Path: source}}
	e.response.add([]byte(content))
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.entries) < keptExchanges {
		r.entries = append(r.entries, e)
	} else {
		r.left++
	}
}

func (r *Recorder) begin(request *http.Request) *entry {
	e := &entry{exchange: Exchange{
		Method: request.Method, Path: request.URL.RequestURI(), RequestHeader: shown(request.Header),
	}}
	r.mu.Lock()
	defer r.mu.Unlock()
	// Probes poll, and the answers before the last one say nothing.
	if last := len(r.entries) - 1; last > 0 && r.entries[last].repeats(r.entries[last-1]) {
		r.entries[last].exchange.Times = max(1, r.entries[last-1].exchange.Times) + 1
		r.entries = append(r.entries[:last-1], r.entries[last])
	}
	if len(r.entries) < keptExchanges {
		r.entries = append(r.entries, e)
	} else {
		r.left++
	}
	return e
}

type transport struct {
	recorder *Recorder
	next     http.RoundTripper
}

func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	e := t.recorder.begin(request)
	if request.Body != nil {
		request = request.Clone(request.Context())
		request.Body = &tee{ReadCloser: request.Body, recorder: t.recorder, entry: e, capture: &e.request}
	}
	response, err := t.next.RoundTrip(request)
	t.recorder.mu.Lock()
	defer t.recorder.mu.Unlock()
	if err != nil {
		e.exchange.Error = err.Error()
		return nil, err
	}
	e.exchange.Code = response.StatusCode
	e.exchange.ResponseHeader = shown(response.Header)
	response.Body = &tee{ReadCloser: response.Body, recorder: t.recorder, entry: e, capture: &e.response}
	return response, nil
}

// tee copies what is read from a body. It is the reader, not the recorder, that decides when and how much.
type tee struct {
	io.ReadCloser
	recorder *Recorder
	entry    *entry
	capture  *capture
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.recorder.mu.Lock()
	defer t.recorder.mu.Unlock()
	t.capture.add(p[:n])
	if err != nil && err != io.EOF {
		t.entry.exchange.Error = err.Error()
	}
	return n, err
}

// capture is the beginning of a body and the size of all of it.
type capture struct {
	kept bytes.Buffer
	size int
}

func (c *capture) add(p []byte) {
	c.size += len(p)
	if room := keptBytes - c.kept.Len(); room > 0 {
		c.kept.Write(p[:min(room, len(p))])
	}
}

func (c *capture) show() string {
	content := c.kept.Bytes()
	if c.size == len(content) {
		content = withoutManagedFields(content)
	}
	text := string(content)
	if !utf8.Valid(content) || strings.ContainsRune(text, 0) {
		text = strings.Trim(strconv.QuoteToASCII(text[:min(len(text), shownBytes)]), `"`)
	}
	if shortened := trim(text); c.size > len(content) || len(shortened) < len(text) {
		return fmt.Sprintf("%s (%d bytes in all)", shortened, c.size)
	}
	return text
}

func trim(text string) string {
	if len(text) <= shownBytes {
		return text
	}
	return strings.ToValidUTF8(text[:shownBytes], "") + "..."
}

// withoutManagedFields drops the part of an object that is longest and says least. What is not one JSON object with
// such a part stays as it was sent.
func withoutManagedFields(content []byte) []byte {
	var object map[string]any
	if json.Unmarshal(content, &object) != nil || !dropManagedFields(object) {
		return content
	}
	trimmed, err := json.Marshal(object)
	if err != nil {
		return content
	}
	return trimmed
}

func dropManagedFields(object map[string]any) bool {
	dropped := false
	if metadata, ok := object["metadata"].(map[string]any); ok {
		_, dropped = metadata["managedFields"]
		delete(metadata, "managedFields")
	}
	items, _ := object["items"].([]any)
	for _, item := range items {
		if child, ok := item.(map[string]any); ok && dropManagedFields(child) {
			dropped = true
		}
	}
	return dropped
}

func shown(header http.Header) map[string][]string {
	kept := map[string][]string{}
	for _, name := range shownHeaders {
		if values := header.Values(name); len(values) > 0 {
			kept[name] = values
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}
