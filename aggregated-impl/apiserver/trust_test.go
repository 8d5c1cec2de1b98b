package apiserver

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/server/dynamiccertificates"

	"github.com/duet-api/duet/shared/certs"
)

func TestCheckTrust(t *testing.T) {
	bundle := func(names ...string) []byte {
		var pem []byte
		for _, name := range names {
			ca, err := certs.NewCA(name)
			if err != nil {
				t.Fatal(err)
			}
			pem = append(pem, ca.Bundle()...)
		}
		return pem
	}
	proxy, clients := bundle("front-proxy"), bundle("clients")

	for name, test := range map[string]struct {
		allowed       []string
		proxy, client []byte
		wantErr       string
	}{
		"two authorities":                     {proxy: proxy, client: clients},
		"two authorities and a list of names": {allowed: []string{"front-proxy-client"}, proxy: proxy, client: clients},
		"one authority and a list of names":   {allowed: []string{"front-proxy-client"}, proxy: proxy, client: proxy},
		"no front proxy":                      {client: clients},
		"no client CA":                        {proxy: proxy},
		"one authority for both":              {proxy: proxy, client: proxy, wantErr: "could act as any user"},
		"one of several is shared": {proxy: slices.Concat(bundle("old"), proxy), client: slices.Concat(clients, proxy),
			wantErr: "could act as any user"},
		"a bundle that is no certificate": {
			proxy:  []byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"),
			client: clients, wantErr: "could not compare"},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkTrust(t.Context(), test.allowed, test.proxy, test.client)
			switch {
			case test.wantErr == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.wantErr != "" && (err == nil || !strings.Contains(err.Error(), test.wantErr)):
				t.Errorf("got %v, want an error with %q", err, test.wantErr)
			}
		})
	}
}

// TestGate starts without authorities, as a server does, and lets them come in.
func TestGate(t *testing.T) {
	ca, err := certs.NewCA("any")
	if err != nil {
		t.Fatal(err)
	}
	var first, second content
	authorities := trust{&first, &second}
	handler := authorities.gate(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	}))
	statusOf := func(path string) (int, http.Header) {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		return answer.Code, answer.Header()
	}
	want := func(when string, statuses map[string]int) {
		t.Helper()
		for path, want := range statuses {
			got, header := statusOf(path)
			if got != want {
				t.Errorf("%s, %s answers %d, want %d", when, path, got, want)
			}
			if want == http.StatusServiceUnavailable && header.Get("Retry-After") == "" {
				t.Errorf("%s, %s does not say when to try again", when, path)
			}
		}
	}
	want("with nothing loaded", map[string]int{"/apis": 503, "/healthzz": 503, "/livez": 200, "/readyz/etcd": 200})
	if authorities.check(nil) == nil {
		t.Error("a server that knows no authority says that it is ready")
	}
	first = ca.Bundle()
	want("with half of it loaded", map[string]int{"/apis": 503, "/healthz": 200})
	second = ca.Bundle()
	want("with all of it loaded", map[string]int{"/apis": 200, "/healthz": 200})
	if err := authorities.check(nil); err != nil {
		t.Error(err)
	}
}

// content is a bundle. Only its bytes are asked for.
type content []byte

func (*content) Name() string                              { return "test" }
func (c *content) CurrentCABundleContent() []byte          { return *c }
func (*content) VerifyOptions() (x509.VerifyOptions, bool) { return x509.VerifyOptions{}, false }
func (*content) AddListener(dynamiccertificates.Listener)  {}
