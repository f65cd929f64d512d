package inventory

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/mholt/archiver/v4"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
)

// packers compress, by the ending of the file's name.
var packers = map[string]func(testing.TB, string) string{
	"": plain, ".gz": packer(archiver.Gz{}), ".xz": packer(archiver.Xz{}), ".bz2": packer(archiver.Bz2{}),
	".zst": packer(archiver.Zstd{EncoderOptions: []zstd.EOption{zstd.WithEncoderConcurrency(1)}}),
}

func plain(_ testing.TB, s string) string { return s }

func packer(c archiver.Compression) func(testing.TB, string) string {
	return func(t testing.TB, s string) string {
		t.Helper()
		var buf bytes.Buffer
		w, err := c.OpenWriter(&buf)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.String()
	}
}

func gz(t testing.TB, s string) string { return packers[".gz"](t, s) }

// scanFile looks at one file with these contents.
func scanFile(t testing.TB, opts Options, contents string) *Result {
	t.Helper()
	return mustScan(t, opts, filepath.Join(tree(t, map[string]string{"f": contents}), "f"))
}

func dirOf(r *Result) string {
	if len(r.Found) == 0 {
		return ""
	}
	return filepath.Dir(r.Found[0].Path)
}

func members() []member {
	return []member{
		{"./bin/sh", program("aarch64")}, {"/abs", program("mips64")}, {"doc", strings.Repeat("text ", 4000)}, {"../up", program("amd64")},
		{"empty", ""}, {"lib/x.so", program("aarch64") + strings.Repeat("\x00", 100000)},
	}
}

func TestArchives(t *testing.T) {
	for ending, pack := range packers {
		t.Run("tar"+ending, func(t *testing.T) {
			r := scanFile(t, Options{}, pack(t, tarOf(t, members()...)))
			wantLines(t, r, dirOf(r), "f:../up amd64", "f:/abs mips64", "f:bin/sh aarch64", "f:lib/x.so aarch64")
			if r.Counts.Files != 7 || r.Counts.Archives != 1 {
				t.Errorf("%+v", r.Counts)
			}
		})
		t.Run("deb"+ending, func(t *testing.T) {
			r := scanFile(t, Options{}, debOf(t, pack, ending, members()...))
			wantLines(t, r, dirOf(r), "f:../up amd64", "f:/abs mips64", "f:bin/sh aarch64", "f:lib/x.so aarch64")
			if r.Counts.Archives != 1 {
				t.Errorf("%+v", r.Counts)
			}
		})
		t.Run("program"+ending, func(t *testing.T) {
			r := scanFile(t, Options{}, pack(t, program("mips64")))
			wantLines(t, r, dirOf(r), "f mips64")
		})
	}
}

func TestZip(t *testing.T) {
	r := scanFile(t, Options{}, zipOf(t, append(members(), member{"dir/", ""})...))
	wantLines(t, r, dirOf(r), "f:../up amd64", "f:/abs mips64", "f:bin/sh aarch64", "f:lib/x.so aarch64")
	if r.Counts.Directories != 1 {
		t.Errorf("%+v", r.Counts)
	}
}

// Static libraries write long names in two ways.
func TestStaticLibrary(t *testing.T) {
	p := program("mips64")
	gnu := arOf(member{"/", "symbols"}, member{"//", "a_name_of_more_than_15.o/\nanother_long_name.o/\n"}, member{"/0", p}, member{"/26", p}, member{"short.o/", p + "x"}, member{"last.o/", p})
	bsd := arOf(member{"__.SYMDEF", "x"}, member{"#1/20", "a_name_of_more_th.o\x00" + p}, member{"#1/12", "__.SYMDEF_64" + p}, member{"b.o", p})
	r := scanFile(t, Options{}, gnu)
	wantLines(t, r, dirOf(r), "f:a_name_of_more_than_15.o mips64", "f:another_long_name.o mips64", "f:last.o mips64", "f:short.o mips64")
	r = scanFile(t, Options{}, bsd)
	wantLines(t, r, dirOf(r), "f:a_name_of_more_th.o mips64", "f:b.o mips64")
}

// What is found is looked into only when asked, and only so deep.
func TestNested(t *testing.T) {
	deb := debOf(t, gz, ".gz", members()[:1]...)
	inner := tarOf(t, member{"p", program("mips64")}, member{"third.tar", tarOf(t, member{"deep", program("amd64")})})
	outer := gz(t, tarOf(t, member{"x.deb", deb}, member{"y.whl", zipOf(t, member{"p", program("i386")})}, member{"z.tar", inner},
		member{"ko.gz", gz(t, program("riscv64"))}, member{"man.gz", gz(t, "text")}, member{"q", program("arm")}))
	dir := tree(t, map[string]string{"a/outer.tgz": outer, "a/k.gz": gz(t, program("s390x")), "a/man.gz": gz(t, "a text"), "a/odd.gz": "\x1f\x8b\x08odd"})
	r := mustScan(t, Options{}, dir)
	wantLines(t, r, dir)
	if r.Counts.Closed != 4 {
		t.Errorf("%+v", r.Counts)
	}
	r = mustScan(t, Options{}, filepath.Join(dir, "a/outer.tgz"))
	wantLines(t, r, dir, "a/outer.tgz:q arm")
	if r.Counts.Closed != 5 {
		t.Errorf("%+v", r.Counts)
	}
	r = mustScan(t, Options{Archives: true}, dir)
	wantLines(t, r, dir, "a/k.gz s390x", "a/outer.tgz:ko.gz riscv64sf", "a/outer.tgz:q arm", "a/outer.tgz:x.deb:bin/sh aarch64",
		"a/outer.tgz:y.whl:p i386", "a/outer.tgz:z.tar:p mips64")
	if r.Counts.Closed != 2 {
		t.Errorf("%+v", r.Counts)
	}
}

