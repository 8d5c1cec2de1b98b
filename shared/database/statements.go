package database

import "strings"

// words are the statements of a flavor. Question marks are for arguments.
type words struct {
	showReplication       string
	start, stop, resetAll string
	// changeSource takes a host, a port, a user, a password, whether to encrypt, and a file of authorities.
	changeSource string
	// forget makes the server know of no transaction.
	forget []string
	// readOnly and writable are remembered over a restart where the server can.
	readOnly, writable []string
	// executed asks for the transactions, whether none was purged, and whether writes are refused: to clients, to all.
	executed string
	// createUser and setUser take a user and a password, in the form of session.secret; grantUser takes a user.
	createUser, setUser, grantUser string
	// fromFile takes the end of a path, twice.
	fromFile string
	// setPassword takes a user, a host and a password for one account; retain comes after each.
	setPassword, retain string
	// discard takes a user and a host; empty if there is nothing to discard.
	discard string
	// accounts of a user that log in with a password, as hosts.
	accounts string
	// others are the accounts as user and host.
	others string
	// roles by name; empty where a role is an account like any other.
	roles string
}

// How replication and its roles are called: MySQL renamed them in 8.0.22 and 8.0.23, and took the old names away in
// 8.4.
const (
	oldReplica, newReplica = "SLAVE", "REPLICA"
	oldSource, newSource   = "MASTER", "SOURCE"
)

func wordsOf(f Flavor) words {
	if f.Product == MariaDB {
		return mariadbWords()
	}
	return mysqlWords(f)
}

func mysqlWords(f Flavor) words {
	replica, source, change := newReplica, newSource, "CHANGE REPLICATION SOURCE TO "
	if !f.mysqlSince("8.0.23") {
		replica, source, change = oldReplica, oldSource, "CHANGE MASTER TO "
	}
	forget := "RESET BINARY LOGS AND GTIDS"
	if !f.mysqlSince("8.2.0") {
		forget = "RESET MASTER"
	}
	w := words{
		showReplication: "SHOW " + replica + " STATUS",
		start:           "START " + replica,
		stop:            "STOP " + replica,
		resetAll:        "RESET " + replica + " ALL",
		changeSource: change + of(source, "HOST = ?", "PORT = ?", "USER = ?", "PASSWORD = ?", "AUTO_POSITION = 1",
			"CONNECT_RETRY = 5", "RETRY_COUNT = 100000", "DELAY = 0", "SSL = ?", "SSL_CA = ?", "SSL_VERIFY_SERVER_CERT = 0") +
			", GET_" + source + "_PUBLIC_KEY = 1",
		forget:     []string{forget},
		readOnly:   []string{"SET PERSIST read_only = ON", "SET PERSIST super_read_only = ON"},
		writable:   []string{"SET PERSIST super_read_only = OFF", "SET PERSIST read_only = OFF"},
		executed:   "SELECT @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged = '', @@GLOBAL.read_only, @@GLOBAL.super_read_only",
		createUser: "CREATE USER IF NOT EXISTS ?@'%' IDENTIFIED BY ? PASSWORD EXPIRE NEVER ACCOUNT UNLOCK",
		setUser:    "ALTER USER ?@'%' IDENTIFIED BY ? PASSWORD EXPIRE NEVER ACCOUNT UNLOCK",
		// BACKUP_ADMIN lets a new replica copy the data of its source.
		grantUser: "GRANT REPLICATION SLAVE, BACKUP_ADMIN ON *.* TO ?@'%'",
		fromFile: "SELECT LOWER(variable_name) FROM performance_schema.variables_info WHERE " +
			"RIGHT(variable_path, CHAR_LENGTH(?)) = ? ORDER BY variable_name",
		setPassword: "?@? IDENTIFIED BY ?",
		accounts: "SELECT Host FROM mysql.user WHERE User = ? AND plugin IN " +
			"('caching_sha2_password', 'mysql_native_password', 'sha256_password') ORDER BY Host",
		others: "SELECT User, Host FROM mysql.user WHERE User NOT LIKE 'mysql.%' ORDER BY User, Host",
	}
	if f.mysqlSince("8.0.14") {
		w.retain = " RETAIN CURRENT PASSWORD"
		w.discard = "ALTER USER ?@? DISCARD OLD PASSWORD"
	}
	return w
}

