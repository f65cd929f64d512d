package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/activators/persist"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/qemu"
	"github.com/xjail/xjail/qemu/qemutest"
)

// On a healthy machine nothing is more than in order.
func TestHealthy(t *testing.T) {
	w := world(t)
	found := Examine(context.Background(), w)
	for _, f := range found {
		if f.Result != OK {
			t.Errorf("%+v", f)
		}
	}
	if text := w.Summary(found); !strings.HasPrefix(text, "everything is in order: ") || !strings.Contains(text, "1 jail)") {
		t.Error(text)
	}
	for _, name := range Names() {
		known := slices.ContainsFunc(found, func(f Finding) bool { return f.Check == name })
		if !known && !slices.Contains([]string{"jail-root", "jail-emulator", "jail-origin", "jail-activator", "jail-tools", "jail-run", "jail-poudriere"}, name) {
			t.Errorf("%s says nothing", name)
		}
	}
}

// The same with entries of xjail's that are registered and persisted, and a
// jail that uses them.
func TestHealthyGlobal(t *testing.T) {
	w := world(t)
	w.register(t, w.global(t))
	persisted(t, w)
	for _, f := range Examine(context.Background(), w) {
		// jail looks at the machine's own table, which this one is not.
		if f.Trouble() && f.Check != "jail-activator" {
			t.Errorf("%+v", f)
		}
	}
}