// ARM's attributes are at the end of a file, so members are kept whole; what is
// longer than that says that something is missing, and only when it is.
func TestCutMember(t *testing.T) {
	long := program("mips64") + strings.Repeat("\x00", 1<<20)
	withSections := []byte(long)
	withSections[40+6], withSections[60+1], withSections[58+1] = 0x10, 1, 64 // e_shoff 0x100000, e_shnum 1, e_shentsize 64
	withSections[40+5] = 0x0f
	archive := tarOf(t, member{"long", long}, member{"sections", string(withSections)})
	r := scanFile(t, Options{MaxMember: 4096}, archive)
	wantLines(t, r, dirOf(r), "f:long mips64", "f:sections mips64 cut")
	r = scanFile(t, Options{}, archive)
	wantLines(t, r, dirOf(r), "f:long mips64", "f:sections mips64")
}

// An archive that is cut at any place is an error; what was read is shown.
func TestTruncated(t *testing.T) {
	body := []member{{"a", program("mips64")}, {"b", strings.Repeat("text\n", 3000)}, {"c", program("mips64") + strings.Repeat("x", 5000)}}
	whole := map[string]string{"deb": debOf(t, packers[".xz"], ".xz", body...), "deb.plain": debOf(t, plain, "", body...), "ar": arOf(body...), "zip": zipOf(t, body...)}
	for ending, pack := range packers {
		whole["tar"+ending] = pack(t, tarOf(t, body...))
	}
	for name, file := range whole {
		shown := 0
		for at := 600; at < len(file)-1100; at += max(1, len(file)/40) {
			r := scanFile(t, Options{}, file[:at])
			failed := r.Failed()
			if len(failed) != 1 || fault.KindOf(failed[0].Err) != fault.Damaged {
				// An ar archive has no end: a cut between two members shows nothing.
				if name != "ar" || len(failed) > 1 {
					t.Errorf("%s at %d of %d: %v", name, at, len(file), failed)
				}
				continue
			}
			if text := failed[0].Err.Error(); strings.Count(text, failed[0].Path) != 1 {
				t.Errorf("%s: %s", name, text)
			}
			shown += len(r.Programs())
		}
		if shown == 0 && (name == "tar" || name == "deb.plain") {
			t.Errorf("%s: nothing was shown of what was read", name)
		}
	}
}

func TestRefused(t *testing.T) {
	many := make([]member, 30)
	for i := range many {
		many[i] = member{fmt.Sprint(i), "x"}
	}
	limits := Options{Limits: extract.Options{MaxEntries: 20, MaxBytes: 1 << 20}}
	bomb := gz(t, tarOf(t, member{"p", program("mips64")}, member{"zeros", strings.Repeat("\x00", 2<<20)}))
	for name, c := range map[string]struct {
		file string
		kind fault.Kind
		text string
	}{
		"bomb":          {bomb, fault.Unsafe, "more than 1048576 bytes"},
		"many":          {tarOf(t, many...), fault.Unsafe, "more than 20 entries"},
		"many in zip":   {zipOf(t, many...), fault.Unsafe, "more than 20 members"},
		"many in ar":    {arOf(many...), fault.Unsafe, "more than 20 members"},
		"rpm":           {"\xed\xab\xee\xdb\x03\x00" + strings.Repeat("\x00", 600), fault.Unsupported, "an RPM package"},
		"cpio":          {"070701" + strings.Repeat("0", 600), fault.Unsupported, "a cpio archive"},
		"text":          {"hello", fault.Damaged, "not an ELF file"},
		"text.gz":       {gz(t, "hello"), fault.Damaged, "neither an ELF file nor an archive"},
		"gz":            {"\x1f\x8b\x08odd", fault.Damaged, "f is truncated"},
		"xz":            {"\xfd7zXZ\x00" + strings.Repeat("odd", 100), fault.Damaged, "damaged"},
		"zip":           {"PK\x03\x04odd", fault.Damaged, "zip archive"},
		"ar header":     {arMagic + strings.Repeat("x", 60), fault.Damaged, "a header of a member"},
		"ar size":       {arMagic + fmt.Sprintf("%-48s%-10d%s", "x", -5, arEnd), fault.Damaged, "no number"},
		"ar name":       {arOf(member{"/7", "x"}), fault.Damaged, "table of names"},
		"ar BSD name":   {arOf(member{"#1/900", "x"}), fault.Damaged, "length of a name"},
		"ar names":      {arMagic + fmt.Sprintf("%-48s%-10d%s", "//", 99<<20, arEnd), fault.Damaged, "too long"},
		"data.tar.lzma": {arOf(member{debianBinary, "2.0\n"}, member{"data.tar.lzma", "x"}), fault.Unsupported, "data.tar.lzma"},
		"data.tar":      {arOf(member{debianBinary, "2.0\n"}, member{"data.tar", "x"}), fault.Damaged, "neither"},
		"long name":     {tarOf(t, member{strings.Repeat("n/", 3000) + "n", "x"}), fault.Damaged, "longer than 4096"},
	} {
		r := scanFile(t, limits, c.file)
		if len(r.Found) == 0 {
			t.Errorf("%s: nothing", name)
			continue
		}
		err := r.Found[0].Err
		if fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %d %v", name, fault.KindOf(err), err)
		}
		if len(err.Error()) > 500 {
			t.Errorf("%s: %d bytes of error", name, len(err.Error()))
		}
	}
	if r := scanFile(t, limits, bomb); len(r.Programs()) != 1 {
		t.Errorf("of the bomb: %v", lines(r, ""))
	}
}

