#!/usr/bin/env bash
# Puts a backup of backup.sh back: its tables and accounts replace those of the same name; whatever else is on the
# server stays. The server may be the one that the backup is of, or another one; its replicas follow as they follow any
# write.
#
#   BACKUPS  the directory, /backups unless set
#   BACKUP   name of the file in it; the newest unless set
#
# The rest of what it needs is in connection.sh.
set -o errexit -o nounset -o pipefail

source "$(dirname -- "${BASH_SOURCE[0]}")/connection.sh"

cd "${BACKUPS:-/backups}"
backup=${BACKUP:-}
if [[ -z $backup ]]; then
	shopt -s nullglob
	all=(*.sql.gz) # their names begin with the time
	if ((${#all[@]} == 0)); then
		echo "there is no backup in $PWD" >&2
		exit 1
	fi
	backup=${all[-1]}
fi

# Before anything is written: half of a backup is worse than none.
sha256sum --check --strict -- "$backup.sha256"
gunzip --stdout -- "$backup" | "$client" "${connection[@]}" --binary-mode
echo "backup $backup was restored to $DATABASE_HOST"