// persisted writes the files that register the entries at boot.
func persisted(t *testing.T, w *World, words ...string) {
	t.Helper()
	e := mips64(t, w)
	write(t, filepath.Join(w.sys, "etc/systemd/system.conf"), "", 0o644)
	write(t, filepath.Join(w.sys, "opt/xjail"), "", 0o755)
	write(t, filepath.Join(w.sys, e.Interpreter), "", 0o755)
	files, err := persist.Files("linux", persist.Boot{Program: "/opt/xjail", Activators: []persist.Activator{{Arch: "mips64", Flags: append([]string{"--emulator", e.Interpreter}, words...), Entry: e}}})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := persist.Open(w.sys)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	p, err := persist.NewPlan(tree, files, false)
	if err == nil {
		err = p.Apply(tree)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ills are machines on which one thing is wrong: which check finds it, as what,
// and what it says.
var ills = []struct {
	name   string
	make   func(*testing.T, *World)
	check  string
	result Result
	text   string
}{
	{"emulated itself", func(t *testing.T, w *World) { w.thread("/usr/bin/qemu-arm-static", t) }, "machine-emulated", Warning, "qemu-arm-static"},
	{"a jail(2)", func(_ *testing.T, w *World) {
		w.goos = "freebsd"
		w.sysctl = func(name string) (int, error) { return len(strings.TrimSuffix(name, "security.jail.jailed")) ^ 1, nil }
	}, "machine-container", Warning, "jail(2)"},
	{"no binfmt_misc", func(t *testing.T, w *World) { noFormats(t, w) }, "kernel-activators", Failed, "CONFIG_BINFMT_MISC"},
	{"a module that is not loaded", func(t *testing.T, w *World) {
		noFormats(t, w)
		write(t, filepath.Join(w.sys, "lib/modules/6.18.4/modules.dep"), "kernel/fs/binfmt_misc.ko.zst:\n", 0o644)
	}, "kernel-activators", Warning, "modprobe binfmt_misc"},
	{"modules of another kernel", func(t *testing.T, w *World) {
		noFormats(t, w)
		w.release = func() string { return "6.19.0" }
	}, "kernel-activators", Failed, "start the machine anew"},
	{"an old FreeBSD", func(_ *testing.T, w *World) { w.goos, w.table.(*fakeTable).version = "freebsd", 1301000 }, "kernel-activators", Failed, "13.2"},
	{"a jail(2) of an old FreeBSD", func(_ *testing.T, w *World) {
		w.goos, w.table.(*fakeTable).version = "freebsd", 1300010
		w.sysctl = func(string) (int, error) { return 1, nil }
	}, "kernel-activators", Skipped, "jail(2)"},
	{"securelevel", func(_ *testing.T, w *World) {
		w.goos, w.table.(*fakeTable).compiled = "freebsd", activators.ErrUnsupported
		w.sysctl = func(name string) (int, error) {
			return strings.Count(name, "kern.securelevel"), nil
		}
	}, "kernel-activators", Failed, "loader.conf"},
	{"no module on FreeBSD", func(_ *testing.T, w *World) {
		w.goos, w.table.(*fakeTable).compiled = "freebsd", activators.ErrUnsupported
		_ = os.Remove(filepath.Join(w.sys, "boot/kernel/imgact_binmisc.ko"))
	}, "kernel-activators", Warning, "IMGACT_BINMISC"},
	{"table off", func(_ *testing.T, w *World) {
		w.table = awry{w.table.(*fakeTable), activators.Status{Kernel: "linux", Where: "/t", Available: true}, nil}
	}, "kernel-table", Warning, "echo 1 > /t/status"},
	{"table off that a jail uses", func(t *testing.T, w *World) {
		w.global(t)
		w.table = awry{w.table.(*fakeTable), activators.Status{Kernel: "linux", Where: "/t", Available: true}, nil}
	}, "kernel-table", Failed, "jail home uses it"},
	{"automount in a container", func(t *testing.T, w *World) {
		w.global(t)
		w.table = awry{w.table.(*fakeTable), activators.Status{Kernel: "linux", Where: "/t"}, nil}
		w.mounts = func() ([]mount, error) { return []mount{{On: "/t", Type: "autofs"}}, nil }
	}, "kernel-table", Failed, "automount"},
	{"table read-only", func(_ *testing.T, w *World) {
		w.table = awry{w.table.(*fakeTable), activators.Status{Kernel: "linux", Where: "/t", Available: true, Enabled: true}, nil}
		w.mounts = func() ([]mount, error) { return []mount{{On: "/t"}, {On: "/t", ReadOnly: true}}, nil }
	}, "kernel-table", Note, "remount,rw /t"},
	{"table full", func(_ *testing.T, w *World) {
		w.table = awry{w.table.(*fakeTable), activators.Status{Kernel: "freebsd", Available: true, Enabled: true, Entries: 64, Capacity: 64}, nil}
	}, "kernel-table", Warning, "full"},
	{"table that cannot be read", func(_ *testing.T, w *World) { w.table = awry{w.table.(*fakeTable), activators.Status{}, errTest} }, "kernel-table", Warning, "for the test"},
	{"no user namespaces", func(_ *testing.T, w *World) {
		w.tryPrivate = func(context.Context) error { return fault.New(fault.Unsupported, "sysctl it", "no namespaces") }
		w.tryNamespaces = w.tryPrivate
	}, "kernel-namespaces", Failed, "sysctl it"},
	{"no private instances for a user", func(_ *testing.T, w *World) { w.root, w.tryPrivate = false, failing }, "kernel-private", Failed, "for the test"},
	{"no private instances for root", func(_ *testing.T, w *World) {
		w.tryPrivate, w.release = failing, func() string { return "6.1.0-18-amd64" }
	}, "kernel-private", Warning, "on Linux 6.1"},
	{"one id", func(_ *testing.T, w *World) {
		w.root, w.ids = false, func() (int, int, error) { return 1, 65535, nil }
	}, "kernel-ids", Note, "65536"},
	{"ids that cannot be had", func(_ *testing.T, w *World) {
		w.root, w.ids = false, func() (int, int, error) { return 0, 0, errTest }
	}, "kernel-ids", Warning, "for the test"},
	{"own entry shadowed", func(t *testing.T, w *World) {
		e := mips64(t, w)
		w.register(t, e)
		e.Name, e.Interpreter = "theirs", "/bin/sh"
		w.foreign(t, e)
	}, "activators-check", Warning, "theirs"},
	{"entry that takes every program", func(t *testing.T, w *World) {
		w.foreign(t, activators.Entry{Name: "wide", Interpreter: "/bin/sh", Magic: []byte("\x7fELF"), Enabled: true})
	}, "activators-check", Failed, "wide"},
	{"entry of somebody else's without an interpreter", func(t *testing.T, w *World) {
		e := mips64(t, w)
		e.Name, e.Interpreter, e.Flags = "theirs", "/nowhere", activators.Flags{}
		w.foreign(t, e)
	}, "activators-check", Note, "xjail activator check"},
	{"entry gone", func(t *testing.T, w *World) {
		w.register(t, mips64(t, w))
		_ = w.table.Remove("xjail-mips64")
	}, "activators-record", Warning, "activator register mips64 --global"},
	{"entry replaced by somebody", func(t *testing.T, w *World) {
		e := mips64(t, w)
		w.register(t, e)
		_ = w.table.Remove("xjail-mips64")
		e.Interpreter = "/bin/sh"
		w.foreign(t, e)
	}, "activators-record", Warning, "somebody replaced it"},
	{"record damaged", func(t *testing.T, w *World) { write(t, filepath.Join(w.Store.Dir, activators.LedgerName), "{", 0o644) }, "activators-record", Failed, "remove it"},
	{"stand-in", func(t *testing.T, w *World) {
		e := mips64(t, w)
		e.Name += ".new"
		w.register(t, e)
	}, "activators-stand-in", Warning, "xjail-mips64.new"},
	{"emulator replaced", func(t *testing.T, w *World) {
		e := mips64(t, w)
		w.register(t, e)
		write(t, e.Interpreter+".new", string(qemutest.Linux("mips64", "9.2.1").Bytes(t)), 0o755)
		_ = os.Rename(e.Interpreter+".new", e.Interpreter)
	}, "activators-stale", Warning, "replaced since"},
	{"emulator gone", func(t *testing.T, w *World) {
		e := mips64(t, w)
		w.register(t, e)
		_ = os.Remove(e.Interpreter)
	}, "activators-stale", Warning, "is gone"},
	{"entry switched off", func(t *testing.T, w *World) {
		w.register(t, mips64(t, w))
		_ = w.table.Disable("xjail-mips64")
	}, "activators-disabled", Note, "activator enable mips64"},
	{"not at boot", func(t *testing.T, w *World) { w.register(t, mips64(t, w)) }, "activators-boot", Note, "activator persist"},
	{"unit without its file", func(t *testing.T, w *World) {
		w.register(t, mips64(t, w))
		persisted(t, w)
		_ = os.Remove(filepath.Join(w.sys, "etc/binfmt.d/xjail.conf"))
	}, "activators-boot", Warning, "binfmt.d/xjail.conf"},
	{"unit with an xjail that is gone", func(t *testing.T, w *World) {
		w.register(t, mips64(t, w))
		persisted(t, w)
		_ = os.Remove(filepath.Join(w.sys, "opt/xjail"))
	}, "activators-boot", Warning, "/opt/xjail"},
	{"declared and not registered", func(t *testing.T, w *World) { persisted(t, w) }, "activators-boot", Warning, "systemctl restart"},
	{"declared otherwise", func(t *testing.T, w *World) {
		e := mips64(t, w)
		persisted(t, w)
		e.Flags.OpenBinary = true
		w.register(t, e)
	}, "activators-boot", Warning, "otherwise"},
	{"file of binfmt.d that was changed", func(t *testing.T, w *World) {
		w.register(t, mips64(t, w))
		persisted(t, w)
		file := filepath.Join(w.sys, "etc/binfmt.d/xjail.conf")
		text, _ := os.ReadFile(file)
		write(t, file, string(text)+"# mine\n", 0o644)
	}, "activators-boot", Note, "was changed"},
	{"no emulators at all", func(_ *testing.T, _ *World) {}, "emulators-found", OK, ""},
	{"no emulator for a jail", func(t *testing.T, w *World) {
		w.record(t, func(r *jail.Record) { r.Arch, r.Emulator = "mips64", &jail.EmulatorRecord{Path: "/usr/bin/q"} })
		w.find = noEmulator
	}, "emulators-found", Note, "none of mips64 can be made"},
	{"fetched emulator that does not fit", func(t *testing.T, w *World) {
		write(t, filepath.Join(w.Store.EmulatorDir(), "qemu-mips64-static"), "", 0o755)
		w.find = noEmulator
	}, "emulators-fetched", Warning, "emulator fetch mips64"},
	{"fetched emulator of nothing", func(t *testing.T, w *World) {
		write(t, filepath.Join(w.Store.EmulatorDir(), "qemu-vax-static"), "", 0o755)
	}, "emulators-fetched", Warning, "rm "},
	{"record damaged", func(t *testing.T, w *World) { write(t, w.at("jails/home/jail.json"), "{", 0o600) }, "jail-record", Failed, "destroy home"},
	{"root gone", func(t *testing.T, w *World) { _ = os.RemoveAll(w.at("jails/home/root")) }, "jail-root", Failed, "destroy home"},
	{"root of another architecture", func(t *testing.T, w *World) { w.record(t, func(r *jail.Record) { r.Arch = "sparc64" }) }, "jail-architecture", Failed, "not of sparc64"},
	{"emulator not in the root", func(t *testing.T, w *World) {
		w.record(t, func(r *jail.Record) { r.Emulator = &jail.EmulatorRecord{Path: "/usr/bin/q", Origin: "/nowhere/q"} })
	}, "jail-emulator", Failed, "usr/bin/q"},
	{"emulator of the host replaced", func(t *testing.T, w *World) {
		w.record(t, func(r *jail.Record) {
			r.Emulator = &jail.EmulatorRecord{Path: "/bin/sh", Origin: w.at("jails/home/jail.json")}
		})
	}, "jail-origin", Warning, "replaced since"},
	{"manifest of tools damaged", func(t *testing.T, w *World) { write(t, w.at("jails/home/tools/manifest.json"), "{", 0o600) }, "jail-tools", Failed, "tools install"},
	{"poudriere has forgotten the jail", func(t *testing.T, w *World) {
		write(t, w.at("jails/home/poudriere.json"), `{"version": 1, "poudriere_etc": "/nowhere", "jail": {"name": "home", "mnt": "/"}}`, 0o600)
	}, "jail-poudriere", Failed, "poudriere register home --poudriere-etc /nowhere, or xjail"},
	{"entry that takes native programs", func(t *testing.T, w *World) {
		w.record(t, func(r *jail.Record) {
			r.Activators = []activators.Entry{{Name: "wide", Interpreter: "/bin/q", Magic: []byte("\x7fELF"), Enabled: true}}
		})
	}, "jail-activator", Failed, "wide"},
	{"writable by others", func(_ *testing.T, w *World) { _ = os.Chmod(w.at("jails/home"), 0o777) }, "state-directory", Failed, "chmod go-w"},
	{"state writable by others", func(_ *testing.T, w *World) { _ = os.Chmod(w.at(""), 0o777) }, "state-directory", Failed, "chmod go-w"},
	{"open to others", func(_ *testing.T, w *World) { _ = os.Chmod(w.at("jails"), 0o711) }, "state-directory", Warning, "chmod 700"},
	{"of another user", func(_ *testing.T, w *World) { w.euid++ }, "state-directory", Failed, "another user"},
	{"a file in the place of jails", func(t *testing.T, w *World) {
		_ = os.RemoveAll(w.at("jails"))
		write(t, w.at("jails"), "", 0o600)
	}, "state-directory", Failed, "not a directory"},
	{"no state directory", func(_ *testing.T, w *World) { w.StateError = fault.New(fault.Usage, "xjail --state DIR", "none") }, "state-directory", Failed, "--state DIR"},
	{"noexec", func(_ *testing.T, w *World) { w.volume = vol(volume{Free: 1 << 40, NoExec: true}) }, "state-mount", Failed, "noexec"},
	{"noexec on FreeBSD", func(_ *testing.T, w *World) {
		w.goos, w.volume = "freebsd", vol(volume{Free: 1 << 40, NoExec: true})
	}, "state-mount", Failed, "mount -u -o exec, or"},
	{"read-only on FreeBSD", func(_ *testing.T, w *World) {
		w.goos, w.volume = "freebsd", vol(volume{Free: 1 << 40, ReadOnly: true})
	}, "state-mount", Warning, "mount -u -o rw, or"},
	{"nosuid", func(_ *testing.T, w *World) { w.volume = vol(volume{Free: 1 << 40, NoSuid: true}) }, "state-mount", Note, "nosuid"},
	{"read-only", func(_ *testing.T, w *World) { w.volume = vol(volume{Free: 1 << 40, ReadOnly: true}) }, "state-mount", Warning, "read-only"},
	{"full", func(_ *testing.T, w *World) { w.volume = vol(volume{Free: 1 << 20}) }, "state-space", Failed, "full"},
	{"nearly full", func(_ *testing.T, w *World) { w.volume = vol(volume{Free: 20 << 20}) }, "state-space", Warning, "20 MiB"},
	{"no inodes", func(_ *testing.T, w *World) { w.volume = vol(volume{Free: 1 << 40, Files: 100}) }, "state-space", Failed, "inodes"},
	{"few inodes", func(_ *testing.T, w *World) { w.volume = vol(volume{Free: 1 << 40, Files: 1e6, FilesFree: 500}) }, "state-space", Warning, "500 inodes"},
	{"incomplete", func(t *testing.T, w *World) { write(t, w.at("jails/other/root.partial/x"), "", 0o600) }, "state-leftovers", Warning, "destroy --leftovers other"},
	{"not of a jail", func(t *testing.T, w *World) { write(t, w.at("jails/other/diary"), "", 0o600) }, "state-leftovers", Warning, "move it away"},
	{"lock", func(t *testing.T, w *World) { write(t, w.at("jails/other.lock"), "", 0o600) }, "state-leftovers", Warning, "a lock was left"},
	{"view", func(t *testing.T, w *World) {
		write(t, w.at("jails/home/enter/17-1.lock"), "", 0o600)
	}, "state-leftovers", Warning, "left mounts"},
	{"mounted", func(_ *testing.T, w *World) {
		w.mounts = func() ([]mount, error) { return []mount{{On: w.at("jails/home/root/proc"), Type: "proc"}}, nil }
	}, "state-mounted", Warning, "umount "},
	{"mounted in a root elsewhere", func(t *testing.T, w *World) {
		w.record(t, func(r *jail.Record) { r.Root, r.Outside = "/elsewhere", true })
		w.mounts = func() ([]mount, error) { return []mount{{On: "/elsewhere/dev", Type: "devfs"}}, nil }
	}, "state-mounted", Warning, "/elsewhere/dev"},
	{"unknown file", func(t *testing.T, w *World) { write(t, w.at("notes.txt"), "", 0o600) }, "state-unknown", Note, "notes.txt"},
	{"no TMPDIR", func(_ *testing.T, w *World) { w.setenv("TMPDIR", "/nowhere") }, "temporary-directory", Warning, "TMPDIR"},
	{"TMPDIR that is a file", func(_ *testing.T, w *World) { w.setenv("TMPDIR", w.at("jails/home/jail.json")) }, "temporary-directory", Warning, "not a directory"},
	{"configuration", func(_ *testing.T, w *World) { w.ConfigError = errTest }, "settings-configuration", Failed, "for the test"},
	{"configuration of another user", func(_ *testing.T, w *World) { w.ConfigError = fs.ErrPermission }, "settings-configuration", Failed, "let HOME"},
	{"configuration that everybody can write", func(t *testing.T, w *World) {
		w.ConfigPath = w.at("../xjail.yaml")
		write(t, w.ConfigPath, "", 0o666)
	}, "settings-configuration", Warning, "chmod o-w"},
	{"configured emulator that is not there", func(_ *testing.T, w *World) {
		w.ConfigPath, w.Config.Emulators = "/c", map[string]string{"mips64": "/nowhere/q"}
	}, "settings-configuration", Failed, "/nowhere/q"},
	{"configured alias", func(_ *testing.T, w *World) {
		w.ConfigPath, w.Config.Emulators = "/c", map[string]string{"arm64": "/bin/sh"}
	}, "settings-configuration", Warning, "write aarch64"},
	{"configured relative directory", func(_ *testing.T, w *World) { w.ConfigPath, w.Config.EmulatorDirs = "/c", []string{"here"} }, "settings-configuration", Warning, "here"},
	{"configured directory that is not there", func(_ *testing.T, w *World) { w.ConfigPath, w.Config.EmulatorDirs = "/c", []string{"/nowhere"} }, "settings-configuration", Note, "/nowhere"},
	{"relative XJAIL_STATE", func(_ *testing.T, w *World) { w.setenv("XJAIL_STATE", "here") }, "settings-environment", Warning, "XJAIL_STATE"},
	{"relative XDG_CONFIG_HOME", func(_ *testing.T, w *World) { w.setenv("XDG_CONFIG_HOME", "here") }, "settings-environment", Warning, "does not count"},
	{"two xjails", func(t *testing.T, w *World) {
		write(t, w.at("../bin2/xjail"), "", 0o755)
		w.setenv("PATH", filepath.Dir(w.program)+":"+w.at("../bin2"))
	}, "settings-program", Note, "more than one"},
	{"another xjail", func(t *testing.T, w *World) {
		write(t, w.at("../bin2/xjail"), "", 0o755)
		w.setenv("PATH", w.at("../bin2"))
	}, "settings-program", Note, "bin2"},
}

func (w *World) at(name string) string { return filepath.Join(w.Store.Dir, name) }

func failing(context.Context) error { return errTest }

func vol(v volume) func(string) (volume, error) {
	return func(string) (volume, error) { return v, nil }
}

func noFormats(t *testing.T, w *World) {
	t.Helper()
	write(t, filepath.Join(w.sys, "proc/filesystems"), "nodev\tproc\n", 0o644)
	w.tryPrivate = failing
}

func noEmulator(_ context.Context, a *arch.Arch, _ qemu.FindOptions) (*qemu.Emulator, []qemu.Candidate, error) {
	return nil, nil, fault.New(fault.NotFound, "fetch it", "no emulator for %s", a.Name)
}

func TestIlls(t *testing.T) {
	for _, tt := range ills {
		t.Run(tt.check+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			w := world(t)
			tt.make(t, w)
			f := worst(w.named(tt.check))
			if f.Result != tt.result || lacks(f, tt.text) {
				t.Errorf("got %+v, want %s with %q", f, tt.result, tt.text)
			}
			if f.Result == Failed && f.Fix == "" && !strings.Contains(f.Message, "for the test") {
				t.Errorf("a failure without a hint: %+v", f)
			}
		})
	}
}

// Each check that can find something is tried.
func TestIllsAreComplete(t *testing.T) {
	for _, name := range Names() {
		tried := slices.ContainsFunc(ills, func(i struct {
			name   string
			make   func(*testing.T, *World)
			check  string
			result Result
			text   string
		}) bool {
			return i.check == name && i.result != OK
		})
		// machine-system is the build's; jail-run needs a kernel (e2e).
		if !tried && name != "machine-system" && name != "jail-run" {
			t.Errorf("%s is not tried with anything that is wrong", name)
		}
	}
}

// What --fix can do is done, and not found again; with a dry run nothing is.
func TestMend(t *testing.T) {
	mended := []string{
		"entry gone", "stand-in", "emulator replaced", "writable by others", "state writable by others", "open to others",
		"incomplete", "lock",
	}
	for _, tt := range ills {
		if !slices.Contains(mended, tt.name) {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			if os.Geteuid() != 0 && strings.HasPrefix(tt.check, "activators-") {
				t.Skip("changes of the table are root's")
			}
			w := world(t)
			tt.make(t, w)
			before := Examine(context.Background(), w)
			if done := Mend(context.Background(), before, true); len(done) == 0 || done[0].Err != nil {
				t.Errorf("dry run: %v", done)
			}
			if f := worst(w.named(tt.check)); f.Result != tt.result {
				t.Errorf("after a dry run: %+v", f)
			}
			done := Mend(context.Background(), before, false)
			for _, m := range done {
				if m.Err != nil {
					t.Errorf("%s: %v", m.Check, m.Err)
				}
			}
			for _, f := range Settle(done, Examine(context.Background(), w)) {
				if f.Trouble() && !f.Fixed {
					t.Errorf("afterwards: %+v", f)
				}
			}
		})
	}
}

