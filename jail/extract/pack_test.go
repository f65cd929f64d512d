package extract

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// packed packs root and fails the test when that fails.
func packed(t testing.TB, root *os.Root, opts PackOptions) ([]byte, *Report) {
	t.Helper()
	var buf bytes.Buffer
	r, err := Pack(context.Background(), root, &buf, opts)
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), r
}

// unpacked makes a root of a tar.
func unpacked(t testing.TB, data []byte, opts Options) (*os.Root, *Report) {
	t.Helper()
	root := newRoot(t)
	r, err := Archive(context.Background(), bytes.NewReader(data), root, opts)
	if err != nil {
		t.Fatal(err)
	}
	return root, r
}

// headers are those of a tar, by name; names has their order.
func headers(t testing.TB, data []byte) (byName map[string]*tar.Header, names []string) {
	t.Helper()
	byName = map[string]*tar.Header{}
	tr := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return byName, names
		}
		if err != nil {
			t.Fatal(err)
		}
		byName[h.Name] = h
		names = append(names, h.Name)
	}
}

// everything is a tree of each kind of file, with all that a file can have.
func everything() []file {
	su := reg("usr/su", "su")
	su.Mode = 0o4711
	su.PAXRecords = map[string]string{"SCHILY.fflags": "schg,uarch"}
	attr := reg("attr", "x")
	attr.Mode = 0o444
	attr.PAXRecords = map[string]string{
		"SCHILY.xattr.user.a": "va\x00lue\n", "SCHILY.xattr.trusted.overlay.redirect": "/etc",
		"LIBARCHIVE.xattr.user.x%3dy%25": "aGVsbG8",
		"SCHILY.acl.ace":                 "owner@:rwx::allow",
	}
	closed := dir("closed", 0o500)
	closed.PAXRecords = map[string]string{"SCHILY.xattr.user.d": "dir", "SCHILY.fflags": "sunlnk"}
	flagged := link("flagged", "usr")
	flagged.PAXRecords = map[string]string{"SCHILY.fflags": "uarch"}
	old := reg("old", "")
	old.ModTime, old.Format = time.Unix(-86400, 5), tar.FormatPAX
	return []file{
		dir("./", 0o711), dir("usr", 0o555), su, hard("usr/again", "usr/su"), hard("a-first", "usr/su"),
		link("abs", "/etc/passwd"), link("bad", "../../.."), hard("bad2", "bad"), flagged, old, attr, closed,
		reg("closed/in", strings.Repeat("\x00", 1<<20)+"data"), reg("dense", noise(700_000)),
		reg("caf\xe9", "latin 1"), reg(strings.Repeat("long/", 60)+"name", "long"),
		special("fifo", tar.TypeFifo), special("dev/null", tar.TypeChar), special("dev/sda", tar.TypeBlock), dir("empty", 0o1777),
	}
}

func TestPackRoundTrip(t *testing.T) {
	src, made := extracted(t, Options{SkipDevices: true}, everything()...)
	data, r := packed(t, src, PackOptions{Kept: made.Kept})
	dst, again := unpacked(t, data, Options{SkipDevices: true})
	for _, name := range []string{".", "usr", "usr/su", "a-first", "attr", "closed", "closed/in", "dense", "caf\xe9", "fifo", "dev", "empty", "old"} {
		modeOf(t, dst, name, lstat(t, src, name).Mode())
		timeOf(t, dst, name, lstat(t, src, name).ModTime())
	}
	timeOf(t, dst, "abs", stamp)
	contentsOf(t, dst, "dense", noise(700_000))
	contentsOf(t, dst, "closed/in", strings.Repeat("\x00", 1<<20)+"data")
	contentsOf(t, dst, "caf\xe9", "latin 1")
	for _, pair := range [][2]string{{"usr/su", "usr/again"}, {"usr/su", "a-first"}, {"bad", "bad2"}} {
		if !os.SameFile(lstat(t, dst, pair[0]), lstat(t, dst, pair[1])) {
			t.Errorf("%v are not one file", pair)
		}
	}
	if got, err := os.Readlink(dst.Name() + "/bad"); err != nil || got != "../../.." {
		t.Errorf("%q %v", got, err)
	}
	if want, got := xattrsOf(t, src, "attr"), xattrsOf(t, dst, "attr"); !reflect.DeepEqual(want, got) {
		t.Errorf("attributes %q, want %q", got, want)
	}
	if r.HardLinks != 3 || r.Files != made.Files || r.Symlinks != 3 || r.Devices != 3 || r.Bytes != made.Bytes || r.Entries != made.Entries {
		t.Errorf("packed %+v, made %+v", r, made)
	}
	// The flags go with the name that comes first now, the rest is the same.
	keptOf(made, "usr/su").Path = "a-first"
	slices.SortFunc(made.Kept, func(a, b Metadata) int { return strings.Compare(a.Path, b.Path) })
	if want, got := withoutArchived(made.Kept), withoutArchived(again.Kept); !reflect.DeepEqual(want, got) {
		t.Errorf("kept\n%+v, want\n%+v", got, want)
	}
}

