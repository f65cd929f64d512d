package source

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/aptsources"
	"github.com/xjail/xjail/internal/fault"
)

// DebianTool is the program that makes Debian roots.
const DebianTool = "mmdebstrap"

// FindDebianTool says where mmdebstrap is.
func FindDebianTool() (string, error) {
	tool, err := exec.LookPath(DebianTool)
	if err != nil {
		return "", fault.New(fault.NotFound, "sudo apt-get install mmdebstrap; or without Debian: --from miniroot", "debian: roots are made by mmdebstrap, which is not installed: %w", err)
	}
	return tool, nil
}

// CheckDebian refuses suites of which it is known that they do not have the
// architecture. A suite that the catalog does not know may have it.
func CheckDebian(a *arch.Arch, suite string) error {
	if a.Debian == "" {
		return fault.New(fault.NotFound, otherSources(a), "Debian has no architecture for %s", a.Name)
	}
	if a.InDebian(suite) || !arch.KnowsDebianSuite(suite) {
		return nil
	}
	switch {
	case a.DebianPorts:
		return fault.New(fault.NotFound, "give its mirror as mirror: in the configuration, or "+otherSources(a),
			"Debian %s has no %s, which is in Debian Ports", suite, a.Debian)
	case a.DebianLast != "":
		return fault.New(fault.NotFound, "xjail create ... --from debian:"+a.DebianLast,
			"Debian %s has no %s: releases from %s to %s have it", suite, a.Debian, a.DebianFirst, a.DebianLast)
	case a.DebianFirst != "":
		return fault.New(fault.NotFound, "xjail create ... --from debian:stable",
			"Debian %s has no %s: releases since %s have it", suite, a.Debian, a.DebianFirst)
	}
	return fault.New(fault.NotFound, otherSources(a), "no release of Debian has %s", a.Debian)
}

// otherSources names what else an architecture's root can come from.
func otherSources(a *arch.Arch) string {
	if a.GoArch != "" {
		return "--from miniroot, archive:FILE or dir:DIRECTORY"
	}
	return "--from archive:FILE or dir:DIRECTORY"
}

// DebianCommand is the mmdebstrap call that fills root with a minimal suite
// that has apt. It must run as root of the jail's namespaces with the
// activators registered: packages run their own foreign scripts.
func DebianCommand(tool, debianArch, suite, mirror, root string) []string {
	argv := []string{tool,
		"--mode=root", "--variant=minbase", "--architectures=" + debianArch, "--format=directory",
		// xjail has registered and tried the emulator itself; the check looks
		// at the machine's binfmt_misc instead. And only a jail with a network
		// of its own could mount sysfs.
		"--skip=check/qemu,chroot/mount/sys",
		suite, root}
	if mirror != "" {
		argv = append(argv, mirror)
	}
	return argv
}

// DebianMirror is the address of Debian's archive in the machine's own apt
// sources; "" when there is none, and mmdebstrap then uses its own default.
// Security and other archives of other origins are not mirrors.
func DebianMirror(aptDir string) string {
	for _, src := range aptsources.Read(filepath.Join(aptDir, "sources.list"), filepath.Join(aptDir, "sources.list.d")) {
		if i := slices.IndexFunc(src.URIs, isDebianArchive); i >= 0 && src.Enabled {
			return src.URIs[i]
		}
	}
	return ""
}

// isDebianArchive goes by the last part of the path, which is "debian" on
// every mirror of Debian's list.
func isDebianArchive(uri string) bool {
	uri = strings.TrimRight(uri, "/")
	return (strings.HasPrefix(uri, "http://") || strings.HasPrefix(uri, "https://")) && strings.HasSuffix(uri, "/debian")
}
