package arm

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/net/http2"
	"k8s.io/client-go/rest"
)

// A server learns at once how little it may send, or it would never notice that nobody reads.
func TestIdleWatchSaysHowLittleItTakes(t *testing.T) {
	// The certificate of a test server, without its HTTP.
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	defer certified.Close()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: certified.TLS.Certificates, NextProtos: []string{http2.NextProtoTLS},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	windows := make(chan uint32, 1)
	go func() {
		defer close(windows)
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		defer connection.Close()
		if _, err := io.ReadFull(connection, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		frame, err := http2.NewFramer(connection, connection).ReadFrame()
		if err != nil {
			return
		}
		if settings, ok := frame.(*http2.SettingsFrame); ok {
			size, _ := settings.Value(http2.SettingInitialWindowSize)
			windows <- size
		}
	}()
	kind, err := MySQLInstances(7)
	if err != nil {
		t.Fatal(err)
	}
	target := Kubernetes{Config: &rest.Config{
		Host: "https://" + listener.Addr().String(), TLSClientConfig: rest.TLSClientConfig{Insecure: true},
	}}
	arm := &Arm{Name: "crd", Form: "crd", Namespace: "ns", Kind: kind, Target: target}
	if watch, err := target.Idle(t.Context(), arm, "1"); err == nil {
		watch.Close()
		t.Error("a watch was opened by a server that hung up")
	}
	if got := <-windows; got != window {
		t.Errorf("a server may send %d bytes, want %d", got, window)
	}
}
