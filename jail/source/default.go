package source

import (
	"runtime"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// Default chooses the source of an architecture's root, and says why.
func Default(a *arch.Arch) (spec Spec, why string, err error) {
	if runtime.GOOS != "linux" {
		return spec, "", fault.New(fault.Usage, "xjail create NAME --from archive:FILE", "say with --from where the root comes from")
	}
	switch {
	case a.Debian != "" && a.DebianLast == "" && !a.DebianPorts:
		return Spec{Debian, "stable"}, "Debian's current stable release has " + a.Debian, nil
	case a.GoArch != "" && a.Debian == "":
		return Spec{Kind: Miniroot}, "Debian has no " + a.Name + ", Go has a port to it", nil
	case a.GoArch != "" && a.DebianPorts:
		return Spec{Kind: Miniroot}, "Debian's stable release has no " + a.Debian + " (it is in Debian Ports), Go has a port to it", nil
	case a.GoArch != "" && mirrored(a):
		return Spec{Kind: Miniroot}, "Debian's stable release no longer has " + a.Debian + " (--from debian:" + a.DebianLast + " takes its last one), Go has a port to it", nil
	case a.GoArch != "":
		return Spec{Kind: Miniroot}, "Debian's stable release no longer has " + a.Debian + ", Go has a port to it", nil
	}
	hint := "give --from archive:FILE, --from archive:URL or --from dir:DIRECTORY"
	if mirrored(a) {
		hint = "--from debian:" + a.DebianLast + " takes Debian's last release for it, or " + hint
	}
	return spec, "", fault.New(fault.NotFound, hint, "no default source for %s: Debian's stable release does not have it and Go has no port to it", a.Name)
}

// mirrored tells whether the last suite of an architecture is still on
// Debian's mirrors; older ones are only in its archive of old releases.
func mirrored(a *arch.Arch) bool {
	return a.InDebian("bookworm") || a.InDebian("trixie")
}