// withoutArchived takes out what says no more than uarch, which ZFS sets on
// everything that changes.
func withoutArchived(kept []Metadata) []Metadata {
	return slices.DeleteFunc(slices.Clone(kept), func(m Metadata) bool {
		return reflect.DeepEqual(m, Metadata{Path: m.Path, Flags: "uarch"}) && m.Path != "flagged"
	})
}

func TestPackIsReproducible(t *testing.T) {
	src, made := extracted(t, Options{SkipDevices: true}, everything()...)
	one, _ := packed(t, src, PackOptions{Kept: made.Kept})
	two, _ := packed(t, src, PackOptions{Kept: made.Kept})
	if !bytes.Equal(one, two) {
		t.Error("two archives of one root differ")
	}
	// Nor does it matter by whom and from what the root was made.
	other, kept := unpacked(t, one, Options{SkipDevices: true})
	if three, _ := packed(t, other, PackOptions{Kept: kept.Kept}); !bytes.Equal(one, three) {
		t.Error("the archive of the unpacked root differs")
	}
}

func TestPackNamesAndOrder(t *testing.T) {
	src, made := extracted(t, Options{SkipDevices: true}, reg("b", ""), reg("a/c", ""), reg("a.b", ""), special("aa", tar.TypeChar), special("z", tar.TypeBlock), special("a/d", tar.TypeChar))
	data, _ := packed(t, src, PackOptions{Kept: made.Kept})
	all, names := headers(t, data)
	want := []string{"./", "a/", "a/c", "a/d", "a.b", "aa", "b", "z"}
	if !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
	for name, h := range all {
		if h.Uname != "" || h.Gname != "" || !h.AccessTime.IsZero() || !h.ChangeTime.IsZero() {
			t.Errorf("%s: %+v", name, h)
		}
	}
	if h := all["a/d"]; h.Devmajor != 1 || h.Devminor != 3 || h.Mode != 0o640 || !h.ModTime.Equal(stamp) {
		t.Errorf("%+v", h)
	}
}

