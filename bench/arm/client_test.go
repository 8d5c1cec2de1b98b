package arm_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/internal/fakeapi"
)

func newArm(t *testing.T, server *fakeapi.Server) *arm.Arm {
	t.Helper()
	kind, err := arm.MySQLInstances(7)
	if err != nil {
		t.Fatal(err)
	}
	return &arm.Arm{
		Name: "crd", Form: "crd", Plane: "crd", Target: arm.Kubernetes{Config: server.Config(), Admin: server.Config()}, Namespace: "ns", Kind: kind,
	}
}

func newClient(t *testing.T, server *fakeapi.Server) (*arm.Arm, arm.API) {
	t.Helper()
	a := newArm(t, server)
	client, err := a.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return a, client.(arm.API)
}

func rendered(t *testing.T, a *arm.Arm, object arm.Object) []byte {
	t.Helper()
	body, err := a.Kind.Append(nil, a.Encoding, object)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestClientSpeaksPlainJSON(t *testing.T) {
	server := fakeapi.New(t)
	var seen []string
	server.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		seen = append(seen, fmt.Sprintf("%s %s accept=%s type=%s gzip=%v", r.Method, r.URL.Path, r.Header.Get("Accept"),
			r.Header.Get("Content-Type"), r.Header.Get("Accept-Encoding") != ""))
		return false
	}
	a, client := newClient(t, server)
	var answer bytes.Buffer
	body := rendered(t, a, arm.Object{Namespace: "ns", Name: "a"})
	if _, err := client.Create(t.Context(), "ns", "a", body, &answer); err != nil {
		t.Fatal(err)
	}
	meta, err := client.Meta(answer.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	body = rendered(t, a, arm.Object{Namespace: "ns", Name: "a", ResourceVersion: meta.ResourceVersion, Revision: 1})
	if _, err := client.Update(t.Context(), "ns", "a", meta.ResourceVersion, body, &answer); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(t.Context(), "ns", "a", &answer); err != nil {
		t.Fatal(err)
	}
	if _, err := client.List(t.Context(), "ns", &answer); err != nil {
		t.Fatal(err)
	}
	_, items, err := client.Items(answer.Bytes())
	if err != nil || len(items) != 1 || items[0].Name != "a" {
		t.Errorf("items = %v, %v, want a", items, err)
	}
	if _, err := client.Delete(t.Context(), "ns", "a", &answer); err != nil {
		t.Fatal(err)
	}
	const path = "/apis/mysql.example.com/v1/namespaces/ns/mysqlinstances"
	want := []string{
		"POST " + path + " accept=application/json type=application/json gzip=false",
		"PUT " + path + "/a accept=application/json type=application/json gzip=false",
		"GET " + path + "/a accept=application/json type= gzip=false",
		"GET " + path + " accept=application/json type= gzip=false",
		"DELETE " + path + "/a accept=application/json type= gzip=false",
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("unexpected requests (-want +got):\n%s", diff)
	}
}

func TestRequestsOfAnyKind(t *testing.T) {
	server := fakeapi.New(t)
	a, client := newClient(t, server)
	var answer bytes.Buffer
	for _, name := range []string{"a", "b"} {
		body := rendered(t, a, arm.Object{Namespace: "ns", Name: name, Set: name})
		if _, err := client.Create(t.Context(), "ns", name, body, &answer); err != nil {
			t.Fatal(err)
		}
	}
	page := arm.Request{Verb: http.MethodGet, Namespace: "ns", Query: url.Values{"limit": {"1"}}}
	if _, err := client.Do(t.Context(), page, &answer); err != nil {
		t.Fatal(err)
	}
	token, err := client.Continue(answer.Bytes())
	if err != nil || token != "1" {
		t.Errorf("Continue() = %q, %v, want 1", token, err)
	}
	zipped := arm.Request{
		Verb: http.MethodGet, Namespace: "ns", Gzip: true, Query: url.Values{"labelSelector": {arm.SetSelector("b")}},
	}
	if _, err := client.Do(t.Context(), zipped, &answer); err != nil {
		t.Fatal(err)
	}
	reader, err := gzip.NewReader(&answer)
	if err != nil {
		t.Fatalf("the answer is not compressed: %v", err)
	}
	list, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, items, err := client.Items(list); err != nil || len(items) != 1 || items[0].Name != "b" {
		t.Errorf("items = %v, %v, want b", items, err)
	}
}

func TestAnswerWithoutAnEndIsReadUntilAText(t *testing.T) {
	server := fakeapi.New(t)
	sent := []string{"abc", "de", "fgh"}
	end := false
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		for _, part := range sent {
			_, _ = io.WriteString(w, part)
			w.(http.Flusher).Flush()
		}
		if !end {
			<-r.Context().Done()
		}
		return true
	}
	_, client := newClient(t, server)
	var answer bytes.Buffer
	request := arm.Request{Verb: http.MethodGet, Namespace: "ns", Until: []byte("cdef")}
	if _, err := client.Do(t.Context(), request, &answer); err != nil || !strings.HasPrefix(answer.String(), "abcdef") {
		t.Errorf("%q was read, %v, want abcdef at least", answer.String(), err)
	}
	end, request.Until = true, []byte("x")
	if _, err := client.Do(t.Context(), request, &answer); err == nil || arm.Reason(err) != "answer was cut off" {
		t.Errorf("an answer that ended early gave %v", err)
	}
}

