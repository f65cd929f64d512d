#!/bin/sh
# The main job: builds bin/xjail, makes a jail of another architecture with it on
# this machine, and runs programs in it. All that it makes is in .try, and the
# jail goes with `xjail destroy`.
#
# On Linux that is mips64, without root. On FreeBSD, where no root of mips64 can
# be had without a build, it is aarch64, and jails and activators need root; the
# activator goes with the jail.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
command -v "$GO" >/dev/null || GO=/usr/local/go/bin/go
CGO_ENABLED=0 "$GO" build -trimpath -o bin/xjail ./cmd/xjail

XJAIL_STATE=${XJAIL_STATE:-$PWD/.try}
PATH=$PWD/bin:$PATH
export XJAIL_STATE PATH

say() { printf '\n$ %s\n' "$*"; }
run() { say "$@"; "$@"; }

case $(uname -s) in
Linux)
	jail=mips64
	fetch() { run xjail emulator fetch "$jail"; }
	create() { run xjail create "$jail"; }
	;;
FreeBSD)
	jail=aarch64
	if [ "$(id -u)" != 0 ]; then
		echo "try: run it as root: on FreeBSD activators and jails need it" >&2
		exit 1
	fi
	fetch() { run env ASSUME_ALWAYS_YES=yes pkg install qemu-user-static; }
	create() { run xjail create "$jail" --from miniroot; }
	;;
*)
	echo "try: jails are made on Linux and on FreeBSD" >&2
	exit 1
	;;
esac

# A run that was stopped half-way may have left a jail.
xjail destroy "$jail" >/dev/null 2>&1 || :

xjail emulator find "$jail" >/dev/null 2>&1 || fetch
create
run xjail exec "$jail" -- uname -m

pipeline='ls /bin | grep -c . ; sort -t: -k3 -n /etc/passwd | head -n 2 | cut -d: -f1,3'
say "xjail exec $jail -- sh -c '$pipeline'"
xjail exec "$jail" -- sh -c "$pipeline"

say "xjail exec $jail -- sh -c 'exit 42'; echo \$?"
status=0
xjail exec "$jail" -- sh -c 'exit 42' || status=$?
echo "$status"
test "$status" = 42

run xjail list
run xjail verify "$jail"
run xjail destroy "$jail"
