package inventory

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

func TestScanTree(t *testing.T) {
	outside := tree(t, map[string]string{"secret": program("mips64")})
	dir := tree(t, map[string]string{
		"bin/sh": program("aarch64"), "bin/ls": "-> sh", "bin/away": "-> " + outside + "/secret", "lib": "-> usr/lib",
		"usr/lib/libc.so.6": program("aarch64"), "usr/lib/up": "-> ../..", "out": "-> " + outside,
		"etc/passwd": "root:x:0:0\n", "etc/empty": "", "etc/script": "#!/bin/sh\n", "etc/cut": program("mips64")[:40],
		"usr/lib/new\nline": program("i386"), "usr/lib/\xff\xfe": program("i386"), "empty/": "", "a.gz": "\x1f\x8b\x08rest",
	})
	for _, name := range []string{"bin/hard", "bin/another"} {
		if err := os.Link(filepath.Join(dir, "bin/sh"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r := mustScan(t, Options{}, dir)
	wantLines(t, r, dir, "bin/another aarch64", "etc/cut error 17", "usr/lib/libc.so.6 aarch64", "usr/lib/new\nline i386", "usr/lib/\xff\xfe i386")
	want := Counts{Files: 9, HardLinks: 2, Directories: 6, Symlinks: 5, Closed: 1}
	if r.Counts != want {
		t.Errorf("counts %+v, want %+v", r.Counts, want)
	}
	for _, f := range r.Found {
		if strings.Contains(f.Label(), "\n") || !utf8.ValidString(f.Label()) {
			t.Errorf("label %q", f.Label())
		}
	}
}

// Special files would block whoever opens them, or do something.
func TestScanOpensNoSpecialFile(t *testing.T) {
	dir := tree(t, map[string]string{"a": program("amd64")})
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // for the removal
	r := mustScan(t, Options{}, dir)
	wantLines(t, r, dir, "a amd64")
	if r.Counts.Special != 2 {
		t.Errorf("%+v", r.Counts)
	}
	r = mustScan(t, Options{}, filepath.Join(dir, "fifo"))
	wantLines(t, r, dir, "fifo error 17")
	r, err = Scan(context.Background(), nil, []string{filepath.Join(dir, "fifo"), filepath.Join(dir, "s")}, Options{})
	if err != nil || len(r.Found) != 0 || r.Counts.Special != 2 {
		t.Errorf("%v %+v", err, r)
	}
}

func TestScanArguments(t *testing.T) {
	dir := tree(t, map[string]string{"p": program("mips64"), "text": "text", "link": "-> p", "d/q": program("amd64"), "to-d": "-> d"})
	at := func(name string) string { return filepath.Join(dir, name) }
	r := mustScan(t, Options{}, at("text"), at("link"), at("none"), at("to-d"), at("p"), "")
	wantLines(t, r, dir, "text error 17", "link mips64", "none error 10", "to-d/q amd64", "p mips64", " error 10")
}

func TestScanRelative(t *testing.T) {
	t.Chdir(tree(t, map[string]string{"d/p": program("mips64"), "q": program("amd64")}))
	wantLines(t, mustScan(t, Options{}, ".", "d/", "./d"), "", "d/p mips64", "q amd64", "d/p mips64", "d/p mips64")
}

func TestScanList(t *testing.T) {
	dir := tree(t, map[string]string{"p": program("mips64"), "text": "text", "link": "-> p", "d/q": program("amd64")})
	var list []string
	for _, name := range []string{"p", "text", "link", "d", "none"} {
		list = append(list, filepath.Join(dir, name))
	}
	r, err := Scan(context.Background(), []string{filepath.Join(dir, "d")}, list, Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, r, dir, "d/q amd64", "none error 10", "p mips64")
	if r.Counts.Symlinks != 1 || r.Counts.Directories != 2 {
		t.Errorf("%+v", r.Counts)
	}
}

func TestScanUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		asNobody(t)
		return
	}
	dir := tree(t, map[string]string{"p": program("mips64"), "d/q": program("amd64"), "r": program("amd64")})
	for _, name := range []string{"p", "d"} {
		if err := os.Chmod(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(filepath.Join(dir, name), 0o755) //nolint:errcheck // for the removal
	}
	wantLines(t, mustScan(t, Options{}, dir), dir, "d error 14", "p error 14", "r amd64")
}

// asNobody runs the test again as a user who may not read everything.
func asNobody(t *testing.T) {
	t.Helper()
	const nobody = 65534
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Skip(err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
}

// The answer does not depend on who is faster.
func TestScanIsDeterministic(t *testing.T) {
	files := map[string]string{}
	for i := range 40 {
		for j := range 20 {
			files[strconv.Itoa(i)+"/"+strconv.Itoa(j)] = program("mips64")[:64-j%2*24]
		}
	}
	dir := tree(t, files)
	for i := range 40 {
		to := filepath.Join(dir, strconv.Itoa((i*7)%40), "link"+strconv.Itoa(i))
		if err := os.Link(filepath.Join(dir, strconv.Itoa(i), strconv.Itoa(i%2)), to); err != nil {
			t.Fatal(err)
		}
	}
	want := lines(mustScan(t, Options{Workers: 1}, dir), dir)
	if len(want) != 800 {
		t.Fatalf("%d files", len(want))
	}
	for range 20 {
		r := mustScan(t, Options{Workers: 8}, dir)
		if got := lines(r, dir); !slices.Equal(got, want) {
			t.Fatal("another answer")
		}
		for _, f := range r.Failed() {
			if !strings.HasPrefix(f.Err.Error(), f.Path+": ") {
				t.Fatalf("%s: %v", f.Path, f.Err)
			}
		}
	}
}

// A large directory is shared out, and nothing of it is lost.
func TestScanLargeDirectory(t *testing.T) {
	dir := t.TempDir()
	for i := range 3000 {
		if err := os.WriteFile(filepath.Join(dir, strings.Repeat("n", 100)+strconv.Itoa(i)), []byte(program("mips64")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if r := mustScan(t, Options{Workers: 4}, dir); len(r.Found) != 3000 || r.Counts.Files != 3000 {
		t.Errorf("%d files", len(r.Found))
	}
}

// A tree deeper than PATH_MAX, made and removed through its own directories.
func TestScanDeep(t *testing.T) {
	dir := t.TempDir()
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	const name = "directory"
	for range maxDepth + 10 {
		if err := unix.Mkdirat(fd, name, 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(fd, name, unix.O_DIRECTORY|unix.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		fd = next
	}
	unix.Close(fd)
	r := mustScan(t, Options{}, dir)
	if len(r.Found) != 1 || r.Counts.Directories != maxDepth || !strings.Contains(r.Found[0].Err.Error(), "directories deep") {
		t.Errorf("%d found, %+v", len(r.Found), r.Counts)
	}
}

func TestScanStaysOnItsFileSystem(t *testing.T) {
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		t.Skip(err)
	}
	r := mustScan(t, Options{}, "/proc")
	if len(r.Found) != 1 || fault.KindOf(r.Found[0].Err) != fault.Unsafe || !strings.Contains(r.Found[0].Err.Error(), "proc") {
		t.Errorf("%+v", r.Found)
	}
	if r = mustScan(t, Options{}, "/proc/self/exe"); len(r.Programs()) != 1 {
		t.Errorf("%+v", r.Found)
	}
}

func TestScanEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r, err := Scan(ctx, []string{"/usr"}, nil, Options{}); !errors.Is(err, context.Canceled) || r != nil {
		t.Error(err)
	}
}

func TestCutEntry(t *testing.T) {
	for _, b := range [][]byte{nil, make([]byte, 5), make([]byte, 64), slices.Repeat([]byte{0xff}, 64)} {
		for n := 0; len(b) > 0; n++ {
			name, _, rest := cutEntry(b)
			if name != "" || n > 64 {
				t.Fatalf("%q of %v", name, b)
			}
			b = rest
		}
	}
}

// The type of an entry is asked for where the file system does not tell it.
func TestEntryWithoutType(t *testing.T) {
	dir := tree(t, map[string]string{"p": program("mips64"), "d/q": program("mips64"), "l": "-> p"})
	fd, err := unix.Open(dir, openDirFlags, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &scan{ctx: context.Background(), queue: newQueue(), links: newLinks()}
	w := newWorker(s)
	n, err := readDirent(fd, w.entries)
	if err != nil {
		t.Fatal(err)
	}
	for b := w.entries[:n]; len(b) > 0; {
		b[typeAt] = unix.DT_UNKNOWN
		_, _, b = cutEntry(b)
	}
	st, err := look(fd)
	if err != nil {
		t.Fatal(err)
	}
	d := newTestDir(dir, fd, st.mount)
	d.uses.Store(1)
	w.entriesOf(d, w.entries[:n])
	if len(w.found) != 1 || w.counts.Symlinks != 1 || len(s.queue.items) != 1 || s.queue.items[0].enter != "d" {
		t.Errorf("%+v %+v %+v", w.found, w.counts, s.queue.items)
	}
	d.release()
	d.release()
}

func newTestDir(name string, fd int, mount uint64) *dir {
	return &dir{name: name, fd: fd, mount: mount}
}
