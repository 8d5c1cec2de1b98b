package behaviour

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/certs"
	"github.com/duet-api/duet/shared/controlplane"
)

// kubelet is as much of one as it takes to read a log: a server that kube-apiserver asks for the log of a container.
// There is no container; what it has logged is what the probe writes.
type kubelet struct {
	// logged is what the container writes while somebody follows it.
	logged chan string
	port   int
}

// firstLine is what every log begins with.
const firstLine = "ready for connections"

// serverWithLog gives the first server of the instance db a node whose kubelet has a log. The pod is the one that the
// controller and kube-controller-manager make; all that it lacks here is a node.
func (s *Subject) serverWithLog(ctx context.Context) (*kubelet, error) {
	k, err := s.kubelet()
	if err != nil {
		return nil, err
	}
	client, err := s.kubernetes()
	if err != nil {
		return nil, err
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}}
	if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
		return nil, fmt.Errorf("could not create a node: %w", err)
	}
	s.afterwards(func(ctx context.Context) error {
		return client.CoreV1().Nodes().Delete(ctx, s.Namespace, metav1.DeleteOptions{})
	})
	// The controllers of nodes write to a new one as well.
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		node, err := client.CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}}
		node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(k.port) //nolint:gosec // a port is small
		_, err = client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("could not say where the node's kubelet is: %w", err)
	}
	const pod = "db-0"
	err = eventually(ctx, "the server on the node", func(ctx context.Context) (bool, error) {
		err := client.CoreV1().Pods(s.Namespace).Bind(ctx, &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Name: pod},
			Target:     corev1.ObjectReference{Kind: "Node", Name: node.Name},
		}, metav1.CreateOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil // The controller is about to make it.
		}
		return err == nil, err
	})
	// Nobody else would say that the pod has ended, and its namespace would wait for that.
	s.afterwards(func(ctx context.Context) error {
		return client.CoreV1().Pods(s.Namespace).Delete(ctx, pod, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)})
	})
	return k, err
}

// kubelet starts one, with a certificate that kube-apiserver takes for a kubelet's.
func (s *Subject) kubelet() (*kubelet, error) {
	ca, err := certs.LoadCA(s.Site.Plane.PKIDir(), controlplane.ClusterCA)
	if err != nil {
		return nil, err
	}
	certPEM, keyPEM, err := ca.IssueServing("127.0.0.1")
	if err != nil {
		return nil, fmt.Errorf("could not issue a kubelet's certificate: %w", err)
	}
	certificate, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("could not use a kubelet's certificate: %w", err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		return nil, fmt.Errorf("could not listen as a kubelet: %w", err)
	}
	k := &kubelet{logged: make(chan string), port: listener.Addr().(*net.TCPAddr).Port}
	server := &http.Server{Handler: k, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	s.afterwards(func(context.Context) error {
		closing := server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("the kubelet ended: %w", err)
		}
		return closing
	})
	return k, nil
}

// ServeHTTP sends the log, and what is logged as long as somebody follows it.
func (k *kubelet) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	write := func(line string) {
		fmt.Fprintln(w, line)
		w.(http.Flusher).Flush()
	}
	write(firstLine)
	if request.URL.Query().Get("follow") != "true" {
		return
	}
	for {
		select {
		case line := <-k.logged:
			write(line)
		case <-request.Context().Done():
			return
		}
	}
}

// log writes a line, once somebody follows.
func (k *kubelet) log(ctx context.Context, line string) error {
	select {
	case k.logged <- line:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("nobody follows the log: %w", ctx.Err())
	}
}