// A stand-in takes the place of the entry that is gone, and goes.
func TestMendStandIn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("changes of the table are root's")
	}
	w := world(t)
	e := mips64(t, w)
	standIn := e
	standIn.Name += ".new"
	w.register(t, standIn)
	Mend(context.Background(), w.named("activators-stand-in"), false)
	list, err := w.table.List()
	if err != nil || len(list) != 1 || !list[0].Equal(e) {
		t.Errorf("%v, %v", list, err)
	}
}

// What somebody else registered is never changed, nor are entries of another
// state directory.
func TestMendLeavesOthersAlone(t *testing.T) {
	w := world(t)
	e := mips64(t, w)
	e.Name = "theirs.new"
	w.foreign(t, e)
	other := world(t)
	own := mips64(t, other)
	other.table = w.table
	w.Ledgers = []string{filepath.Join(other.Store.Dir, activators.LedgerName)}
	own.Name, own.Magic = "xjail-mips64.new", append(activators.Hex("\x01"), own.Magic[1:]...)
	other.register(t, own)
	for _, f := range w.named("activators-stand-in") {
		if f.Safe {
			t.Errorf("%+v", f)
		}
	}
	if list, _ := w.table.List(); len(list) != 2 {
		t.Errorf("%v", list)
	}
}

func TestSettle(t *testing.T) {
	done := []Mended{
		{Finding: Finding{Check: "state-leftovers", Subject: "a", Result: Warning}},
		{Finding: Finding{Check: "state-leftovers", Subject: "b", Result: Warning}},
		{Finding: Finding{Check: "state-directory", Subject: "c", Result: Failed}, Err: errTest},
	}
	after := []Finding{{Check: "state-directory", Subject: "c", Result: Failed}, {Check: "state-leftovers", Subject: "b", Result: Warning}}
	got := ""
	for _, f := range Settle(done, after) {
		got += fmt.Sprint(f.Check, " ", f.Subject, " ", f.Fixed, "\n")
	}
	if want := "state-directory c false\nstate-leftovers a true\nstate-leftovers b false\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if n := Count(after, Failed); n != 1 {
		t.Error(n)
	}
}

