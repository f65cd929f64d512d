package jail

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

func TestMountPlan(t *testing.T) {
	dir := t.TempDir()
	file, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	const base = "fstype=nullfs fspath=. from=/r target=/r, fstype=devfs fspath=., fstype=fdescfs fspath=."
	tests := []struct {
		name      string
		osreldate int
		binds     []Bind
		want      string
		kind      fault.Kind
	}{
		{"plain", 1302001, nil, base, 0},
		{"bind", 1302001, []Bind{{dir, "/src", false}}, base + ", fstype=nullfs fspath=. from=DIR target=DIR", 0},
		{"read-only", 1302001, []Bind{{dir, "/src", true}}, base + ", fstype=nullfs fspath=. from=DIR target=DIR ro", 0},
		{"file", 1400097, []Bind{{file, "/etc/x", false}}, base + ", fstype=nullfs fspath=. from=DIR/file target=DIR/file", 0},
		{"file, too early", 1302001, []Bind{{file, "/etc/x", false}}, "", fault.Unsupported},
		{"FIFO", 1501000, []Bind{{fifo, "/f", false}}, "", fault.Unsupported},
		{"none", 1501000, []Bind{{dir + "/none", "/f", false}}, "", fault.NotFound},
	}
	for _, tt := range tests {
		steps, err := (&entrance{Root: "/r", Binds: tt.binds}).mountPlan(tt.osreldate, os.Stat)
		var got []string
		for _, s := range steps {
			got = append(got, describe(s.options(".")))
		}
		if text := strings.ReplaceAll(strings.Join(got, ", "), dir, "DIR"); text != tt.want || fault.KindOf(err) != tt.kind {
			t.Errorf("%s: %s, %v", tt.name, text, err)
		}
	}
	if _, err := (&entrance{Root: "/" + strings.Repeat("a", 1023)}).mountPlan(1501000, os.Stat); err == nil {
		t.Error("a root with a path of 1024 bytes was taken")
	}
}

func TestResolvTarget(t *testing.T) {
	tests := []struct {
		tree   string
		want   string
		exists bool
	}{
		{"", "", false},
		{"etc/", "/etc/resolv.conf", false},
		{"etc/\netc/resolv.conf", "/etc/resolv.conf", true},
		{"etc/\nrun/\nrun/resolv.conf\netc/resolv.conf -> /run/resolv.conf", "/run/resolv.conf", true},
		{"etc/\netc/resolv.conf -> /run/none", "", false},
		{"etc/\netc/resolv.conf -> ../../outside", "", false},
		{"etc/resolv.conf/", "", false},
		{"etc", "", false},
		{"private/etc/\netc -> private/etc", "/private/etc/resolv.conf", false},
	}
	for _, tt := range tests {
		root := plant(t, tt.tree)
		if got, exists := resolvTarget(root); got != tt.want || exists != tt.exists {
			t.Errorf("%q: %q %v, want %q %v", tt.tree, got, exists, tt.want, tt.exists)
		}
	}
	root := plant(t, "etc/\netc/resolv.conf\n")
	if err := root.Link("etc/resolv.conf", "etc/other"); err != nil {
		t.Fatal(err)
	}
	if got, _ := resolvTarget(root); got != "" {
		t.Errorf("a file of two names: %q", got)
	}
}

func TestCopyResolv(t *testing.T) {
	read := func(root *os.Root) string {
		text, err := root.ReadFile("etc/resolv.conf")
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	own := plant(t, "etc/\netc/resolv.conf\n")
	if err := copyResolv(own, []byte("nameserver 192.0.2.1\n")); err != nil || read(own) != "etc/resolv.conf" {
		t.Errorf("the root's own became %q, %v", read(own), err)
	}
	root := plant(t, "etc/\n")
	for _, text := range []string{"nameserver 192.0.2.1\n", "nameserver 192.0.2.2\n", ""} {
		if err := copyResolv(root, []byte(text)); err != nil || read(root) != resolvMark+text {
			t.Errorf("%q, %v, want a copy of %q", read(root), err, text)
		}
	}
	if err := copyResolv(plant(t, ""), nil); err != nil {
		t.Error(err)
	}
}

func openTest(t *testing.T, dir string) int {
	t.Helper()
	fd, err := unix.Open(dir, openDirFlags, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func TestDescend(t *testing.T) {
	root := plant(t, "a/b/\nfile\nout -> ..\nabs -> /a\na/up -> ../a\nloop -> loop\n")
	fd := openTest(t, root.Name())
	for name, want := range map[string]fault.Kind{
		"/": 0, "/a": 0, "/a/b": 0, "a//b/": 0, "/a/../a/b": 0, "/../../a": 0,
		"/out": fault.Unsafe, "/out/x": fault.Unsafe, "/abs/b": fault.Unsafe, "/a/up": fault.Unsafe, "/loop": fault.Unsafe,
		"/file": fault.Unsafe, "/file/x": fault.Unsafe, "/none": fault.Failed,
	} {
		dir, err := descend(fd, name, false)
		if fault.KindOf(err) != want {
			t.Errorf("%s: %v, want kind %d", name, err, want)
		}
		if err == nil {
			unix.Close(dir)
		}
	}
	dir, err := descend(fd, "/new/deep/er", true)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(dir)
	if st, err := root.Lstat("new/deep/er"); err != nil || !st.IsDir() {
		t.Errorf("%v, %v", st, err)
	}
	if _, err := descend(fd, "/out/made", true); fault.KindOf(err) != fault.Unsafe {
		t.Errorf("made through a symlink: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(root.Name(), "../made")); err == nil {
		t.Error("a directory was made outside of the root")
	}
}

func TestDescendToFile(t *testing.T) {
	root := plant(t, "etc/\netc/file\netc/dir/\netc/link -> file\nout -> ..\n")
	fd := openTest(t, root.Name())
	for _, tt := range []struct {
		name   string
		create bool
		want   fault.Kind
	}{
		{"/etc/file", false, 0},
		{"/etc/file", true, 0},
		{"/etc/none", false, fault.Failed},
		{"/etc/new", true, 0},
		{"/more/new", true, 0},
		{"/etc/dir", true, fault.Unsafe},
		{"/etc/link", true, fault.Unsafe},
		{"/out/outside", false, fault.Unsafe},
	} {
		dir, base, err := descendToFile(fd, tt.name, tt.create)
		if fault.KindOf(err) != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err == nil {
			unix.Close(dir)
			if base != filepath.Base(tt.name) {
				t.Errorf("%s: %s", tt.name, base)
			}
			if st, err := root.Lstat(tt.name[1:]); err != nil || !st.Mode().IsRegular() {
				t.Errorf("%s: %v, %v", tt.name, st, err)
			}
		}
	}
	if text, _ := root.ReadFile("etc/file"); string(text) != "etc/file" {
		t.Errorf("the file became %q", text)
	}
	if _, err := root.Lstat("etc/none"); !os.IsNotExist(err) {
		t.Error(fs.ErrExist)
	}
}
