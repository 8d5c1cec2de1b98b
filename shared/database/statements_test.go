package database

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// flavors whose words differ.
var flavors = map[string][2]string{
	"MySQL 8.0.22":  {"8.0.22", "MySQL Community Server - GPL"},
	"MySQL 8.0.45":  {"8.0.45", "MySQL Community Server - GPL"},
	"MySQL 8.4.8":   {"8.4.8", "MySQL Community Server - GPL"},
	"MySQL 9.6.0":   {"9.6.0", "MySQL Community Server - GPL"},
	"MariaDB 10.11": {"10.11.19-MariaDB-0+deb12u1-log", "Debian 12"},
}

var source = Source{Host: "db-0.db-headless.shop", Port: 3306, User: "duet_replication", Password: "it's secret"}

// TestStatements shows what is said to each flavor. What is the same for several is written once.
func TestStatements(t *testing.T) {
	const (
		superAsked = "SELECT @@GLOBAL.super_read_only"
		mysqlHosts = "SELECT Host FROM mysql.user WHERE User = ? AND plugin IN " +
			"('caching_sha2_password', 'mysql_native_password', 'sha256_password') ORDER BY Host <- root"
		mysqlOthers = "SELECT User, Host FROM mysql.user WHERE User NOT LIKE 'mysql.%' ORDER BY User, Host"
		// hash of mysql_native_password, SHA1(SHA1("it's secret")).
		hash = "*5882E74C3D73B7EDFF86538730AEBC6D6FE6A5AF"
	)
	newFollow := []string{
		"STOP REPLICA",
		"CHANGE REPLICATION SOURCE TO SOURCE_HOST = ?, SOURCE_PORT = ?, SOURCE_USER = ?, SOURCE_PASSWORD = ?, " +
			"SOURCE_AUTO_POSITION = 1, SOURCE_CONNECT_RETRY = 5, SOURCE_RETRY_COUNT = 100000, SOURCE_DELAY = 0, " +
			"SOURCE_SSL = ?, SOURCE_SSL_CA = ?, SOURCE_SSL_VERIFY_SERVER_CERT = 0, GET_SOURCE_PUBLIC_KEY = 1" +
			" <- db-0.db-headless.shop | 3306 | duet_replication | it's secret | false | ",
		"START REPLICA",
	}
	newLead := []string{"STOP REPLICA", "RESET REPLICA ALL", "SET PERSIST super_read_only = OFF", "SET PERSIST read_only = OFF"}
	mysqlReadOnly := []string{"SET PERSIST read_only = ON", "SET PERSIST super_read_only = ON"}
	mysqlUser := []string{
		"SELECT COUNT(*) FROM mysql.user WHERE User = ? AND Host = '%' <- duet_replication", superAsked,
		"CREATE USER IF NOT EXISTS ?@'%' IDENTIFIED BY ? PASSWORD EXPIRE NEVER ACCOUNT UNLOCK <- duet_replication | it's secret",
		"ALTER USER ?@'%' IDENTIFIED BY ? PASSWORD EXPIRE NEVER ACCOUNT UNLOCK <- duet_replication | it's secret",
		"GRANT REPLICATION SLAVE, BACKUP_ADMIN ON *.* TO ?@'%' <- duet_replication",
	}
	mysqlPassword := []string{
		superAsked, mysqlHosts,
		"ALTER USER ?@? IDENTIFIED BY ? RETAIN CURRENT PASSWORD, ?@? IDENTIFIED BY ? RETAIN CURRENT PASSWORD" +
			" <- root | % | it's secret | root | localhost | it's secret",
	}
	mysqlDiscard := []string{
		superAsked, mysqlHosts,
		"ALTER USER ?@? DISCARD OLD PASSWORD <- root | %", "ALTER USER ?@? DISCARD OLD PASSWORD <- root | localhost",
	}
	mysqlClone := []string{
		superAsked, "INSTALL PLUGIN clone SONAME 'mysql_clone.so'",
		"SET GLOBAL clone_valid_donor_list = ? <- db-0.db-headless.shop:3306",
		"STOP REPLICA", "SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF",
		"CLONE INSTANCE FROM ?@?:3306 IDENTIFIED BY ? REQUIRE NO SSL <- duet_replication | db-0.db-headless.shop | it's secret",
	}
	mysqlWipe := func(replica, forget string) []string {
		return []string{
			superAsked, "CREATE DATABASE IF NOT EXISTS `duet_wiping`", "STOP " + replica, "RESET " + replica + " ALL", forget,
			"SET SESSION foreign_key_checks = 0", selectSchemas, "DROP DATABASE IF EXISTS `a``b`", mysqlOthers,
			"DROP USER IF EXISTS ?@? <- app | 10.%", "DROP DATABASE IF EXISTS `duet_wiping`",
		}
	}
	since8023 := map[string][]string{
		"Follow": newFollow, "Lead": newLead, "SetReadOnly": mysqlReadOnly, "EnsureReplicationUser": mysqlUser,
		"SetRootPassword": mysqlPassword, "DiscardOldPassword": mysqlDiscard, "Clone": mysqlClone,
		"Resume": {"START REPLICA"}, "Pause": {"STOP REPLICA"},
		"Wipe": mysqlWipe("REPLICA", "RESET BINARY LOGS AND GTIDS"),
	}
	want := map[string]map[string][]string{
		"MySQL 8.4.8": since8023,
		"MySQL 9.6.0": since8023,
		"MySQL 8.0.45": with(since8023, map[string][]string{
			"Wipe": mysqlWipe("REPLICA", "RESET MASTER"),
		}),
		"MySQL 8.0.22": with(since8023, map[string][]string{
			"Follow": {
				"STOP SLAVE",
				"CHANGE MASTER TO MASTER_HOST = ?, MASTER_PORT = ?, MASTER_USER = ?, MASTER_PASSWORD = ?, " +
					"MASTER_AUTO_POSITION = 1, MASTER_CONNECT_RETRY = 5, MASTER_RETRY_COUNT = 100000, MASTER_DELAY = 0, " +
					"MASTER_SSL = ?, MASTER_SSL_CA = ?, MASTER_SSL_VERIFY_SERVER_CERT = 0, GET_MASTER_PUBLIC_KEY = 1" +
					" <- db-0.db-headless.shop | 3306 | duet_replication | it's secret | false | ",
				"START SLAVE",
			},
			"Lead":   {"STOP SLAVE", "RESET SLAVE ALL", "SET PERSIST super_read_only = OFF", "SET PERSIST read_only = OFF"},
			"Resume": {"START SLAVE"}, "Pause": {"STOP SLAVE"},
			"Wipe":  mysqlWipe("SLAVE", "RESET MASTER"),
			"Clone": replaced(mysqlClone, 3, "STOP SLAVE"),
		}),
		"MariaDB 10.11": {
			"Follow": {
				"STOP SLAVE",
				"CHANGE MASTER TO MASTER_HOST = ?, MASTER_PORT = ?, MASTER_USER = ?, MASTER_PASSWORD = ?, " +
					"MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 5, MASTER_DELAY = 0, " +
					"MASTER_SSL = ?, MASTER_SSL_CA = ?, MASTER_SSL_VERIFY_SERVER_CERT = 0" +
					" <- db-0.db-headless.shop | 3306 | duet_replication | it's secret | false | ",
				"START SLAVE",
			},
			"Lead":        {"STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = OFF"},
			"SetReadOnly": {"SET GLOBAL read_only = ON"},
			"EnsureReplicationUser": {
				"SELECT COUNT(*) FROM mysql.user WHERE User = ? AND Host = '%' <- duet_replication",
				"CREATE USER IF NOT EXISTS ?@'%' IDENTIFIED VIA mysql_native_password USING ? " +
					"PASSWORD EXPIRE NEVER ACCOUNT UNLOCK <- duet_replication | " + hash,
				"ALTER USER ?@'%' IDENTIFIED VIA mysql_native_password USING ? " +
					"PASSWORD EXPIRE NEVER ACCOUNT UNLOCK <- duet_replication | " + hash,
				"GRANT REPLICATION SLAVE ON *.* TO ?@'%' <- duet_replication",
			},
			"SetRootPassword": {
				"SELECT Host FROM mysql.user WHERE User = ? AND is_role = 'N' ORDER BY Host <- root",
				"ALTER USER ?@? IDENTIFIED VIA mysql_native_password USING ?, ?@? IDENTIFIED VIA mysql_native_password USING ?" +
					" <- root | % | " + hash + " | root | localhost | " + hash,
			},
			"DiscardOldPassword": nil, "Clone": nil,
			"Resume": {"START SLAVE"}, "Pause": {"STOP SLAVE"},
			"Wipe": {
				"CREATE DATABASE IF NOT EXISTS `duet_wiping`", "STOP SLAVE", "RESET SLAVE ALL",
				"RESET MASTER", "SET GLOBAL gtid_slave_pos = ''", "SET SESSION foreign_key_checks = 0", selectSchemas,
				"DROP DATABASE IF EXISTS `a``b`",
				"SELECT User, Host FROM mysql.user WHERE is_role = 'N' AND User NOT IN ('mariadb.sys', 'mysql') ORDER BY User, Host",
				"DROP USER IF EXISTS ?@? <- app | 10.%",
				"SELECT User FROM mysql.user WHERE is_role = 'Y' ORDER BY User", "DROP ROLE IF EXISTS `reader`",
				"DROP DATABASE IF EXISTS `duet_wiping`",
			},
		},
	}
	calls := map[string]func(*session) error{
		"Follow":      func(s *session) error { return s.Follow(t.Context(), source) },
		"Lead":        func(s *session) error { return s.Lead(t.Context()) },
		"Resume":      func(s *session) error { return s.Resume(t.Context()) },
		"Pause":       func(s *session) error { return s.Pause(t.Context()) },
		"SetReadOnly": func(s *session) error { return s.SetReadOnly(t.Context(), true) },
		"EnsureReplicationUser": func(s *session) error {
			return s.EnsureReplicationUser(t.Context(), source.User, source.Password, false)
		},
		"SetRootPassword":    func(s *session) error { return s.SetRootPassword(t.Context(), source.Password) },
		"DiscardOldPassword": func(s *session) error { return s.DiscardOldPassword(t.Context()) },
		"Wipe":               func(s *session) error { return s.Wipe(t.Context(), source.User) },
		"Clone": func(s *session) error {
			if err := s.Clone(t.Context(), source); s.flavor.CanClone() {
				return err
			}
			return nil
		},
	}
	for flavor, says := range flavors {
		for name, call := range calls {
			t.Run(flavor+" "+name, func(t *testing.T) {
				r := newRecorder(says[0], says[1])
				s := r.open(t)
				r.answers["SELECT @@GLOBAL.super_read_only"] = [][]any{{"super"}, {int64(0)}}
				r.answers[countUser] = [][]any{{"count"}, {int64(0)}}
				r.answers[s.words.accounts] = [][]any{{"Host"}, {"%"}, {"localhost"}}
				r.answers[s.words.others] = [][]any{
					{"User", "Host"}, {"app", "10.%"}, {"duet_replication", "%"}, {"root", "%"}, {"root", "localhost"},
				}
				r.answers[s.words.roles] = [][]any{{"User"}, {"reader"}}
				r.answers[selectSchemas] = [][]any{{"schema_name"}, {"a`b"}, {"duet_wiping"}}
				if err := call(s); err != nil {
					t.Fatal(err)
				}
				wanted, ok := want[flavor][name]
				if !ok {
					t.Fatalf("nothing is written about %s of %s", name, flavor)
				}
				if diff := cmp.Diff(wanted, r.heard); diff != "" {
					t.Errorf("statements (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestAReplicaIsWrittenWithItsGuardDown(t *testing.T) {
	r := newRecorder("8.4.8", "")
	s := r.open(t)
	r.answers["SELECT @@GLOBAL.super_read_only"] = [][]any{{"super"}, {int64(1)}}
	r.answers[s.words.accounts] = [][]any{{"Host"}, {"%"}}
	if err := s.SetRootPassword(t.Context(), "new"); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"SELECT @@GLOBAL.super_read_only", "SET GLOBAL super_read_only = OFF", s.words.accounts + " <- root",
		"ALTER USER ?@? IDENTIFIED BY ? RETAIN CURRENT PASSWORD <- root | % | new", "SET GLOBAL super_read_only = ON",
	}
	if diff := cmp.Diff(want, r.heard); diff != "" {
		t.Errorf("statements (-want +got):\n%s", diff)
	}
}

func TestEncryptedReplication(t *testing.T) {
	r := newRecorder("8.4.8", "")
	s := r.open(t)
	encrypted := source
	encrypted.Encrypted, encrypted.AuthorityFile = true, "/etc/mysql/tls/ca.crt"
	if err := s.Follow(t.Context(), encrypted); err != nil {
		t.Fatal(err)
	}
	const want = " <- db-0.db-headless.shop | 3306 | duet_replication | it's secret | true | /etc/mysql/tls/ca.crt"
	if got := r.heard[1]; got != s.words.changeSource+want {
		t.Errorf("got %s", got)
	}
}

func with(base, other map[string][]string) map[string][]string {
	merged := map[string][]string{}
	for name, statements := range base {
		merged[name] = statements
	}
	for name, statements := range other {
		merged[name] = statements
	}
	return merged
}

func replaced(statements []string, index int, statement string) []string {
	changed := append([]string(nil), statements...)
	changed[index] = statement
	return changed
}
