#!/usr/bin/env bash
# Checks what a reviewer should not have to: `make verify` calls it. It changes no file that is up to date.
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

failed=()
check() {
	local name=$1
	shift
	echo "== $name"
	if ! "$@"; then failed+=("$name"); fi
}

# The generated files as they are, compared with what the generators make of the types.
generated() {
	local paths=(shared/api shared/client shared/openapi crd-impl/config/crd)
	tar -cf - "${paths[@]}" | tar -xf - -C "$work"
	shared/hack/generate.sh > "$work/generate.log" 2>&1 || { cat "$work/generate.log"; return 1; }
	local path result=0
	for path in "${paths[@]}"; do
		diff -ru "$work/$path" "$path" || result=1
	done
	[ $result = 0 ] || echo "generated files were not up to date; they are now: commit them"
	return $result
}

tidy() {
	local module result=0
	for module in . shared/hack/tools shared/hack/lint; do
		go -C "$module" mod tidy -diff || { echo "run: go -C $module mod tidy"; result=1; }
	done
	return $result
}

formatted() {
	local files
	files=$(gofmt -s -l bench shared crd-impl aggregated-impl e2e)
	[ -z "$files" ] || { echo "not formatted (gofmt -s -w):"; echo "$files"; return 1; }
}

scripts() {
	local script
	for script in shared/hack/*.sh shared/backup/*.sh .ci/run; do bash -n "$script" || return 1; done
}

check "generated code" generated
check "formatting" formatted
check "shell scripts parse" scripts
check "go.mod is tidy" tidy
check "go vet" go vet ./...
check "lint and import rules" make --no-print-directory lint

if [ ${#failed[@]} -gt 0 ]; then
	printf 'verify failed: %s\n' "${failed[@]}"
	exit 1
fi
echo "verify: all clean"
