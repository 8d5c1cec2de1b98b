package apiserver

import (
	"crypto/x509"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	genericapiserver "k8s.io/apiserver/pkg/server"
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
		"no client CA":                        {proxy: proxy},
		"one authority for both":              {proxy: proxy, client: proxy, wantErr: "could act as any user"},
		"one of several is shared": {proxy: append(bundle("old"), proxy...), client: append(clients, proxy...),
			wantErr: "could act as any user"},
		"a bundle that is no certificate": {
			proxy: []byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"), client: clients, wantErr: "could not compare"},
	} {
		t.Run(name, func(t *testing.T) {
			authentication := genericapiserver.AuthenticationInfo{RequestHeaderConfig: &authenticatorfactory.RequestHeaderConfig{
				AllowedClientNames: headerrequest.StaticStringSlice(test.allowed),
				CAContentProvider:  content(test.proxy),
			}}
			var clientCA dynamiccertificates.CAContentProvider
			if test.client != nil {
				clientCA = content(test.client)
			}
			err := checkTrust(t.Context(), authentication, clientCA)
			switch {
			case test.wantErr == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.wantErr != "" && (err == nil || !strings.Contains(err.Error(), test.wantErr)):
				t.Errorf("got %v, want an error with %q", err, test.wantErr)
			}
		})
	}

	if err := checkTrust(t.Context(), genericapiserver.AuthenticationInfo{}, content(clients)); err != nil {
		t.Errorf("a server without a front proxy was refused: %v", err)
	}
}

// content is a bundle that never changes. Only its bytes are asked for.
type content []byte

func (content) Name() string                              { return "test" }
func (c content) CurrentCABundleContent() []byte          { return c }
func (content) VerifyOptions() (x509.VerifyOptions, bool) { return x509.VerifyOptions{}, false }
func (content) AddListener(dynamiccertificates.Listener)  {}
