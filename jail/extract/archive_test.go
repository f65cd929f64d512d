package extract

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mholt/archiver/v4"
	"github.com/xjail/xjail/internal/fault"
)

// noise does not compress, so that cutting an archive cuts file contents.
func noise(n int) string {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(b)
	return string(b)
}

func smallRoot() []file {
	return []file{
		dir("./", 0o755), dir("./usr/", 0o755), dir("./usr/bin/", 0o555),
		reg("./usr/bin/sh", "shell"), link("./bin", "usr/bin"), hard("./usr/bin/ash", "./usr/bin/sh"),
		reg("./noise", noise(300_000)),
	}
}

func checkSmallRoot(t *testing.T, root *os.Root) {
	t.Helper()
	contentsOf(t, root, "bin/ash", "shell")
	contentsOf(t, root, "noise", noise(300_000))
	modeOf(t, root, "usr/bin", os.ModeDir|0o555)
}

// onlyReader hides Seek, as a network stream does.
type onlyReader struct{ io.Reader }

func TestEveryFormatFromEverySource(t *testing.T) {
	plain := tarOf(t, smallRoot()...)
	for name, c := range formats {
		data := compress(t, c, plain)
		path := filepath.Join(t.TempDir(), "no.extension")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		sources := map[string]io.Reader{"file": f, "memory": bytes.NewReader(data), "stream": onlyReader{bytes.NewReader(data)}, "pipe": pipeOf(t, data)}
		for kind, src := range sources {
			for _, digest := range []string{"", hexDigest(data)} {
				t.Run(name+"/"+kind+"/digest="+fmt.Sprint(digest != ""), func(t *testing.T) {
					if kind == "pipe" && digest != "" {
						src = pipeOf(t, data)
					} else if kind == "stream" {
						src = onlyReader{bytes.NewReader(data)}
					} else if s, ok := src.(io.Seeker); ok && kind != "pipe" {
						if _, err := s.Seek(0, io.SeekStart); err != nil {
							t.Fatal(err)
						}
					}
					root := newRoot(t)
					r, err := Archive(context.Background(), src, root, Options{SHA256: digest})
					if err != nil {
						t.Fatal(err)
					}
					checkSmallRoot(t, root)
					if r.Format != name || r.Read != int64(len(data)) || r.SHA256 != digest {
						t.Errorf("report %+v, want format %s, %d bytes read", r, name, len(data))
					}
				})
			}
		}
	}
}

// pipeOf is a real pipe: an *os.File whose Seek fails.
func pipeOf(t *testing.T, data []byte) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = w.Write(data)
		_ = w.Close()
	}()
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func hexDigest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func TestReportCounts(t *testing.T) {
	_, r := extracted(t, Options{}, smallRoot()...)
	r.Kept = nil
	want := Report{Format: "tar", Entries: 7, Files: 2, Directories: 3, Symlinks: 1, HardLinks: 1, Bytes: 300_005, Read: r.Read}
	if fmt.Sprint(*r) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", *r, want)
	}
}

// Trap: a decompressor that is not drained never tells that its input ends too
// early or has a wrong check sum.
func TestTruncatedOrCorruptTailIsDamaged(t *testing.T) {
	plain := tarOf(t, smallRoot()...)
	for name, c := range formats {
		data := compress(t, c, plain)
		for _, cut := range []int{1, 4, 8, 13, 1000, len(data) / 2, len(data) - 20, len(data) - 7} {
			if name == "tar" && cut < 1024 {
				continue // the end mark alone; see below
			}
			t.Run(fmt.Sprintf("%s/cut=%d", name, cut), func(t *testing.T) {
				refused(t, bytes.NewReader(data[:len(data)-cut]), Options{}, fault.Damaged)
			})
		}
		if c == nil {
			continue
		}
		for _, at := range []int{len(data) - 6, len(data) / 2, len(data) / 3} {
			t.Run(fmt.Sprintf("%s/flip=%d", name, at), func(t *testing.T) {
				bad := bytes.Clone(data)
				bad[at] ^= 0x55
				refused(t, bytes.NewReader(bad), Options{}, fault.Damaged)
			})
		}
	}
}

