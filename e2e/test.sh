#!/bin/sh
# All tests. What they need is installed first, when this is root on Debian;
# others are told what will be skipped.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
command -v "$GO" >/dev/null || GO=/usr/local/go/bin/go

sh e2e/setup.sh
"$GO" vet ./...
"$GO" test ./...
XJAIL_E2E=1 "$GO" test -count=1 -timeout 20m ./e2e
