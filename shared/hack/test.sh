#!/usr/bin/env bash
# Runs the tests: `test.sh` all of them, `test.sh unit` those without a control plane, `test.sh race` all under the race
# detector. The control plane's binaries are built first, with progress, because `go test` shows none.
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mode=${1:-all}

# Packages whose tests start a control plane; the two cores of a small machine serve one at a time.
live=$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}{{end}}' ./... |
	grep 'duet/shared/controlplane' | awk '{print $1}')
unit=$(go list ./... | grep -vxF "$live")

case $mode in
unit) exec go test $unit ;;
all) flags=() ;;
race) flags=(-race) ;;
*)
	echo "usage: test.sh [unit|race]" >&2
	exit 2
	;;
esac

echo "== control plane binaries (the first time takes minutes)"
go run ./bench/cmd/duet build etcd kube-apiserver kube-controller-manager kube-scheduler kubectl kwok
echo "== unit tests"
go test ${flags[@]+"${flags[@]}"} $unit
echo "== tests on a control plane"
go test ${flags[@]+"${flags[@]}"} -p 1 -timeout 20m $live
