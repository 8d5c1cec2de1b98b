package certs

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/keyutil"
)

// EnsureServingFiles makes sure that dir/name.crt and dir/name.key are a certificate of ca for exactly these hosts that
// does not expire soon, and issues a new one when they are not. The key is readable by its owner only.
func EnsureServingFiles(dir, name string, ca *CA, hosts ...string) (certFile, keyFile string, err error) {
	return ensure(dir, name,
		func(cert *x509.Certificate) error { return ca.verifyServing(cert, hosts) },
		func() ([]byte, []byte, error) { return ca.IssueServing(hosts...) })
}

// EnsureClientFiles makes sure that dir/name.crt and dir/name.key are a client certificate of ca for this user and
// exactly these groups that does not expire soon, and issues a new one when they are not.
func EnsureClientFiles(dir, name string, ca *CA, user string, groups ...string) (certFile, keyFile string, err error) {
	return ensure(dir, name,
		func(cert *x509.Certificate) error { return ca.verifyClient(cert, user, groups) },
		func() ([]byte, []byte, error) { return ca.IssueClient(user, groups...) })
}

// EnsureKeyPair makes sure that dir/name.key is an ECDSA private key and dir/name.pub its public key. It never replaces
// a private key: tokens signed with it must stay valid.
func EnsureKeyPair(dir, name string) (privateFile, publicFile string, err error) {
	privateFile, publicFile = filepath.Join(dir, name+".key"), filepath.Join(dir, name+".pub")
	var key *ecdsa.PrivateKey
	if exists(privateFile) {
		parsed, err := keyutil.PrivateKeyFromFile(privateFile)
		if err != nil {
			return "", "", fmt.Errorf("could not read the private key %s: %w", privateFile, err)
		}
		var ok bool
		if key, ok = parsed.(*ecdsa.PrivateKey); !ok {
			return "", "", fmt.Errorf("could not use %s: it is not an ECDSA key", privateFile)
		}
	} else {
		if key, err = newKey(); err != nil {
			return "", "", err
		}
		keyPEM, err := keyutil.MarshalPrivateKeyToPEM(key)
		if err != nil {
			return "", "", fmt.Errorf("could not encode the private key %s: %w", privateFile, err)
		}
		if err := writeFile(privateFile, keyPEM, 0o600); err != nil {
			return "", "", err
		}
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", "", fmt.Errorf("could not encode the public key %s: %w", publicFile, err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: keyutil.PublicKeyBlockType, Bytes: der})
	return privateFile, publicFile, writeFile(publicFile, publicPEM, 0o644)
}

// ensure keeps the files called name if verify accepts them, and replaces them with what issue returns if not.
func ensure(
	dir, name string, verify func(*x509.Certificate) error, issue func() ([]byte, []byte, error),
) (certFile, keyFile string, err error) {
	certFile, keyFile = Files(dir, name)
	// The key pair check also catches a crash between the two writes of an earlier renewal.
	if pair, err := tls.LoadX509KeyPair(certFile, keyFile); err == nil && verify(pair.Leaf) == nil {
		return certFile, keyFile, nil
	}
	certPEM, keyPEM, err := issue()
	if err != nil {
		return "", "", err
	}
	return certFile, keyFile, writePair(dir, name, certPEM, keyPEM)
}

func (ca *CA) verifyServing(cert *x509.Certificate, hosts []string) error {
	want, got := sets.New[string](), sets.New(cert.DNSNames...)
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			host = ip.String()
		}
		want.Insert(host)
	}
	for _, ip := range cert.IPAddresses {
		got.Insert(ip.String())
	}
	if !want.Equal(got) {
		return errors.New("the certificate names other hosts")
	}
	return ca.verify(cert, x509.ExtKeyUsageServerAuth)
}

func (ca *CA) verifyClient(cert *x509.Certificate, user string, groups []string) error {
	if cert.Subject.CommonName != user || !sets.New(cert.Subject.Organization...).Equal(sets.New(groups...)) {
		return errors.New("the certificate names another user")
	}
	return ca.verify(cert, x509.ExtKeyUsageClientAuth)
}

// verify says whether cert is of this authority, for this usage, and still good for longer than RenewBefore.
func (ca *CA) verify(cert *x509.Certificate, usage x509.ExtKeyUsage) error {
	// The signature and not the issuer's name is compared: a re-created authority has the same name.
	if err := cert.CheckSignatureFrom(ca.cert); err != nil {
		return err
	}
	if !slices.Contains(cert.ExtKeyUsage, usage) {
		return errors.New("the certificate is for another usage")
	}
	now := time.Now()
	if now.Before(cert.NotBefore) || now.Add(RenewBefore).After(cert.NotAfter) {
		return errors.New("the certificate is about to expire")
	}
	return nil
}

func writePair(dir, name string, certPEM, keyPEM []byte) error {
	certFile, keyFile := Files(dir, name)
	if err := writeFile(keyFile, keyPEM, 0o600); err != nil {
		return err
	}
	return writeFile(certFile, certPEM, 0o644)
}

// writeFile replaces path in one step, so that a server that reloads it never reads half a file.
func writeFile(path string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("could not create the certificate directory: %w", err)
	}
	if err := renameio.WriteFile(path, data, mode, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("could not write %s: %w", path, err)
	}
	return nil
}
