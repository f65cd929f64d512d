package extract

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/mounttest"
)

func TestFullDisk(t *testing.T) {
	if !mounttest.Inside(t) {
		return
	}
	dir := t.TempDir()
	mounttest.Mount(t, "tmpfs", dir, "tmpfs", 0, "size=1m")
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	data := tarOf(t, reg("usr/small", "x"), reg("usr/large", noise(2<<20)))
	_, err = Archive(context.Background(), bytes.NewReader(data), root, Options{})
	checkError(t, err, fault.NoSpace, "usr/large", "no space left")
	if fault.HintOf(err) == "" {
		t.Error("no hint")
	}
	isEmpty(t, root)
	// The same for a digest that needs the archive kept.
	t.Setenv("TMPDIR", dir)
	_, err = Archive(context.Background(), onlyReader{bytes.NewReader(data)}, root, Options{SHA256: hexDigest(data)})
	checkError(t, err, fault.NoSpace, "no space left")
	isEmpty(t, root)
}

func TestFullDiskOfInodes(t *testing.T) {
	if !mounttest.Inside(t) {
		return
	}
	dir := t.TempDir()
	mounttest.Mount(t, "tmpfs", dir, "tmpfs", 0, "size=1m,nr_inodes=10")
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	_, err = Archive(context.Background(), bytes.NewReader(tarOf(t, reg(strings.Repeat("d/", 20)+"f", ""))), root, Options{})
	checkError(t, err, fault.NoSpace, "d/d/")
	isEmpty(t, root)
}

