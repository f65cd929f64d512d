#!/bin/sh
# What xjail profile report costs for a profile with 100,000 runs, against others
# that only read its lines of JSON: median CPU and wall time of the whole
# processes, in alternated rounds. It needs no root, and changes nothing.
#
#   bench/profile-report.sh [ROUNDS] [PROFILE]    default 10
#
# The peers: jq and python3, which parse each line and keep nothing, and cat, the
# least that reading the file can cost. Those that are not there are left out.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/xjail-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
(cd "$here" && CGO_ENABLED=0 go build -trimpath -o "$work/xjail" ${XJAIL_BUILDFLAGS:-} ./cmd/xjail && go build -o "$work/rounds" ./bench/rounds)
rounds=${1:-10} profile=${2:-$work/build.xprof}

# A make that runs 12,500 shells, each of which forks three times and starts sed,
# cc1 and cat: 100,001 runs.
[ -e "$profile" ] || awk 'BEGIN {
	print "{\"xjail_profile\":1,\"jail\":\"bench\",\"arch\":\"mips64el\",\"host\":\"amd64\",\"collector\":\"ptrace\",\"started\":\"2026-11-01T12:00:00Z\",\"command\":[\"make\"],\"emulators\":[{\"path\":\"/usr/bin/qemu-mips64el-static\",\"arch\":\"mips64el\"}]}"
	begin(0, 0, "/usr/bin/make", ",\"argv\":[\"make\"]")
	split("/usr/bin/sed /usr/lib/gcc/mips64el-linux-gnuabi64/12/cc1 /usr/bin/cat", tools)
	for (i = 0; i < 12500; i++) {
		fork = begin(1, 0, "/usr/bin/make", ""); end(fork, "exec")
		sh = begin(1, fork, "/usr/bin/dash", ",\"file\":\"/bin/sh\",\"argv\":[\"/bin/sh\",\"-c\",\"sed -e s/a/b/ conftest.c && cc -O2 -g -c conftest.c && cat conftest.log\"],\"emulator\":\"/usr/bin/qemu-mips64el-static\"")
		for (k = 1; k <= 3; k++) {
			fork = begin(sh, 0, "/usr/bin/dash", ",\"emulator\":\"/usr/bin/qemu-mips64el-static\""); end(fork, "exec")
			end(begin(sh, fork, tools[k], ",\"argv\":[\"" tools[k] "\",\"-quiet\",\"-dumpbase\",\"conftest.c\"],\"emulator\":\"/usr/bin/qemu-mips64el-static\""), "exit")
		}
		end(sh, "exit")
	}
	end(1, "exit")
	printf "{\"close\":{\"at\":%d,\"status\":0,\"user\":%d,\"system\":%d}}\n", now + 1, 2000000 * n, 1000000 * n
}
function begin(parent, replaced, program, more) {
	now += 100000
	printf "{\"run\":{\"id\":%d,\"parent\":%d,\"replaced\":%d,\"pid\":%d,\"at\":%d,\"program\":\"%s\"%s}}\n", ++n, parent, replaced, n, now, program, more
	return n
}
function end(id, how) {
	now += 100000
	printf "{\"end\":{\"id\":%d,\"at\":%d,\"how\":\"%s\",\"user\":2000000,\"system\":1000000,\"rss\":9000000}}\n", id, now, how
}' >"$profile"

set -- "$rounds" "cat $profile" "$work/xjail profile report $profile"
for format in json html pprof trace; do
	set -- "$@" "$work/xjail profile report $profile --force --format $format --output $work/out.$format"
done
if command -v jq >/dev/null; then
	set -- "$@" "jq empty $profile"
fi
if command -v python3 >/dev/null; then
	printf 'import json, sys\nfor line in open(sys.argv[1]):\n    json.loads(line)\n' >"$work/read.py"
	set -- "$@" "python3 $work/read.py $profile"
fi
"$work/rounds" "$@"