// Trap: archive/tar takes an archive that ends between two entries for whole.
func TestTarWithoutItsEndMarkIsTruncated(t *testing.T) {
	whole := tarOf(t, reg("a", strings.Repeat("\x00", 1024)), reg("b", ""))
	for _, blocks := range []int{2, 3} {
		cut := whole[:len(whole)-512*blocks]
		if blocks == 2 {
			refused(t, bytes.NewReader(cut), Options{}, fault.Damaged, "truncated", `"b"`)
		} else {
			refused(t, bytes.NewReader(cut), Options{}, fault.Damaged)
		}
	}
	root := newRoot(t) // one block of zeros is enough, as GNU tar has it
	if _, err := Archive(context.Background(), bytes.NewReader(whole[:len(whole)-512]), root, Options{}); err != nil {
		t.Error(err)
	}
}

func TestNotAnArchive(t *testing.T) {
	gz := func(s string) string { return string(compress(t, archiver.Gz{}, []byte(s))) }
	elf := []byte("\x7fELF" + noise(16384))
	tests := []struct{ name, data, says string }{
		{"elf", string(elf[:min(len(elf), 1<<20)]), "ELF program"},
		{"html", "\n<!DOCTYPE html>\n<title>404</title>", "HTML page"},
		{"html2", "<HTML><body>", "HTML page"},
		{"xml", "<?xml version='1.0'?>", "XML"},
		{"zip", "PK\x03\x04" + noise(1000), "zip archive"},
		{"deb", "!<arch>\ndebian-binary   ", "Debian package"},
		{"ar", "!<arch>\nfoo", "ar archive"},
		{"iso", strings.Repeat("x", 32769) + "CD001" + noise(10), "ISO 9660"},
		{"script", "#!/bin/sh\necho", "a script"},
		{"text", "Not Found\n", `text that starts with "Not Found"`},
		{"utf8", strings.Repeat("ä", 600), "text that starts with"},
		{"binary", "\x01\x02\x03" + noise(2000), "data that starts with 01 02 03"},
		{"zeros then", strings.Repeat("\x00", 100), "data that starts with 00"},
		{"empty", "", "empty"},
		{"empty tar", strings.Repeat("\x00", 1024), ""},
		{"gzipped text", gz(strings.Repeat("hello ", 1000)), "gz-compressed data that holds text"},
		{"gzipped elf", gz(string(elf[:8192])), "gz-compressed data that holds an ELF"},
		{"gzipped nothing", gz(""), "archive is empty"},
		{"gzip header only", "\x1f\x8b", "truncated"},
		{"xz magic only", "\xfd7zXZ\x00", "truncated"},
		{"bzip2 of garbage", "BZh9" + noise(1000), "damaged"},
		{"zstd of garbage", "\x28\xb5\x2f\xfd" + noise(1000), "damaged"},
		{"damaged ustar header", strings.Repeat("a", 257) + "ustar" + strings.Repeat("b", 300), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "empty tar" { // an archive of nothing is whole
				if _, err := Archive(context.Background(), strings.NewReader(tt.data), newRoot(t), Options{}); err != nil {
					t.Error(err)
				}
				return
			}
			refused(t, strings.NewReader(tt.data), Options{}, fault.Damaged, tt.says)
		})
	}
}

func TestDirectoryInPlaceOfAnArchive(t *testing.T) {
	d, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	refused(t, d, Options{}, fault.Damaged, "is a directory")
}

func TestWrongDigestIsSeenBeforeAnythingIsMade(t *testing.T) {
	data := tarOf(t, smallRoot()...)
	for _, src := range []io.Reader{bytes.NewReader(data), onlyReader{bytes.NewReader(data)}} {
		made := false
		opts := Options{SHA256: strings.Repeat("0", 64), Progress: func(Progress) { made = true }}
		refused(t, src, opts, fault.Mismatch, hexDigest(data))
		if made {
			t.Error("extraction had begun")
		}
	}
	refused(t, bytes.NewReader(data), Options{SHA256: "abc"}, fault.Usage, "64")
	refused(t, onlyReader{bytes.NewReader(data)}, Options{SHA256: strings.Repeat("0", 64), MaxBytes: 100}, fault.Unsafe)
}