func TestPackPutsBackWhatWasKept(t *testing.T) {
	src := newRoot(t)
	for _, name := range []string{"su", "own", "moved", "dev/was"} {
		if err := src.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(src.WriteFile(name, nil, 0o644), src.Chmod(name, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := src.Symlink("dev", "link"); err != nil {
		t.Fatal(err)
	}
	mode, owner, null := uint32(0o4755), &Owner{UID: 70000, GID: 80, User: "www"}, &Device{"char", 1, 3}
	kept := []Metadata{
		{Path: "su", Owner: owner, Mode: &mode, Flags: "schg", ACLs: map[string]string{"ace": "x"}, Xattrs: map[string][]byte{"trusted.a": []byte("b")}},
		{Path: "gone", Owner: owner}, {Path: "link/was", Owner: owner}, // removed since, and not reached through a link
		{Path: "dev/was", Device: null}, {Path: "dev/null", Device: null}, {Path: "link/null", Device: null}, {Path: "no/null", Device: null},
		{Path: "dev/big", Device: &Device{"block", 1, 1 << 21}},
	}
	data, r := packed(t, src, PackOptions{Kept: kept})
	all, names := headers(t, data)
	h := all["su"]
	if h.Uid != 70000 || h.Gid != 80 || h.Mode != 0o4644 { // the permissions are newer than the record
		t.Errorf("su is %d:%d %04o", h.Uid, h.Gid, h.Mode)
	}
	want := map[string]string{"SCHILY.fflags": "schg", "SCHILY.acl.ace": "x", "SCHILY.xattr.trusted.a": "b"}
	for key, value := range want {
		if !strings.HasSuffix(h.PAXRecords[key], value) { // ZFS adds uarch before it
			t.Errorf("%s is %q", key, h.PAXRecords[key])
		}
	}
	if wantNames := []string{"./", "dev/", "dev/null", "dev/was", "link", "moved", "own", "su"}; !slices.Equal(names, wantNames) {
		t.Errorf("names %q, want %q", names, wantNames)
	}
	if all["dev/was"].Typeflag != tar.TypeReg || all["dev/was"].Uid != os.Getuid() {
		t.Errorf("%+v", all["dev/was"])
	}
	if !slices.Equal(r.Skipped, []Skipped{{"dev/big", "device number"}}) {
		t.Errorf("skipped %v", r.Skipped)
	}
	_, err := Pack(context.Background(), src, io.Discard, PackOptions{Kept: []Metadata{{Path: "d", Device: &Device{Type: "door"}}}})
	checkError(t, err, fault.Damaged, "door")
	_, err = Pack(context.Background(), src, io.Discard, PackOptions{Kept: []Metadata{{Path: "../x"}}})
	checkError(t, err, fault.Unsafe, "..")
}

func TestRestoreKeepsNewOwners(t *testing.T) {
	mode := uint32(0o4755)
	st := &fileStat{entry: entry{attrs: attrs{uid: os.Geteuid() + 1, gid: 5, mode: 0o700, flags: "uarch"}}}
	st.restore(&Metadata{Owner: &Owner{UID: 7, GID: 7}, Mode: &mode, Flags: "schg,uarch"})
	if st.uid != os.Geteuid()+1 || st.gid != 5 || st.mode != 0o700 || st.flags != "uarch,schg" {
		t.Errorf("%+v", st.attrs)
	}
	if got := joinFlags("new", "schg"); got != "new,schg" {
		t.Errorf("%q", got)
	}
}

func TestPackLeavesOut(t *testing.T) {
	src := newRoot(t)
	t.Chdir(src.Name())
	l, err := net.Listen("unix", "sock")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := src.MkdirAll("usr/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := src.WriteFile("usr/bin/qemu", []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	// Another name of what is left out is a file of its own.
	if err := src.Link("usr/bin/qemu", "usr/bin/qemu2"); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"empty", "only", "kept"} {
		if err := src.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"only/file", "kept/file", "kept/other"} {
		if err := src.WriteFile(file, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	data, r := packed(t, src, PackOptions{Omit: map[string]string{
		"usr/bin/qemu": "emulator", "usr": "not empty", "usr/bin": "not empty", "empty": "p", "only": "p", "only/file": "p", "kept": "p", "kept/file": "p",
	}})
	all, names := headers(t, data)
	if !slices.Equal(names, []string{"./", "kept/", "kept/other", "usr/", "usr/bin/", "usr/bin/qemu2"}) || all["usr/bin/qemu2"].Typeflag != tar.TypeReg {
		t.Errorf("%q", names)
	}
	if !slices.Equal(r.Skipped, []Skipped{{"empty", "p"}, {"kept/file", "p"}, {"only", "p"}, {"sock", "socket"}, {"usr/bin/qemu", "emulator"}}) {
		t.Errorf("skipped %v", r.Skipped)
	}
}

// What is planted in a root leads nowhere: links are packed as links, and a
// fifo is not waited for.
func TestPackHostileRoot(t *testing.T) {
	secret := t.TempDir()
	if err := os.WriteFile(secret+"/secret", []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	src, _ := extracted(t, Options{}, link("etc", secret), link("self", "self"), link("up", ".."), special("fifo", tar.TypeFifo))
	data, _ := packed(t, src, PackOptions{Kept: []Metadata{{Path: "etc/secret", Flags: "schg"}, {Path: "etc/null", Device: &Device{"char", 1, 3}}}})
	_, names := headers(t, data)
	if !slices.Equal(names, []string{"./", "etc", "fifo", "self", "up"}) || bytes.Contains(data, []byte("secret\x00secret")) {
		t.Errorf("%q", names)
	}
}

func TestPackStops(t *testing.T) {
	src, _ := extracted(t, Options{}, reg("a", noise(300_000)))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Pack(ctx, src, io.Discard, PackOptions{})
	checkError(t, err, fault.Interrupted, "packing")
	full := errors.New("the disk is full")
	_, err = Pack(context.Background(), src, &failing{after: 1000, err: full}, PackOptions{})
	if !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}

// failing takes some bytes and then fails.
type failing struct {
	after int
	err   error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, f.err
	}
	return len(p), nil
}

// A file that changes while it is packed must not give an archive that lies.
func TestPackOfAFileThatChanges(t *testing.T) {
	for name, change := range map[string]func(name string) error{
		"grows":   func(name string) error { return os.WriteFile(name, []byte(noise(600_000)), 0o600) },
		"shrinks": func(name string) error { return os.Truncate(name, 10) },
		"is touched": func(name string) error {
			return os.Chtimes(name, time.Time{}, time.Unix(1, 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			src, _ := extracted(t, Options{}, reg("f", noise(500_000)))
			w := &acting{do: func() error { return change(src.Name() + "/f") }}
			_, err := Pack(context.Background(), src, w, PackOptions{})
			checkError(t, err, fault.Failed, "f changed while it was packed")
		})
	}
}

// acting does something when the first contents arrive.
type acting struct{ do func() error }

func (a *acting) Write(p []byte) (int, error) {
	if a.do != nil && len(p) > tarBlock {
		do := a.do
		a.do = nil
		if err := do(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func TestFormats(t *testing.T) {
	src, _ := extracted(t, Options{}, reg("f", noise(100_000)))
	plain, _ := packed(t, src, PackOptions{})
	for _, ending := range Endings() {
		f, err := FormatOf("/tmp/x.txz/A" + strings.ToUpper(ending))
		if err != nil {
			t.Fatal(err)
		}
		one, two := formatted(t, f, plain), formatted(t, f, plain)
		if !bytes.Equal(one, two) {
			t.Errorf("%s: two archives differ", ending)
		}
		_, r := unpacked(t, one, Options{})
		if r.Format != f.Name || !strings.HasPrefix(f.Name, "tar") {
			t.Errorf("%s: unpacked as %s, packed as %s", ending, r.Format, f.Name)
		}
	}
	for _, name := range []string{"x", "x.zip", "x.tar.bz2", "tar", "x.tar/"} {
		_, err := FormatOf(name)
		checkError(t, err, fault.Usage, name)
		if !strings.Contains(fault.HintOf(err), ".tar.zst") {
			t.Errorf("hint %q", fault.HintOf(err))
		}
	}
}

func formatted(t *testing.T, f Format, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := f.NewWriter(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestDecodeACL(t *testing.T) {
	for _, text := range []string{
		"user::rwx,group::r-x,mask::rwx,other::r--",
		"user::rwx,user:1000:rw-:1000,user:70000:---:70000,group::r-x,group:5:--x:5,mask::rwx,other::---",
	} {
		value, ok := encodeACL(text)
		if !ok {
			t.Fatal(text)
		}
		if got, ok := decodeACL(value); !ok || got != text {
			t.Errorf("%q, want %q", got, text)
		}
	}
	good, _ := encodeACL("user::rwx")
	for _, bad := range [][]byte{nil, good[:4], good[:11], append([]byte{3}, good[1:]...), bytes.Replace(good, []byte{1, 0, 7}, []byte{3, 0, 7}, 1), bytes.Replace(good, []byte{1, 0, 7}, []byte{1, 0, 8}, 1)} {
		if text, ok := decodeACL(bad); ok {
			t.Errorf("% x is %q", bad, text)
		}
	}
}

// FuzzACL: what can be read is written as it was.
func FuzzACL(f *testing.F) {
	good, _ := encodeACL("user::rwx,user:1000:rw-,group::r-x,mask::rwx,other::r--")
	f.Add(good)
	f.Add([]byte{2, 0, 0, 0, 1, 0, 7, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, value []byte) {
		text, ok := decodeACL(value)
		if !ok {
			return
		}
		again, ok := encodeACL(text)
		if !ok {
			return // out of order, or a number that stands for none
		}
		if twice, ok := decodeACL(again); !ok || len(again) != len(value) || len(twice) != len(text) {
			t.Errorf("% x is %q, written as % x, which is %q", value, text, again, twice)
		}
	})
}
