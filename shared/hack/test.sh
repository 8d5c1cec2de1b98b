#!/usr/bin/env bash
# Runs the tests: `test.sh` all of them, `test.sh unit` those without a control plane, `test.sh race` all under the race
# detector. `test.sh mysql` runs those that need a MySQL server on PATH, which the others leave out. `test.sh switch` runs
# the suite that switches a live API at its full size, of which the others run a small part; `test.sh switch LABELS` runs
# the specs of it that a label filter chooses. The control plane's binaries are built first, with progress, because
# `go test` shows none.
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mode=${1:-all}

# The package whose tests run real servers, which a bare machine does not have.
servers=github.com/duet-api/duet/e2e/mysql

# Packages whose tests start a control plane; the two cores of a small machine serve one at a time.
live=$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}{{end}}' ./... |
	grep 'duet/shared/controlplane' | awk '{print $1}' | grep -vxF "$servers")
# The one of them that takes longest, and waits most of the time: its parts run at the same time.
both=github.com/duet-api/duet/e2e
unit=$(go list ./... | grep -vxF "$servers" | grep -vxF "$live")

# `make verify` vets everything; go test would do a part of that again, with all that is imported.
flags=(-vet=off)
case $mode in
unit) exec go test "${flags[@]}" $unit ;;
all | mysql | switch) ;;
race) flags+=(-race) ;;
*)
	echo "usage: test.sh [unit|race|mysql|switch [LABELS]]" >&2
	exit 2
	;;
esac

echo "== control plane binaries (the first time takes minutes)"
go run ./bench/cmd/duet build etcd kube-apiserver kube-controller-manager kube-scheduler kubectl kwok

# Runs parts of a package, each the specs that a label filter chooses, at the same time: control planes take long to wait
# for, and little to serve.
side_by_side() {
	set -o monitor # each part is a process group of its own, so that an interruption can be passed on to all of it
	local labels parts=() failed=0
	trap 'kill -INT -- "${parts[@]/#/-}" 2> /dev/null || true; wait; exit 130' INT TERM
	for labels in "${@:2}"; do
		go test "${flags[@]}" -timeout 40m "$1" -ginkgo.label-filter="$labels" &
		parts+=($!)
	done
	local part
	for part in "${parts[@]}"; do
		wait "$part" || failed=1
	done
	return $failed
}

if [ "$mode" = mysql ]; then
	echo "== tests on real servers"
	side_by_side "$servers" aggregated '!aggregated'
	exit
fi
if [ "$mode" = switch ]; then
	# With -v for the verdicts, which are in the report of each spec; Ginkgo's own time limit would be an hour.
	disturbed='faults || dedicated-faults || still-faults || interrupted || taken-back'
	load() {
		go test -v -count 1 -timeout 1440m ./e2e/switching -args -ginkgo.no-color -ginkgo.timeout=1440m -full -watches=50 \
			-ginkgo.label-filter="${1}${labels:+ && ($labels)}" "${@:2}"
	}
	labels=${2:-} failed=0
	echo "== switches under load"
	load "!($disturbed)" -objects=1000 -rate=200 -calm=10s -round-trips=10 || failed=1
	# These switch hundreds of times, so each has to be short.
	echo "== switches under a lighter load, interrupted and with kill -9"
	load "($disturbed)" -objects=200 -rate=50 || failed=1
	exit $failed
fi
echo "== unit tests"
go test "${flags[@]}" $unit
echo "== tests on a control plane"
failed=0
go test "${flags[@]}" -p 1 -timeout 40m $(grep -vxF "$both" <<< "$live") || failed=1

echo "== both forms, and changing from one to the other, side by side"
side_by_side "$both" aggregated 'crd && !aggregated' '!crd && !aggregated' || failed=1
exit $failed
