package trace

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/duet-api/duet/bench/arm"
)

// ClientComponent is what the load generator is called in a trace.
const ClientComponent = "client"

// Request is one request as its client saw it.
type Request struct {
	// Trace and ID are of the client's span, which the servers are told of.
	Trace string `json:"trace"`
	ID    string `json:"id"`
	// Start is when the client began, End when it had the whole answer, in nanoseconds since 1970.
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

// newRequest makes a request with names that nothing else has.
func newRequest() Request {
	var names [24]byte
	_, _ = rand.Read(names[:]) // never fails
	return Request{Trace: hex.EncodeToString(names[:16]), ID: hex.EncodeToString(names[16:])}
}

type requestKey struct{}

// announced is a context whose HTTP requests tell the server which span they belong to.
func announced(ctx context.Context, request Request) context.Context {
	return context.WithValue(ctx, requestKey{}, request)
}

// announcer adds the header of W3C Trace Context.
type announcer struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (a announcer) RoundTrip(r *http.Request) (*http.Response, error) {
	if request, ok := r.Context().Value(requestKey{}).(Request); ok {
		r = r.Clone(r.Context())
		r.Header.Set("Traceparent", fmt.Sprintf("00-%s-%s-01", request.Trace, request.ID))
	}
	return a.next.RoundTrip(r)
}

// announcing is an arm whose requests can be announced. Storage has no part in it: its clients are the API servers.
func announcing(original *arm.Arm) (*arm.Arm, bool) {
	wrap := func(next http.RoundTripper) http.RoundTripper { return announcer{next} }
	a := *original
	a.Namespace = "duet-trace-" + a.Name
	switch target := a.Target.(type) {
	case arm.Kubernetes:
		config := *target.Config
		config.Wrap(wrap)
		target.Config = &config
		a.Target = target
	case arm.Bare:
		config := *target.Config
		config.Wrap(wrap)
		target.Config = &config
		a.Target = target
	default:
		return nil, false
	}
	return &a, true
}

// timed runs one operation and notes when it began and was complete.
func timed(ctx context.Context, op func(context.Context) (time.Time, error)) (Request, error) {
	request := newRequest()
	start := time.Now()
	done, err := op(announced(ctx, request))
	if err != nil {
		return Request{}, err
	}
	if done.IsZero() {
		done = time.Now()
	}
	request.Start, request.End = start.UnixNano(), start.Add(done.Sub(start)).UnixNano()
	return request, nil
}
