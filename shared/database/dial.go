package database

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Timeouts of a connection. They hold where a context does not end earlier.
const (
	dialTimeout = 3 * time.Second
	// answerTimeout is for one answer of the server.
	answerTimeout = 15 * time.Second
)

// Target is a server, and whom to be there.
type Target struct {
	// Address is host:port.
	Address        string
	User, Password string
	Encryption     Encryption
	// Authorities that the server's certificate must come from; nil takes any certificate. Its name is not looked at,
	// since a pod is reached by an address that no certificate has.
	Authorities *x509.CertPool
	// Patient takes away the time limit on answers: for Clone. The context's end is then the only one.
	Patient bool
}

// Encryption of a session.
type Encryption string

// Encryption of a session. Preferred goes on in the clear if the server cannot encrypt.
const (
	Unencrypted Encryption = "Unencrypted"
	Preferred   Encryption = "Preferred"
	Required    Encryption = "Required"
)

// Dialer opens sessions. It is what tests put in the place of the network.
type Dialer interface {
	Dial(ctx context.Context, target Target) (Server, error)
}

// NewDialer is the Dialer of real servers.
func NewDialer() Dialer { return dialer{} }

type dialer struct{}

func (dialer) Dial(ctx context.Context, target Target) (Server, error) {
	connector, err := mysql.NewConnector(config(target))
	if err != nil {
		return nil, failed("prepare a connection to "+target.Address, withoutSecrets(err, target.Password))
	}
	server, err := open(ctx, sql.OpenDB(connector), target.User)
	if err != nil {
		return nil, failed("open a session at "+target.Address, withoutSecrets(err, target.Password))
	}
	return server, nil
}

func config(target Target) *mysql.Config {
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User, config.Passwd = "tcp", target.Address, target.User, target.Password
	config.Timeout, config.ReadTimeout, config.WriteTimeout = dialTimeout, answerTimeout, answerTimeout
	if target.Patient {
		config.ReadTimeout = 0
	}
	// Statements about accounts and replication cannot be prepared: the driver writes the arguments into the text.
	config.InterpolateParams = true
	config.Params = map[string]string{
		// No transaction that only this server has: see the package's comment.
		"sql_log_bin": "0",
		// Quotes and backslashes mean what the driver thinks they mean.
		"sql_mode": "''",
		// A lock that somebody holds for ever must not hold a session of ours.
		"lock_wait_timeout": "5",
	}
	switch target.Encryption {
	case Preferred:
		config.TLS, config.AllowFallbackToPlaintext = encryption(target.Authorities), true
	case Required:
		config.TLS = encryption(target.Authorities)
	}
	// The driver's own log repeats what its errors say.
	config.Logger = log.New(io.Discard, "", 0)
	return config
}

// encryption checks where a certificate comes from and not whose it is.
func encryption(authorities *x509.CertPool) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}
	if authorities == nil {
		return config
	}
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("the server presents no certificate")
		}
		intermediates := x509.NewCertPool()
		for _, certificate := range state.PeerCertificates[1:] {
			intermediates.AddCert(certificate)
		}
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: authorities, Intermediates: intermediates})
		if err != nil {
			return fmt.Errorf("the server's certificate does not come from the authority of its Secret: %w", err)
		}
		return nil
	}
	return config
}
