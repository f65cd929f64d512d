#!/bin/sh
# The loop of profile and advice for one package: it is built in a jail as that is,
# what the advice says is made native, twice, and the CPU time that is left is then
# compared with the same build in a native jail, in alternated rounds.
#
#   bench/profile-loop.sh JAIL NATIVE SOURCE DIRECTORY [ROUNDS]    as root, or who made the jails
#
# JAIL has no native tools yet (xjail tools remove JAIL), NATIVE is one of this
# machine's architecture, SOURCE an unpacked package, which stays as it is. In
# DIRECTORY are then 0, 1 and 2 with .xprof, .report and .advice, the difference
# between the first and the last profile, and the HTML page of either. A profile that
# is there is not made again, so that a loop which was stopped goes on. COMMAND builds
# it (./configure && make), XJAIL is an xjail that was built already.
set -eu

jail=$1 native=$2 source=$3 out=$4 rounds=${5:-5}
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$out"
work=$(mktemp -d "${TMPDIR:-/tmp}/xjail-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM
(cd "$here" && go build -o "$work/rounds" ./bench/rounds)
xjail=${XJAIL:-$work/xjail}
[ -n "${XJAIL:-}" ] || (cd "$here" && CGO_ENABLED=0 go build -trimpath -o "$xjail" ./cmd/xjail)

# build JAIL VERB [OPTION]...: a fresh copy of the source, at /build in the jail.
cat >"$work/build" <<END
jail=\$1 verb=\$2
shift 2
rm -rf "$work/tree"
cp -a "$source" "$work/tree"
exec "$xjail" --quiet "\$verb" "\$jail" --bind "$work/tree:/build" --dir /build "\$@" -- sh -c '${COMMAND:-./configure && make}'
END
build() { sh "$work/build" "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }; }

echo "$(nproc) processors, Linux $(uname -r)"
for step in 0 1 2; do
	now=$out/$step
	[ -e "$now.xprof" ] || build "$jail" profile --subject "$(basename "$out")" --output "$now.xprof"
	"$xjail" profile report "$now.xprof" --tree --force --output "$now.report"
	if [ "$step" -gt 0 ]; then
		echo "== did it come true?"
		"$xjail" profile advice --check "$out/$((step - 1)).advice" "$now.xprof"
	fi
	echo "== advice $step"
	"$xjail" --quiet profile advice "$now.xprof" --jail "$jail" --output "$now.advice"
	[ "$step" = 2 ] || "$xjail" --quiet tools install "$jail" --advice "$now.advice"
done
for step in 0 2; do
	"$xjail" profile report "$out/$step.xprof" --format html --force --output "$out/$step.html"
done
"$xjail" profile diff "$out/0.xprof" "$out/2.xprof" --force --output "$out/diff"
cat "$out/diff"
"$work/rounds" "$rounds" "sh $work/build $native exec" "sh $work/build $jail exec"