// docs/doctor.md has each check.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		if !strings.Contains(string(text), "\n| `"+name+"` |") {
			t.Errorf("docs/doctor.md does not have %s", name)
		}
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "| `"); ok {
			name, _, _ = strings.Cut(name, "`")
			if strings.Contains(name, "-") && !slices.Contains(Names(), name) {
				t.Errorf("docs/doctor.md has %s, which is no check", name)
			}
		}
	}
}

// Every check of verify has a name here.
func TestJailChecksHaveNames(t *testing.T) {
	w := world(t)
	for _, name := range []string{jail.CheckRoot, jail.CheckArch, jail.CheckEmulator, jail.CheckOrigin, jail.CheckActivator + " x", jail.CheckTools, jail.CheckRun} {
		f := w.jailFinding(&jail.Record{Name: "home"}, jail.Check{Name: name, Result: jail.OK})
		if !slices.Contains(Names(), f.Check) {
			t.Errorf("%q is %q", name, f.Check)
		}
	}
}

func TestArchOfName(t *testing.T) {
	for _, tt := range []struct{ goos, name, want string }{
		{"linux", "xjail-mips64", "mips64"}, {"linux", "xjail-aarch64-freebsd", "aarch64"}, {"freebsd", "armv7", "armv7"},
		{"linux", "qemu-mips64", ""}, {"linux", "xjail-mips64.new", ""}, {"linux", "", ""},
	} {
		a, _ := archOfName(tt.goos, tt.name)
		if got := map[bool]string{true: ""}[a == nil]; a != nil && a.Name != tt.want || a == nil && got != tt.want {
			t.Errorf("%s %q: %v, want %q", tt.goos, tt.name, a, tt.want)
		}
	}
}

