package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestHandshakes is what certificates are for: who gets through to whom.
func TestHandshakes(t *testing.T) {
	servers, clients, others := newCA(t, "servers"), newCA(t, "clients"), newCA(t, "clients")
	serving := func(ca *CA, hosts ...string) tls.Certificate { return pair(t)(ca.IssueServing(hosts...)) }
	client := func(ca *CA) tls.Certificate { return pair(t)(ca.IssueClient("jane", "dev", "ops")) }
	for name, tc := range map[string]struct {
		server, client tls.Certificate
		host           string
		wantErr        string
	}{
		"by name":          {serving(servers, "db.example.com", "127.0.0.1"), client(clients), "db.example.com", ""},
		"by address":       {serving(servers, "db.example.com", "127.0.0.1"), client(clients), "127.0.0.1", ""},
		"by IPv6 address":  {serving(servers, "::1"), client(clients), "::1", ""},
		"another host":     {serving(servers, "db.example.com"), client(clients), "other.example.com", "not other.example.com"},
		"another server":   {serving(others, "db.example.com"), client(clients), "db.example.com", "signed by unknown authority"},
		"another client":   {serving(servers, "db.example.com"), client(others), "db.example.com", "unknown certificate authority"},
		"server as client": {serving(servers, "db.example.com"), serving(clients, "x"), "db.example.com", "bad certificate"},
		"client as server": {pair(t)(servers.IssueClient("db.example.com")), client(clients), "db.example.com", "use SANs instead"},
	} {
		t.Run(name, func(t *testing.T) {
			user, err := handshake(t, tc.server, servers, tc.client, clients, tc.host)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("got error %v, want one with %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"jane", "dev", "ops"}, append([]string{user.CommonName}, user.Organization...)); diff != "" {
				t.Errorf("the server sees another user (-want +got):\n%s", diff)
			}
		})
	}
}

// handshake connects a client to a server and returns whom the server saw, or what either side objected to.
func handshake(t *testing.T, server tls.Certificate, serverCA *CA, client tls.Certificate, clientCA *CA, host string) (pkix.Name, error) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{server}, ClientCAs: pool(t, clientCA), ClientAuth: tls.RequireAndVerifyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var user pkix.Name
	result := make(chan error, 1)
	go func() {
		result <- func() error {
			conn, err := listener.Accept()
			if err != nil {
				return err
			}
			defer conn.Close()
			accepted := conn.(*tls.Conn)
			if err := accepted.Handshake(); err != nil {
				return err
			}
			user = accepted.ConnectionState().PeerCertificates[0].Subject
			_, err = accepted.Write([]byte("x"))
			return err
		}()
	}()
	// The client learns of the server's verdict on its certificate only when it reads.
	clientErr := func() error {
		conn, err := tls.Dial("tcp", listener.Addr().String(),
			&tls.Config{Certificates: []tls.Certificate{client}, RootCAs: pool(t, serverCA), ServerName: host})
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Read(make([]byte, 1))
		return err
	}()
	err = errors.Join(<-result, clientErr)
	return user, err
}

func TestIssuedCertificates(t *testing.T) {
	ca := newCA(t, "test")
	certPEM, keyPEM, err := ca.IssueServing("db.example.com")
	if err != nil {
		t.Fatal(err)
	}
	leaf := pair(t)(certPEM, keyPEM, nil).Leaf
	if leaf.Subject.CommonName != "" {
		t.Errorf("the host is in the common name %q, where nobody looks any more", leaf.Subject.CommonName)
	}
	if leaf.IsCA {
		t.Error("a serving certificate can sign others")
	}
	if got := leaf.NotAfter.Sub(leaf.NotBefore); got != Validity+backdate {
		t.Errorf("it is valid for %s, want %s", got, Validity+backdate)
	}
	other := pair(t)(ca.IssueServing("db.example.com")).Leaf
	if leaf.SerialNumber.Cmp(other.SerialNumber) == 0 {
		t.Error("two certificates have the same serial number")
	}
}

