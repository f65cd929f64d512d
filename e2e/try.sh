#!/bin/sh
# The main job: builds bin/xjail and makes a mips64 jail with it on this
# machine, without root. All that it makes is in .try, and the jail goes with
# `xjail destroy`.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
command -v "$GO" >/dev/null || GO=/usr/local/go/bin/go
if [ "$(uname -s)" != Linux ]; then
	echo "try: jails can be made on Linux only so far, see docs/limits.md" >&2
	exit 1
fi
CGO_ENABLED=0 "$GO" build -trimpath -o bin/xjail ./cmd/xjail

XJAIL_STATE=${XJAIL_STATE:-$PWD/.try}
PATH=$PWD/bin:$PATH
export XJAIL_STATE PATH

say() { printf '\n$ %s\n' "$*"; }
run() { say "$@"; "$@"; }

# A run that was stopped half-way may have left a jail.
xjail destroy mips64 >/dev/null 2>&1 || :

if ! xjail emulator find mips64 >/dev/null 2>&1; then
	run xjail emulator fetch mips64
fi
run xjail create mips64
run xjail exec mips64 -- uname -m

pipeline='ls /bin | grep -c . ; sort -t: -k3 -n /etc/passwd | head -n 2 | cut -d: -f1,3'
say "xjail exec mips64 -- sh -c '$pipeline'"
xjail exec mips64 -- sh -c "$pipeline"

say "xjail exec mips64 -- sh -c 'exit 42'; echo \$?"
status=0
xjail exec mips64 -- sh -c 'exit 42' || status=$?
echo "$status"
test "$status" = 42

run xjail list
run xjail verify mips64
run xjail destroy mips64
