package process

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestShutdownAndInfo(t *testing.T) {
	asked := make(chan struct{})
	client, stop := serve(t, newTestSupervisor(t), func() { close(asked) })
	info, err := client.Info(t.Context())
	must(t, err)
	if info.PID != os.Getpid() || info.StartedAt.IsZero() {
		t.Errorf("got %+v, want this program", info)
	}
	must(t, client.Shutdown(t.Context()))
	<-asked
	must(t, stop())
	if _, err := client.Info(t.Context()); err == nil || !strings.Contains(err.Error(), client.Socket()) {
		t.Errorf("got error %v, want it to name the socket that nobody serves", err)
	}
}

func TestClosedSupervisorOverTheSocket(t *testing.T) {
	supervisor := newTestSupervisor(t)
	client, stop := serve(t, supervisor, func() {})
	must(t, supervisor.Close(t.Context()))
	if err := client.Run(t.Context(), script("one", forever)); !errors.Is(err, ErrClosed) {
		t.Errorf("got error %v, want %v", err, ErrClosed)
	}
	must(t, stop())
}

func TestBadRequests(t *testing.T) {
	supervisor := newTestSupervisor(t)
	client, stop := serve(t, supervisor, func() {})
	for name, tc := range map[string]struct {
		method, path, body string
		wantStatus         int
	}{
		"not JSON":      {http.MethodPost, "/run", "{", http.StatusUnprocessableEntity},
		"too large":     {http.MethodPost, "/run", `{"name":"` + strings.Repeat("a", maxBody) + `"}`, http.StatusUnprocessableEntity},
		"unknown path":  {http.MethodPost, "/fly", "", http.StatusNotFound},
		"wrong method":  {http.MethodGet, "/kill?name=one", "", http.StatusMethodNotAllowed},
		"no name given": {http.MethodPost, "/kill", "", http.StatusUnprocessableEntity},
	} {
		request, err := http.NewRequestWithContext(t.Context(), tc.method, "http://supervisor"+tc.path, strings.NewReader(tc.body))
		must(t, err)
		response, err := client.http.Do(request)
		must(t, err)
		must(t, response.Body.Close())
		if response.StatusCode != tc.wantStatus {
			t.Errorf("%s: got status %d, want %d", name, response.StatusCode, tc.wantStatus)
		}
	}
	must(t, stop())
}

func TestSocketPath(t *testing.T) {
	for name, tc := range map[string]struct{ dir, wantDir string }{
		"short": {"/home/user/state", "/home/user/state"},
		"long":  {"/" + strings.Repeat("long/", 30), os.TempDir()},
	} {
		got := SocketPath(tc.dir)
		if !strings.HasPrefix(got, tc.wantDir+"/") {
			t.Errorf("%s: got %s, want it in %s", name, got, tc.wantDir)
		}
		if again := SocketPath(tc.dir); again != got {
			t.Errorf("%s: the path changes from %s to %s", name, got, again)
		}
	}
	if SocketPath("/"+strings.Repeat("long/", 30)) == SocketPath("/"+strings.Repeat("long/", 31)) {
		t.Error("two directories share a socket")
	}
}

func TestListen(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for name, dir := range map[string]string{
		"short": filepath.Join(t.TempDir(), "d"),
		"long":  filepath.Join(t.TempDir(), strings.Repeat("d", maxSocketPath)),
	} {
		socket := SocketPath(dir)
		if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// What a killed supervisor leaves.
		must(t, os.WriteFile(socket, nil, 0o600))
		listener, err := Listen(socket)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		info, err := os.Stat(socket)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: the socket has mode %s", name, info.Mode())
		}
		must(t, listener.Close())
		if _, err := os.Stat(filepath.Dir(socket)); !os.IsNotExist(err) {
			t.Errorf("%s: the socket's directory is left, with nothing in it: %v", name, err)
		}
	}
}

func TestListenRefusesTheDirectoryOfAnother(t *testing.T) {
	dir := t.TempDir()
	if os.Getuid() == 0 {
		must(t, os.Chown(dir, 65534, 65534))
	} else {
		dir = "/"
	}
	if _, err := Listen(filepath.Join(dir, "duet.sock")); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("got error %v, want a refusal", err)
	}
}

func TestPorts(t *testing.T) {
	port, err := FreePort()
	must(t, err)
	if port < firstPort || port > lastPort || !PortFree(port) {
		t.Errorf("got port %d, want a free one from %d to %d", port, firstPort, lastPort)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	must(t, err)
	defer listener.Close()
	if PortFree(port) {
		t.Errorf("port %d is called free while something listens on it", port)
	}
}
