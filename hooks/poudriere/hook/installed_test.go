package hook

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/jail/xtools/nxb"
	"github.com/xjail/xjail/qemu/qemutest"
)

// silent hears nothing of an installation.
type silent struct{}

func (silent) Step(string, string)          {}
func (silent) Progress(int64, int64, int64) {}
func (silent) Log() io.Writer               { return io.Discard }
func (silent) Warn(string)                  {}

// Tools that xjail tools install has put into a jail, from the clone of an older
// snapshot to what poudriere builds with, and a jail that was upgraded since.
func TestInstalledTools(t *testing.T) {
	if arch.Host().Name != "amd64" {
		t.Skip("native tools of FreeBSD jails are of amd64")
	}
	m := newMachine(t)
	m.arm64()
	source := filepath.Join(m.dir, "native-xtools")
	for _, name := range append(nxb.Required(), "usr/bin/grep", "usr/bin/uniq", "bin/sh", "sbin/sysctl") {
		m.write(filepath.Join(source, name), elfProgram(62, "", 1501000)+"aarch64-unknown-freebsd15.1\x00"+name)
	}
	m.write(filepath.Join(source, "usr/lib/clang/19/include/stddef.h"), "\n")
	clone := func() {
		t.Helper()
		if out, err := exec.Command("cp", "-a", m.root+"/.", m.ref).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	m.write(filepath.Join(m.ref, "tmp/x"), "")
	clone() // before there are tools
	if _, err := m.Store.InstallTools(t.Context(), m.Config, "mine", jail.ToolsRequest{Source: "nxb:" + source}, silent{}); err != nil {
		t.Fatal(err)
	}
	m.goesOn("bulk", "start")
	m.goesOn("jail", "mount", m.ref)
	m.says("copied /nxb-bin")
	m.goesOn("jail", "start")
	m.says("")
	got := m.native()
	for name, want := range map[string]bool{"grep": true, "uniq": true, "cc": true, "sysctl": false, "uname": false, "sh": false} {
		if slices.Contains(got, name) != want {
			t.Errorf("%s: native %v, want %v of %q", name, !want, want, got)
		}
	}
	m.write(filepath.Join(m.root, "bin/freebsd-version"), "USERLAND_VERSION=\"15.2-RELEASE\"\n")
	m.write(filepath.Join(m.root, "bin/sh"), elfProgram(183, "", 1502000))
	m.stops("are of FreeBSD 15.1, and the jail is of 15.2: xjail tools install mine twin")
	m.write(filepath.Join(m.root, "bin/freebsd-version"), "USERLAND_VERSION=\"15.1-RELEASE-p5\"\n")
	m.write(filepath.Join(m.root, "bin/sh"), elfProgram(183, "", 1501000))
	m.goesOn("bulk", "start")
	m.says("")
}

// arm64 makes the jail one of FreeBSD 15.1 for arm64 that xjail made.
func (m *machine) arm64() {
	m.t.Helper()
	m.emulator = filepath.Join(m.dir, "local/bin/qemu-aarch64-static")
	qemutest.BSD("aarch64", "9.2.0").Write(m.t, m.emulator)
	m.write(filepath.Join(m.dir, "etc/poudriere.d/jails/m64/arch"), "arm64.aarch64\n")
	m.write(filepath.Join(m.root, "bin/freebsd-version"), "USERLAND_VERSION=\"15.1-RELEASE-p3\"\n")
	for _, name := range []string{"bin/sh", "usr/bin/grep", "usr/bin/uniq", "usr/bin/cc", "usr/bin/uname", "sbin/sysctl"} {
		m.write(filepath.Join(m.root, name), elfProgram(183, "", 1501000)+strings.Repeat("\x00", 8))
	}
	m.write(filepath.Join(m.root, "usr/lib/clang/19/include/stddef.h"), "\n")
	r := &jail.Record{Version: 1, Name: "mine", Arch: "aarch64", Guest: "freebsd", Root: m.root, NotRun: "no emulator"}
	m.json(filepath.Join(m.Store.Dir, "jails/mine/jail.json"), r)
	if err := os.Chmod(filepath.Join(m.Store.Dir, "jails"), 0o700); err != nil {
		m.t.Fatal(err)
	}
}
