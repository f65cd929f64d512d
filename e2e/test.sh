#!/bin/sh
# All tests. What they need is installed first, when this is root on Debian;
# others are told what will be skipped. On FreeBSD root's run has the tests of the
# kernel: its table of activators, and its jails.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
command -v "$GO" >/dev/null || GO=/usr/local/go/bin/go

sh e2e/setup.sh
"$GO" vet ./...
"$GO" test ./...
case $(uname -s) in
Linux)
	XJAIL_E2E=1 "$GO" test -count=1 -timeout 40m ./e2e
	;;
FreeBSD)
	if [ "$(id -u)" = 0 ]; then
		XJAIL_TEST_KERNEL=1 "$GO" test -count=1 ./e2e/freebsd
		CGO_ENABLED=0 XJAIL_TEST_KERNEL=1 "$GO" test -count=1 -run Kernel ./jail
	else
		echo "e2e: will be skipped, since they need root: tests of the kernel"
	fi
	;;
esac
