#!/bin/sh
# Installs what the tests in this directory need, when run as root on a
# Debian-like system: only what is missing, so a second run does nothing. Others
# are told what is missing and which tests will therefore be skipped.
set -eu

# Those of FreeBSD need its kernel and nothing beside.
[ "$(uname -s)" = Linux ] || exit 0

emulators=/usr/local/bin
binfmt=/proc/sys/fs/binfmt_misc

# A file that shows that a package is there, the packages, and the tests that
# need them.
needs() {
	cat <<-END
		/usr/bin/mmdebstrap	mmdebstrap	Debian jails
		/usr/bin/newuidmap	uidmap	users with subordinate ids
		/usr/bin/xz	xz-utils	archives in xz
		/usr/bin/zstd	zstd	archives in zstd
		/usr/bin/bzip2	bzip2	archives in bzip2
		/usr/bin/musl-gcc	musl-tools	the ground truth of profiles
		/usr/bin/busybox	busybox	hooks of poudriere in busybox sh
		/usr/bin/shellcheck	shellcheck	linting of hooks
		/usr/bin/powerpc-linux-gnu-gcc	gcc-powerpc-linux-gnu libc6-dev-powerpc-cross	powerpc
		/usr/bin/mips64-linux-gnuabi64-gcc	gcc-mips64-linux-gnuabi64	mips n32
		/usr/mips64-linux-gnuabi64/lib32/libc.a	gcc-multilib-mips64-linux-gnuabi64 libc6-dev-mipsn32-mips64-cross	mips n32
		/usr/bin/sparc64-linux-gnu-gcc	gcc-sparc64-linux-gnu libc6-dev-sparc64-cross	sparc64
		/usr/bin/alpha-linux-gnu-gcc	gcc-alpha-linux-gnu libc6.1-dev-alpha-cross	alpha
		/usr/bin/m68k-linux-gnu-gcc	gcc-m68k-linux-gnu libc6-dev-m68k-cross	m68k
		/usr/bin/sh4-linux-gnu-gcc	gcc-sh4-linux-gnu	sh4
		/usr/bin/hppa-linux-gnu-gcc	gcc-hppa-linux-gnu libc6-dev-hppa-cross	hppa
	END
}

has_emulators() { command -v qemu-mips64-static >/dev/null && command -v qemu-aarch64-static >/dev/null; }

# missing prints field $1 of the needs whose file is not there.
missing() {
	needs | while IFS='	' read -r file packages tests; do
		test -e "$file" || eval "echo \"\$$1\""
	done
}

listing() { ls -A "$binfmt" 2>/dev/null || :; }

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	has_emulators || echo "e2e: no qemu-user emulators: every test will be skipped"
	missing tests | sort -u | while read -r tests; do
		echo "e2e: will be skipped: $tests"
	done
	exit 0
fi

packages=$(missing packages | tr '\n' ' ')
if [ -z "$packages" ] && has_emulators; then
	exit 0
fi

before=$(listing)
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
if [ -n "$packages" ]; then
	available=
	for p in $packages; do
		if apt-cache show "$p" >/dev/null 2>&1; then
			available="$available $p"
		else
			echo "e2e: this release has no $p; the tests that need it will be skipped"
		fi
	done
	# shellcheck disable=SC2086 # a list of words
	test -z "$available" || apt-get install -q -y --no-install-recommends $available
fi

# Installed as a package, qemu-user-static would register its formats with the
# whole machine, and the tests look that nobody does. So it is only unpacked.
if ! has_emulators; then
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	(cd "$dir" && apt-get -q -o APT::Sandbox::User=root download qemu-user-static)
	mkdir -p "$emulators"
	dpkg-deb --fsys-tarfile "$dir"/qemu-user-static_*.deb |
		tar -x -C "$emulators" --strip-components=3 --wildcards './usr/bin/qemu-*-static'
	has_emulators
fi

if [ "$before" != "$(listing)" ]; then
	echo "e2e: installing changed $binfmt; the tests would blame xjail for it" >&2
	exit 1
fi
