package source

import (
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// Default chooses the source of an architecture's root on a host, and says why.
// guest is the system that was asked for, "" for the host's own.
func Default(a *arch.Arch, host Host, guest string) (spec Spec, why string, err error) {
	if guest == "freebsd" || guest == "" && host.OS == "freebsd" {
		return defaultFreeBSD(a, host)
	}
	if host.OS != "linux" {
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

// defaultFreeBSD is the release that the host runs, or the last one with the
// architecture: a newer root than the kernel does not run.
func defaultFreeBSD(a *arch.Arch, host Host) (Spec, string, error) {
	const what = "no default source"
	switch {
	case a.Target == "":
		return Spec{}, "", fault.New(fault.NotFound, "xjail arch list names those that it had; give --from archive:FILE or --from dir:DIRECTORY",
			"%s for %s: FreeBSD was never released for it", what, a.Name)
	case a.FirstSets == "":
		return Spec{}, "", fault.Wrap(fault.NotFound, noSets(a), what+" for "+a.Name, "")
	}
	v, err := ParseVersion(host.Release)
	if err == nil && CheckRelease(a, v) == nil {
		return Spec{Release, v.String()}, "this machine runs " + v.String(), nil
	}
	if a.LastSets != "" && (err != nil || arch.CompareReleases(v.Number(), a.LastSets) > 0) {
		return Spec{Release, a.LastSets + "-RELEASE"}, "FreeBSD " + a.LastSets + " is the last release with " + a.Name, nil
	}
	if err != nil {
		return Spec{}, "", fault.New(fault.Usage, "--from release:VERSION, such as release:14.3", "say which release of FreeBSD: this machine runs none")
	}
	return Spec{}, "", fault.New(fault.NotFound, "name a source with --from; a root that is newer than the kernel may not run",
		"%s for %s: its sets are published since %s, and this machine runs %s", what, a.Name, a.FirstSets, v)
}
