package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/shared/certs"
	"github.com/duet-api/duet/shared/process"
)

const (
	// soon is how long a test waits for what should happen at once.
	soon = 20 * time.Second
	// often is how often it looks.
	often = 20 * time.Millisecond
)

// running is a server that serves until the test ends or stop is called.
type running struct {
	url, metricsURL string
	dir             string
	ca              *certs.CA
	stop            context.CancelFunc
	done            chan error
}

// start runs a server on a free port and waits until it answers. A client CA may be given.
func start(t *testing.T, clientCA *certs.CA) *running {
	t.Helper()
	g := NewWithT(t)
	ca, err := certs.NewCA("webhook-ca")
	g.Expect(err).NotTo(HaveOccurred())
	dir := t.TempDir()
	certFile, keyFile, err := certs.EnsureServingFiles(dir, "webhook", ca, "127.0.0.1")
	g.Expect(err).NotTo(HaveOccurred())
	config := Config{Address: "127.0.0.1", CertFile: certFile, KeyFile: keyFile}
	config.Port, err = process.FreePort()
	g.Expect(err).NotTo(HaveOccurred())
	metricsPort, err := process.FreePort()
	g.Expect(err).NotTo(HaveOccurred())
	config.MetricsAddress = fmt.Sprintf("127.0.0.1:%d", metricsPort)
	if clientCA != nil {
		config.ClientCA = x509.NewCertPool()
		config.ClientCA.AppendCertsFromPEM(clientCA.Bundle())
	}
	server, err := NewServer(config)
	g.Expect(err).NotTo(HaveOccurred())

	ctx, cancel := context.WithCancel(context.Background())
	r := &running{
		url: fmt.Sprintf("https://127.0.0.1:%d", config.Port), metricsURL: "http://" + config.MetricsAddress + "/metrics",
		dir: dir, ca: ca, stop: cancel, done: make(chan error, 1),
	}
	go func() { r.done <- server.Run(ctx); close(r.done) }()
	t.Cleanup(func() {
		cancel()
		if err := <-r.done; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	g.Eventually(func() error {
		code, body, err := r.do(t, http.MethodGet, ReadyPath, "", nil)
		if err == nil && (code != http.StatusOK || body != "ok") {
			err = fmt.Errorf("%d %s", code, body)
		}
		return err
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
	return r
}

func (r *running) client(certificate *tls.Certificate) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(r.ca.Bundle())
	config := &tls.Config{RootCAs: pool}
	if certificate != nil {
		// Certificates would hold back one that the server will not like.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}, Timeout: soon}
}

func (r *running) do(t *testing.T, method, path, body string, certificate *tls.Certificate) (int, string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	return read(r.client(certificate).Do(request))
}

// read returns the code and the body of an answer.
func read(response *http.Response, err error) (int, string, error) {
	if err != nil {
		return 0, "", err
	}
	data, err := io.ReadAll(response.Body)
	return response.StatusCode, string(data), errors.Join(err, response.Body.Close())
}

func clientCertificate(t *testing.T, ca *certs.CA) *tls.Certificate {
	t.Helper()
	certPEM, keyPEM, err := ca.IssueClient("kube-apiserver")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return &pair
}

func TestServerAnswers(t *testing.T) {
	server := start(t, nil)
	tests := map[string]struct {
		method, path, body string
		wantCode           int
	}{
		"alive":           {http.MethodGet, HealthPath, "", http.StatusOK},
		"ready":           {http.MethodGet, ReadyPath, "", http.StatusOK},
		"conversion":      {http.MethodPost, ConvertPath, conversionReview("mysql.example.com/v1", flatObject), http.StatusOK},
		"defaulting":      {http.MethodPost, DefaultPath, admissionReview(flat(""), ""), http.StatusOK},
		"validation":      {http.MethodPost, ValidatePath, admissionReview(flat(""), ""), http.StatusOK},
		"garbage":         {http.MethodPost, ValidatePath, "garbage", http.StatusBadRequest},
		"another path":    {http.MethodPost, "/mutate", "{}", http.StatusNotFound},
		"a posted health": {http.MethodPost, HealthPath, "", http.StatusMethodNotAllowed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			code, body, err := server.do(t, test.method, test.path, test.body, nil)
			if err != nil {
				t.Fatal(err)
			}
			if code != test.wantCode {
				t.Errorf("code is %d, want %d: %s", code, test.wantCode, body)
			}
		})
	}

	_, metrics, err := read(http.Get(server.metricsURL))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`controller_runtime_webhook_requests_total{code="200",webhook="/convert"}`,
		`controller_runtime_webhook_requests_total{code="400",webhook="/validate"}`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics do not have %s", want)
		}
	}
}

func TestServerRefusesPlainHTTP(t *testing.T) {
	server := start(t, nil)
	code, _, err := read(http.Get(strings.Replace(server.url, "https", "http", 1) + HealthPath))
	if err != nil {
		t.Fatal(err)
	}
	if code != http.StatusBadRequest {
		t.Errorf("plain HTTP is answered with %d", code)
	}
}

func TestClientCertificates(t *testing.T) {
	ca, err := certs.NewCA("clients")
	if err != nil {
		t.Fatal(err)
	}
	other, err := certs.NewCA("others")
	if err != nil {
		t.Fatal(err)
	}
	server := start(t, ca)
	known, unknown := clientCertificate(t, ca), clientCertificate(t, other)
	validation, conversion := admissionReview(flat(""), ""), conversionReview("mysql.example.com/v1", flatObject)
	tests := map[string]struct {
		path, body  string
		certificate *tls.Certificate
		wantCode    int // 0: the handshake fails
	}{
		"validation, none":             {ValidatePath, validation, nil, http.StatusUnauthorized},
		"validation, of the CA":        {ValidatePath, validation, known, http.StatusOK},
		"validation, of another CA":    {ValidatePath, validation, unknown, 0},
		"defaulting, none":             {DefaultPath, validation, nil, http.StatusUnauthorized},
		"defaulting, of the CA":        {DefaultPath, validation, known, http.StatusOK},
		"conversion, none, is allowed": {ConvertPath, conversion, nil, http.StatusOK},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			code, body, err := server.do(t, http.MethodPost, test.path, test.body, test.certificate)
			if (err != nil) != (test.wantCode == 0) {
				t.Fatalf("error is %v", err)
			}
			if code != test.wantCode {
				t.Errorf("code is %d, want %d: %s", code, test.wantCode, body)
			}
		})
	}
}

