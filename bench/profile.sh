#!/bin/sh
# What following a command costs: median CPU and wall time of xjail exec and of
# xjail profile, in alternated rounds, of a command in a jail that is there.
#
#   bench/profile.sh NAME ROUNDS COMMAND          as root, or who made the jail
#
# COMMAND is a program of the jail with arguments, split at blanks. The worst is what
# starts many small native programs: a configure script in a jail with native tools.
set -eu

name=$1 rounds=$2 command=$3
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/xjail-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
(cd "$here" && CGO_ENABLED=0 go build -trimpath -o "$work/xjail" ./cmd/xjail && go build -o "$work/rounds" ./bench/rounds)
echo "$(nproc) processors, Linux $(uname -r)"
"$work/rounds" "$rounds" "$work/xjail exec $name -- $command" \
	"$work/xjail --quiet profile $name --force --output $work/profile -- $command"
