package main

import (
	"context"
	"os"
	"slices"
	"strings"
)

// onlyCompilers is a configuration of xjail by which no program is native but
// the compiler and what it calls.
const onlyCompilers = `tools:
  never:
    "*": only compilers are native in this jail
  allow:
    - "*-gcc-[0-9]*"
    - "*-g++-[0-9]*"
    - "*-cpp-[0-9]*"
    - "*-gcc-ar-[0-9]*"
    - "*-gcc-nm-[0-9]*"
    - "*-gcc-ranlib-[0-9]*"
    - "*-as"
    - "*-ld"
    - "*-ld.bfd"
    - "*-ar"
    - "*-nm"
    - "*-ranlib"
    - "*-strip"
    - "*-objcopy"
    - "*-objdump"
    - "*-readelf"
    - cc1
    - cc1plus
    - collect2
    - lto1
    - lto-wrapper
    - "liblto_plugin.so*"
    - "libdep.so"
`

// ensureTools gets native tools for the jails of an architecture where they have
// none, or gets them anew, when packages have come to them.
func (l *lab) ensureTools(ctx context.Context, debian string, variants []string, anew bool) error {
	if slices.Contains(variants, full) && (anew || !l.hasTools(ctx, debian)) {
		say("native tools for %s", debian)
		if _, err := l.output(ctx, "tools", "install", debian, "twin"); err != nil {
			return err
		}
	}
	if !slices.Contains(variants, compilers) {
		return nil
	}
	j := l.jail(debian, compilers)
	known, err := l.jails(ctx)
	if err != nil {
		return err
	}
	if _, ok := known[j.name]; !ok {
		say("making jail %s, a copy of %s", j.name, debian)
		anew = true
		if _, err := l.output(ctx, "create", j.name, "--arch", debian, "--from", "dir:"+known[debian]); err != nil {
			return err
		}
	}
	if !anew && l.hasTools(ctx, j.name) {
		return nil
	}
	config := l.path("compilers.yaml")
	if err := os.WriteFile(config, []byte(strings.TrimSpace(onlyCompilers)+"\n"), 0o644); err != nil {
		return err
	}
	say("native compilers for %s", j.name)
	_, err = l.output(ctx, "--config", config, "tools", "install", j.name, "twin")
	return err
}

func (l *lab) hasTools(ctx context.Context, name string) bool {
	_, err := l.output(ctx, "tools", "list", name)
	return err == nil
}