func TestANewCertificateIsServedWithoutARestart(t *testing.T) {
	server := start(t, nil)
	next, err := certs.NewCA("next")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := certs.EnsureServingFiles(server.dir, "webhook", next, "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	server.ca = next
	NewWithT(t).Eventually(func() error {
		_, _, err := server.do(t, http.MethodGet, HealthPath, "", nil)
		return err
	}).WithTimeout(soon).WithPolling(often).Should(Succeed())
}

// A review that has begun is finished after the order to stop, and nothing listens afterwards.
func TestServerStopsGracefully(t *testing.T) {
	server := start(t, nil)
	body, feed := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.url+ConvertPath, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answered := make(chan error, 1)
	go func() {
		code, answer, err := read(server.client(nil).Do(request))
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("the answer is %d %s", code, answer)
		}
		answered <- err
	}()
	review := conversionReview("mysql.example.com/v1", flatObject)
	if _, err := io.WriteString(feed, review[:len(review)/2]); err != nil {
		t.Fatal(err)
	}
	// The first half has left the client; the server has the request when it counts it as being in flight.
	g := NewWithT(t)
	g.Eventually(func() (string, error) {
		_, metrics, err := read(http.Get(server.metricsURL))
		return metrics, err
	}).WithTimeout(soon).WithPolling(often).Should(ContainSubstring(`webhook_requests_in_flight{webhook="/convert"} 1`))

	server.stop()
	address := strings.TrimPrefix(server.url, "https://")
	g.Eventually(func() error {
		connection, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		return connection.Close()
	}).WithTimeout(soon).WithPolling(often).ShouldNot(Succeed())
	if _, err := io.WriteString(feed, review[len(review)/2:]); err != nil {
		t.Fatal(err)
	}
	if err := feed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("the review that had begun: %v", err)
	}
}

func TestServerThatCannotStart(t *testing.T) {
	dir := t.TempDir()
	missing := Config{Address: "127.0.0.1", CertFile: filepath.Join(dir, "a"), KeyFile: filepath.Join(dir, "b")}
	if _, err := NewServer(missing); err == nil || !strings.Contains(err.Error(), "could not load the serving certificate") {
		t.Errorf("without a certificate: %v", err)
	}

	taken := start(t, nil)
	var port int
	if _, err := fmt.Sscanf(taken.url, "https://127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := certs.Files(taken.dir, "webhook")
	second, err := NewServer(Config{Address: "127.0.0.1", Port: port, CertFile: certFile, KeyFile: keyFile})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), taken.url[len("https://"):]) {
		t.Errorf("on a port that is taken: %v, want an error with the address", err)
	}
}
