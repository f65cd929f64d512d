package qemu

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu/qemutest"
)

const debian12 = "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)"

// wantKind checks the kind of an error and that its text holds a word.
func wantKind(t *testing.T, err error, kind fault.Kind, word string) {
	t.Helper()
	if got := fault.KindOf(err); got != kind {
		t.Fatalf("kind %d, want %d: %v", got, kind, err)
	}
	if !strings.Contains(err.Error(), word) {
		t.Fatalf("%q does not say %q", err, word)
	}
}

func TestInspect(t *testing.T) {
	dir := t.TempDir()
	linux := qemutest.Linux("mips64", debian12)
	path := linux.Write(t, filepath.Join(dir, "any-name"))
	e, err := Inspect(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	data := linux.Bytes(t)
	sum := sha256.Sum256(data)
	want := Emulator{
		Path: path, Target: "mips64", Family: LinuxUser, Version: debian12, Static: true,
		HostArch: arch.Host().Name, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(data)),
		Device: e.Device, Inode: e.Inode,
	}
	if *e != want {
		t.Errorf("got %+v\nwant %+v", *e, want)
	}
	if e.Inode == 0 {
		t.Error("no inode")
	}
	if d, err := Digest(path); err != nil || d != want.SHA256 {
		t.Errorf("Digest = %s, %v", d, err)
	}
}

// A relative path and a link give the file that they lead to.
func TestInspectPaths(t *testing.T) {
	dir := t.TempDir()
	qemutest.BSD("aarch64", "3.1.0").Write(t, filepath.Join(dir, "real"))
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	e, err := Inspect(t.Context(), "link")
	if err != nil {
		t.Fatal(err)
	}
	if e.Path != filepath.Join(dir, "link") || e.Family != BSDUser || e.Target != "aarch64" || e.Version != "3.1.0" {
		t.Errorf("got %+v", e)
	}
}

func TestInspectRefuses(t *testing.T) {
	dir := t.TempDir()
	good := qemutest.Linux("arm", "9.0.1")
	data := good.Bytes(t)
	program := qemutest.Program(t)
	host := arch.Host()
	write := func(name string, data []byte, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	fifo, loop := filepath.Join(dir, "fifo"), filepath.Join(dir, "loop")
	must(syscall.Mkfifo(fifo, 0o777))
	must(os.Symlink("loop", loop))
	silent, noVersion := good, good
	silent.Help = "hello\x1b[31m\nthere"
	noVersion.Version = ""
	for _, tc := range []struct {
		name, path string
		kind       fault.Kind
		word, hint string
	}{
		{"missing", filepath.Join(dir, "none"), fault.NotFound, "none", ""},
		{"directory", dir, fault.BadEmulator, "is a directory", ""},
		{"fifo", fifo, fault.BadEmulator, "is a FIFO", ""},
		{"loop", loop, fault.BadEmulator, "loop", ""},
		{"device", "/dev/null", fault.BadEmulator, "is a device", ""},
		{"not executable", write("noexec", data, 0o644), fault.BadEmulator, "not executable", "chmod +x"},
		{"world-writable", write("writable", data, 0o777), fault.BadEmulator, "written by everybody", "chmod o-w"},
		{"empty", write("empty", nil, 0o755), fault.BadEmulator, "not an ELF file", ""},
		{"script", write("script", []byte("#!/bin/sh\necho usage: qemu-arm\n"), 0o755), fault.BadEmulator, "not an ELF file", ""},
		{"cut in the header", write("header", data[:40], 0o755), fault.BadEmulator, "cut", ""},
		{"cut in half", write("half", program[:len(program)/2], 0o755), fault.BadEmulator, "truncated", "fetch it again"},
		{"cut by a byte", write("byte", program[:len(program)-1], 0o755), fault.BadEmulator, "truncated", "fetch it again"},
		{"cut in a segment", write("segment", elfFile(host, "/lib/ld.so.1", elf.ET_EXEC, 0)[:125], 0o755), fault.BadEmulator, "segment 0 (PT_INTERP) ends at byte 133 of 125", ""},
		{"dynamic", write("dynamic", elfFile(host, "/lib/ld.so.1", elf.ET_EXEC, 0), 0o755), fault.BadEmulator, "dynamically linked: in a root of another architecture there is no /lib/ld.so.1", "qemu"},
		{"shared library", write("shared", elfFile(host, "", elf.ET_REL, 0), 0o755), fault.BadEmulator, "not a program", ""},
		{"other architecture", write("foreign", elfFile(foreign(host), "", elf.ET_EXEC, 0), 0o755), fault.BadEmulator, "does not run on this host: it is " + foreign(host).Name, host.Name},
		{"other system", write("solaris", elfFile(host, "", elf.ET_EXEC, byte(elf.ELFOSABI_SOLARIS)), 0o755), fault.BadEmulator, "for solaris, not for " + runtime.GOOS, runtime.GOOS},
		{"no segments", write("nosegments", elfFile(host, "none", elf.ET_EXEC, 0), 0o755), fault.BadEmulator, "no program headers", ""},
		{"another program", silent.Write(t, filepath.Join(dir, "silent")), fault.BadEmulator, `does not answer as QEMU's user-mode emulators do: it says "hello[31m"`, ""},
		{"no version", noVersion.Write(t, filepath.Join(dir, "noversion")), fault.BadEmulator, "does not tell its version", ""},
		{"floods", qemutest.Fake{Flood: true}.Write(t, filepath.Join(dir, "flood")), fault.BadEmulator, "does not answer", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, err := Inspect(t.Context(), tc.path)
			if e != nil {
				t.Errorf("got %+v", e)
			}
			wantKind(t, err, tc.kind, tc.word)
			if !strings.Contains(fault.HintOf(err), tc.hint) {
				t.Errorf("hint %q does not say %q", fault.HintOf(err), tc.hint)
			}
		})
	}
}

func TestInspectUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root can read every file")
	}
	path := qemutest.Linux("arm", "9.0").Write(t, filepath.Join(t.TempDir(), "qemu"))
	if err := os.Chmod(path, 0o311); err != nil {
		t.Fatal(err)
	}
	_, err := Inspect(t.Context(), path)
	wantKind(t, err, fault.Permission, "permission")
}

// A program that does not answer is stopped with the command.
func TestInspectInterrupted(t *testing.T) {
	path := qemutest.Fake{Hang: true}.Write(t, filepath.Join(t.TempDir(), "qemu"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Inspect(ctx, path)
	wantKind(t, err, fault.Interrupted, path)
	ctx, cancel2 := context.WithCancelCause(t.Context())
	cancel2(errSilent)
	_, err = Inspect(ctx, path)
	wantKind(t, err, fault.BadEmulator, "no answer within 10 s")
}

func TestUnchanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("a"), 0o755); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := unchanged(path, info); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("ab"), 0o755); err != nil {
		t.Fatal(err)
	}
	wantKind(t, unchanged(path, info), fault.BadEmulator, "was replaced")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wantKind(t, unchanged(path, info), fault.NotFound, "no such file")
}

// Wherever a program is cut, it shows.
func TestCompleteAtEveryLength(t *testing.T) {
	program := qemutest.Program(t)
	if err := CheckComplete(bytes.NewReader(program), int64(len(program))); err != nil {
		t.Fatal(err)
	}
	cuts := []int{0, 1, 63, 64, 65, 4096, len(program) - 2, len(program) - 1}
	for n := 997; n < len(program); n += len(program) / 50 {
		cuts = append(cuts, n)
	}
	for _, n := range cuts {
		if CheckComplete(bytes.NewReader(program[:n]), int64(n)) == nil {
			t.Errorf("cut at %d of %d: not found", n, len(program))
		}
	}
}

