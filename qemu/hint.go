package qemu

import (
	"bufio"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
)

// osRelease is what os-release(5) says of the system.
type osRelease struct {
	like      []string // ID, then ID_LIKE
	codenames []string // VERSION_CODENAME and those of the distributions below it
}

// osReleaseFiles in their order, from os-release(5).
var osReleaseFiles = []string{"/etc/os-release", "/usr/lib/os-release"}

// readOSRelease reads the first file that is there; without one it is empty.
func readOSRelease() osRelease {
	for _, path := range osReleaseFiles {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		defer f.Close()
		return parseOSRelease(f)
	}
	return osRelease{}
}

func parseOSRelease(r io.Reader) osRelease {
	var o osRelease
	var like []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		key, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		value = strings.Trim(value, `"'`)
		switch {
		case !ok || value == "":
		case key == "ID":
			o.like = append(o.like, value)
		case key == "ID_LIKE":
			like = strings.Fields(value)
		case strings.HasSuffix(key, "_CODENAME"):
			o.codenames = append(o.codenames, value)
		}
	}
	o.like = append(o.like, like...)
	return o
}

// is tells whether the system is one of these, or like one.
func (o osRelease) is(ids ...string) bool {
	return slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(o.like, id) })
}

// InstallHint is the command that gets an emulator of a on this system.
func InstallHint(a *arch.Arch) string {
	if runtime.GOOS == "linux" && readOSRelease().is("debian", "ubuntu") {
		return "xjail emulator fetch " + a.Name
	}
	return installCommand(runtime.GOOS, readOSRelease(), a.QEMU)
}

// InstallAnyHint is the command for static emulators in general.
func InstallAnyHint() string {
	o := readOSRelease()
	if runtime.GOOS == "linux" && o.is("debian", "ubuntu") {
		return "xjail emulator fetch ARCH, or install the package qemu-user-static"
	}
	return installCommand(runtime.GOOS, o, "TARGET")
}

// installCommand is what the system's own package manager is told.
func installCommand(goos string, o osRelease, target string) string {
	switch {
	case goos == "freebsd":
		return "pkg install qemu-user-static"
	case o.is("debian", "ubuntu"):
		return "apt-get install qemu-user-static"
	case o.is("fedora", "rhel", "centos"):
		return "dnf install qemu-user-static"
	case o.is("suse", "opensuse", "opensuse-tumbleweed", "opensuse-leap"):
		return "zypper install qemu-linux-user"
	case o.is("arch", "archlinux"):
		return "pacman -S qemu-user-static"
	case o.is("alpine"):
		return "apk add qemu-" + target
	case o.is("void"):
		return "xbps-install qemu-user-static"
	case o.is("gentoo"):
		return "USE=static-user emerge app-emulation/qemu"
	}
	return "install QEMU's static user-mode emulator qemu-" + target + "-static, or name one with --emulator"
}