func TestRefusedArguments(t *testing.T) {
	ca := newCA(t, "test")
	for name, issue := range map[string]func() error{
		"no authority name": func() error { _, err := NewCA(""); return err },
		"no host":           func() error { _, _, err := ca.IssueServing(); return err },
		"empty host":        func() error { _, _, err := ca.IssueServing("a", ""); return err },
		"no user":           func() error { _, _, err := ca.IssueClient(""); return err },
	} {
		if issue() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLoadOrCreateCA(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	first, err := LoadOrCreateCA(dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	second, err := LoadOrCreateCA(dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bundle(), second.Bundle()) {
		t.Error("the second call made another authority")
	}
	// What the loaded key signs must be trusted through the first bundle.
	if err := first.verifyServing(pair(t)(second.IssueServing("a")).Leaf, []string{"a"}); err != nil {
		t.Error(err)
	}
	certFile, keyFile := Files(dir, "test")
	wantMode(t, keyFile, 0o600)
	wantMode(t, certFile, 0o644)
}

func TestDamagedCA(t *testing.T) {
	for name, tc := range map[string]struct {
		damage  func(t *testing.T, certFile, keyFile string)
		wantErr string
	}{
		"key lost":     {func(t *testing.T, _, keyFile string) { remove(t, keyFile) }, "could not read the key"},
		"cert garbled": {func(t *testing.T, certFile, _ string) { write(t, certFile, "x") }, "could not read the certificate"},
		"key garbled":  {func(t *testing.T, _, keyFile string) { write(t, keyFile, "x") }, "could not read the key"},
		"key of another": {func(t *testing.T, _, keyFile string) {
			_, keyPEM, err := newCA(t, "other").IssueClient("x")
			if err != nil {
				t.Fatal(err)
			}
			write(t, keyFile, string(keyPEM))
		}, "does not hold the ECDSA key"},
		"no authority": {func(t *testing.T, certFile, keyFile string) {
			certPEM, keyPEM, err := newCA(t, "other").IssueClient("x")
			if err != nil {
				t.Fatal(err)
			}
			write(t, certFile, string(certPEM))
			write(t, keyFile, string(keyPEM))
		}, "is not a CA certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := LoadOrCreateCA(dir, "test"); err != nil {
				t.Fatal(err)
			}
			certFile, keyFile := Files(dir, "test")
			tc.damage(t, certFile, keyFile)
			if _, err := LoadOrCreateCA(dir, "test"); err == nil || !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("got error %v, want one with %q", err, tc.wantErr)
			}
		})
	}
	t.Run("crash before the certificate was written", func(t *testing.T) {
		dir := t.TempDir()
		_, keyFile := Files(dir, "test")
		write(t, keyFile, "half a k")
		if _, err := LoadOrCreateCA(dir, "test"); err != nil {
			t.Error(err)
		}
	})
}

func TestEnsureServingFiles(t *testing.T) {
	ca := newCA(t, "test")
	hosts := []string{"a.example.com", "127.0.0.1", "::1"}
	keepsOrReplaces(t, "", func(t *testing.T, dir string) {
		ensureServing(t, dir, ca, "::1", "a.example.com", "127.0.0.1")
	}, ca, hosts)
	for reason, before := range map[string]func(t *testing.T, dir string){
		"missing":       func(*testing.T, string) {},
		"other hosts":   func(t *testing.T, dir string) { ensureServing(t, dir, ca, "a.example.com") },
		"more hosts":    func(t *testing.T, dir string) { ensureServing(t, dir, ca, append(hosts, "b.example.com")...) },
		"same-named CA": func(t *testing.T, dir string) { ensureServing(t, dir, newCA(t, "test"), hosts...) },
		"another usage": func(t *testing.T, dir string) { issueInto(t, dir, ca, x509.ExtKeyUsageClientAuth, Validity) },
		"about to end": func(t *testing.T, dir string) {
			issueInto(t, dir, ca, x509.ExtKeyUsageServerAuth, RenewBefore-time.Hour)
		},
		"key of another": func(t *testing.T, dir string) { ensureServing(t, dir, ca, hosts...); swapKey(t, dir, ca) },
		"garbled": func(t *testing.T, dir string) {
			certFile, _ := Files(dir, "x")
			write(t, certFile, "x")
		},
	} {
		keepsOrReplaces(t, reason, before, ca, hosts)
	}
}