func mariadbWords() words {
	return words{
		showReplication: "SHOW SLAVE STATUS",
		start:           "START SLAVE",
		stop:            "STOP SLAVE",
		resetAll:        "RESET SLAVE ALL",
		changeSource: "CHANGE MASTER TO " + of(oldSource, "HOST = ?", "PORT = ?", "USER = ?", "PASSWORD = ?",
			"USE_GTID = slave_pos", "CONNECT_RETRY = 5", "DELAY = 0", "SSL = ?", "SSL_CA = ?", "SSL_VERIFY_SERVER_CERT = 0"),
		forget:   []string{"RESET MASTER", "SET GLOBAL gtid_slave_pos = ''"},
		readOnly: []string{"SET GLOBAL read_only = ON"},
		writable: []string{"SET GLOBAL read_only = OFF"},
		// What it wrote itself, and what it took from a source: neither alone is everything.
		executed: "SELECT CONCAT_WS(',', NULLIF(@@GLOBAL.gtid_binlog_state, ''), NULLIF(@@GLOBAL.gtid_slave_pos, '')), " +
			"@@GLOBAL.gtid_slave_pos = '' OR @@GLOBAL.log_slave_updates, @@GLOBAL.read_only, 0",
		// MariaDB writes a statement about an account into its logs as it is, so it gets the hash.
		createUser: "CREATE USER IF NOT EXISTS ?@'%' IDENTIFIED VIA mysql_native_password USING ? " +
			"PASSWORD EXPIRE NEVER ACCOUNT UNLOCK",
		setUser: "ALTER USER ?@'%' IDENTIFIED VIA mysql_native_password USING ? " +
			"PASSWORD EXPIRE NEVER ACCOUNT UNLOCK",
		grantUser: "GRANT REPLICATION SLAVE ON *.* TO ?@'%'",
		fromFile: "SELECT LOWER(variable_name) FROM information_schema.system_variables WHERE " +
			"RIGHT(global_value_path, CHAR_LENGTH(?)) = ? ORDER BY variable_name",
		setPassword: "?@? IDENTIFIED VIA mysql_native_password USING ?",
		accounts:    "SELECT Host FROM mysql.user WHERE User = ? AND is_role = 'N' ORDER BY Host",
		others: "SELECT User, Host FROM mysql.user WHERE is_role = 'N' AND User NOT IN ('mariadb.sys', 'mysql') " +
			"ORDER BY User, Host",
		roles: "SELECT User FROM mysql.user WHERE is_role = 'Y' ORDER BY User",
	}
}

// of puts the name of the source's role before each option.
func of(role string, options ...string) string {
	for i, option := range options {
		options[i] = role + "_" + option
	}
	return strings.Join(options, ", ")
}

const (
	selectVersion = "SELECT VERSION(), @@version_comment"
	selectSchemas = "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN " +
		"('mysql', 'information_schema', 'performance_schema', 'sys') ORDER BY schema_name"
	showCipher     = "SHOW SESSION STATUS LIKE 'Ssl_cipher'"
	showBinaryLogs = "SHOW BINARY LOGS"
	// binaryLogStart is what was in the logs before a log of MariaDB begins.
	binaryLogStart   = "SELECT BINLOG_GTID_POS(?, 4)"
	subtractExecuted = "SELECT GTID_SUBTRACT(?, @@GLOBAL.gtid_executed)"
	countUser        = "SELECT COUNT(*) FROM mysql.user WHERE User = ? AND Host = '%'"
	superReadOnlyOff = "SET GLOBAL super_read_only = OFF"
	superReadOnlyOn  = "SET GLOBAL super_read_only = ON"
	// markerSchema is there while a server is being wiped. It is in the server, and nowhere else, so that it goes with the
	// data that it tells of.
	markerSchema     = "duet_wiping"
	createSchema     = "CREATE DATABASE IF NOT EXISTS "
	dropSchema       = "DROP DATABASE IF EXISTS "
	withoutForeign   = "SET SESSION foreign_key_checks = 0"
	dropUser         = "DROP USER IF EXISTS ?@?"
	dropRole         = "DROP ROLE IF EXISTS "
	installClone     = "INSTALL PLUGIN clone SONAME 'mysql_clone.so'"
	allowDonor       = "SET GLOBAL clone_valid_donor_list = ?"
	cloneFrom        = "CLONE INSTANCE FROM ?@?:%d IDENTIFIED BY ?"
	cloneEncrypted   = " REQUIRE SSL"
	cloneUnencrypted = " REQUIRE NO SSL"
	showVariables    = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ("
	showStatus       = "SHOW GLOBAL STATUS WHERE Variable_name IN ("
)
