package jail

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/arch"
)

// file writes a file for an interpreter, and returns what Interpreters says of it.
func interpreterOf(t *testing.T, name string, content []byte, mode os.FileMode) activators.Interpreter {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return Interpreters([]activators.Entry{{Name: "x", Interpreter: path}}, nil)[path]
}

func TestInterpreters(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	mips := mustArch(t, "mips64").Samples("linux")[0].Header
	for name, c := range map[string]struct {
		content []byte
		mode    os.FileMode
		ok      func(p activators.Interpreter) bool
	}{
		"qemu-arm-static": {self, 0o755, func(p activators.Interpreter) bool {
			return slices.Equal(p.Targets, []string{"arm", "armv6", "armv7"}) && p.HostArch == arch.Host().Name && p.NoExec == "" &&
				!p.NotProgram && !p.NotExecutable && !p.SetID && len(p.Header) == activators.HeaderMax
		}},
		"qemu-sparc32plus": {self, os.ModeSetuid | 0o755, func(p activators.Interpreter) bool {
			return p.SetID && slices.Contains(p.Targets, "sparc")
		}},
		"mode":    {self, 0o644, func(p activators.Interpreter) bool { return p.NotExecutable }},
		"cut":     {self[:len(self)/2], 0o755, func(p activators.Interpreter) bool { return p.NotProgram }},
		"text":    {[]byte("hello\n"), 0o755, func(p activators.Interpreter) bool { return p.NotProgram && p.Script == "" }},
		"empty":   {nil, 0o755, func(p activators.Interpreter) bool { return p.NotProgram }},
		"script":  {[]byte("#! /bin/sh -e\n"), 0o755, func(p activators.Interpreter) bool { return p.Script == "/bin/sh" && !p.NotProgram }},
		"foreign": {mips, 0o755, func(p activators.Interpreter) bool { return p.HostArch == "mips64" && p.NotProgram }},
		"unknown": {self, 0o755, func(p activators.Interpreter) bool { return p.Targets == nil }},
	} {
		if p := interpreterOf(t, name, c.content, c.mode); !c.ok(p) {
			p.Header = nil
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// Debian's entries name links whose names end in -binfmt-P; others link as they
// like.
func TestInterpreterTargets(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "qemu-mips-static"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"emu", "mips-binfmt-P"} {
		if err := os.Symlink("qemu-mips-static", filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if got := targetsOf(filepath.Join(dir, name)); !slices.Equal(got, []string{"mips", "mipshf"}) {
			t.Errorf("%s: %v", name, got)
		}
	}
	gone := filepath.Join(dir, "qemu-none")
	if p := Interpreters([]activators.Entry{{Interpreter: gone}}, nil)[gone]; !p.Missing || p.Targets != nil {
		t.Errorf("%+v", p)
	}
}

// What the record says of an entry is said of that entry alone.
func TestInterpretersStale(t *testing.T) {
	stale := func(e activators.Entry) string { return strings.TrimPrefix(e.Name, "fresh") }
	all := Interpreters([]activators.Entry{{Name: "old", Interpreter: "/x"}, {Name: "fresh", Interpreter: "/x"}}, stale)
	if got := all["/x"].Stale; len(got) != 1 || got["old"] != "old" {
		t.Error(got)
	}
}

// Configurations as Debian 12, Fedora and kernels without 32 bits have them.
func TestCompatPrograms(t *testing.T) {
	for _, c := range []struct {
		arch, config, cmdline string
		want                  []string
	}{
		{"amd64", "CONFIG_IA32_EMULATION=y\nCONFIG_X86_X32_ABI=y\n", "quiet", []string{"i386", "x32"}},
		{"amd64", "CONFIG_IA32_EMULATION=y\n# CONFIG_IA32_EMULATION_DEFAULT_DISABLED is not set\n", "ia32_emulation=0", nil},
		{"amd64", "CONFIG_IA32_EMULATION=y\nCONFIG_IA32_EMULATION_DEFAULT_DISABLED=y\n", "", nil},
		{"amd64", "CONFIG_IA32_EMULATION=y\nCONFIG_IA32_EMULATION_DEFAULT_DISABLED=y\n", "ia32_emulation=on", []string{"i386"}},
		{"amd64", "# CONFIG_IA32_EMULATION is not set\n", "", nil},
		{"mips64el", "CONFIG_MIPS32_O32=y\nCONFIG_MIPS32_N32=y\n", "", []string{"mipsel", "mipsn32el"}},
		{"aarch64", "CONFIG_COMPAT=y\n", "", []string{"arm"}},
		{"riscv64", "", "", nil},
	} {
		options, err := readKernelConfig(strings.NewReader(c.config))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range compatPrograms(mustArch(t, c.arch), func(o string) (bool, bool) { return hasOption(options, c.cmdline, o), true }) {
			got = append(got, p.Arch)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: got %v", c, got)
		}
	}
	for _, p := range compatPrograms(mustArch(t, "amd64"), func(string) (bool, bool) { return false, false }) {
		if !p.Unsure {
			t.Errorf("%s is sure, and nothing is known", p.Arch)
		}
	}
}

// A FreeBSD machine's own word for what it runs, and when it asks its table.
type freebsdMachine struct {
	*memory.Table
	compiled bool
}

func (freebsdMachine) Instance() (string, error) { return "x", nil }
func (freebsdMachine) SupportedArchs() ([]string, error) {
	return []string{arch.Host().Name, "i386"}, nil
}
func (m freebsdMachine) Compiled() (bool, error) { return m.compiled, nil }

func TestSupportedPrograms(t *testing.T) {
	list := supportedPrograms(freebsdMachine{Table: memory.New(memory.FreeBSD)})
	if len(list) != 1 || list[0].Arch != "i386" || list[0].Header[7] != osabiFreeBSD {
		t.Errorf("%+v", list)
	}
	if !compiled(freebsdMachine{compiled: true}) || compiled(freebsdMachine{}) {
		t.Error("compiled in or not is lost")
	}
}

func TestCheckHost(t *testing.T) {
	table := memory.New(map[string]memory.Kernel{"linux": memory.Linux, "freebsd": memory.FreeBSD}[runtime.GOOS])
	table.SetEnabled(false)
	h := CheckHost(freebsdMachine{Table: table})
	own, err := activators.OwnHeader()
	if err != nil || h.OS != runtime.GOOS || h.Planned || !h.Off || len(h.Natives) == 0 || !bytes.Equal(h.Natives[0].Header, own) {
		t.Errorf("%v %+v", err, h.Natives)
	}
	if h.Natives[0].Arch != arch.Host().Name || len(h.Archs) != len(arch.All()) {
		t.Errorf("%s, %d architectures", h.Natives[0].Arch, len(h.Archs))
	}
}

// Of a machine that nobody has looked at it is not sure what it runs besides.
func TestCheckHostOf(t *testing.T) {
	for _, c := range []struct{ kernel, arch, want string }{
		{"linux", "amd64", "amd64 i386? x32?"}, {"freebsd", "amd64", "amd64 i386?"}, {"freebsd", "aarch64", "aarch64 armv7?"},
		{"freebsd", "riscv64", "riscv64"}, {"linux", "aarch64", "aarch64 arm?"},
	} {
		var got []string
		h := CheckHostOf(c.kernel, mustArch(t, c.arch))
		for _, p := range h.Natives {
			word := p.Arch
			if p.Unsure {
				word += "?"
			}
			got = append(got, word)
		}
		if strings.Join(got, " ") != c.want || h.AsksFirst != (c.kernel == "linux") || !h.Planned {
			t.Errorf("%+v: %v, %+v", c, got, h.AsksFirst)
		}
	}
}
