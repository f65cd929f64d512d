package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Debian's own packages run their own foreign scripts while they are installed,
// so a root that came to be has already proved a lot. Two at a time: one waits
// for the network while the other computes.
func TestDebianOfEachArchitecture(t *testing.T) {
	needDebian(t)
	for debian, machine := range map[string]string{"mips64el": "mips64", "armhf": "armv7l", "ppc64el": "ppc64le", "arm64": "aarch64"} {
		t.Run(debian, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, caller)
			needEmulator(t, w, debian)
			w.ok("create", debian, "--from", "debian:bookworm")
			if got := w.sh(debian, "uname -m; dpkg --print-architecture; . /etc/os-release; echo $VERSION_CODENAME"); got != machine+"\n"+debian+"\nbookworm" {
				t.Errorf("the jail says %q", got)
			}
			if debian == "arm64" {
				installHello(t, w, debian)
			}
		})
	}
}

// An ordinary user with subordinate ids does all of it too, without root.
func TestDebianOfAnOrdinaryUser(t *testing.T) {
	needDebian(t)
	w := newWorld(t, ordinaryUser(t, true))
	needEmulator(t, w, "arm64")
	w.ok("create", "mine", "--arch", "arm64", "--from", "debian:bookworm")
	if got := w.sh("mine", "id -u; stat -c %u:%g /etc/shadow /var/cache/apt/archives/partial"); got != "0\n0:42\n42:0" && got != "0\n0:42\n0:0" {
		t.Errorf("ids in the jail: %q", got)
	}
	installHello(t, w, "mine")
}

// Debian needs more ids than one, and says so before it begins.
func TestDebianWithoutSubordinateIDs(t *testing.T) {
	needDebian(t)
	w := newWorld(t, ordinaryUser(t, false))
	needEmulator(t, w, "arm64")
	w.fails(14, "subuid", "create", "mine", "--arch", "arm64", "--from", "debian:bookworm")
	w.nothingLeft()
}

func needDebian(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		t.Skip("needs mmdebstrap: e2e/setup.sh installs it")
	}
	if _, err := exec.LookPath("newuidmap"); err != nil && os.Geteuid() != 0 {
		t.Skip("needs newuidmap")
	}
}

// installHello is what a jail of Debian is for.
func installHello(t *testing.T, w *world, jail string) {
	t.Helper()
	w.ok("exec", jail, "--", "apt-get", "update", "-q")
	w.ok("exec", jail, "--env", "DEBIAN_FRONTEND=noninteractive", "--", "apt-get", "install", "-q", "-y", "hello")
	if got := w.ok("exec", jail, "--", "hello"); !strings.HasPrefix(got, "Hello, world!") {
		t.Errorf("hello says %q", got)
	}
}
