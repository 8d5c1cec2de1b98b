# shellcheck shell=bash
# How to reach the server, for backup.sh and restore.sh, which source this file and run in bash with errexit.
#
#   DATABASE_HOST, DATABASE_PORT  the server; the controller gives the Service of the primary
#   MYSQL_PWD                     password of root; the clients read it themselves, so it is on no command line
#   TLS_MODE                      Disabled, Preferred or Required, as in spec.tls.mode
#   TLS_CA                        file with the authority that must have signed the server's certificate; may be unset
#
# Sets dump and client, the programs, and connection, the arguments that both begin with.

program() {
	local name
	for name in "$@"; do
		type -P "$name" && return
	done
	echo "none of these programs is on PATH: $*" >&2
	return 1
}

dump=$(program mysqldump mariadb-dump)
# shellcheck disable=SC2034 # by those that source this file
client=$(program mysql mariadb)

# MariaDB's programs answer to the same names and call some options otherwise.
flavor=MySQL
version=$("$dump" --version)
[[ $version != *MariaDB* ]] || flavor=MariaDB

# No option file of the image: what happens is what is written here.
connection=(
	--no-defaults
	--protocol=tcp
	"--host=${DATABASE_HOST:?}"
	"--port=${DATABASE_PORT:?}"
	--user=root
	# Whatever character can be stored can be saved.
	--default-character-set=utf8mb4
	# The largest that a server may be set to: a row that could be stored can be saved.
	--max-allowed-packet=1G
)
case $flavor-${TLS_MODE:?} in
	# Without TLS the password goes through the server's own RSA key.
	MySQL-Disabled) connection+=(--ssl-mode=DISABLED --get-server-public-key) ;;
	MySQL-Preferred) connection+=(--ssl-mode=PREFERRED) ;;
	MySQL-Required)
		if [[ -n ${TLS_CA:-} ]]; then
			connection+=(--ssl-mode=VERIFY_CA "--ssl-ca=$TLS_CA")
		else
			connection+=(--ssl-mode=REQUIRED)
		fi
		;;
	MariaDB-Disabled) connection+=(--skip-ssl) ;;
	MariaDB-Preferred) connection+=(--skip-ssl-verify-server-cert) ;;
	MariaDB-Required)
		if [[ -n ${TLS_CA:-} ]]; then
			connection+=(--ssl --ssl-verify-server-cert "--ssl-ca=$TLS_CA")
		else
			# These programs would go on without TLS; the server's require_secure_transport does not.
			connection+=(--ssl --skip-ssl-verify-server-cert)
		fi
		;;
	*)
		echo "TLS_MODE is $TLS_MODE: it must be Disabled, Preferred or Required" >&2
		exit 2
		;;
esac