// keepsOrReplaces runs EnsureServingFiles twice on what before has left: it must be replaced when there is a reason, and
// then be kept.
func keepsOrReplaces(t *testing.T, reason string, before func(*testing.T, string), ca *CA, hosts []string) {
	name := reason
	if name == "" {
		name = "good"
	}
	t.Run(name, func(t *testing.T) {
		dir := t.TempDir()
		before(t, dir)
		certFile, keyFile := Files(dir, "x")
		old, _ := os.ReadFile(certFile) // missing is one of the cases
		oldKey, _ := os.ReadFile(keyFile)
		ensureServing(t, dir, ca, hosts...)
		first, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		key, err := os.ReadFile(keyFile)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := os.ReadFile(certFile)
		if err != nil {
			t.Fatal(err)
		}
		if kept := bytes.Equal(old, cert) && bytes.Equal(oldKey, key); kept != (reason == "") {
			t.Errorf("kept: %t", kept)
		}
		if err := ca.verifyServing(first.Leaf, hosts); err != nil {
			t.Errorf("what is there now is not good: %v", err)
		}
		wantMode(t, keyFile, 0o600)
		ensureServing(t, dir, ca, hosts...)
		again, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		if !again.Leaf.Equal(first.Leaf) {
			t.Error("a good certificate was replaced")
		}
	})
}

func TestEnsureClientFiles(t *testing.T) {
	ca, dir := newCA(t, "test"), t.TempDir()
	load := func(user string, groups ...string) *x509.Certificate {
		certFile, keyFile, err := EnsureClientFiles(dir, "x", ca, user, groups...)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf
	}
	first := load("jane", "dev", "ops")
	if again := load("jane", "ops", "dev"); !again.Equal(first) {
		t.Error("the same user got another certificate")
	}
	if other := load("jane", "dev"); !cmp.Equal(other.Subject.Organization, []string{"dev"}) {
		t.Errorf("got groups %v, want only dev", other.Subject.Organization)
	}
	if other := load("joe", "dev"); other.Subject.CommonName != "joe" {
		t.Errorf("got user %s, want joe", other.Subject.CommonName)
	}
}

func TestEnsureKeyPair(t *testing.T) {
	dir := t.TempDir()
	privateFile, publicFile, err := EnsureKeyPair(dir, "sa")
	if err != nil {
		t.Fatal(err)
	}
	wantMode(t, privateFile, 0o600)
	public := read(t, publicFile)
	remove(t, publicFile)
	private := read(t, privateFile)
	if _, _, err := EnsureKeyPair(dir, "sa"); err != nil {
		t.Fatal(err)
	}
	if read(t, privateFile) != private || read(t, publicFile) != public {
		t.Error("the key pair was not kept")
	}
	write(t, privateFile, "x")
	if _, _, err := EnsureKeyPair(dir, "sa"); err == nil || read(t, privateFile) != "x" {
		t.Errorf("a private key that cannot be read was replaced, or the error is missing: %v", err)
	}
}

func TestUnwritableDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	if _, _, err := EnsureServingFiles(filepath.Join(file, "pki"), "x", newCA(t, "test"), "a"); err == nil {
		t.Error("no error for a directory that cannot be made")
	}
}

func newCA(t *testing.T, name string) *CA {
	t.Helper()
	ca, err := NewCA(name)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func pair(t *testing.T) func(certPEM, keyPEM []byte, err error) tls.Certificate {
	return func(certPEM, keyPEM []byte, err error) tls.Certificate {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(certPEM, keyPEM)
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
}

func pool(t *testing.T, ca *CA) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca.Bundle()) {
		t.Fatal("the bundle holds no certificate")
	}
	return pool
}

func ensureServing(t *testing.T, dir string, ca *CA, hosts ...string) {
	t.Helper()
	if _, _, err := EnsureServingFiles(dir, "x", ca, hosts...); err != nil {
		t.Fatal(err)
	}
}

// issueInto writes a certificate for the hosts of TestEnsureServingFiles that is wrong in one way.
func issueInto(t *testing.T, dir string, ca *CA, usage x509.ExtKeyUsage, validity time.Duration) {
	t.Helper()
	certPEM, keyPEM, err := ca.issue(&x509.Certificate{
		DNSNames: []string{"a.example.com"}, IPAddresses: []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP("::1")},
		ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}, validity)
	if err == nil {
		err = writePair(dir, "x", certPEM, keyPEM)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func swapKey(t *testing.T, dir string, ca *CA) {
	t.Helper()
	_, keyPEM, err := ca.IssueClient("x")
	if err != nil {
		t.Fatal(err)
	}
	_, keyFile := Files(dir, "x")
	write(t, keyFile, string(keyPEM))
}

func wantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != want {
		t.Errorf("%s has mode %s, want %s", path, info.Mode().Perm(), want)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
