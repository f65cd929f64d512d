#!/bin/sh
# What xjail arch identify costs for a root, next to file(1): median CPU time
# (user + system) and wall time of the whole processes, in alternated rounds of
# one run, with warm caches. The root is made of copies of files of /usr.
#
#   bench/identify.sh [FILES [ROUNDS]]        default 50000 5
#   DIR=/some/root bench/identify.sh          that root, as it is
set -eu

files=${1:-50000} rounds=${2:-5}
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/xjail-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
(cd "$here" && CGO_ENABLED=0 go build -trimpath -o "$work/xjail" ./cmd/xjail && go build -o "$work/rounds" ./bench/rounds)

dir=${DIR:-$work/root}
if [ "${DIR:-}" = "" ]; then
	find /usr -xdev -type f | sort >"$work/all"
	mkdir "$work/root"
	made=0 copy=0
	while [ "$made" -lt "$files" ]; do
		mkdir "$work/root/$copy"
		head -n $((files - made)) "$work/all" >"$work/part"
		tar -cf - -C / --hard-dereference -T "$work/part" 2>"$work/errors" | tar -xf - -C "$work/root/$copy"
		made=$((made + $(wc -l <"$work/part"))) copy=$((copy + 1))
	done
fi

# The commands that rounds runs have no pipes.
cat >"$work/identify" <<END
#!/bin/sh
exec "$work/xjail" arch identify "$dir"
END
cat >"$work/list" <<END
#!/bin/sh
exec "$work/xjail" arch identify --list "$dir"
END
cat >"$work/find-file" <<END
#!/bin/sh
find "$dir" -type f -print0 | xargs -0 file
END
cat >"$work/file-f" <<END
#!/bin/sh
find "$dir" -type f | file -f -
END
cat >"$work/find-only" <<END
#!/bin/sh
exec find "$dir" -type f -links 0
END
chmod +x "$work/identify" "$work/list" "$work/find-file" "$work/file-f" "$work/find-only"

echo "$(find "$dir" -type f | wc -l) files, $(nproc) processors, $(uname -sr), $(file --version | head -n 1)"
"$work/identify" | grep ' ELF files of '
"$work/rounds" "$rounds" "$work/identify" "$work/list" "$work/find-only" "$work/find-file" "$work/file-f"
