package hook

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu"
	"github.com/xjail/xjail/qemu/qemutest"
)

func TestIdle(t *testing.T) {
	m := newMachine(t)
	for _, test := range []struct {
		jail, call string
		idle       bool
	}{
		{"m64", "bulk start", false},
		{"m64", "jail mount " + m.ref, false},
		{"m64", "jail mount " + filepath.Dir(m.ref) + "/01", true},
		{"m64", "jail mount", true},
		{"m64", "pkgbuild success devel/x x-1", true},
		{"m64", "bulk stop", true},
		{"m64", "foreachport start", true},
		{"home", "bulk start", true},
		{"home", "jail start", true},
		{"none", "bulk start", true},
		{"", "bulk start", true},
		{"..", "bulk start", true},
		{"../jails/m64", "bulk start", true},
	} {
		words := strings.Fields(test.call)
		c := &Call{Hook: words[0], Event: words[1], Args: words[2:], Getenv: func(name string) string {
			return map[string]string{"JAILNAME": test.jail, "POUDRIERED": m.env["POUDRIERED"], "UNAME_m": "mips", "UNAME_p": "mips64"}[name]
		}}
		if got := c.Idle(m.natives); got != test.idle {
			t.Errorf("%s: %s: idle %v, want %v", test.jail, test.call, got, test.idle)
		}
	}
}

// What need_emulation of poudriere finds.
func TestRunsItself(t *testing.T) {
	for _, test := range []struct {
		arch, natives string
		want          bool
	}{
		{"amd64", "amd64 i386", true}, {"i386", "amd64 i386", true}, {"aarch64", "amd64 i386", false},
		{"armv7", "aarch64 armv7", true}, {"armv6", "aarch64 armv7", true}, {"armv6", "amd64", false},
		{"powerpc64", "powerpc64le", false}, {"mips64", "amd64", false}, {"", "amd64", false},
	} {
		if got := runsItself(test.arch, strings.Fields(test.natives)); got != test.want {
			t.Errorf("%s on %s: %v", test.arch, test.natives, got)
		}
	}
}

func TestNatives(t *testing.T) {
	t.Setenv("UNAME_m", "mips")
	t.Setenv("UNAME_p", "mips64")
	if list := Natives(); len(list) == 0 || strings.Contains(strings.Join(list, " "), "mips") {
		t.Errorf("%q", list)
	}
}

func TestRegisters(t *testing.T) {
	m := newMachine(t)
	m.goesOn("bulk", "start")
	m.says("registered the activator mips64 for " + m.emulator)
	if e := m.entry(); e.Interpreter != m.emulator || !e.Enabled || !e.Flags.PreOpen {
		t.Errorf("%+v", e)
	}
	m.goesOn("bulk", "start")
	m.says("")
}

// A disk that is too slow to look for the emulator is no reason to stop a build.
func TestNoTime(t *testing.T) {
	m := newMachine(t)
	ctx, cancel := context.WithCancel(t.Context())
	m.find = func(ctx context.Context, _ *arch.Arch, _ qemu.FindOptions) (*qemu.Emulator, []qemu.Candidate, error) {
		cancel()
		return nil, nil, fault.Wrap(fault.Interrupted, ctx.Err(), "look for emulators", "")
	}
	err := m.Run(ctx, &Call{Hook: "bulk", Event: "start", Getenv: func(name string) string { return m.env[name] }})
	var s *Stop
	if err == nil || errors.As(err, &s) || !strings.Contains(err.Error(), "no time to look: the activator mips64") {
		t.Errorf("error %v", err)
	}
}

// The emulator was upgraded: the kernel holds the old file open.
func TestStale(t *testing.T) {
	m := newMachine(t)
	m.goesOn("bulk", "start")
	upgrade(t, m, "9.3.0")
	m.goesOn("bulk", "start")
	m.says("registered the activator mips64")
	m.goesOn("bulk", "start")
	m.says("")
}

// upgrade replaces the emulator as pkg(8) does.
func upgrade(t *testing.T, m *machine, version string) {
	t.Helper()
	qemutest.BSD("mips64", version).Write(t, m.emulator+".new")
	if err := os.Rename(m.emulator+".new", m.emulator); err != nil {
		t.Fatal(err)
	}
}

