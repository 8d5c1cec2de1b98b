package database

import (
	"crypto/x509"
	"net"
	"strconv"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/names"
)

// RootUser is whom those who look after an instance are at its servers.
const RootUser = "root"

// TargetOf is a server of an instance whose servers run with a TLS mode. The authority is the certificate in PEM that
// their certificates come from; empty where the instance has none.
func TargetOf(mode v1.TLSMode, ip, password string, authority []byte) Target {
	target := Target{
		Address:    net.JoinHostPort(ip, strconv.Itoa(names.ServerPort)),
		User:       RootUser,
		Password:   password,
		Encryption: Preferred,
	}
	switch mode {
	case v1.TLSDisabled:
		target.Encryption = Unencrypted
		return target
	case v1.TLSRequired:
		target.Encryption = Required
	}
	if len(authority) > 0 {
		target.Authorities = x509.NewCertPool()
		target.Authorities.AppendCertsFromPEM(authority)
	}
	return target
}
