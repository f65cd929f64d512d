package persist

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

var update = flag.Bool("update", false, "write testdata/*.golden instead of comparing them")

func entry(name, interpreter string) activators.Entry {
	return activators.Entry{Name: name, Interpreter: interpreter, Magic: activators.Hex("\x7fELF"), Mask: activators.Hex("\xff\xff\xff\xfe"),
		Flags: activators.Flags{FixBinary: true, PreserveArgv0: true}, Enabled: true}
}

// boot is two activators, one of them with options.
func boot() Boot {
	return Boot{Program: "/usr/local/bin/xjail", Activators: []Activator{
		{Arch: "mips64", Flags: []string{"--emulator", "/usr/local/bin/qemu-mips64-static"}, Entry: entry("xjail-mips64", "/usr/local/bin/qemu-mips64-static")},
		{Arch: "riscv64", Flags: []string{"--emulator", "/opt/qemu-riscv64", "--osabi", "linux", "--credential"}, Entry: entry("xjail-riscv64", "/opt/qemu-riscv64")},
	}}
}

func mustFiles(t *testing.T, system string, b Boot) []File {
	t.Helper()
	files, err := Files(system, b)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The files as they are written, byte for byte: testdata/SYSTEM.golden.
func TestFiles(t *testing.T) {
	moved := boot()
	moved.Program, moved.State = "/root/go/bin/xjail", "/data/xjail"
	for name, c := range map[string]struct {
		system string
		boot   Boot
	}{"freebsd": {FreeBSD, boot()}, "linux": {Linux, boot()}, "freebsd-moved": {FreeBSD, moved}, "linux-moved": {Linux, moved}} {
		var got strings.Builder
		for _, f := range mustFiles(t, c.system, c.boot) {
			got.WriteString("==> " + f.Path + " " + f.Mode.String() + " " + f.Link + "\n" + f.Text)
			if f.Link == "" && ownerOf(f.Text) != ours {
				t.Errorf("%s: %s is not signed", name, f.Path)
			}
		}
		golden := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || got.String() != string(want) {
			t.Errorf("%s: %v\n%s\nis not what %s has", name, err, got.String(), golden)
		}
	}
}

// paths and Files name the same files in the same order.
func TestPaths(t *testing.T) {
	for _, system := range []string{FreeBSD, Linux} {
		for i, f := range mustFiles(t, system, boot()) {
			if paths(system)[i] != f.Path || linkOf(f.Path) != f.Link {
				t.Errorf("%s: %s", system, f.Path)
			}
		}
	}
}

func TestFilesRefused(t *testing.T) {
	for want, change := range map[string]func(*Boot){
		`"/a b" cannot be written`:        func(b *Boot) { b.Program = "/a b" },
		`"bin/xjail" is not the absolute`: func(b *Boot) { b.Program = "bin/xjail" },
		`"/a$HOME" cannot be written`:     func(b *Boot) { b.State = "/a$HOME" },
		`"/a\"b" cannot be written`:       func(b *Boot) { b.Activators[0].Flags[1] = `/a"b` },
		`"mips.mips64" cannot be part`:    func(b *Boot) { b.Activators[0].Arch = "mips.mips64" },
		`"" cannot be part`:               func(b *Boot) { b.Activators[0].Arch = "" },
		`"/100%n" cannot be written`:      func(b *Boot) { b.Activators[1].Flags[1] = "/100%n" },
	} {
		b := boot()
		change(&b)
		for _, system := range []string{FreeBSD, Linux} {
			if _, err := Files(system, b); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", system, err, want)
			}
		}
	}
	if _, err := Files("plan9", boot()); fault.KindOf(err) != fault.Unsupported {
		t.Error(err)
	}
	b := boot()
	b.Activators[0].Entry.Args = []string{"-cpu", "x"}
	if _, err := Files(Linux, b); fault.KindOf(err) != fault.Unsupported {
		t.Error(err)
	}
	b.Activators[0].Entry.Args, b.Activators[0].Entry.Name = nil, ":|,"
	if _, err := Files(Linux, b); err == nil || !strings.Contains(err.Error(), "for a comment") {
		t.Error(err)
	}
}

func TestSignature(t *testing.T) {
	text := sign("#!/bin/sh\n" + placeholder + "\nrest\n")
	if !strings.HasPrefix(text, "#!/bin/sh\n"+marker) || !strings.HasSuffix(text, "\nrest\n") {
		t.Error(text)
	}
	for text, want := range map[string]ownership{
		text: ours, text + "#\n": changed, strings.Replace(text, "sh\n", "csh\n", 1): changed, "": foreign, "\n": foreign,
		strings.Replace(text, "Written", "written", 1): foreign, strings.Repeat("#\n", 5) + text: foreign,
		"#!/bin/sh\n#\n" + packageMark + "\n": packaged, text[:len(text)-8]: changed, marker: changed,
	} {
		if got := ownerOf(text); got != want {
			t.Errorf("%q is of %d, want %d", text, got, want)
		}
	}
}

// What is written to binfmt.d is read back, and is believed as long as nobody
// changed it.
func TestDeclared(t *testing.T) {
	root := t.TempDir()
	declared := func() []activators.Entry {
		t.Helper()
		list, err := Declared(root)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if declared() != nil {
		t.Error("something is declared in nothing")
	}
	b := boot()
	b.Activators[1].Entry.Interpreter = "/opt/qemu:riscv64"
	text := mustFiles(t, Linux, b)[0].Text
	write(t, root+binfmtFile, text)
	list := declared()
	if len(list) != 2 || !list[0].Equal(b.Activators[0].Entry) || !list[1].Equal(b.Activators[1].Entry) {
		t.Errorf("%+v", list)
	}
	write(t, root+binfmtFile, strings.Replace(text, "PF", "F", 1))
	if declared() != nil {
		t.Error("a line that somebody changed is believed")
	}
	write(t, root+binfmtFile, sign(placeholder+"\n:x\n"))
	if _, err := Declared(root); fault.KindOf(err) != fault.Damaged {
		t.Error(err)
	}
	if err := os.Remove(root + binfmtFile); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(root+binfmtFile, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Declared(root); err == nil {
		t.Error("a directory declares something")
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// systemd reads the unit without a complaint.
func TestUnitVerified(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here: ", err)
	}
	b := boot()
	if b.Program, err = exec.LookPath("true"); err != nil {
		t.Skip(err)
	}
	file := filepath.Join(t.TempDir(), unitName)
	write(t, file, mustFiles(t, Linux, b)[1].Text)
	verify := func() string {
		out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput()
		if err != nil {
			return string(out) + err.Error()
		}
		return string(out)
	}
	if out := verify(); out != "" {
		if strings.Contains(out, "Failed to initialize manager") || strings.Contains(out, "Failed to setup") {
			t.Skip("systemd-analyze does not run here: ", out)
		}
		t.Errorf("systemd-analyze verify: %s", out)
	}
	write(t, file, "[Service]\nExecStart=true\nNonsense=yes\n")
	if verify() == "" {
		t.Error("systemd-analyze complains about nothing")
	}
}
