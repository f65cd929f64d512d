#!/bin/sh
# What xjail poudriere report costs for one log, next to grep -c and cat of the
# same file: median CPU time (user + system) and wall time of the whole processes,
# in alternated rounds of one run, with warm caches; and its peak memory, when
# GNU time is there.
#
#   bench/buildlog.sh [MEGABYTES [ROUNDS]]    default 1024 5
set -eu

size=${1:-1024} rounds=${2:-5}
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/xjail-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
(cd "$here" && CGO_ENABLED=0 go build -trimpath -o "$work/xjail" ./cmd/xjail && go build -o "$work/rounds" ./bench/rounds)

# Lines as a build has them: long commands, progress, warnings.
awk 'BEGIN {
	for (i = 0; i < 8000; i++) {
		printf "[%3d%%] cc -O2 -pipe -fstack-protector-strong -fno-strict-aliasing -DHAVE_CONFIG_H -I. -I/usr/local/include -c src/file%d.c -o obj/file%d.o\n", i / 80, i, i
		if (i % 9 == 0) print "src/file.c:12:3: warning: unused variable x [-Wunused-variable]"
		if (i % 50 == 0) print "===>   port depends on file: /usr/local/bin/tool - found"
	}
}' >"$work/part"
part=$(wc -c <"$work/part")
copies=$((size * 1048576 / part))
{
	echo '=======================<phase: build          >============================'
	i=0
	while [ "$i" -lt "$copies" ]; do
		cat "$work/part"
		i=$((i + 1))
	done
	echo '/usr/local/bin/cargo build --release'
	echo 'qemu: uncaught target signal 4 (Illegal instruction) - core dumped'
	echo '*** Error code 1'
} >"$work/port.log"

cat >"$work/report" <<END
#!/bin/sh
exec "$work/xjail" poudriere report "$work/port.log"
END
# To /dev/null, where rounds has the output, grep ends at the first match.
cat >"$work/grep-c" <<END
#!/bin/sh
exec grep -c 'uncaught target signal' "$work/port.log" >"$work/count"
END
cat >"$work/grep-c-e" <<END
#!/bin/sh
exec grep -cE 'uncaught target signal|No space left on device|nsupported syscall|QEMU internal SIG|<phase: ' "$work/port.log" >"$work/count"
END
cat >"$work/cat" <<END
#!/bin/sh
exec cat "$work/port.log"
END
chmod +x "$work/report" "$work/grep-c" "$work/grep-c-e" "$work/cat"

echo "$(wc -c <"$work/port.log") bytes, $(nproc) processors, $(uname -sr), $(grep --version | head -n 1)"
"$work/report" | grep 'died of'
if [ -x /usr/bin/time ]; then
	/usr/bin/time -f '%M KiB peak memory' "$work/report" >/dev/null
fi
"$work/rounds" "$rounds" "$work/report" "$work/grep-c" "$work/grep-c-e" "$work/cat"
