#!/usr/bin/env bash
# Takes one backup: every database but the server's own, as one consistent state, and the accounts.
#
# A backup is <time>-<pod>.sql.gz with its checksum beside it, <time>-<pod>.sql.gz.sha256. Both get these names when
# they are complete and on the disk, the checksum first; until then they end in .partial. So whatever ends in .sql.gz
# is a whole backup, wherever this script was killed. Two at once do not meet: the names differ.
#
#   BACKUPS         the directory, /backups unless set
#   RETENTION_DAYS  backups older than this go, once there is a new one: a failure never costs an old backup
#
# The rest of what it needs is in connection.sh. restore.sh is its counterpart.
set -o errexit -o nounset -o pipefail
umask 027

source "$(dirname -- "${BASH_SOURCE[0]}")/connection.sh"

backups=${BACKUPS:-/backups}
retention=$((${RETENTION_DAYS:?} * 24 * 60))
backup=$backups/$(date -u +%Y%m%dT%H%M%SZ)-${HOSTNAME:?}.sql.gz

# Accounts that every server has by itself or from the controller: their passwords are those in the Secrets, and to
# restore others would lock the controller and the replicas out.
own="'root', 'duet_replication', 'mysql.infoschema', 'mysql.session', 'mysql.sys', 'mariadb.sys', 'PUBLIC'"

options=("${connection[@]}" --single-transaction --quick --hex-blob --no-tablespaces)
if [[ $flavor == MySQL ]]; then
	# Without the GTIDs of this server a restore is a transaction like any other: it may go to the server that the backup
	# is of, and its replicas follow.
	options+=(--set-gtid-purged=OFF)
fi

query() {
	"$client" "${connection[@]}" --batch --raw --skip-column-names --execute="$1"
}

databases() {
	local names list
	names=$(query "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN
		('information_schema', 'mysql', 'ndbinfo', 'performance_schema', 'sys') ORDER BY schema_name")
	[[ -n $names ]] || return 0
	mapfile -t list <<< "$names"
	# The position in the binary log, as a comment: from there on a binary log can be replayed.
	local position=--master-data=2 help
	help=$("$dump" --help)
	[[ $help != *--source-data* ]] || position=--source-data=2
	"$dump" "${options[@]}" "$position" --routines --events --triggers --databases -- "${list[@]}"
}

# The rows of the grant tables, in place of those that are there: a whole table would take root along.
accounts() {
	local tables list
	local rows=(--replace --no-create-info --complete-insert --skip-triggers --skip-add-locks --skip-disable-keys)
	tables=$(query "SELECT table_name FROM information_schema.tables WHERE table_schema = 'mysql'
		AND table_type = 'BASE TABLE' AND table_name IN ('user', 'global_priv', 'db', 'tables_priv', 'columns_priv',
		'procs_priv', 'proxies_priv', 'global_grants', 'default_roles', 'password_history', 'roles_mapping')")
	mapfile -t list <<< "$tables"
	# The name of a database, not --databases: that would make it.
	echo "USE \`mysql\`;"
	"$dump" "${options[@]}" "${rows[@]}" "--where=User NOT IN ($own)" mysql "${list[@]}"
	tables=$(query "SELECT table_name FROM information_schema.tables WHERE table_schema = 'mysql'
		AND table_name = 'role_edges'")
	if [[ -n $tables ]]; then
		"$dump" "${options[@]}" "${rows[@]}" "--where=TO_USER NOT IN ($own)" mysql role_edges
	fi
	echo "FLUSH PRIVILEGES;"
}

# What was left by one that was killed; no backup may run that long.
find "$backups" -maxdepth 1 -type f -name '*.partial' -mmin +1440 -delete

trap 'rm -f -- "$backup.partial" "$backup.sha256.partial"' EXIT
{
	databases
	accounts
} | gzip > "$backup.partial"
gzip --test "$backup.partial"
checksum=$(sha256sum < "$backup.partial")
printf '%s  %s\n' "${checksum%% *}" "${backup##*/}" > "$backup.sha256.partial"
sync "$backup.partial" "$backup.sha256.partial"
mv -- "$backup.sha256.partial" "$backup.sha256"
mv -- "$backup.partial" "$backup"
sync "$backups"
echo "backup ${backup##*/} is complete: $(stat --format=%s "$backup") bytes"

find "$backups" -maxdepth 1 -type f -name '*.sql.gz' ! -name "${backup##*/}" -mmin "+$retention" -print0 |
	while IFS= read -r -d '' old; do
		rm -- "$old"
		rm -f -- "$old.sha256"
		echo "backup ${old##*/} is older than $RETENTION_DAYS days and was removed"
	done