// changing gives other data when it is read again from the start.
type changing struct {
	*bytes.Reader
	next []byte
}

func (c *changing) Seek(off int64, whence int) (int64, error) {
	if off == 0 && whence == io.SeekStart && c.next != nil {
		c.Reader, c.next = bytes.NewReader(c.next), nil
	}
	return c.Reader.Seek(off, whence)
}

func TestArchiveThatChangesAfterItsDigest(t *testing.T) {
	good, evil := tarOf(t, reg("a", "good")), tarOf(t, reg("a", "evil"))
	src := &changing{Reader: bytes.NewReader(good), next: evil}
	refused(t, src, Options{SHA256: hexDigest(good)}, fault.Mismatch, "changed while")
}

func TestDestinationMustBeEmpty(t *testing.T) {
	root := newRoot(t)
	if err := root.WriteFile("mine", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Archive(context.Background(), bytes.NewReader(tarOf(t, reg("a", ""))), root, Options{})
	checkError(t, err, fault.Exists, `"mine"`)
	contentsOf(t, root, "mine", "x")
}

// Trap: by its fs.FileMode a hard link is an empty regular file, by its
// LinkTarget a symbolic link.
func TestHardLinkIsNeitherAnEmptyFileNorASymlink(t *testing.T) {
	root, r := extracted(t, Options{}, reg("d/a", "body"), hard("e/b", "d/a"), hard("./c", "./d/a"))
	a := lstat(t, root, "d/a")
	for _, name := range []string{"e/b", "c"} {
		if b := lstat(t, root, name); !os.SameFile(a, b) || !b.Mode().IsRegular() || b.Size() != 4 {
			t.Errorf("%s is %v, not a link to d/a", name, b)
		}
	}
	if r.HardLinks != 2 {
		t.Errorf("%d hard links", r.HardLinks)
	}
}

func TestHardLinkTargets(t *testing.T) {
	tests := []struct {
		name  string
		files []file
		kind  fault.Kind
		says  string
	}{
		{"before its target", []file{hard("b", "a"), reg("a", "")}, fault.Damaged, `"b" is a hard link to "a", which the archive does not have before it`},
		{"directory missing", []file{hard("b", "no/a")}, fault.Damaged, `"b" is a hard link to "no/a"`},
		{"to a directory", []file{dir("d", 0o755), hard("b", "d")}, fault.Damaged, "directory"},
		{"to the root", []file{hard("b", "./")}, fault.Damaged, "directory"},
		{"empty", []file{{tar.Header{Name: "b", Typeflag: tar.TypeLink}, ""}}, fault.Damaged, "to nothing"},
		{"absolute", []file{hard("b", "/etc/passwd")}, fault.Unsafe, `"/etc/passwd"`},
		{"above", []file{hard("b", "../../etc/passwd")}, fault.Unsafe, `"b"`},
		{"through a link out", []file{link("l", "/etc"), hard("b", "l/passwd")}, fault.Unsafe, `"b"`},
		{"through a relative link out", []file{link("l", "../../../etc"), hard("b", "l/passwd")}, fault.Unsafe, `"l"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			refused(t, bytes.NewReader(tarOf(t, tt.files...)), Options{}, tt.kind, tt.says)
		})
	}
}

func TestHardLinkToASymlinkAndToItself(t *testing.T) {
	root, _ := extracted(t, Options{}, link("s", "/etc/passwd"), hard("h", "s"), reg("a", "body"), hard("a", "a"))
	if got, err := root.Readlink("h"); err != nil || got != "/etc/passwd" {
		t.Errorf("%q %v", got, err)
	}
	contentsOf(t, root, "a", "body")
}

// Trap: setuid, setgid and sticky are not in Mode().Perm(), chown(2) clears
// them, and the umask cuts the rest.
func TestSetuidSetgidAndStickySurvive(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	files := []file{dir("tmp", 0o1777), dir("games", 0o2775)}
	for _, mode := range []int64{0o4755, 0o2755, 0o6711, 0o666, 0o000, 0o444} {
		f := reg(fmt.Sprintf("f%o", mode), "x")
		f.Mode = mode
		files = append(files, f)
	}
	root, _ := extracted(t, Options{}, files...)
	modeOf(t, root, "f4755", os.ModeSetuid|0o755)
	modeOf(t, root, "f2755", os.ModeSetgid|0o755)
	modeOf(t, root, "f6711", os.ModeSetuid|os.ModeSetgid|0o711)
	modeOf(t, root, "f666", 0o666)
	modeOf(t, root, "f0", 0)
	modeOf(t, root, "tmp", os.ModeDir|os.ModeSticky|0o777)
	modeOf(t, root, "games", os.ModeDir|os.ModeSetgid|0o775)
}

// Trap: each file made in a directory changes its time, and archives need not
// have children after their directory.
func TestTimesOfDirectoriesAreSetAtTheEnd(t *testing.T) {
	at := func(f file, sec int64) file {
		f.ModTime, f.Format = time.Unix(sec, 987654321), tar.FormatPAX
		return f
	}
	root, _ := extracted(t, Options{},
		at(reg("a/b/first", "x"), 1000), at(dir("a", 0o555), 2000), at(dir("a/b", 0o500), 3000),
		at(reg("a/late", "x"), 4000), at(link("a/b/l", "first"), 5000), at(dir("./", 0o755), 6000))
	for name, sec := range map[string]int64{"a/b/first": 1000, "a": 2000, "a/b": 3000, "a/late": 4000, "a/b/l": 5000, ".": 6000} {
		timeOf(t, root, name, time.Unix(sec, 987654321))
	}
	modeOf(t, root, "a", os.ModeDir|0o555)
	modeOf(t, root, "a/b", os.ModeDir|0o500)
}

// Nobody but root can go through a directory once it has its mode.
func TestDirectoriesThatCannotBeEntered(t *testing.T) {
	root, _ := extracted(t, Options{}, dir("locked", 0), dir("locked/in", 0), reg("locked/in/f", ""))
	modeOf(t, root, "locked", os.ModeDir)
	timeOf(t, root, "locked", stamp)
	// More of them than directories are kept open: children must come first.
	var many []file
	for i := range 2 * openFolders {
		many = append(many, dir(fmt.Sprintf("%d", i), 0), dir(fmt.Sprintf("%d/in", i), 0))
	}
	root, _ = extracted(t, Options{}, many...)
	modeOf(t, root, "7", os.ModeDir)
}

func TestEntriesInAnyOrder(t *testing.T) {
	root, r := extracted(t, Options{},
		reg("deep/er/file", "x"), dir("deep/er", 0o700), dir("ro", 0o555), reg("ro/child", "y"), reg("./ro/./kid", ""))
	modeOf(t, root, "deep", os.ModeDir|0o755)
	modeOf(t, root, "deep/er", os.ModeDir|0o700)
	contentsOf(t, root, "ro/child", "y")
	if r.Entries != 7 {
		t.Errorf("%d entries, want the 5 and 2 implied ones", r.Entries)
	}
}

func TestLaterEntriesWin(t *testing.T) {
	root, r := extracted(t, Options{},
		reg("a", "old"), hard("keep", "a"), reg("a", "new"),
		link("l", "a"), reg("l", "file"),
		reg("f", "x"), dir("f", 0o755), reg("f/in", "y"),
		dir("empty", 0o755), reg("empty", "now a file"),
		dir("target", 0o755), link("todir", "target"), dir("todir", 0o711), reg("todir/z", "z"),
		dir("twice", 0o755), reg("twice/in", "i"), dir("twice", 0o700),
		reg("s", "x"), link("s", "a"), dir("s2", 0o755), link("s2", "a"))
	contentsOf(t, root, "a", "new")
	contentsOf(t, root, "keep", "old")
	contentsOf(t, root, "f/in", "y")
	contentsOf(t, root, "empty", "now a file")
	contentsOf(t, root, "twice/in", "i")
	modeOf(t, root, "l", 0o644)
	modeOf(t, root, "twice", os.ModeDir|0o700)
	modeOf(t, root, "todir", os.ModeDir|0o711)
	contentsOf(t, root, "s", "new")
	if _, err := root.Lstat("target/z"); err == nil {
		t.Error("the directory was written through the symbolic link")
	}
	if r.Entries != 21 {
		t.Errorf("%d entries", r.Entries)
	}
	refused(t, bytes.NewReader(tarOf(t, reg("d/in", ""), reg("d", ""))), Options{}, fault.Damaged, `"d" is there twice`)
	refused(t, bytes.NewReader(tarOf(t, reg("d", ""), reg("d/in", ""))), Options{}, fault.Damaged, `"d/in"`, "not a directory")
}

func TestSymlinksAreKeptAsTheyAre(t *testing.T) {
	targets := []string{"/etc/passwd", "../../../../etc", "no such", ".", "..", "/", "a//b/", strings.Repeat("x", maxTarget)}
	var files []file
	for i, target := range targets {
		files = append(files, link(fmt.Sprintf("l%d", i), target))
	}
	root, _ := extracted(t, Options{}, files...)
	for i, want := range targets {
		if got, err := os.Readlink(fmt.Sprintf("%s/l%d", root.Name(), i)); err != nil || got != want {
			t.Errorf("%q %v, want %q", got, err, want)
		}
		timeOf(t, root, fmt.Sprintf("l%d", i), stamp)
	}
}

// A legal root has absolute links to directories, and entries through them.
func TestLinksAreResolvedAsInAChroot(t *testing.T) {
	root, _ := extracted(t, Options{},
		dir("usr/lib/deep", 0o755), link("lib", "/usr/lib"), link("lib64", "lib"), link("usr/up", "../lib64/./deep"),
		link("self", "/"), link("usr/lib/abs", "/usr"), reg("usr/lib/abs/seven", "7"), reg("lib/one", "1"), reg("lib64/new/two", "2"), reg("usr/up/three", "3"),
		reg("self/self/four", "4"), hard("five", "lib64/one"), dir("lib/six", 0o711))
	contentsOf(t, root, "usr/lib/one", "1")
	contentsOf(t, root, "usr/lib/new/two", "2")
	contentsOf(t, root, "usr/lib/deep/three", "3")
	contentsOf(t, root, "four", "4")
	contentsOf(t, root, "usr/seven", "7")
	contentsOf(t, root, "five", "1")
	modeOf(t, root, "usr/lib/six", os.ModeDir|0o711)
}

func TestSparseFilesAreSparseAgain(t *testing.T) {
	const size = 4 << 20
	body := strings.Repeat("\x00", 1<<20) + "data" + strings.Repeat("\x00", size-1<<20-4)
	tests := map[string]string{
		"hole at the end": body, "only holes": strings.Repeat("\x00", size), "data at the end": body[:size-1] + "x",
		"odd length": body[:size-1000], "small": strings.Repeat("\x00", 100), "dense": noise(size),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			root, r := extracted(t, Options{}, reg("f", body))
			contentsOf(t, root, "f", body)
			st := lstat(t, root, "f").Sys().(*syscall.Stat_t)
			if name != "dense" && st.Blocks*512 > sparseBytes {
				t.Errorf("takes %d bytes on disk", st.Blocks*512)
			}
			if r.Bytes != int64(len(body)) {
				t.Errorf("%d bytes reported", r.Bytes)
			}
		})
	}
}

// The GNU form of a sparse file, 1 GiB with 4 bytes of data, written by GNU tar
// 1.34: truncate -s 1G f; printf data | dd of=f conv=notrunc; tar -S --format=gnu.
func gnuSparse(size int64) []byte {
	h := make([]byte, 512)
	copy(h, "sparse")
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x00%011o\x00", 512, 1700000000))
	h[156] = 'S'
	copy(h[257:], "ustar  \x00")
	copy(h[386:], fmt.Sprintf("%011o\x00%011o\x00", 0, 512))  // data at 0
	copy(h[410:], fmt.Sprintf("%011o\x00%011o\x00", size, 0)) // the end
	copy(h[483:], fmt.Sprintf("%011o\x00", size))             // real size
	sign(h)
	h = append(h, "data"...)
	return append(h, make([]byte, 508+1024)...)
}

func TestGNUSparseHeader(t *testing.T) {
	root := newRoot(t)
	if _, err := Archive(context.Background(), bytes.NewReader(gnuSparse(64<<20)), root, Options{}); err != nil {
		t.Fatal(err)
	}
	info := lstat(t, root, "sparse")
	if info.Size() != 64<<20 || info.Sys().(*syscall.Stat_t).Blocks*512 > sparseBytes {
		t.Errorf("size %d, %d blocks", info.Size(), info.Sys().(*syscall.Stat_t).Blocks)
	}
	// 8 GiB of holes in 2 KiB of archive are a bomb.
	refused(t, bytes.NewReader(gnuSparse(8<<30-1)), Options{MaxBytes: 1 << 30}, fault.Unsafe, `"sparse"`)
}

func TestOldFormats(t *testing.T) {
	long := strings.Repeat("d/", 200) + strings.Repeat("n", 200)
	for _, format := range []tar.Format{tar.FormatGNU, tar.FormatPAX} {
		f := reg(long, "x")
		f.Format, f.ModTime = format, time.Unix(1e9, 0)
		l := link("l", strings.Repeat("t", 300))
		l.Format, l.ModTime = format, time.Unix(1e9, 0)
		root, _ := extracted(t, Options{}, f, l)
		contentsOf(t, root, long, "x")
	}
	// A v7 header has neither magic number nor type: a slash marks a directory.
	data := tarOf(t, file{tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o755, Format: tar.FormatUSTAR, ModTime: time.Unix(1e9, 0)}, ""})
	h := data[:512]
	clear(h[257:])
	for _, typ := range []byte{0, '0'} {
		h[156] = typ
		sign(h)
		root := newRoot(t)
		if _, err := Archive(context.Background(), bytes.NewReader(data), root, Options{}); err != nil {
			t.Fatal(err)
		}
		if !lstat(t, root, "d").IsDir() {
			t.Errorf("type %q: not a directory", typ)
		}
	}
}

func TestEntriesThatAreNoFiles(t *testing.T) {
	root, r := extracted(t, Options{}, file{tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header",
		PAXRecords: map[string]string{"comment": "52fd"}}, ""}, reg("a", "x"))
	contentsOf(t, root, "a", "x")
	if r.Files != 1 || r.Entries != 2 {
		t.Errorf("%+v", r)
	}
	refused(t, bytes.NewReader(tarOf(t, file{tar.Header{Name: "odd", Typeflag: 'Z'}, ""})), Options{}, fault.Damaged, `"odd"`, "unknown type")
}

// A first entry whose name starts like a compressed file is still a tar.
func TestNameThatLooksLikeAMagicNumber(t *testing.T) {
	for _, name := range []string{"BZh91AY", "\x1f\x8bname", "x\x9cname", "PK\x03\x04"} {
		root, _ := extracted(t, Options{}, reg(name, "x"))
		contentsOf(t, root, name, "x")
	}
}

// cancelAfter cancels once that many bytes were read.
type cancelAfter struct {
	io.Reader
	n      int
	cancel func()
}

func (c *cancelAfter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.n -= n; c.n < 0 {
		c.cancel()
	}
	return n, err
}

// seekingCancel is one that is measured by seeking.
type seekingCancel struct{ cancelAfter }

func (c *seekingCancel) Seek(off int64, whence int) (int64, error) {
	return c.Reader.(io.Seeker).Seek(off, whence)
}

// Trap: archiver looks at the context between files only.
func TestCancelInsideALargeFile(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	data := tarOf(t, reg("big", noise(16<<20)))
	root := newRoot(t)
	read := &cancelAfter{bytes.NewReader(data), 4 << 20, cancel}
	_, err := Archive(ctx, read, root, Options{})
	checkError(t, err, fault.Interrupted)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}
	isEmpty(t, root)
	// Once more without the goroutine that reads ahead.
	ctx, cancel = context.WithCancel(context.Background())
	seeker := &seekingCancel{cancelAfter{bytes.NewReader(data), 4 << 20, cancel}}
	_, err = Archive(ctx, seeker, root, Options{})
	checkError(t, err, fault.Interrupted)
	if seeker.n < -2<<20 {
		t.Errorf("read %d bytes on", -seeker.n)
	}
	_, err = Archive(ctx, bytes.NewReader(data), root, Options{SHA256: strings.Repeat("0", 64)})
	checkError(t, err, fault.Interrupted)
}

func TestCancelWhileAPipeIsSilent(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	data := tarOf(t, reg("a", noise(100_000)), reg("b", noise(1<<20)))
	if _, err := w.Write(data[:60_000]); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	root := newRoot(t)
	failed := make(chan error)
	go func() {
		_, err := Archive(ctx, r, root, Options{})
		failed <- err
	}()
	if _, err := w.Write(data[60_000:200_000]); err != nil {
		t.Fatal(err)
	}
	cancel()
	checkError(t, <-failed, fault.Interrupted)
	isEmpty(t, root)
	if err := errors.Join(w.Close(), r.Close()); err != nil {
		t.Error(err)
	}
}

type failingReader struct{ io.Reader }

func (f failingReader) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = syscall.EIO
	}
	return n, err
}

// A disk that fails is not an archive that is damaged.
func TestErrorOfTheSourceIsNotDamage(t *testing.T) {
	for _, name := range []string{"tar", "tar.gz", "tar.xz"} {
		data := compress(t, formats[name], tarOf(t, reg("a", noise(1<<20))))
		refused(t, failingReader{bytes.NewReader(data[:len(data)/2])}, Options{}, fault.Failed, "input/output error")
	}
	refused(t, failingReader{strings.NewReader("")}, Options{}, fault.Failed, "input/output error")
	refused(t, failingReader{strings.NewReader("")}, Options{SHA256: strings.Repeat("0", 64)}, fault.Failed, "input/output error")
}

func TestProgress(t *testing.T) {
	data := compress(t, archiver.Gz{}, tarOf(t, smallRoot()...))
	var calls []Progress
	root := newRoot(t)
	r, err := Archive(context.Background(), bytes.NewReader(data), root, Options{Progress: func(p Progress) { calls = append(calls, p) }})
	if err != nil {
		t.Fatal(err)
	}
	last := calls[len(calls)-1]
	want := Progress{Read: int64(len(data)), Total: int64(len(data)), Written: r.Bytes, Entries: r.Entries, Done: true}
	if last != want {
		t.Errorf("last call %+v, want %+v", last, want)
	}
	if calls[0].Done {
		t.Error("no call before the end")
	}
	_, err = Archive(context.Background(), onlyReader{bytes.NewReader(data)}, newRoot(t), Options{Progress: func(p Progress) { last = p }})
	if err != nil || last.Total != -1 {
		t.Errorf("%v, total of a stream is %d", err, last.Total)
	}
}

func TestProgressIsNotCalledTooOften(t *testing.T) {
	calls := 0
	m := meter{call: func(Progress) { calls++ }}
	for range 10_000 {
		m.tick(&Report{}, false)
	}
	m.tick(&Report{}, true)
	if calls < 2 || calls > 100 {
		t.Errorf("%d calls", calls)
	}
}
