#!/usr/bin/env bash
# Runs the tests: `test.sh` all of them, `test.sh unit` those without a control plane, `test.sh race` all under the race
# detector. `test.sh mysql` runs those that need a MySQL server on PATH, which the others leave out. `test.sh switch` runs
# the suite that switches a live API at its full size, of which the others run a small part; `test.sh switch LABELS` runs
# the specs of it that a label filter chooses. The control plane's binaries are built first, with progress, because
# `go test` shows none.
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mode=${1:-all}
[ -t 1 ] || export GINKGO_NO_COLOR=TRUE # a log is read for what failed, not for its escape sequences

# The package whose tests run real servers, which a bare machine does not have.
servers=github.com/duet-api/duet/e2e/mysql

# Packages whose tests start a control plane.
live=$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}{{end}}' ./... |
	grep 'duet/shared/controlplane' | awk '{print $1}' | grep -vxF "$servers")
# The one of them that takes longest: a part for each form, and one for changing from one to the other.
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

# The specs of a package that a label filter chooses.
specs() {
	go test "${flags[@]}" -timeout 80m "$1" -ginkgo.label-filter="$2" -ginkgo.silence-skips
}

# Runs a command beside the others, whose end `together` waits for. A control plane takes long to wait for, and little to
# serve, so that two cores are enough for a few.
parts=()
beside() {
	set -o monitor # each is a process group of its own, so that an interruption can be passed on to all of it
	trap 'kill -TERM -- "${parts[@]/#/-}" 2> /dev/null || true; wait; exit 130' INT TERM
	"$@" &
	parts+=($!)
}
together() {
	local part failed=0
	for part in "${parts[@]}"; do
		wait "$part" || failed=1
	done
	return $failed
}

if [ "$mode" = mysql ]; then
	echo "== tests on real servers"
	beside specs "$servers" aggregated
	beside specs "$servers" '!aggregated'
	together
	exit
fi
if [ "$mode" = switch ]; then
	# With -v for the verdicts, which are in the report of each spec; Ginkgo's own time limit would be an hour.
	disturbed='faults || dedicated-faults || still-faults || interrupted || taken-back'
	load() {
		go test -v -count 1 -timeout 1440m ./e2e/switching -args -ginkgo.timeout=1440m -full -watches=50 \
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
definition_and_changing() {
	local failed=0
	specs "$both" 'crd && !aggregated' || failed=1
	specs "$both" '!crd && !aggregated' || failed=1
	return $failed
}
beside specs "$both" aggregated
beside definition_and_changing
beside go test "${flags[@]}" -p 1 -timeout 80m $(grep -vxF "$both" <<< "$live")
together
