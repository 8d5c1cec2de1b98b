package behaviour

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/retry"

	"github.com/duet-api/duet/shared/certs"
	"github.com/duet-api/duet/shared/controlplane"
)

// address is where kube-apiserver finds a server, and what it verifies it with.
type address struct {
	port   int
	bundle []byte // PEM
}

// eachAddress calls a function with every part of an object that holds an address: the spec of an APIService, and the
// client configurations of webhooks and of a CustomResourceDefinition.
func eachAddress(value any, do func(map[string]any) error) error {
	switch value := value.(type) {
	case map[string]any:
		if _, ok := value["caBundle"]; ok {
			return do(value)
		}
		for _, child := range value {
			if err := eachAddress(child, do); err != nil {
				return err
			}
		}
	case []any:
		for _, child := range value {
			if err := eachAddress(child, do); err != nil {
				return err
			}
		}
	}
	return nil
}

// bundleIn is the one that a form's objects verify its server with.
func bundleIn(objects []*unstructured.Unstructured) (bundle []byte, err error) {
	for _, object := range objects {
		err := eachAddress(object.Object, func(found map[string]any) error {
			encoded, _ := found["caBundle"].(string)
			bundle, err = base64.StdEncoding.DecodeString(encoded)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("could not read the caBundle of %s: %w", object.GetName(), err)
		}
	}
	if bundle == nil {
		return nil, errors.New("could not find how the form's server is reached: no object has a caBundle")
	}
	return bundle, nil
}

// direct tells kube-apiserver where to find the server.
func (b *backend) direct(ctx context.Context, to address) error {
	for _, object := range b.plan.Objects {
		err := b.edit(ctx, object, func(current *unstructured.Unstructured) error {
			return eachAddress(current.Object, func(found map[string]any) error {
				found["caBundle"] = base64.StdEncoding.EncodeToString(to.bundle)
				if service, ok := found["service"].(map[string]any); ok {
					service["port"] = int64(to.port)
					return nil
				}
				text, _ := found["url"].(string)
				location, err := url.Parse(text)
				if err != nil {
					return err
				}
				location.Host = loopback(to.port)
				found["url"] = location.String()
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// edit changes an object of the cluster, unless the change comes to nothing.
func (b *backend) edit(ctx context.Context, object *unstructured.Unstructured,
	change func(*unstructured.Unstructured) error) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		current, err := b.resource(object).Get(ctx, object.GetName(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		before := current.DeepCopy()
		if err := change(current); err != nil || equality.Semantic.DeepEqual(before, current) {
			return err
		}
		_, err = b.resource(object).Update(ctx, current, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("could not change %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// hosts that the server's certificate is for.
func (b *backend) hosts() ([]string, error) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b.at.bundle)
	connection, err := tls.Dial("tcp", loopback(b.at.port), &tls.Config{RootCAs: pool})
	if err != nil {
		return nil, fmt.Errorf("could not connect to %s: %w", b.name, err)
	}
	defer connection.Close()
	certificate := connection.ConnectionState().PeerCertificates[0]
	hosts := certificate.DNSNames
	for _, ip := range certificate.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	return hosts, nil
}

// front starts a server of the row's own. It passes on what it is asked, once handle has seen it, to the form's server,
// with kube-apiserver's word on who asks. Its certificate is for the same hosts, of an authority of its own, and valid
// for as long as is said. It ends with the row.
func (b *backend) front(validity time.Duration, handle func(next http.Handler) http.Handler) (address, error) {
	hosts, err := b.hosts()
	if err != nil {
		return address{}, err
	}
	ca, err := certs.NewCA("duet-row")
	if err != nil {
		return address{}, err
	}
	certPEM, keyPEM, err := ca.IssueServingFor(validity, hosts...)
	if err != nil {
		return address{}, err
	}
	certificate, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return address{}, fmt.Errorf("could not use a certificate just issued: %w", err)
	}
	next, err := b.forwarder()
	if err != nil {
		return address{}, err
	}
	listener, err := net.Listen("tcp", loopback(0))
	if err != nil {
		return address{}, fmt.Errorf("could not listen: %w", err)
	}
	server := &http.Server{
		Handler:           handle(next),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}},
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // failing handshakes are what some rows are about
	}
	b.subject.afterwards(func(context.Context) error { return server.Close() })
	b.subject.afterwards(b.restore) // before the server that it was directed to ends
	go func() { _ = server.ServeTLS(listener, "", "") }()
	return address{port: listener.Addr().(*net.TCPAddr).Port, bundle: ca.Bundle()}, nil
}

// forwarder passes requests on to the form's server, as kube-apiserver does: what it says about the user is believed
// because of its certificate.
func (b *backend) forwarder() (http.Handler, error) {
	identity, err := tls.LoadX509KeyPair(certs.Files(b.subject.Site.Plane.PKIDir(), controlplane.FrontProxyClient))
	if err != nil {
		return nil, fmt.Errorf("could not read the front proxy's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b.at.bundle)
	target := &url.URL{Scheme: "https", Host: loopback(b.at.port)}
	return &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) { request.SetURL(target) },
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{identity}},
			ForceAttemptHTTP2: true,
		},
		FlushInterval: -1, // events of a watch go out as they come
		ErrorLog:      log.New(io.Discard, "", 0),
	}, nil
}
