package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/jail"
)

func itoa(n int) string { return strconv.Itoa(n) }

// system tells what this is, and whether the catalog has it.
func system(_ context.Context, w *World) []Finding {
	host := arch.Host()
	if host == nil {
		return one(Failed, fmt.Sprintf("the catalog does not have this machine's architecture, %s: no emulator can be told from a foreign program", runtime.GOARCH), "")
	}
	return one(OK, w.facts()+", "+host.Name, "")
}

// facts are the system and its version.
func (w *World) facts() string {
	name := map[string]string{"linux": "Linux", "freebsd": "FreeBSD"}[w.goos]
	if name == "" {
		name = w.goos
	}
	return strings.TrimSpace(name + " " + w.release())
}

// emulated tells whether this xjail is itself run by an emulator: it then takes
// its own architecture for the machine's. QEMU's user mode answers for
// /proc/self/exe and /proc/PID/exe (linux-user/syscall.c, do_openat and
// do_readlink), and not for /proc/thread-self/exe, where the kernel says what it
// really runs.
func emulated(_ context.Context, w *World) []Finding {
	if w.goos != "linux" {
		return nil
	}
	self, err1 := os.Readlink(filepath.Join(w.sys, "/proc/self/exe"))
	real, err2 := os.Readlink(filepath.Join(w.sys, "/proc/thread-self/exe"))
	if err1 != nil || err2 != nil {
		return one(Skipped, "/proc is not there, or hides it", "")
	}
	if self == real {
		return one(OK, "xjail runs natively", "")
	}
	return one(Warning, fmt.Sprintf("this xjail is of %s, and run by %s: what it takes for this machine's architecture is not", runtime.GOARCH, real),
		"install the xjail of the machine's own architecture")
}

// container names what this machine is in, which explains what is forbidden.
func container(_ context.Context, w *World) []Finding {
	if w.goos == "freebsd" {
		if n, err := w.sysctl("security.jail.jailed"); err == nil && n != 0 {
			return one(Warning, "this is a jail(2): its activators are the host's, and no jail can be made in it", "run xjail on the host")
		}
		return one(OK, "this is no jail(2)", "")
	}
	var in []string
	release := strings.ToLower(w.release())
	switch {
	case w.exists("/run/.containerenv"):
		in = append(in, "a container of podman")
	case w.exists("/.dockerenv"):
		in = append(in, "a container of docker")
	case w.read("/run/systemd/container") != "":
		in = append(in, "a container ("+w.read("/run/systemd/container")+")")
	case w.Getenv("container") != "":
		in = append(in, "a container ("+w.Getenv("container")+")")
	}
	if strings.Contains(release, "microsoft") {
		in = append(in, "the Windows Subsystem for Linux")
	}
	if w.euid == 0 && !w.root && jail.InUserNamespace() {
		in = append(in, "a user namespace, whose root is not the machine's")
	}
	if len(in) == 0 {
		return one(OK, "no container", "")
	}
	return one(OK, "this is "+strings.Join(in, ", in "), "")
}
