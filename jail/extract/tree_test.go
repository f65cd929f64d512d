package extract

import (
	"archive/tar"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

func TestTreeCopiesEverything(t *testing.T) {
	sparse := strings.Repeat("\x00", 1<<20) + "data" + strings.Repeat("\x00", 1<<20)
	su := reg("usr/su", "su")
	su.Mode = 0o4711
	attr := reg("attr", "x")
	attr.Mode = 0o444
	attr.PAXRecords = map[string]string{"SCHILY.xattr.user.a": "value"}
	src, made := extracted(t, Options{}, dir("./", 0o711), dir("usr", 0o555), su, hard("usr/su2", "usr/su"), hard("su3", "usr/su"),
		link("abs", "/etc/passwd"), link("bad", "../../.."), reg("sparse", sparse), attr, reg("dense", noise(700_000)),
		special("fifo", tar.TypeFifo), dir("empty", 0o1777), reg("nothing", ""))
	dst := newRoot(t)
	r, err := Tree(context.Background(), src, dst, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".", "usr", "usr/su", "su3", "attr", "sparse", "dense", "fifo", "empty", "nothing"} {
		modeOf(t, dst, name, lstat(t, src, name).Mode())
		timeOf(t, dst, name, lstat(t, src, name).ModTime())
	}
	contentsOf(t, dst, "sparse", sparse)
	contentsOf(t, dst, "dense", noise(700_000))
	if st := lstat(t, dst, "sparse").Sys().(*syscall.Stat_t); st.Blocks*512 > sparseBytes {
		t.Errorf("sparse takes %d blocks", st.Blocks)
	}
	for _, name := range []string{"usr/su2", "su3"} {
		if !os.SameFile(lstat(t, dst, "usr/su"), lstat(t, dst, name)) {
			t.Errorf("%s is not a hard link", name)
		}
	}
	if got, err := os.Readlink(dst.Name() + "/abs"); err != nil || got != "/etc/passwd" {
		t.Errorf("%q %v", got, err)
	}
	if keptOf(made, "attr").Xattrs == nil && string(xattrsOf(t, dst, "attr")["user.a"]) != "value" {
		t.Error("attribute lost")
	}
	if r.HardLinks != 2 || r.Format != "dir" || r.Bytes != made.Bytes || r.Symlinks != 2 {
		t.Errorf("%+v", r)
	}
}

func TestTreeSkipsSocketsAndItself(t *testing.T) {
	src := newRoot(t)
	// The name of a socket may be 104 bytes long; a relative one always fits.
	t.Chdir(src.Name())
	l, err := net.Listen("unix", "sock")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := src.MkdirAll("var/xjail/new", 0o755); err != nil {
		t.Fatal(err)
	}
	dst, err := src.OpenRoot("var/xjail/new")
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	r, err := Tree(context.Background(), src, dst, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Skipped) != 2 || r.Skipped[0] != (Skipped{"sock", "socket"}) || r.Skipped[1] != (Skipped{"var/xjail/new", "destination"}) {
		t.Errorf("%v", r.Skipped)
	}
	if _, err := src.Lstat("var/xjail/new/var/xjail/new"); err == nil {
		t.Error("the copy holds itself")
	}
	empty := newRoot(t)
	same, err := os.OpenRoot(empty.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer same.Close()
	_, err = Tree(context.Background(), empty, same, Options{})
	checkError(t, err, fault.Usage, "into itself")
}

func TestTreeLimitsAndDevices(t *testing.T) {
	src, _ := extracted(t, Options{}, reg("a", "x"), reg("b", "y"), dir("deep", 0o755))
	dst := newRoot(t)
	_, err := Tree(context.Background(), src, dst, Options{MaxEntries: 2})
	checkError(t, err, fault.Unsafe, "entries")
	isEmpty(t, dst)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = Tree(ctx, src, dst, Options{})
	checkError(t, err, fault.Interrupted)
	isEmpty(t, dst)
}

func TestTreeThatCannotBeRead(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root can read everything")
	}
	for _, d := range []file{dir("closed", 0), {tar.Header{Name: "closed", Typeflag: tar.TypeReg, Mode: 0}, "x"}} {
		src, _ := extracted(t, Options{}, reg("a", "x"), d)
		dst := newRoot(t)
		_, err := Tree(context.Background(), src, dst, Options{})
		checkError(t, err, fault.Permission, "closed", src.Name())
		isEmpty(t, dst)
	}
}

// A file that shrinks while it is copied must not be padded or loop.
func TestFileThatShrinks(t *testing.T) {
	src, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if _, err := src.WriteString("short"); err != nil {
		t.Fatal(err)
	}
	s, err := newSink(context.Background(), newRoot(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.close() }()
	tr := &tree{sink: s, src: &folders{top: newRoot(t)}, noClone: true}
	dst, err := os.Create(filepath.Join(t.TempDir(), "g"))
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	if err := tr.contents(dst, src, 100_000); err == nil {
		t.Error("no error")
	}
	st := &fileStat{entry: entry{path: "f", kind: regular, attrs: attrs{mode: 0o644, mtime: time.Now()}}}
	checkError(t, tr.changed(st.path), fault.Failed, "changed while")
}
