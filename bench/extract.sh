#!/bin/sh
# Compares the CPU time (user + system, medians) of jail/extract with that of
# GNU tar and bsdtar, in alternated rounds of one run, on a tree that it makes.
#
#   bench/extract.sh [MIB [ROUNDS]]        default 150 MiB, 5 rounds
#   BSDTAR=/path/to/bsdtar bench/extract.sh
#
# Every extraction goes to a fresh directory, and nothing is deleted before the
# end: ext4 makes creating files after many deletions several times slower.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
mib=${1:-150}
rounds=${2:-5}
bsdtar=${BSDTAR:-bsdtar}
work=$(mktemp -d "${TMPDIR:-/tmp}/xjail-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT

(cd "$here" && go build -o "$work/extract" ./bench/extract)
mkdir "$work/tree" "$work/times" "$work/out"
"$work/extract" gen "$work/tree" "$mib"
tar -C "$work/tree" --format=pax -cf "$work/a.tar" .
gzip -k "$work/a.tar"
xz -k -T0 "$work/a.tar"
zstd -q -10 -k "$work/a.tar"
echo "$(find "$work/tree" | wc -l) files, $(wc -c <"$work/a.tar") bytes in the tar, $(nproc) processors"

# once TOOL FORMAT COMMAND...: one measured run; %d stands for a fresh directory.
once() {
	name=$1.$2
	shift 2
	n=$(($(cat "$work/times/n" 2>/dev/null || echo 0) + 1))
	echo "$n" >"$work/times/n"
	mkdir "$work/out/$n"
	"$work/extract" time "$@" "$work/out/$n" >>"$work/times/$name"
}

round=0
while [ "$round" -lt "$rounds" ]; do
	for f in tar tar.gz tar.xz tar.zst; do
		once xjail "$f" "$work/extract" "$work/a.$f"
		once gnutar "$f" tar --xattrs -xpf "$work/a.$f" -C
		if command -v "$bsdtar" >/dev/null; then
			once bsdtar "$f" "$bsdtar" -xpf "$work/a.$f" -C
		fi
	done
	round=$((round + 1))
done

median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

printf '%-8s %-8s %8s %8s %6s %s\n' tool format 'CPU s' 'wall s' MiB 'CPU of xjail / CPU of tool'
for f in tar tar.gz tar.xz tar.zst; do
	mine=$(awk '{print $1 + $2}' "$work/times/xjail.$f" | median)
	for tool in xjail gnutar bsdtar; do
		times=$work/times/$tool.$f
		[ -f "$times" ] || continue
		cpu=$(awk '{print $1 + $2}' "$times" | median)
		wall=$(awk '{print $3}' "$times" | median)
		peak=$(awk '{print $4}' "$times" | median)
		printf '%-8s %-8s %8s %8s %6s %s\n' "$tool" "$f" "$cpu" "$wall" "$peak" \
			"$(awk -v a="$mine" -v b="$cpu" 'BEGIN {printf "%.2f", a / b}')"
	done
done
