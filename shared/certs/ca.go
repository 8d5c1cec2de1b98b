package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

const (
	// Validity is how long an issued certificate is good for. A client certificate cannot be revoked, so it is short.
	Validity = 90 * 24 * time.Hour
	// RenewBefore is how long before its end the Ensure functions replace a certificate.
	RenewBefore = 30 * 24 * time.Hour
	// backdate absorbs a clock that was set back a little between two starts.
	backdate = 5 * time.Minute
)

// CA is a certificate authority: it signs with an ECDSA P-256 key that it holds in memory.
type CA struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// NewCA makes an authority that exists in memory only. The common name is what people see as the issuer.
func NewCA(commonName string) (*CA, error) {
	if commonName == "" {
		return nil, errors.New("could not create a certificate authority: it needs a common name")
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	config := certutil.Config{CommonName: commonName, NotBefore: time.Now().Add(-backdate)}
	cert, err := certutil.NewSelfSignedCACert(config, key)
	if err != nil {
		return nil, fmt.Errorf("could not create the certificate authority %q: %w", commonName, err)
	}
	return &CA{cert: cert, key: key}, nil
}

// LoadOrCreateCA reads the authority stored as dir/name.crt and dir/name.key, or makes it, with the name as its common
// name. The certificate is written last, so a key alone is left from a crash, and nothing was signed with it. A
// certificate alone is an error and not a reason to make a new authority: what the old one signed would stop being
// trusted.
func LoadOrCreateCA(dir, name string) (*CA, error) {
	if certFile, _ := Files(dir, name); !exists(certFile) {
		ca, err := NewCA(name)
		if err != nil {
			return nil, err
		}
		keyPEM, err := keyutil.MarshalPrivateKeyToPEM(ca.key)
		if err != nil {
			return nil, fmt.Errorf("could not encode the key of certificate authority %q: %w", name, err)
		}
		return ca, writePair(dir, name, ca.Bundle(), keyPEM)
	}
	return LoadCA(dir, name)
}

// LoadCA reads the authority stored as dir/name.crt and dir/name.key.
func LoadCA(dir, name string) (*CA, error) {
	certFile, keyFile := Files(dir, name)
	found, err := certutil.CertsFromFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("could not read the certificate of authority %q: %w", name, err)
	}
	cert := found[0]
	parsed, err := keyutil.PrivateKeyFromFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("could not read the key of certificate authority %q: %w", name, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("could not use certificate authority %q: %s does not hold the ECDSA key of %s", name, keyFile, certFile)
	}
	if !cert.IsCA {
		return nil, fmt.Errorf("could not use certificate authority %q: %s is not a CA certificate", name, certFile)
	}
	if time.Now().After(cert.NotAfter) {
		return nil, fmt.Errorf("could not use certificate authority %q: %s expired on %s; remove both files to make a new one",
			name, certFile, cert.NotAfter.Format(time.DateOnly))
	}
	return &CA{cert: cert, key: key}, nil
}

// Bundle is the authority's certificate in PEM: what a caBundle field or a CA file holds.
func (ca *CA) Bundle() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certutil.CertificateBlockType, Bytes: ca.cert.Raw})
}

// IssueServing issues a server certificate for the hosts: IP addresses are recognised, everything else is a DNS name.
// At least one host is needed.
func (ca *CA) IssueServing(hosts ...string) (certPEM, keyPEM []byte, err error) {
	return ca.IssueServingFor(Validity, hosts...)
}

// IssueServingFor is IssueServing with a validity of the caller's choice. A negative one of less than five minutes
// gives a certificate that has just expired, which is what servers and clients are tried with.
func (ca *CA) IssueServingFor(validity time.Duration, hosts ...string) (certPEM, keyPEM []byte, err error) {
	if len(hosts) == 0 {
		return nil, nil, errors.New("could not issue a serving certificate: it needs at least one host")
	}
	template := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		if host == "" {
			return nil, nil, errors.New("could not issue a serving certificate: a host is empty")
		}
		template.DNSNames = append(template.DNSNames, host)
	}
	return ca.issue(template, validity)
}

// IssueClient issues a client certificate. Kubernetes reads the user from the common name and the groups from the
// organizations; it grants no rights by itself.
func (ca *CA) IssueClient(user string, groups ...string) (certPEM, keyPEM []byte, err error) {
	if user == "" {
		return nil, nil, errors.New("could not issue a client certificate: it needs a user name")
	}
	return ca.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, Validity)
}

func (ca *CA) issue(template *x509.Certificate, validity time.Duration) (certPEM, keyPEM []byte, err error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, fmt.Errorf("could not choose a serial number: %w", err)
	}
	now := time.Now()
	template.SerialNumber = serial
	template.NotBefore = now.Add(-backdate)
	template.NotAfter = now.Add(validity)
	if ca.cert.NotAfter.Before(template.NotAfter) {
		template.NotAfter = ca.cert.NotAfter
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return nil, nil, fmt.Errorf("could not sign a certificate with %q: %w", ca.cert.Subject.CommonName, err)
	}
	keyPEM, err = keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return nil, nil, fmt.Errorf("could not encode a private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: certutil.CertificateBlockType, Bytes: der}), keyPEM, nil
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("could not generate a private key: %w", err)
	}
	return key, nil
}

// Files are the paths of the certificate and the key called name in dir.
func Files(dir, name string) (certFile, keyFile string) {
	return filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
