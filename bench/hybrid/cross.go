package main

import (
	"context"
	"strings"

	"github.com/xjail/xjail/arch"
)

// A build by Debian's cross compiler in the native jail is the least that a build
// for a target costs: everything is native, the assembler and the linker are the
// target's, and configure runs none of the programs that it makes. What native
// tools in a foreign jail cost beyond that is xjail's; what it costs beyond the
// native build is the target's.

// crossRoot has a directory of names for each target's tools.
const crossRoot = "/usr/local/lib/cross"

// crossScript makes that directory: plain names, as a build calls them, that lead
// to the cross compiler.
const crossScript = `apt-get update -q >&2
apt-get install -q -y --no-install-recommends "gcc-$1" "g++-$1" >&2
mkdir -p "$2/$1"
for f in cc:gcc gcc:gcc c++:g++ g++:g++ cpp:cpp as:as ld:ld ar:ar nm:nm ranlib:ranlib strip:strip objcopy:objcopy objdump:objdump readelf:readelf; do
	ln -sf "/usr/bin/$1-${f#*:}" "$2/$1/${f%:*}"
done
echo cross_compiling=yes >"$2/config.site"`

// ensureCross makes the jail with the cross compilers, a copy of the native one.
func (l *lab) ensureCross(ctx context.Context) error {
	known, err := l.jails(ctx)
	if err != nil {
		return err
	}
	name := l.crossJail(l.archs[0]).name
	if _, ok := known[name]; !ok {
		say("making jail %s, a copy of %s", name, l.host.Debian)
		if _, err := l.output(ctx, "create", name, "--arch", l.host.Debian, "--from", "dir:"+known[l.host.Debian]); err != nil {
			return err
		}
	}
	for _, debian := range l.archs {
		gnu := crossName(debian)
		if _, err := l.output(ctx, "exec", name, "--", "test", "-e", crossRoot+"/"+gnu+"/readelf"); err == nil {
			continue
		}
		say("cross compiler for %s", debian)
		if _, err := l.output(ctx, "exec", name, "--env", "DEBIAN_FRONTEND=noninteractive", "--", "sh", "-ec", crossScript, "sh", gnu, crossRoot); err != nil {
			return err
		}
	}
	return nil
}

// crossJail is where a target is built for by the cross compiler.
func (l *lab) crossJail(debian string) jail {
	return jail{name: l.host.Debian + "-cross", args: []string{
		"--env", "PATH=" + crossRoot + "/" + crossName(debian) + ":/usr/local/bin:/usr/bin:/bin",
		"--env", "CONFIG_SITE=" + crossRoot + "/config.site",
	}}
}

// crossName is what a target's cross tools begin with, and their packages end with.
func crossName(debian string) string {
	a, err := arch.Lookup(debian)
	if err != nil {
		return debian
	}
	return strings.ReplaceAll(a.GNU, "_", "-")
}
