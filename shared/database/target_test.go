package database_test

import (
	"testing"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/certs"
	"github.com/duet-api/duet/shared/database"
)

func TestTargetOf(t *testing.T) {
	ca, err := certs.NewCA("servers")
	if err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[v1.TLSMode]struct {
		encryption database.Encryption
		verified   bool
	}{
		v1.TLSDisabled:  {database.Unencrypted, false},
		v1.TLSPreferred: {database.Preferred, true},
		v1.TLSRequired:  {database.Required, true},
	} {
		target := database.TargetOf(mode, "fd00::1", "secret", ca.Bundle())
		if target.Address != "[fd00::1]:3306" || target.User != "root" || target.Password != "secret" {
			t.Errorf("%s: %s of %s", mode, target.User, target.Address)
		}
		if target.Encryption != want.encryption || (target.Authorities != nil) != want.verified {
			t.Errorf("%s: %s, verified: %t, want %+v", mode, target.Encryption, target.Authorities != nil, want)
		}
		if target := database.TargetOf(mode, "10.0.0.1", "", nil); target.Authorities != nil {
			t.Errorf("%s: a certificate is verified by nobody", mode)
		}
	}
}