// In the middle of a build nothing is exchanged, and what went away comes back.
func TestMidBuild(t *testing.T) {
	m := newMachine(t)
	m.goesOn("bulk", "start")
	upgrade(t, m, "9.3.0")
	m.goesOn("builder", "start", "01", filepath.Dir(m.ref)+"/01")
	m.says("")
	if err := m.Table.Remove("mips64"); err != nil {
		t.Fatal(err)
	}
	m.goesOn("builder", "start", "02", filepath.Dir(m.ref)+"/02")
	m.says("it went away")
	m.entry()

	_ = m.Table.Remove("mips64")
	_ = os.Remove(m.emulator)
	if stopped, err := m.call("builder", "start", "03", "x"); stopped != "" || err == nil {
		t.Errorf("without an emulator: stop %q, error %v", stopped, err)
	}
}

func TestStops(t *testing.T) {
	for name, test := range map[string]struct {
		make func(*machine)
		want []string
	}{
		"no emulator":    {func(m *machine) { _ = os.Remove(m.emulator) }, []string{"cannot be registered", "no emulator"}},
		"no module":      {func(m *machine) { m.Table.(*fakeTable).load = errors.New("no such file") }, []string{"kldload imgact_binmisc"}},
		"switched off":   {func(m *machine) { m.foreign(nil); _ = m.Table.Disable("mips64") }, []string{"switched off", "xjail binmiscctl enable mips64"}},
		"wrong magic":    {func(m *machine) { m.foreign(func(e *activators.Entry) { e.Magic[5] = 1 }) }, []string{"does not match", "xjail binmiscctl remove mips64"}},
		"emulator gone":  {func(m *machine) { m.foreign(nil); _ = os.Remove(m.emulator) }, []string{m0, "is gone"}},
		"not executable": {func(m *machine) { m.foreign(nil); _ = os.Chmod(m.emulator, 0o644) }, []string{"not executable"}},
		"cut off":        {func(m *machine) { m.foreign(nil); _ = os.Truncate(m.emulator, 70000) }, []string{"truncated"}},
		"no program":     {func(m *machine) { m.foreign(nil); m.write(m.emulator, "nothing") }, []string{"no program"}},
		"dynamic": {func(m *machine) {
			m.foreign(nil)
			m.write(m.emulator, elfProgram(62, "/libexec/ld-elf.so.1", 1302000))
		}, []string{m0, "dynamically linked", "/libexec/ld-elf.so.1"}},
		"another machine's": {func(m *machine) { m.foreign(nil); m.write(m.emulator, elfProgram(183, "", 1302000)) }, []string{m0, "a program of aarch64"}},
		"another target":    {func(m *machine) { m.foreign(nil); qemutest.BSD("aarch64", "9.2.0").Write(m.t, m.emulator) }, []string{"is for aarch64"}},
		"linux-user":        {func(m *machine) { m.foreign(nil); qemutest.Linux("mips64", "9.2.0").Write(m.t, m.emulator) }, []string{"another system"}},
		"blank in a path":   {func(m *machine) { blank(m) }, []string{"blank"}},
		"taken first": {func(m *machine) {
			m.foreign(nil)
			m.foreign(func(e *activators.Entry) { e.Name, e.Interpreter = "all", "/bin/sh" })
		}, []string{"the activator all takes them first", "xjail binmiscctl disable all"}},
		"arch of another name": {func(m *machine) {
			m.write(filepath.Join(m.dir, "etc/poudriere.d/jails/m64/arch"), "arm64\n")
		}, []string{"name arm64", "echo arm64.aarch64 > "}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			test.make(m)
			for i, word := range test.want {
				if word == m0 {
					test.want[i] = m.emulator
				}
			}
			m.stops(test.want...)
		})
	}
}

// m0 stands for the machine's emulator.
const m0 = "EMULATOR"

func blank(m *machine) {
	other := filepath.Join(m.dir, "local bin/qemu-mips64-static")
	qemutest.BSD("mips64", "9.2.0").Write(m.t, other)
	m.foreign(func(e *activators.Entry) { e.Interpreter = other })
}

// What xjail registered itself is mended.
func TestMends(t *testing.T) {
	for name, spoil := range map[string]func(*machine){
		"another emulator is there": func(m *machine) {
			_ = os.Remove(m.emulator)
			m.emulator = filepath.Join(m.dir, "local/bin/qemu-mips64")
			qemutest.BSD("mips64", "9.1.0").Write(m.t, m.emulator)
		},
		"removed": func(m *machine) { _ = m.Table.Remove("mips64") },
		"reboot":  func(m *machine) { m.Table.(*fakeTable).Clear() },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.goesOn("bulk", "start")
			spoil(m)
			m.goesOn("bulk", "start")
			m.says("registered")
			if e := m.entry(); e.Interpreter != m.emulator {
				t.Errorf("%+v", e)
			}
		})
	}
}