func TestClearKeepsOutOfMounts(t *testing.T) {
	if !mounttest.Inside(t) {
		return
	}
	for _, kind := range []string{"tmpfs", "bind", "file"} {
		t.Run(kind, func(t *testing.T) {
			root := newRoot(t)
			point := filepath.Join(root.Name(), "a b/point")
			if err := os.MkdirAll(point, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(root.Name()+"/first", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			precious := t.TempDir()
			switch kind {
			case "tmpfs":
				if err := unix.Mount("tmpfs", point, "tmpfs", 0, ""); err != nil {
					t.Fatal(err)
				}
				precious = point
			case "bind":
				if err := unix.Mount(precious, point, "", unix.MS_BIND, ""); err != nil {
					t.Fatal(err)
				}
			case "file":
				point += "/file"
				if err := os.WriteFile(point, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := unix.Mount("/proc/version", point, "", unix.MS_BIND, ""); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(precious+"/precious", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			err := Clear(context.Background(), root)
			checkError(t, err, fault.Unsafe, point)
			if want := "umount " + point; fault.HintOf(err) != want {
				t.Errorf("hint %q, want %q", fault.HintOf(err), want)
			}
			lstat(t, root, "first") // nothing was removed before the refusal
			checkWalk(t, root, fault.Unsafe, point)
			if _, err := os.Stat(precious + "/precious"); err != nil {
				t.Error(err)
			}
			if err := unix.Unmount(point, 0); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// checkWalk does without the table of mounts, as where /proc is missing.
func checkWalk(t *testing.T, root *os.Root, kind fault.Kind, point string) {
	t.Helper()
	dir, err := root.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	c := &clearer{ctx: context.Background(), top: root}
	if c.mount, err = mountOf(dir, "."); err != nil {
		t.Fatal(err)
	}
	checkError(t, c.empty(root, dir, ".", 0), kind, point)
}

func TestParseMounts(t *testing.T) {
	table := `22 1 0:20 / / rw - ext4 /dev/sda rw
23 22 0:21 / /jail/a\040b/proc rw,nosuid - proc proc rw
24 22 0:22 / /jail rw - tmpfs tmpfs rw
25 22 0:23 / /jailed rw - tmpfs tmpfs rw

`
	got, err := parseMounts(strings.NewReader(table))
	if err != nil || !slices.Equal(got, []string{"/", "/jail/a b/proc", "/jail", "/jailed"}) {
		t.Errorf("%q %v", got, err)
	}
}

func TestClearRemovesImmutableFiles(t *testing.T) {
	root := newRoot(t)
	for _, name := range []string{"d/sub/f", "d/g"} {
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := root.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"d/sub/f", "d/sub", "d/g", "d"} {
		f, err := root.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flagImmutable)
		_ = f.Close()
		if err != nil {
			t.Skipf("cannot make files immutable here: %v", err)
		}
	}
	if err := root.Remove("d/g"); err == nil {
		t.Fatal("the flag has no effect")
	}
	if err := Clear(context.Background(), root); err != nil {
		t.Fatal(err)
	}
	isEmpty(t, root)
}

func TestTreeStaysOnItsFileSystem(t *testing.T) {
	if !mounttest.Inside(t) {
		return
	}
	src := newRoot(t)
	if err := src.MkdirAll("proc/in", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"resolv.conf", "null", "own"} {
		if err := src.WriteFile(name, []byte("below"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	other := t.TempDir()
	if err := os.WriteFile(other+"/secret", []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for point, of := range map[string]string{"proc": other, "resolv.conf": other + "/secret", "null": "/dev/null"} {
		if err := unix.Mount(of, src.Name()+"/"+point, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
	}
	dst := newRoot(t)
	r, err := Tree(context.Background(), src, dst, Options{})
	for _, point := range []string{"proc", "resolv.conf", "null"} {
		if err := unix.Unmount(src.Name()+"/"+point, 0); err != nil {
			t.Error(err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	want := []Skipped{{"null", "mount point"}, {"proc", "mount point"}, {"resolv.conf", "mount point"}}
	if !slices.Equal(r.Skipped, want) {
		t.Errorf("skipped %v", r.Skipped)
	}
	contentsOf(t, dst, "resolv.conf", "")
	contentsOf(t, dst, "null", "")
	contentsOf(t, dst, "own", "below")
	names, err := os.ReadDir(dst.Name() + "/proc")
	if err != nil || len(names) != 0 {
		t.Errorf("%v %v", names, err)
	}
}

func TestPackKeepsOutOfMounts(t *testing.T) {
	if !mounttest.Inside(t) {
		return
	}
	src := newRoot(t)
	for _, name := range []string{"a/point/x", "f"} {
		if err := src.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := src.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for point, of := range map[string]string{"a/point": t.TempDir(), "f": "/proc/version"} {
		point = src.Name() + "/" + point
		if err := unix.Mount(of, point, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		_, err := Pack(context.Background(), src, &out, PackOptions{})
		checkError(t, err, fault.Unsafe, "not packing", point)
		if fault.HintOf(err) != "umount "+point || out.Len() > 0 {
			t.Errorf("hint %q, %d bytes", fault.HintOf(err), out.Len())
		}
		checkPackWalk(t, src, point)
		if err := unix.Unmount(point, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// checkPackWalk does without the table of mounts, as where /proc is missing.
func checkPackWalk(t *testing.T, src *os.Root, point string) {
	t.Helper()
	p := &packer{ctx: context.Background(), src: &folders{top: src, open: map[string]*folder{}}, report: &Report{}, links: map[inode]string{}, out: tar.NewWriter(io.Discard)}
	defer func() { _ = p.src.forget() }()
	top, err := p.src.at(".")
	if err != nil {
		t.Fatal(err)
	}
	if p.mount, err = mountOf(top.file, "."); err != nil {
		t.Fatal(err)
	}
	st, err := statAt(top.file, ".")
	if err != nil {
		t.Fatal(err)
	}
	st.path = "."
	checkError(t, p.directory(st), fault.Unsafe, "not packing", point)
}

// A tree may be deeper than there are file descriptors.
func TestPackDeepTree(t *testing.T) {
	src, _ := extracted(t, Options{}, reg(strings.Repeat("d/", 300)+"f", "deep"))
	dst := newRoot(t)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 100, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r, err := Pack(context.Background(), src, &out, PackOptions{})
	// Removing the tree takes more of them.
	if lerr := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); lerr != nil {
		t.Fatal(lerr)
	}
	if err != nil || r.Entries != 302 {
		t.Fatalf("%+v %v", r, err)
	}
	if _, err := Archive(context.Background(), &out, dst, Options{}); err != nil {
		t.Fatal(err)
	}
	contentsOf(t, dst, strings.Repeat("d/", 300)+"f", "deep")
}
