package behaviour

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/shared/certs"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

var rotationRows = []Row{
	{
		ID: "H13", Group: Operations, Title: "Rotating certificates and authorities under load",
		Why: "Serving certificate, caBundle and front-proxy CA can all be replaced without a request lost; but kube-apiserver " +
			"never takes an authority out of what it publishes, so that an aggregated server goes on believing the old one.",
		Source: "configure-aggregation-layer; kubernetes pkg/controlplane/controller/clusterauthenticationtrust",
		Flag:   Undocumented, Labels: []string{Slow, Disruptive}, Site: true,
		Needs: []install.Capability{install.OwnServer},
		Expect: Expectation{
			CRD: "reads: all answered; writes: all answered; the old front proxy: kube-apiserver refuses it",
			Aggregated: "reads: all answered; writes: all answered; the old front proxy: kube-apiserver refuses it, " +
				"duet-apiserver believes it",
		},
		Probe: rotation,
	},
}

func rotation(ctx context.Context, s *Subject) (Observation, error) {
	there, b, err := s.backendOf(ctx, production)
	if err != nil {
		return Observation{}, err
	}
	if _, err := there.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	old, err := frontProxyIdentity(there.Site.Plane.PKIDir())
	if err != nil {
		return Observation{}, err
	}
	load, err := there.startLoad(ctx)
	if err != nil {
		return Observation{}, err
	}
	defer load.stop()
	for _, rotate := range []func(context.Context, *backend) error{rotateServing, rotateFrontProxy} {
		if err := load.goOn(ctx); err != nil {
			return Observation{}, err
		}
		if err := rotate(ctx, b); err != nil {
			return Observation{}, err
		}
	}
	if err := load.goOn(ctx); err != nil {
		return Observation{}, err
	}
	lost := load.stop()
	servers, err := there.servers(ctx) // as they are reached now
	if err != nil {
		return Observation{}, err
	}
	believed, err := each(servers, func(v server) (string, error) { return there.believes(ctx, v, old) })
	return Observation{Summary: lost + "; the old front proxy: " + believed}, err
}

// rotateServing replaces the server's certificate by one of another authority: the clients trust both authorities first,
// then the server shows the new certificate, then the clients forget the old authority.
func rotateServing(ctx context.Context, b *backend) error {
	status, err := process.Find(ctx, b.runner(), b.name)
	if err != nil {
		return err
	}
	certFile, keyFile := status.Spec.Flag("tls-cert-file"), status.Spec.Flag("tls-private-key-file")
	for _, file := range []string{certFile, keyFile} {
		content, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("could not read the server's certificate: %w", err)
		}
		b.undo = append(b.undo, func(context.Context) error { return renameio.WriteFile(file, content, 0o600) })
	}
	hosts, err := b.hosts()
	if err != nil {
		return err
	}
	ca, err := certs.NewCA("duet-rotated")
	if err != nil {
		return err
	}
	both := bytes.Join([][]byte{b.at.bundle, ca.Bundle()}, nil)
	if err := b.direct(ctx, address{port: b.at.port, bundle: both}); err != nil {
		return err
	}
	// Replacing the certificate before everybody trusts its authority is the mistake that loses requests.
	if _, err := b.await(ctx, metav1.ConditionTrue); err != nil {
		return err
	}
	dir, name := filepath.Dir(certFile), strings.TrimSuffix(filepath.Base(certFile), ".crt")
	if _, _, err := certs.EnsureServingFiles(dir, name, ca, hosts...); err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.Bundle())
	err = eventually(ctx, "the new certificate shown", func(context.Context) (bool, error) {
		return shows(loopback(b.at.port), &tls.Config{RootCAs: pool, ServerName: hosts[0]}), nil
	})
	if err != nil {
		return err
	}
	return b.direct(ctx, address{port: b.at.port, bundle: ca.Bundle()})
}

// shows is whether a server shows a certificate that is trusted.
func shows(at string, trusting *tls.Config) bool {
	connection, err := tls.Dial("tcp", at, trusting)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}

// rotateFrontProxy replaces the authority of the front proxy in the same three steps.
func rotateFrontProxy(ctx context.Context, b *backend) error {
	pki := b.subject.Site.Plane.PKIDir()
	authority, _ := certs.Files(pki, controlplane.FrontProxyCA)
	before, err := os.ReadFile(authority)
	if err != nil {
		return fmt.Errorf("could not read the front proxy's authority: %w", err)
	}
	ca, err := certs.NewCA("duet-rotated-front-proxy")
	if err != nil {
		return err
	}
	trust := func(bundle []byte) error { return renameio.WriteFile(authority, bundle, 0o600) }
	if err := trust(bytes.Join([][]byte{before, ca.Bundle()}, nil)); err != nil {
		return fmt.Errorf("could not add the new authority: %w", err)
	}
	client, err := b.subject.kubernetes()
	if err != nil {
		return err
	}
	err = eventually(ctx, "the new authority published", func(ctx context.Context) (bool, error) {
		published, err := client.CoreV1().ConfigMaps(metav1.NamespaceSystem).
			Get(ctx, "extension-apiserver-authentication", metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		text := published.Data["requestheader-client-ca-file"]
		return strings.Contains(text, strings.TrimSpace(string(ca.Bundle()))), nil
	})
	if err != nil {
		return err
	}
	loaded := func(ctx context.Context) (int, error) {
		return b.subject.Site.logged(ctx, controlplane.APIServer, `"Loaded a new cert/key pair" name="aggregator-proxy-cert`)
	}
	times, err := loaded(ctx)
	if err != nil {
		return err
	}
	if _, _, err := certs.EnsureClientFiles(pki, controlplane.FrontProxyClient, ca, controlplane.FrontProxyClient); err != nil {
		return err
	}
	err = eventually(ctx, "the front proxy's new certificate loaded", func(ctx context.Context) (bool, error) {
		now, err := loaded(ctx)
		return now > times, err
	})
	if err != nil {
		return err
	}
	return trust(ca.Bundle())
}

// frontProxyIdentity is access as the front proxy, for a user of its choice.
func frontProxyIdentity(pki string) (*rest.Config, error) {
	certFile, keyFile := certs.Files(pki, controlplane.FrontProxyClient)
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("could not read the front proxy's certificate: %w", err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("could not read the front proxy's key: %w", err)
	}
	return &rest.Config{TLSClientConfig: rest.TLSClientConfig{CertData: cert, KeyData: key}}, nil
}

// believes says whether a server takes the word of a front proxy, if need be after a moment in which it learns not to.
func (s *Subject) believes(ctx context.Context, v server, proxy *rest.Config) (string, error) {
	client, err := v.as(s.recorder.Wrap(proxy))
	if err != nil {
		return "", err
	}
	refuses, err := holdsWithin(ctx, logPatience, func(ctx context.Context) (bool, error) {
		answer, err := client.Send(ctx, "GET", s.path("db"), nil,
			header("X-Remote-User", "somebody"), header("X-Remote-Group", "system:masters"))
		return err == nil && !answer.OK(), err
	})
	return choose(refuses, "refuses it", "believes it"), err
}
