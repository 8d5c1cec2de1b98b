package apiserver

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/util/cert"
	"k8s.io/klog/v2"
)

// checkTrust looks at who may tell this server in a header who the user is. The aggregation layer authenticates users
// and sends their names in X-Remote-User; that is only safe if nobody else can. An empty list of allowed names lets
// every certificate of the request-header CA do it, which is fine as long as that CA signs nothing but the front
// proxy's certificate, and an open door if it also signs those of ordinary clients: each of them could be anybody.
func checkTrust(ctx context.Context, allowedNames []string, proxyCA, clientCA []byte) error {
	if len(proxyCA) == 0 || len(allowedNames) > 0 {
		return nil
	}
	klog.FromContext(ctx).Info("requestheader-allowed-names is empty: " +
		"every certificate of the request-header CA may act as any user. Set it on kube-apiserver")
	shared, err := shareCertificate(proxyCA, clientCA)
	if err != nil {
		return fmt.Errorf("could not compare the request-header CA with the client CA: %w", err)
	}
	if shared {
		return errors.New("refusing to start: the request-header CA is also a client CA and requestheader-allowed-names " +
			"is empty, so every client certificate could act as any user; " +
			"give kube-apiserver a CA of its own for the front proxy, or set --requestheader-allowed-names")
	}
	return nil
}

// shareCertificate tells whether two PEM bundles have a certificate in common. An empty bundle has none.
func shareCertificate(a, b []byte) (bool, error) {
	if len(a) == 0 || len(b) == 0 {
		return false, nil
	}
	first, err := cert.ParseCertsPEM(a)
	if err != nil {
		return false, err
	}
	second, err := cert.ParseCertsPEM(b)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(first, func(one *x509.Certificate) bool {
		return slices.ContainsFunc(second, one.Equal)
	}), nil
}

// trust is the certificate authorities that the server must know before it can tell who anybody is. The library reads
// them from the cluster in the background, and serves meanwhile: for some milliseconds after a start it would take
// kube-apiserver itself for an anonymous user, and answer 403 to requests that are fine. Nobody tries again after that.
type trust []dynamiccertificates.CAContentProvider

// check is an error as long as an authority is missing.
func (t trust) check(*http.Request) error {
	for _, provider := range t {
		if len(provider.CurrentCABundleContent()) == 0 {
			return fmt.Errorf("%s is not loaded yet", provider.Name())
		}
	}
	return nil
}

// gate answers 503, which clients do try again, until the authorities are known. Probes are let through.
func (t trust) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		probe := slices.ContainsFunc([]string{"/healthz", "/livez", "/readyz"}, func(path string) bool {
			return req.URL.Path == path || strings.HasPrefix(req.URL.Path, path+"/")
		})
		if err := t.check(req); err != nil && !probe {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "The server is starting and cannot authenticate requests: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, req)
	})
}
