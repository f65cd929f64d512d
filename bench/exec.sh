#!/bin/sh
# What xjail exec costs more than the same command in a bare chroot with the
# same emulator: median CPU and wall time of the whole processes, in alternated
# rounds. It runs in a user and mount namespace with a binfmt_misc of its own,
# needs no root, and changes nothing on the machine.
#
#   bench/exec.sh [ARCH] [ROUNDS]                 default mips64 200
#
# Other ways to enter a root, bwrap and proot, are measured too when they are
# installed. They get no binfmt_misc: the one of this script's namespace counts.
set -eu

if [ "${XJAIL_BENCH_INSIDE:-}" = "" ]; then
	here=$(cd "$(dirname "$0")/.." && pwd)
	work=$(mktemp -d "${TMPDIR:-/tmp}/xjail-bench.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	(cd "$here" && CGO_ENABLED=0 go build -trimpath -o "$work/xjail" ${XJAIL_BUILDFLAGS:-} ./cmd/xjail && go build -o "$work/rounds" ./bench/rounds)
	export XJAIL_BENCH_INSIDE="$work"
	unshare --user --map-root-user --mount sh "$0" "${1:-mips64}" "${2:-200}"
	exit
fi

arch=$1 rounds=$2
work=$XJAIL_BENCH_INSIDE
binfmt=/proc/sys/fs/binfmt_misc
xjail="$work/xjail --state $work/state"
root=$work/state/jails/$arch/root

mount -t binfmt_misc binfmt_misc "$binfmt"
$xjail create "$arch" --from miniroot --quiet
$xjail create other --arch "$arch" --from miniroot --dry-run |
	sed -n "s/^ *\(:xjail-.*:\)\/usr\/bin\(.*:\)\([A-Z]*\)$/\1$(echo "$root" | sed 's/[/]/\\&/g')\/usr\/bin\2\3/p" >"$work/line"
cat "$work/line" >"$binfmt/register"

set -- "$rounds" "chroot $root /bin/true" "$xjail exec $arch -- /bin/true"
if command -v bwrap >/dev/null; then
	set -- "$@" "bwrap --unshare-pid --unshare-ipc --unshare-uts --bind $root / --proc /proc --dev /dev /bin/true"
fi
if command -v proot >/dev/null; then
	set -- "$@" "proot -r $root -b /proc -b /dev /bin/true"
fi
echo "$arch, $(nproc) processors, Linux $(uname -r)"
"$work/rounds" "$@"
$xjail destroy "$arch"