func TestErrorsAreNamed(t *testing.T) {
	tests := map[string]struct {
		intercept func(http.ResponseWriter, *http.Request) bool
		want      string
	}{
		"a refusal with a reason": {
			func(w http.ResponseWriter, _ *http.Request) bool {
				fakeapi.Fail(w, http.StatusTooManyRequests, "TooManyRequests", "slow down")
				return true
			}, "429 TooManyRequests",
		},
		"a refusal that is no Status": {
			func(w http.ResponseWriter, _ *http.Request) bool {
				http.Error(w, "no backend", http.StatusServiceUnavailable)
				return true
			}, "503",
		},
		"an answer that ends early": {
			func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Content-Length", "100")
				_, _ = io.WriteString(w, "{")
				return true
			}, "answer was cut off",
		},
		"no answer": {
			func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, "connection failed",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := fakeapi.New(t)
			server.Intercept = test.intercept
			_, client := newClient(t, server)
			done, err := client.Get(t.Context(), "ns", "a", &bytes.Buffer{})
			if err == nil || !done.IsZero() {
				t.Fatalf("Get() = %v, %v, want an error only", done, err)
			}
			if got := arm.Reason(err); got != test.want {
				t.Errorf("Reason(%v) = %q, want %q", err, got, test.want)
			}
		})
	}
}

func TestReasonsOfTheHarness(t *testing.T) {
	tests := map[string]struct {
		err  error
		want string
	}{
		"deadline":          {fmt.Errorf("x: %w", context.DeadlineExceeded), "no answer in 20s"},
		"cancelled":         {fmt.Errorf("x: %w", context.Canceled), "cancelled"},
		"one of several":    {errors.Join(apierrors.NewConflict(groupResource, "a", nil), errors.New("x")), "409 Conflict"},
		"anything else":     {errors.New("resourceVersion did not change"), "resourceVersion did not change"},
		"named by the code": {&apierrors.StatusError{}, "0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := arm.Reason(test.err); got != test.want {
				t.Errorf("Reason() = %q, want %q", got, test.want)
			}
		})
	}
}

func TestWatchDeliversEventsUntilItIsCancelled(t *testing.T) {
	server := fakeapi.New(t)
	a, client := newClient(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	events := make(chan arm.Event, 10)
	finished, err := client.Watch(ctx, "ns", "100", func(e arm.Event) { events <- e })
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	for _, name := range []string{"a", "b"} {
		body := rendered(t, a, arm.Object{Namespace: "ns", Name: name})
		if _, err := client.Create(t.Context(), "ns", name, body, &bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range []string{"a", "b"} {
		event := <-events
		want := arm.Meta{Name: name, ResourceVersion: fmt.Sprint(101 + i)}
		if event.Type != watch.Added || event.Meta != want || event.Received.Before(before) {
			t.Errorf("event = %+v, want ADDED %+v", event, want)
		}
	}
	cancel()
	if err := <-finished; err != nil {
		t.Errorf("a cancelled watch ended with %v, want nil", err)
	}
	last := server.Requests()[0]
	if !strings.HasSuffix(last, "?resourceVersion=100&watch=1") {
		t.Errorf("the watch was %q", last)
	}
}

func TestWatchThatBreaks(t *testing.T) {
	tests := map[string]struct{ stream, want string }{
		"ends":        {"", "the watch broke: EOF"},
		"error event": {`{"type":"ERROR","object":{"message":"too old resource version"}}`, "too old resource version"},
		"garbage":     {"<html>", "the watch broke"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := fakeapi.New(t)
			server.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
				_, _ = io.WriteString(w, test.stream)
				return true
			}
			_, client := newClient(t, server)
			finished, err := client.Watch(t.Context(), "ns", "1", func(arm.Event) {})
			if err != nil {
				t.Fatal(err)
			}
			if err := <-finished; err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the watch ended with %v, want %q", err, test.want)
			}
		})
	}
}

func TestWatchThatIsRefused(t *testing.T) {
	server := fakeapi.New(t)
	server.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
		fakeapi.Fail(w, http.StatusGone, "Expired", "too old")
		return true
	}
	_, client := newClient(t, server)
	if _, err := client.Watch(t.Context(), "ns", "1", func(arm.Event) {}); err == nil {
		t.Error("a refused watch was accepted")
	}
}