// Entries of others that serve are left alone, whatever their name says of them,
// and so is what nobody can tell.
func TestOthersServe(t *testing.T) {
	for name, make := range map[string]func(*machine){
		"as it is":         func(m *machine) { m.foreign(nil) },
		"no QEMU":          func(m *machine) { m.foreign(nil); m.write(m.emulator, string(qemutest.Program(m.t))) },
		"another is first": func(m *machine) { m.foreign(nil); m.foreign(func(e *activators.Entry) { e.Name = "other" }) },
		"one in front is off": func(m *machine) {
			m.foreign(nil)
			m.foreign(func(e *activators.Entry) { e.Name, e.Interpreter = "off", "/bin/sh" })
			_ = m.Table.Disable("off")
		},
		"with arguments": func(m *machine) {
			m.foreign(func(e *activators.Entry) { e.Args = []string{"-cpu", "MIPS64R2-generic"} })
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			make(m)
			before := m.entry()
			m.goesOn("bulk", "start")
			m.says("")
			if !m.entry().Equal(before) {
				t.Errorf("changed to %+v", m.entry())
			}
		})
	}
}

// The state directory cannot be written: the build is worth more than the record.
func TestStateReadOnly(t *testing.T) {
	for name, spoil := range map[string]func(*machine){
		"a file":           func(m *machine) { m.write(m.Store.Dir, "in the way") },
		"damaged":          func(m *machine) { m.write(filepath.Join(m.Store.Dir, activators.LedgerName), "{") },
		"a directory":      func(m *machine) { m.write(filepath.Join(m.Store.Dir, activators.LedgerName+".tmp", "x"), "") },
		"its lock is held": func(m *machine) { m.write(filepath.Join(m.Store.Dir, activators.LedgerName+".lock", "x"), "") },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			spoil(m)
			m.goesOn("bulk", "start")
			m.says("xjail binmiscctl remove mips64")
			m.entry()
			m.goesOn("bulk", "start")
			m.says("")
		})
	}
}

func TestSecondArchitecture(t *testing.T) {
	m := newMachine(t)
	m.Second = map[string][]string{"mips64": {"mips"}}
	m.goesOn("bulk", "start")
	m.says("programs of mips do not run in it")
	second := filepath.Join(m.dir, "local/bin/qemu-mips-static")
	qemutest.BSD("mips", "9.2.0").Write(t, second)
	m.goesOn("bulk", "start")
	m.says("registered the activator mips for " + second)

	m.write(filepath.Join(m.ref, "bin/sh"), "")
	m.goesOn("jail", "start")
	if _, err := os.Stat(filepath.Join(m.ref, second)); err != nil {
		t.Error(err)
	}
}

// Any error that is no Stop must have been said, not returned as a Stop.
func TestDamagedMetadata(t *testing.T) {
	m := newMachine(t)
	if err := os.Remove(filepath.Join(m.dir, "etc/poudriere.d/jails/m64/mnt")); err != nil {
		t.Fatal(err)
	}
	for _, words := range [][]string{{"bulk", "start"}, {"jail", "mount", m.ref}, {"jail", "start"}, {"bulk", "done"}} {
		if stopped, err := m.call(words...); stopped != "" || fault.KindOf(err) == fault.Unsafe {
			t.Errorf("%q: stop %q, %v", words, stopped, err)
		}
	}
}

// What others write behind a property goes when poudriere's shell splits words.
func TestPropertiesWithBlanks(t *testing.T) {
	m := newMachine(t)
	dir := filepath.Join(m.dir, "etc/poudriere.d/jails")
	m.write(filepath.Join(dir, "m64/arch"), "mips.mips64 \n")
	m.write(filepath.Join(dir, "m64/mnt"), m.root+"\t\n")
	m.tools(m.root)
	m.goesOn("bulk", "start")
	m.says("registered the activator mips64")
	m.write(filepath.Join(m.ref, "bin/sh"), "")
	m.goesOn("jail", "mount", m.ref)
	m.says("copied /nxb-bin")
	native, err := os.ReadFile(filepath.Join(dir, "home/arch"))
	if err != nil {
		t.Fatal(err)
	}
	m.write(filepath.Join(dir, "home/arch"), strings.TrimSpace(string(native))+" \n")
	m.env["JAILNAME"] = "home"
	m.goesOn("bulk", "start")
	m.says("")
}