// After a member that is damaged the others are looked at.
func TestDamagedMember(t *testing.T) {
	file := tarOf(t, member{"bad.tgz", gz(t, tarOf(t, member{"p", program("mips64")}))[:90]}, member{"x.rpm", "\xed\xab\xee\xdb"}, member{"cut", program("mips64")[:30]}, member{"\x1b[1mp\n", program("mips64")})
	r := scanFile(t, Options{Archives: true}, file)
	wantLines(t, r, dirOf(r), "f:\x1b[1mp\n mips64", "f:bad.tgz error 17", "f:bad.tgz:p mips64", "f:cut error 17", "f:x.rpm error 13")
	for _, f := range r.Found {
		if strings.ContainsAny(f.Label(), "\x1b\n") || f.Err != nil && strings.ContainsAny(f.Err.Error(), "\x1b\n") {
			t.Errorf("%q %v", f.Label(), f.Err)
		}
	}
	z := []byte(zipOf(t, member{"a", program("mips64") + strings.Repeat("abc", 500)}, member{"b", program("amd64")}))
	at := bytes.Index(z, []byte("\x7fE")) + 30
	if at < 30 {
		at = 60
	}
	z[at] ^= 0xff
	r = scanFile(t, Options{}, string(z))
	wantLines(t, r, dirOf(r), "f:a error 17", "f:b amd64")
}

// Sparse members of a tar say that they are huge.
func TestSparseMember(t *testing.T) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	h := &tar.Header{Name: "a", Mode: 0o644, Size: 3, Typeflag: tar.TypeReg}
	if err := w.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte("abc"))
	_ = w.Close()
	// A member that says it has 8 GiB in a file of 2 KiB.
	block := buf.Bytes()
	copy(block[124:136], "77777777777\x00")
	copy(block[148:156], "        ")
	sum := 0
	for _, c := range block[:512] {
		sum += int(c)
	}
	copy(block[148:156], fmt.Sprintf("%06o\x00 ", sum))
	r := scanFile(t, Options{}, string(block))
	wantLines(t, r, dirOf(r), "f error 17")
}

// slowly never ends, as a pipe that nobody writes to.
type slowly struct{ ctx context.Context }

func (s slowly) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestArchiveEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c, err := extract.Open(ctx, "endless", io.MultiReader(strings.NewReader(program("mips64")), slowly{ctx}), -1, extract.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, c); err == nil {
		t.Error("it ended by itself")
	}
}

// FuzzArchive: no panic, no hang, and every failure has a kind.
func FuzzArchive(f *testing.F) {
	body := []member{{"a", program("mips64")}, {"b.gz", gz(f, tarOf(f, member{"c", program("arm")}))}}
	for ending, pack := range packers {
		f.Add([]byte(pack(f, tarOf(f, body...))))
		f.Add([]byte(debOf(f, pack, ending, body...)))
	}
	f.Add([]byte(zipOf(f, body...)))
	f.Add([]byte(arOf(member{"//", "long_name_of_a_file.o/\n"}, member{"/0", program("mips64")}, member{"#1/4", "name" + program("arm")})))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		opts := Options{Archives: true, Workers: 1, MaxMember: 1 << 20, Limits: extract.Options{MaxEntries: 1000, MaxBytes: 8 << 20}}
		r := mustScan(t, opts, path)
		for _, found := range r.Found {
			if (found.ID == nil) == (found.Err == nil) {
				t.Fatalf("%+v", found)
			}
			if found.Err != nil && fault.KindOf(found.Err) == fault.Failed {
				t.Fatalf("no kind: %v", found.Err)
			}
		}
		if arch.IsELF(data) || len(r.Found) > 0 {
			return
		}
		if kind := sniff(data); kind == other {
			t.Fatalf("a file that was named is passed over")
		}
	})
}
