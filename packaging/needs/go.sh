#!/bin/sh
# go.sh: names the Go that builds this, or says why none can. go.mod names the version; Go 1.21 and newer fetch it if they may.
set -eu
want=$(sed -n 's/^go //p' go.mod)
older() { [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }
if ! command -v go >/dev/null; then
	echo "Go is missing: install Go $want from https://go.dev/dl, or any from 1.21 on, which fetches that from the module proxy." >&2
	exit 1
fi
have=$(cd / && GOTOOLCHAIN=local go version | sed 's/^go version go\([0-9a-z.]*\).*/\1/')
if ! older "$have" "$want"; then
	echo "Go $have"
elif older "$have" 1.21; then
	echo "Go $have is too old: this takes Go $want, or any from 1.21 on, which fetches that (https://go.dev/dl)." >&2
	exit 1
else
	case $(cd / && go env GOTOOLCHAIN) in
	*auto) echo "Go $have, which fetches Go $want from the module proxy unless it has it" ;;
	*)
		echo "Go $have is older than $want, and GOTOOLCHAIN forbids to fetch that: run 'go env -w GOTOOLCHAIN=auto'." >&2
		exit 1
		;;
	esac
fi
