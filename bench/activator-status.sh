#!/bin/sh
# What xjail activator status costs with eight entries, against others that read
# the same: median CPU and wall time of the whole processes, in alternated
# rounds. It runs in a user and mount namespace with a binfmt_misc of its own,
# needs no root, and changes nothing on the machine.
#
#   bench/activator-status.sh [ROUNDS]            default 200
#   UPDATE_BINFMTS=/path BINFMT=/path bench/activator-status.sh
#
# The peers: update-binfmts --display of Debian's binfmt-support, binfmt of
# github.com/tonistiigi/binfmt (whose status is its output without arguments),
# and cat, the least that reading the files can cost. Those that are not there
# are left out.
set -eu

if [ "${XJAIL_BENCH_INSIDE:-}" = "" ]; then
	here=$(cd "$(dirname "$0")/.." && pwd)
	work=$(mktemp -d "${TMPDIR:-/tmp}/xjail-bench.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	(cd "$here" && CGO_ENABLED=0 go build -trimpath -o "$work/xjail" ${XJAIL_BUILDFLAGS:-} ./cmd/xjail && go build -o "$work/rounds" ./bench/rounds)
	export XJAIL_BENCH_INSIDE="$work"
	unshare --user --map-root-user --mount sh "$0" "${1:-200}"
	exit
fi

work=$XJAIL_BENCH_INSIDE
dir=/proc/sys/fs/binfmt_misc
mount -t binfmt_misc binfmt_misc "$dir"

# ELF magics: class, byte order, e_type and e_machine of eight architectures.
# The interpreters are QEMU's where they are installed, so that a peer which
# tries them out does so.
ones='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff'
mkdir "$work/formats"
while read -r name class data mask machine; do
	qemu=/usr/bin/qemu-$name-static
	[ -x "$qemu" ] || qemu=/bin/sh
	magic="\\x7fELF\\x$class\\x$data\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00$machine"
	printf '%s' ":qemu-$name:M::$magic:$ones$mask:$qemu:PF" >"$dir/register"
	printf '%s\n' 'package bench' "interpreter $qemu" "magic $magic" "mask $ones$mask" 'fix_binary yes' >"$work/formats/qemu-$name"
done <<'END'
mips64 02 02 \xff\xfe\xff\xff \x00\x02\x00\x08
mips 01 02 \xff\xfe\xff\xff \x00\x02\x00\x08
arm 01 01 \xfe\xff\xff\xff \x02\x00\x28\x00
aarch64 02 01 \xfe\xff\xff\xff \x02\x00\xb7\x00
ppc64 02 02 \xff\xfe\xff\xff \x00\x02\x00\x15
ppc64le 02 01 \xfe\xff\xff\xff \x02\x00\x15\x00
riscv64 02 01 \xfe\xff\xff\xff \x02\x00\xf3\x00
s390x 02 02 \xff\xfe\xff\xff \x00\x02\x00\x16
END

set -- "${1:-200}" "$work/xjail --state $work/state activator status" "$work/xjail --state $work/state activator status --json"
update=${UPDATE_BINFMTS:-$(command -v update-binfmts || true)}
if [ -n "$update" ]; then
	mkdir "$work/db"
	"$update" --admindir "$work/db" --importdir "$work/formats" --import >"$work/import.log" 2>&1 || cat "$work/import.log" >&2
	set -- "$@" "$update --admindir $work/db --display"
fi
if [ -n "${BINFMT:-}" ]; then
	set -- "$@" "$BINFMT"
fi
set -- "$@" "cat $(echo "$dir"/qemu-*)"
echo "$(find "$dir" -name 'qemu-*' | wc -l) entries, $(nproc) processors, Linux $(uname -r)"
"$work/rounds" "$@"