// A section that takes no room in the file, .bss, may have any size.
func TestCompleteSections(t *testing.T) {
	section := func(kind elf.SectionType, off, size uint64) elf.Section64 {
		return elf.Section64{Type: uint32(kind), Off: off, Size: size}
	}
	file := func(kind elf.SectionType) []byte {
		h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Ehsize: 64,
			Phoff: 64, Phentsize: 56, Phnum: 1, Shoff: 120, Shentsize: 64, Shnum: 3, Shstrndx: 2}
		copy(h.Ident[:], elf.ELFMAG+"\x02\x01\x01")
		var b bytes.Buffer
		for _, v := range []any{h, elf.Prog64{Type: uint32(elf.PT_LOAD)}, section(elf.SHT_NULL, 0, 0), section(kind, 100, 1<<20), section(elf.SHT_STRTAB, 9, 1)} {
			if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
				t.Fatal(err)
			}
		}
		return b.Bytes()
	}
	for kind, want := range map[elf.SectionType]bool{elf.SHT_NOBITS: true, elf.SHT_PROGBITS: false} {
		data := file(kind)
		if err := CheckComplete(bytes.NewReader(data), int64(len(data))); (err == nil) != want {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestWithin(t *testing.T) {
	for _, tc := range []struct {
		off, n uint64
		want   bool
	}{{0, 10, true}, {10, 0, true}, {0, 11, false}, {11, 0, false}, {1, ^uint64(0), false}, {^uint64(0), 1, false}, {4, 6, true}, {5, 6, false}} {
		if got := within(tc.off, tc.n, 10); got != tc.want {
			t.Errorf("within(%d, %d, 10) = %v", tc.off, tc.n, got)
		}
	}
}

// foreign is an architecture that the host does not run.
func foreign(host *arch.Arch) *arch.Arch {
	name := "riscv64"
	if host.Name == name {
		name = "amd64"
	}
	a, err := arch.Lookup(name)
	if err != nil {
		panic(err)
	}
	return a
}

// elfFile is a 64-bit ELF file of a with one segment, and an interpreter unless
// it is "". With the interpreter "none" there are no segments.
func elfFile(a *arch.Arch, interp string, kind elf.Type, osabi byte) []byte {
	h := elf.Header64{
		Type: uint16(kind), Machine: a.Machine, Version: 1, Ehsize: 64, Phentsize: 56, Flags: a.Flags.Value, Phoff: 64, Phnum: 1,
	}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION], h.Ident[elf.EI_OSABI] = 2, 1, 1, osabi
	if a.Order == arch.Big {
		h.Ident[elf.EI_DATA] = 2
	}
	prog := elf.Prog64{Type: uint32(elf.PT_LOAD), Filesz: 64, Memsz: 64}
	switch interp {
	case "":
	case "none":
		h.Phnum = 0
	default:
		prog = elf.Prog64{Type: uint32(elf.PT_INTERP), Off: 120, Filesz: uint64(len(interp) + 1)}
	}
	var b bytes.Buffer
	for _, v := range []any{h, prog, []byte(interp + "\x00")} {
		if err := binary.Write(&b, a.Order.Binary(), v); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

func TestParseAnswer(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       answer
	}{
		{"linux-user 7.2 -h", "usage: qemu-mips64 [options] program [arguments...]\nLinux CPU emulator (compiled for mips64 emulation)\n\nOptions", answer{"mips64", LinuxUser, ""}},
		{"linux-user 7.2 -version", "qemu-mips64 version " + debian12 + "\nCopyright (c) 2003-2022\n", answer{"", "", debian12}},
		{"linux-user 2.8 -version", "qemu-arm version 2.8.1(Debian 1:2.8+dfsg-6+deb9u17)\nCopyright\n", answer{"", "", "2.8.1(Debian 1:2.8+dfsg-6+deb9u17)"}},
		{"linux-user 2.1 -version", "qemu-arm version 2.1.2 (Debian 1:2.1), Copyright (c) 2003-2008 Fabrice Bellard\n", answer{"", "", "2.1.2 (Debian 1:2.1)"}},
		{"bsd-user -h", qemutest.BSD("sparc64", "3.1.0").Help, answer{"sparc64", BSDUser, "3.1.0"}},
		{"family line only", "Linux CPU emulator (compiled for s390x emulation)\n", answer{"s390x", LinuxUser, ""}},
		{"system emulator", "QEMU emulator version 7.2.22\nusage: qemu-system-mips [options] [disk_image]\n", answer{}},
		{"quoted", "see usage: qemu-arm [options] program\n", answer{}},
		{"nothing", "", answer{}},
	} {
		if got := parseAnswer([]byte(tc.text)); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(qemutest.Linux("arm", debian12).Help))
	f.Add([]byte(qemutest.Linux("arm", debian12).Version))
	f.Add([]byte(qemutest.BSD("mips", "3.1.0").Help))
	f.Add([]byte("qemu-x version 9\x1b[2J, Copyright\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		a := parseAnswer(text)
		for _, s := range []string{a.target, a.family, a.version, firstLine(text)} {
			if len(s) > 2*maxVersion || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%q can do harm on a terminal", s)
			}
		}
		compareVersions(a.version, "6.0")
		if a.family != "" && a.target == "" {
			t.Errorf("family without a target: %+v", a)
		}
	})
}

func TestVersions(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"7.2.22 (Debian)", "7.2.3", 1}, {"7.2", "7.2.0", 0}, {"10.0.2", "9.2.4", 1}, {"2.8.1(Debian 9.9)", "2.8.1", 0},
		{"", "0.1", -1}, {"x", "", 0}, {"8.0.0-rc1", "8.0.0", 0}, {"99999999999999999999.1", "1", -1},
	} {
		got := compareVersions(tc.a, tc.b)
		if (got > 0) != (tc.want > 0) || (got < 0) != (tc.want < 0) {
			t.Errorf("compareVersions(%q, %q) = %d", tc.a, tc.b, got)
		}
	}
}

func TestPreservesArgv0(t *testing.T) {
	for _, tc := range []struct {
		family, version string
		want            bool
	}{
		{LinuxUser, debian12, true}, {LinuxUser, "6.0.0", true}, {LinuxUser, "5.2.0 (Debian 1:5.2+dfsg-11)", false},
		{BSDUser, "9.1.0", false}, {LinuxUser, "", false},
	} {
		if got := (&Emulator{Family: tc.family, Version: tc.version}).PreservesArgv0(); got != tc.want {
			t.Errorf("%s %s: %v", tc.family, tc.version, got)
		}
	}
}

func TestFileError(t *testing.T) {
	for _, tc := range []struct {
		err  error
		kind fault.Kind
	}{
		{syscall.ENOENT, fault.NotFound}, {syscall.EACCES, fault.Permission}, {syscall.EROFS, fault.Permission},
		{syscall.ENOSPC, fault.NoSpace}, {syscall.EDQUOT, fault.NoSpace}, {syscall.ELOOP, fault.BadEmulator},
		{syscall.EIO, fault.Failed}, {fault.New(fault.Mismatch, "", "x"), fault.Mismatch}, {nil, 0},
	} {
		if got := fault.KindOf(fileError(tc.err)); got != tc.kind {
			t.Errorf("%v: kind %d, want %d", tc.err, got, tc.kind)
		}
		if tc.err != nil && !errors.Is(fileError(tc.err), tc.err) {
			t.Errorf("%v is lost", tc.err)
		}
	}
}
