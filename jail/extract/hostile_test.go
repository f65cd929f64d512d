package extract

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mholt/archiver/v4"
	"github.com/xjail/xjail/internal/fault"
)

// jailed is a root with a canary around it.
func jailed(t testing.TB) (root *os.Root, outside string) {
	t.Helper()
	outside = t.TempDir()
	for _, name := range []string{"root", "etc"} {
		if err := os.Mkdir(filepath.Join(outside, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(outside, "etc/passwd"), []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(filepath.Join(outside, "root"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Clear(context.Background(), root); err != nil {
			t.Error(err)
		}
		_ = root.Close()
	})
	return root, outside
}

// canary is the state of everything around the root: names, modes, times,
// contents.
func canary(t testing.TB, outside string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(outside, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if path == filepath.Join(outside, "root") {
			return filepath.SkipDir
		}
		st := info.Sys().(*syscall.Stat_t) // its atime changes by looking
		fmt.Fprintln(&out, path, info.Mode(), info.ModTime(), info.Size(), st.Ino, st.Nlink, st.Uid, st.Gid)
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			fmt.Fprintf(&out, "%q %v\n", data, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestWhatWantsOutIsRefusedByName(t *testing.T) {
	tests := []struct {
		name  string
		files []file
		says  string
	}{
		{"dotdot", []file{reg("../evil", "x")}, `"../evil"`},
		{"dotdot inside", []file{dir("a", 0o755), reg("a/../../evil", "x")}, `"a/../../evil"`},
		{"dotdot that stays inside", []file{reg("a/../b", "x")}, `"a/../b"`},
		{"dotdot at the end", []file{dir("a/..", 0o755)}, `"a/.."`},
		{"dotdot directory", []file{dir("../etc", 0o700)}, `"../etc"`},
		{"absolute", []file{reg("/etc/passwd", "x")}, `"/etc/passwd"`},
		{"absolute directory", []file{dir("/", 0o700)}, `"/"`},
		{"through an absolute link", []file{link("lnk", "/etc"), reg("lnk/passwd", "x")}, `"lnk/passwd" is refused: it goes through the symbolic link "lnk" -> "/etc"`},
		{"through a relative link", []file{link("lnk", "../etc"), reg("lnk/passwd", "x")}, `"lnk/passwd"`},
		{"through a link to the directory above", []file{link("up", ".."), reg("up/evil", "x")}, `"up/evil"`},
		{"directory through a link", []file{link("lnk", "../etc"), dir("lnk/new", 0o755)}, `"lnk/new"`},
		{"link through a link", []file{link("lnk", "../etc"), link("lnk/passwd", "x")}, `"lnk/passwd"`},
		{"in two steps", []file{dir("a/b", 0o755), link("a/b/x", "../../.."), link("y", "a/b/x/etc"), reg("y/passwd", "x")}, `"y/passwd"`},
		{"link after use", []file{dir("d", 0o755), reg("d/a", ""), link("l", "d"), reg("l/ok", ""), link("l", "../etc"), reg("l/passwd", "x")}, `"l/passwd"`},
		{"loop", []file{link("a", "b"), link("b", "a"), reg("a/x", "")}, `"a/x"`},
		{"link to itself", []file{link("a", "a"), reg("a/x", "")}, `"a/x"`},
		{"dangling", []file{link("a", "gone"), reg("a/x", "")}, `"a/x"`},
		{"dangling deeper", []file{dir("d", 0o755), link("a", "d/gone/more"), reg("a/x", "")}, `"a/x"`},
		{"the root as a file", []file{reg(".", "x")}, `"."`},
		{"the root as a link", []file{link("./", "/etc")}, `"."`},
		{"character device", []file{special("dev/null", tar.TypeChar)}, `"dev/null"`},
		{"block device", []file{special("dev/sda", tar.TypeBlock)}, `"dev/sda"`},
		{"long name", []file{dir(strings.Repeat("d/", 3000), 0o755)}, "4096"},
		{"long link", []file{link("l", strings.Repeat("t", 4096))}, `"l"`},
		{"terminal", []file{reg("../\x1b[2Jx", "")}, `"../\x1b[2Jx"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, outside := jailed(t)
			before := canary(t, outside)
			data := tarOf(t, append([]file{dir("./", 0o755), reg("first", "x")}, tt.files...)...)
			_, err := Archive(context.Background(), bytes.NewReader(data), root, Options{})
			checkError(t, err, fault.Unsafe, tt.says)
			isEmpty(t, root)
			if after := canary(t, outside); after != before {
				t.Errorf("outside changed from\n%s\nto\n%s", before, after)
			}
		})
	}
}

// A zstd frame may ask for any amount of memory: this one for 2 GiB, as
// zstd --long=31 does.
func TestMemoryOfZstd(t *testing.T) {
	frame := "\x28\xb5\x2f\xfd\x00\xa8" + "\x01\x00\x00"
	refused(t, strings.NewReader(frame), Options{}, fault.Unsafe, "memory")
}

// archive/tar refuses these itself under GODEBUG=tarinsecurepath=0, with an
// error that would hide the reason.
func TestInsecurePathSettingChangesNothing(t *testing.T) {
	t.Setenv("GODEBUG", "tarinsecurepath=0")
	refused(t, bytes.NewReader(tarOf(t, reg("../evil", "x"))), Options{}, fault.Unsafe, `"../evil"`)
}

// A name with a NUL can come in a PAX record only; other fields end there.
func TestNULInANameIsRefusedByName(t *testing.T) {
	for _, f := range []file{reg("long\xffname-here", "x"), link("l\xff", "x")} {
		data := tarOf(t, reg("first", "x"), f)
		if !bytes.Contains(data, []byte("path=")) {
			t.Fatal("no PAX record in the test's archive")
		}
		evil := bytes.ReplaceAll(data, []byte("\xff"), []byte{0})
		refused(t, bytes.NewReader(evil), Options{}, fault.Unsafe, "NUL", `\x00`)
	}
	if _, err := cleanName("a\x00b"); fault.KindOf(err) != fault.Unsafe {
		t.Error(err)
	}
	for _, e := range []*entry{{path: "a", kind: symlink, target: "a\x00b"}, {path: "a", kind: hardlink, target: "a\x00b"}} {
		if err := e.checkTarget(); fault.KindOf(err) != fault.Unsafe {
			t.Error(err)
		}
	}
}

func TestBombs(t *testing.T) {
	zero := strings.Repeat("\x00", 8<<20)
	header := tarOf(t, file{tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{
		"comment": strings.Repeat("x", 500_000)}}, ""})
	header = header[:len(header)-1024] // without the end mark
	deep := reg(strings.Repeat("d/", 1500)+"x", "")
	tests := []struct {
		name string
		data []byte
		opts Options
		says string
	}{
		{"entries", tarOf(t, reg("a", ""), reg("b", ""), reg("c", "")), Options{MaxEntries: 2}, `"c"`},
		{"implied directories", tarOf(t, deep), Options{MaxEntries: 100}, "more than 100 entries"},
		{"bytes of a file", tarOf(t, reg("a", "x"), reg("big", zero)), Options{MaxBytes: 1 << 20}, `"big"`},
		{"bytes of a file, compressed", compress(t, archiver.Xz{}, tarOf(t, reg("big", zero))), Options{MaxBytes: 1 << 20}, `"big"`},
		{"bytes after the end", compress(t, archiver.Gz{}, append(tarOf(t, reg("a", "x")), zero...)), Options{MaxBytes: 1 << 20}, "1048576"},
		{"bytes of headers", compress(t, archiver.Gz{}, bytes.Repeat(header, 10)), Options{MaxBytes: 1 << 20}, "1048576"},
		{"attributes", tarOf(t, file{tar.Header{Name: "x", Typeflag: tar.TypeReg, PAXRecords: map[string]string{
			"SCHILY.xattr.user.a": strings.Repeat("x", 300_000)}}, ""}), Options{}, `"x"`},
		{"many attributes", tarOf(t, manyAttributes()), Options{}, `"x"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			refused(t, bytes.NewReader(tt.data), tt.opts, fault.Unsafe, tt.says)
		})
	}
}

func manyAttributes() file {
	f := file{tar.Header{Name: "x", Typeflag: tar.TypeReg, PAXRecords: map[string]string{}}, ""}
	for i := range 9 {
		f.PAXRecords[fmt.Sprintf("SCHILY.xattr.user.%d", i)] = strings.Repeat("x", 60_000)
	}
	return f
}

// Links can make a path longer than any name in the archive.
func TestPathsThatGrowThroughLinks(t *testing.T) {
	files := []file{}
	part := strings.Repeat(strings.Repeat("n", 200)+"/", 9)
	at := ""
	for i := range 4 {
		files = append(files, dir(at+part, 0o755), link(fmt.Sprintf("l%d", i), at+part))
		at = fmt.Sprintf("l%d/", i)
	}
	limit := maxPath
	if len(part) > maxTarget {
		limit = maxTarget // FreeBSD's links are shorter than that
	}
	refused(t, bytes.NewReader(tarOf(t, files...)), Options{}, fault.Unsafe, fmt.Sprint(limit))
}

// An owner that is cut to 32 bits could become root.
func TestImpossibleNumbers(t *testing.T) {
	for _, e := range []*entry{
		{attrs: attrs{uid: 1 << 32}}, {attrs: attrs{gid: 1 << 32}}, {attrs: attrs{uid: 1<<32 - 1}}, {attrs: attrs{uid: -1}},
		{kind: charDevice, major: 1 << 32}, {kind: blockDevice, minor: -1},
	} {
		if err := e.checkNumbers(); fault.KindOf(err) != fault.Damaged {
			t.Errorf("%+v: %v", e, err)
		}
	}
	f := reg("a", "")
	f.Uid = 1 << 32
	refused(t, bytes.NewReader(tarOf(t, f)), Options{}, fault.Damaged, `"a"`)
}

// Trap: archiver's ContinueOnError reads on for ever after the first error of a
// truncated archive. This package must come to an end for any input, and never
// use that option.
func TestDamagedArchiveEnds(t *testing.T) {
	data := tarOf(t, smallRoot()...)
	for cut := 512; cut < len(data); cut += 37_119 {
		refused(t, bytes.NewReader(data[:cut]), Options{}, fault.Damaged)
	}
	sources, err := filepath.Glob("*.go")
	if err != nil || len(sources) == 0 {
		t.Fatal(sources, err)
	}
	for _, name := range sources {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "_test.go") && bytes.Contains(text, []byte("ContinueOnError")) {
			t.Errorf("%s uses ContinueOnError", name)
		}
	}
}

// panicking stands for a decompressor with a bug.
type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("index out of range") }
func (panicking) Close() error             { return nil }
