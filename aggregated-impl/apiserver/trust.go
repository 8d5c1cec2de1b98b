package apiserver

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/util/cert"
	"k8s.io/klog/v2"
)

// checkTrust looks at who may tell this server in a header who the user is. The aggregation layer authenticates users
// and sends their names in X-Remote-User; that is only safe if nobody else can. An empty list of allowed names lets
// every certificate of the request-header CA do it, which is fine as long as that CA signs nothing but the front
// proxy's certificate, and an open door if it also signs those of ordinary clients: each of them could be anybody.
func checkTrust(ctx context.Context, authentication genericapiserver.AuthenticationInfo,
	clientCA dynamiccertificates.CAContentProvider) error {
	proxy := authentication.RequestHeaderConfig
	if proxy == nil || len(proxy.AllowedClientNames.Value()) > 0 {
		return nil
	}
	klog.FromContext(ctx).Info("requestheader-allowed-names is empty: " +
		"every certificate of the request-header CA may act as any user. Set it on kube-apiserver")

	if clientCA == nil {
		return nil
	}
	// A provider that reads the cluster's configuration has nothing until it ran once.
	if runner, ok := clientCA.(dynamiccertificates.ControllerRunner); ok {
		if err := runner.RunOnce(ctx); err != nil {
			return fmt.Errorf("could not read the client CA: %w", err)
		}
	}
	shared, err := shareCertificate(proxy.CAContentProvider.CurrentCABundleContent(), clientCA.CurrentCABundleContent())
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
