package e2e

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// crossCompilers build programs of architectures for which there is neither a
// mini root nor a Debian of today. Debian packages each.
var crossCompilers = map[string][]string{
	"powerpc": {"powerpc-linux-gnu-gcc"},
	"mipsn32": {"mips64-linux-gnuabi64-gcc", "-mabi=n32"},
	"sparc64": {"sparc64-linux-gnu-gcc"},
	// binutils' relaxation breaks thread-local storage on Alpha: a static
	// program of Debian 12's crashes before main.
	"alpha": {"alpha-linux-gnu-gcc", "-Wl,--no-relax"},
	"m68k":  {"m68k-linux-gnu-gcc"},
	"sh4":   {"sh4-linux-gnu-gcc", "-DTINYBOX_NOLIBC", "-nostdlib", "-nostartfiles", "-ffreestanding", "-fno-builtin"},
	"hppa":  {"hppa-linux-gnu-gcc"},
}

// crossLibraries are files without which a compiler finds no C library.
var crossLibraries = map[string]string{
	"mipsn32": "/usr/mips64-linux-gnuabi64/lib32/libc.a",
}

// tinyPrograms are the names that testdata/tinybox.c answers to.
var tinyPrograms = []string{"cat", "echo", "env", "false", "id", "kill-self", "ls", "mounts", "orphans", "sh", "sleep", "stty", "true", "uname", "wc"}

// tinybox compiles the box for an architecture once in a run of the tests.
func tinybox(t *testing.T, arch string) []byte {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("jails can be made on Linux only so far")
	}
	if b := tinyboxes[arch]; b != nil {
		return b
	}
	compile, ok := crossCompilers[arch]
	if !ok {
		t.Fatalf("no compiler is known for %s", arch)
	}
	if _, err := exec.LookPath(compile[0]); err != nil {
		t.Skipf("needs %s: e2e/setup.sh installs it", compile[0])
	}
	if lib := crossLibraries[arch]; lib != "" {
		if _, err := os.Stat(lib); err != nil {
			t.Skipf("needs %s: e2e/setup.sh installs it", lib)
		}
	}
	file := filepath.Join(t.TempDir(), "tinybox")
	args := append(slices.Clone(compile[1:]), "-static", "-O1", "-s", "-o", file, "testdata/tinybox.c")
	if out, err := exec.Command(compile[0], args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", compile[0], args, err, out)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tinyboxes[arch] = b
	return b
}

var tinyboxes = map[string][]byte{}

// tarball is an archive being made.
type tarball struct {
	t   *testing.T
	buf bytes.Buffer
	w   *tar.Writer
}

func newTarball(t *testing.T) *tarball {
	tb := &tarball{t: t}
	tb.w = tar.NewWriter(&tb.buf)
	return tb
}

// long ago is the time of every entry that has none.
var longAgo = time.Date(2013, 11, 30, 12, 0, 0, 123456789, time.UTC)

func (tb *tarball) add(h tar.Header, body string) {
	tb.t.Helper()
	if h.Mode == 0 {
		h.Mode = 0o755
	}
	if h.ModTime.IsZero() {
		h.ModTime = longAgo
	}
	h.Size, h.Format = int64(len(body)), tar.FormatPAX
	if err := tb.w.WriteHeader(&h); err != nil {
		tb.t.Fatal(err)
	}
	if _, err := tb.w.Write([]byte(body)); err != nil {
		tb.t.Fatal(err)
	}
}

func (tb *tarball) dir(name string) { tb.add(tar.Header{Typeflag: tar.TypeDir, Name: name + "/"}, "") }
func (tb *tarball) file(name, body string) {
	tb.add(tar.Header{Typeflag: tar.TypeReg, Name: name}, body)
}
func (tb *tarball) symlink(name, to string) {
	tb.add(tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}, "")
}

// save ends the archive and writes it to a file that every user can read.
func (tb *tarball) save() string {
	tb.t.Helper()
	if err := tb.w.Close(); err != nil {
		tb.t.Fatal(err)
	}
	file := filepath.Join(sharedDir(tb.t), "root.tar")
	writeFile(tb.t, file, tb.buf.String(), 0o644)
	return file
}

// tinyRoot begins an archive with a root that has the box under all its names.
func tinyRoot(t *testing.T, arch string) *tarball {
	t.Helper()
	tb := newTarball(t)
	for _, dir := range []string{".", "bin", "dev", "etc", "proc", "root", "tmp", "usr"} {
		tb.dir(dir)
	}
	tb.file("bin/tinybox", string(tinybox(t, arch)))
	for _, name := range tinyPrograms {
		tb.add(tar.Header{Typeflag: tar.TypeLink, Name: "bin/" + name, Linkname: "bin/tinybox"}, "")
	}
	tb.file("etc/passwd", "root:x:0:0::/root:/bin/sh\nporter:x:54321:54321::/tmp:/bin/sh\n")
	tb.file("etc/group", "root:x:0:\nporter:x:54321:\n")
	tb.file("etc/words", "one\ntwo\nthree\n")
	return tb
}

// tinyJail makes the jail "tiny" of an architecture, quickly.
func tinyJail(t *testing.T, as account, arch string) *world {
	t.Helper()
	archive := tinyRoot(t, arch).save()
	w := newWorld(t, as)
	w.ok("create", "tiny", "--arch", arch, "--from", "archive:"+archive)
	return w
}

// needEmulator skips the test when the machine has none for an architecture.
func needEmulator(t *testing.T, w *world, arch string) {
	t.Helper()
	if r := w.run("emulator", "find", arch); r.status != 0 {
		t.Skip(strings.TrimSpace(r.stderr))
	}
}
