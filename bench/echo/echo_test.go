package echo

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// start serves over TLS with HTTP/2, as the benchmark does.
func start(t *testing.T, handler http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func TestEchoAnswersThroughAProxyAsItDoesDirectly(t *testing.T) {
	object, list, err := Body([][]byte{[]byte(`{"metadata":{"name":"a"}}`), []byte(`{"metadata":{"name":"b"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	direct := start(t, Handler{Resource: "things", Object: object, List: list})
	to, err := url.Parse(direct.URL)
	if err != nil {
		t.Fatal(err)
	}
	trust := direct.Client().Transport.(*http.Transport).TLSClientConfig
	proxied := start(t, Proxy(to, &tls.Config{RootCAs: trust.RootCAs}))

	for name, server := range map[string]*httptest.Server{"direct": direct, "proxied": proxied} {
		t.Run(name, func(t *testing.T) {
			for _, test := range []struct {
				method, path, body, want string
				code                     int
			}{
				{"GET", "/x/things/a", "", string(object), 200},
				{"GET", "/x/things", "", string(list), 200},
				{"POST", "/x/things", "hello", "hello", 201},
				{"PUT", "/x/things/a", "hello", "this server knows GET and POST only\n", 405},
			} {
				request, err := http.NewRequestWithContext(t.Context(), test.method, server.URL+test.path, strings.NewReader(test.body))
				if err != nil {
					t.Fatal(err)
				}
				response, err := server.Client().Do(request)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != test.code || string(body) != test.want || response.ProtoMajor != 2 {
					t.Errorf("%s %s: %s with %d bytes over HTTP/%d (%v), want %d with %q over HTTP/2", test.method, test.path,
						response.Status, len(body), response.ProtoMajor, err, test.code, test.want)
				}
			}
		})
	}
}

func TestListIsJSON(t *testing.T) {
	_, list, err := Body([][]byte{[]byte(`{"a":1}`), []byte(`{"a":2}`)})
	if err != nil {
		t.Fatal(err)
	}
	var read struct{ Items []struct{ A int } }
	if err := json.Unmarshal(list, &read); err != nil || len(read.Items) != 2 || read.Items[1].A != 2 {
		t.Errorf("read %+v, %v", read, err)
	}
	if _, _, err := Body(nil); err == nil {
		t.Error("an answer was made of no objects")
	}
}
