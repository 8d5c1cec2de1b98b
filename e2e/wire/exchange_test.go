package wire

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
)

// recording returns a client of a server, and what it records.
func recording(t *testing.T, handler http.HandlerFunc) (*Client, *Recorder) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	recorder := &Recorder{}
	client, err := New(recorder.Wrap(&rest.Config{Host: server.URL, BearerToken: "secret"}))
	if err != nil {
		t.Fatal(err)
	}
	return client, recorder
}

func TestRecorderKeepsWhatWasSent(t *testing.T) {
	client, recorder := recording(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"metadata":{"name":"db","managedFields":[{"manager":"x"}]}}`)
	})
	_, err := client.Send(t.Context(), "POST", "/things", map[string]any{"a": 1}, Query("dryRun", "All"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Exchange{{
		Method: "POST", Path: "/things?dryRun=All",
		RequestHeader:  map[string][]string{"Accept": {"application/json"}, "Content-Type": {"application/json"}},
		RequestBody:    `{"a":1}`,
		Code:           201,
		ResponseHeader: map[string][]string{"Content-Type": {"application/json"}},
		ResponseBody:   `{"metadata":{"name":"db"}} (60 bytes in all)`,
	}}
	if diff := cmp.Diff(want, recorder.Exchanges()); diff != "" {
		t.Errorf("unexpected record (-want +got):\n%s", diff)
	}
}

func TestRecorderTrims(t *testing.T) {
	tests := map[string]struct {
		body string
		want string
	}{
		"a long text":      {strings.Repeat("x", 5000), strings.Repeat("x", shownBytes) + "... (5000 bytes in all)"},
		"a very long text": {strings.Repeat("x", keptBytes+1), strings.Repeat("x", shownBytes) + "... (65537 bytes in all)"},
		"protobuf":         {"k8s\x00\xff", `k8s\x00\xff`},
		"nothing":          {"", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			client, recorder := recording(t, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, tt.body)
			})
			if _, err := client.Send(t.Context(), "GET", "/", nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, recorder.Exchanges()[0].ResponseBody); diff != "" {
				t.Errorf("unexpected body (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRecorderCountsPolls(t *testing.T) {
	client, recorder := recording(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusConflict)
		}
	})
	for _, request := range []string{"GET /a", "GET /a", "GET /a", "GET /a", "DELETE /a", "GET /a", "GET /b"} {
		method, path, _ := strings.Cut(request, " ")
		if _, err := client.Send(t.Context(), method, path, nil); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, exchange := range recorder.Exchanges() {
		got = append(got, fmt.Sprintf("%s %s %d x%d", exchange.Method, exchange.Path, exchange.Code, exchange.Times))
	}
	want := []string{"GET /a 200 x4", "DELETE /a 409 x0", "GET /a 200 x0", "GET /b 200 x0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unexpected record (-want +got):\n%s", diff)
	}
}

func TestRecorderSaysWhatItLeftOut(t *testing.T) {
	client, recorder := recording(t, func(http.ResponseWriter, *http.Request) {})
	for i := range keptExchanges + 3 {
		if _, err := client.Send(t.Context(), "GET", fmt.Sprintf("/%d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	exchanges := recorder.Exchanges()
	if got := exchanges[len(exchanges)-1].Error; got != "3 later exchanges are not shown" {
		t.Errorf("the last exchange says %q", got)
	}
}

func TestRecorderKeepsWhyThereWasNoAnswer(t *testing.T) {
	client, recorder := recording(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if _, err := client.Send(t.Context(), "POST", "/", "x"); err == nil {
		t.Fatal("want an error, got none")
	}
	if exchange := recorder.Exchanges()[0]; exchange.Error == "" || exchange.Code != 0 {
		t.Errorf("unexpected record: %+v", exchange)
	}
}
