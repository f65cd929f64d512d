package e2e

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
)

// foreignCut puts a static program of powerpc into the cell, cut to n bytes or to
// a part of it.
func (c *cell) foreignCut(n int) []string {
	c.t.Helper()
	c.register("ppc", "powerpc", c.emulator("ppc"), "F")
	return []string{c.file("true", string(tinybox(c.t, "powerpc")[:n]), 0o755)}
}

// nativeCut is a native program, cut.
func (c *cell) nativeCut(n int) []string {
	c.t.Helper()
	file := c.nativeProgram("prog")
	return []string{c.file("prog", readFile(file)[:n], 0o755)}
}

func (c *cell) wholeForeign() { c.foreign() }
func (c *cell) wholeNative()  { c.nativeProgram("prog") }

// patched is a native program with some bytes of its ELF file changed.
func (c *cell) patched(change func(b []byte, f *elf.File)) []string {
	c.t.Helper()
	b := []byte(readFile(c.nativeProgram("prog")))
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		c.t.Fatal(err)
	}
	change(b, f)
	return []string{c.file("prog", string(b), 0o755)}
}

// interpHeader is where the program header PT_INTERP of a 64-bit file is.
func interpHeader(b []byte, f *elf.File) []byte {
	at := binary.LittleEndian.Uint64(b[32:])
	for i, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return b[at+uint64(i)*56:]
		}
	}
	return nil
}

// needAMD64 skips where the bytes to change are at other places.
func needAMD64(t *testing.T) {
	t.Helper()
	if h := arch.Host(); h == nil || h.Class != 64 || h.Order != arch.Little {
		t.Skip("wants a 64-bit little-endian machine")
	}
}

// freebsdProgram is a static program of FreeBSD for arm64.
func freebsdProgram(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() { println(\"hello\") }\n", 0o644)
	writeFile(t, filepath.Join(dir, "go.mod"), "module hello\n", 0o644)
	cmd := exec.Command("go", "build", "-o", "hello", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=freebsd", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	return readFile(filepath.Join(dir, "hello"))
}

func elfSituations() []situation {
	list := []situation{
		{name: "native cut in the magic", cause: "unknown-format", errno: "ENOEXEC", build: func(c *cell) []string { return c.nativeCut(3) }, mend: (*cell).wholeNative},
		{name: "native cut in the header", cause: "truncated", errno: "ENOEXEC", build: func(c *cell) []string { return c.nativeCut(30) }, mend: (*cell).wholeNative},
		{name: "native cut behind the header", cause: "truncated", errno: "ENOEXEC", build: func(c *cell) []string { return c.nativeCut(64) }, mend: (*cell).wholeNative},
		{name: "native cut in the program headers", cause: "truncated", errno: "ENOEXEC", build: func(c *cell) []string { return c.nativeCut(200) }, mend: (*cell).wholeNative},
		{name: "foreign cut before the machine", cause: "truncated", errno: "ENOEXEC", build: func(c *cell) []string { return c.foreignCut(18) }, mend: (*cell).wholeForeign},
		{name: "foreign cut in the header", cause: "truncated", build: func(c *cell) []string { return c.foreignCut(24) }, mend: (*cell).wholeForeign},
		{name: "foreign cut behind the header", cause: "truncated", build: func(c *cell) []string { return c.foreignCut(52) }, mend: (*cell).wholeForeign},
		{name: "foreign cut in the program headers", cause: "truncated", build: func(c *cell) []string { return c.foreignCut(90) }, mend: (*cell).wholeForeign},
		{name: "foreign cut in the code", cause: "truncated", build: func(c *cell) []string { return c.foreignCut(5000) }, mend: (*cell).wholeForeign},
		{name: "native dynamic linker missing", cause: "loader-missing", errno: "ENOENT", build: func(c *cell) []string {
			return c.patched(func(b []byte, f *elf.File) {
				for _, p := range f.Progs {
					if p.Type == elf.PT_INTERP {
						b[p.Off+p.Filesz-2] = '~'
					}
				}
			})
		}, mend: (*cell).wholeNative},
		{name: "PT_INTERP beyond the end", cause: "bad-interp", errno: "EIO", build: func(c *cell) []string {
			needAMD64(c.t)
			return c.patched(func(b []byte, f *elf.File) { binary.LittleEndian.PutUint64(interpHeader(b, f)[8:], 1<<40) })
		}, mend: (*cell).wholeNative},
		{name: "PT_INTERP without an end", cause: "bad-interp", errno: "ENOEXEC", build: func(c *cell) []string {
			needAMD64(c.t)
			return c.patched(func(b []byte, f *elf.File) {
				h := interpHeader(b, f)
				binary.LittleEndian.PutUint64(h[32:], binary.LittleEndian.Uint64(h[32:])-1)
			})
		}, mend: (*cell).wholeNative},
		{name: "PT_INTERP too long", cause: "bad-interp", errno: "ENOEXEC", build: func(c *cell) []string {
			needAMD64(c.t)
			return c.patched(func(b []byte, f *elf.File) { binary.LittleEndian.PutUint64(interpHeader(b, f)[32:], 5000) })
		}, mend: (*cell).wholeNative},
		{name: "dynamic linker is text", cause: "loader-not-elf", errno: "ELIBBAD", build: func(c *cell) []string {
			loader := c.file("ld", strings.Repeat("no ELF file ", 10), 0o755)
			return c.patched(func(b []byte, f *elf.File) { renameInterp(b, f, loader) })
		}, mend: (*cell).wholeNative},
		{name: "object file", cause: "object-file", errno: "ENOEXEC", build: func(c *cell) []string {
			return c.patched(func(b []byte, _ *elf.File) { b[16] = 1 })
		}, mend: (*cell).wholeNative},
		{name: "core file", cause: "core-file", errno: "ENOEXEC", build: func(c *cell) []string {
			return c.patched(func(b []byte, _ *elf.File) { b[16] = 4 })
		}, mend: (*cell).wholeNative},
		{name: "foreign shared library", cause: "shared-library", build: func(c *cell) []string {
			lib := "/usr/powerpc-linux-gnu/lib/libdl.so.2"
			if _, err := os.Stat(lib); err != nil {
				c.t.Skip(err)
			}
			c.register("ppc", "powerpc", c.emulator("ppc"), "F")
			return []string{c.copyOf(lib, "true")}
		}, mend: (*cell).wholeForeign},
		{name: "program of FreeBSD", cause: "wrong-system", build: func(c *cell) []string {
			c.register("arm64", "aarch64", c.emulator("aarch64"), "F")
			return []string{c.file("prog", freebsdProgram(c.t), 0o755)}
		}, mend: (*cell).wholeNative},
	}
	return list
}

// renameInterp puts another name of a dynamic linker at the end of the file.
func renameInterp(b []byte, f *elf.File, name string) {
	h := interpHeader(b, f)
	at := uint64(len(b) - len(name) - 1)
	copy(b[at:], name+"\x00")
	binary.LittleEndian.PutUint64(h[8:], at)
	binary.LittleEndian.PutUint64(h[32:], uint64(len(name)+1))
	binary.LittleEndian.PutUint64(h[40:], uint64(len(name)+1))
}
