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

// TargetOf is a server of an instance, as the spec says to talk to it. The authority is the certificate in PEM that the
// servers' certificates come from; empty where the instance has none.
func TargetOf(instance *v1.MySQLInstance, ip, password string, authority []byte) Target {
	target := Target{
		Address:    net.JoinHostPort(ip, strconv.Itoa(names.ServerPort)),
		User:       RootUser,
		Password:   password,
		Encryption: Preferred,
	}
	switch instance.Spec.TLS.Mode {
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