func TestParseMount(t *testing.T) {
	for line, want := range map[string]mount{
		// proc_pid_mountinfo(5)
		"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue": {On: "/mnt2", Type: "ext3"},
		`40 35 0:31 / /a\040b\134c ro - tmpfs tmpfs rw`:                                  {On: `/a b\c`, Type: "tmpfs", ReadOnly: true},
		"41 35 0:32 / /x rw shared:3 master:1 - proc proc ro":                            {On: "/x", Type: "proc", ReadOnly: true},
	} {
		if got, ok := parseMount(line); !ok || got != want {
			t.Errorf("%q: %+v", line, got)
		}
	}
	for _, line := range []string{"", "1 2 3", "36 35 98:0 / /x rw -", "a b c d e f g h"} {
		if got, ok := parseMount(line); ok {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

func FuzzParseMount(f *testing.F) {
	f.Add(`40 35 0:31 / /a\040b\134c ro - tmpfs tmpfs rw`)
	f.Fuzz(func(t *testing.T, line string) {
		if m, ok := parseMount(line); ok && (m.On == "" || m.Type == "") {
			t.Errorf("%q: %+v", line, m)
		}
	})
}

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{"/var/lib/xjail": "/var/lib/xjail", "a b": "'a b'", "": "''", "it's": `'it'\''s'`} {
		if got := quote(word); got != want {
			t.Errorf("%q: %s", word, got)
		}
	}
}

// With a state directory of its own, commands say which.
func TestCommandsNameTheState(t *testing.T) {
	w := world(t)
	if got, want := w.xjail("verify", "home"), "xjail --state "+w.Store.Dir+" verify home"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	w.setenv("XJAIL_STATE", w.Store.Dir)
	if got := w.xjail("verify", "home"); got != "xjail verify home" {
		t.Error(got)
	}
}

var _ activators.Machine = &fakeTable{Table: memory.New(memory.Linux)}
