package xtools

import (
	"bytes"
	"encoding/binary"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"os"

	"github.com/xjail/xjail/internal/fault"
)

// The strings are those of cc1plus of g++-12-mips64el-linux-gnuabi64
// 12.2.0-14cross5, and what cpp -v of g++-12 12.2.0-14+deb12u1 of mips64el
// searches.
func TestCompilerPath(t *testing.T) {
	const triplet = "mips64el-linux-gnuabi64"
	const cross = "/usr/lib/gcc-cross/" + triplet + "/12/"
	edit := compilerPath(triplet, triplet, true)
	for old, want := range map[string]string{
		"/usr/lib/gcc-cross/": "/usr/lib/gcc/",
		"gcc-cross":           "gcc",
		cross + "include":     "/usr/lib/gcc/" + triplet + "/12/include",
		cross + "../../../../" + triplet + "/include/c++/12":            "/usr/include/c++/12",
		cross + "../../../../" + triplet + "/include/c++/12/" + triplet: "/usr/include/" + triplet + "/c++/12",
		cross + "../../../../" + triplet + "/include/c++/12/backward":   "/usr/include/c++/12/backward",
		cross + "../../../../" + triplet + "/libc++_include/c++/12/v1":  "/usr/libc++_include/c++/12/v1",
		cross + "../../../../" + triplet + "/include":                   "/usr/lib/gcc/" + triplet + "/12/../../../../" + triplet + "/include",
		cross + "include-fixed":                                         "/usr/local/include",
		"/usr/libexec/gcc-cross/x":                                      "/usr/libexec/gcc/x",
		"/usr/include":                                                  "",
		"see /usr/lib/gcc-cross/ too":                                   "",
	} {
		got, ok := edit(old)
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%s: %q, want %q", old, got, want)
		}
	}
	if got, _ := compilerPath(triplet, triplet, false)(cross + "include-fixed"); !strings.HasSuffix(got, "/12/include-fixed") {
		t.Errorf("corrected headers: %q", got)
	}
	// As in cpp-12-i686-linux-gnu 12.2.0-14cross1 and cpp-12 of i386.
	i386 := compilerPath("i686-linux-gnu", "i386-linux-gnu", true)
	if got, _ := i386("/usr/lib/gcc-cross/i686-linux-gnu/12/../../../../i686-linux-gnu/include/c++/12/i686-linux-gnu"); got != "/usr/include/i386-linux-gnu/c++/12" {
		t.Errorf("headers of i386: %q", got)
	}
}

func TestTripletOfCompilers(t *testing.T) {
	for name, want := range map[string][2]string{
		"i386": {"i686-linux-gnu", "i686-linux-gnu"}, "amd64": {"x86_64-linux-gnu", "x86-64-linux-gnu"}, "arm64": {"aarch64-linux-gnu", "aarch64-linux-gnu"},
	} {
		if a := subject(t, name).Arch; compilerTriplet(a) != want[0] || triplet(a) != want[1] {
			t.Errorf("%s: %s, %s", name, compilerTriplet(a), triplet(a))
		}
	}
}

func TestEditStrings(t *testing.T) {
	text := []byte("code/usr/lib/gcc-cro\x90\x00/usr/lib/gcc-cross/\x00tail gcc-cross\x00gcc-cross\x00/usr/lib/gcc-cross/x/include\x00end\x00")
	size := len(text)
	n, err := editStrings(text, compilerMarks, compilerPath("x", "x", false))
	want := "code/usr/lib/gcc-cro\x90\x00/usr/lib/gcc/\x00\x00\x00\x00\x00\x00\x00tail gcc-cross\x00gcc\x00\x00\x00\x00\x00\x00\x00/usr/lib/gcc/x/include\x00\x00\x00\x00\x00\x00\x00end\x00"
	if err != nil || n != 3 || string(text) != want || len(text) != size {
		t.Errorf("%d, %v, %q", n, err, text)
	}
	if _, err := editStrings([]byte("\x00ab\x00"), []string{"ab"}, func(string) (string, bool) { return "abc", true }); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("a longer string: %v", err)
	}
	if _, err := editStrings([]byte("\x00ab"), []string{"ab"}, func(string) (string, bool) { return "a", true }); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("a string without an end: %v", err)
	}
}

func FuzzEditStrings(f *testing.F) {
	f.Add([]byte("\x00/usr/lib/gcc-cross/x\x00gcc-cross\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		_, err := editStrings(text, compilerMarks, compilerPath("x", "x", true))
		if len(text) != len(before) {
			t.Error("the length changed")
		}
		if err == nil && bytes.Count(text, []byte{0}) < bytes.Count(before, []byte{0}) {
			t.Error("a string lost its end")
		}
	})
}

func TestFitLoader(t *testing.T) {
	text := []byte("\x00" + preloadError + "\x00x\x00/etc/ld.so.cache\x00Do not use /etc/ld.so.cache\x00/etc/ld.so.preload\x00")
	if err := fitLoader(text); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("cannot be preloaded")) || !bytes.Contains(text, []byte("\x00/dev/nxb/ldcache\x00Do not use /etc/ld.so.cache\x00/etc/ld.so.preload\x00")) {
		t.Errorf("%q", text)
	}
	for _, bad := range []string{"", "\x00" + preloadError + "\x00", "\x00" + preloadError + "\x00" + preloadError + "\x00" + usualCache + "\x00"} {
		if err := fitLoader([]byte(bad)); fault.KindOf(err) != fault.Unsupported {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestLoaderCache(t *testing.T) {
	if len(LoaderCache) != len(usualCache) {
		t.Errorf("%s is not as long as %s", LoaderCache, usualCache)
	}
	names := []string{"libz.so.1", "liba.so.10", "liba.so.9", "libc.so.6", "libstdc++.so.6"}
	sorted := slices.Clone(names)
	slices.SortFunc(sorted, compareLibraries)
	if want := []string{"liba.so.9", "liba.so.10", "libc.so.6", "libstdc++.so.6", "libz.so.1"}; !slices.Equal(sorted, want) {
		t.Errorf("order %q", sorted)
	}
	cache := ldCache("amd64", "/usr/lib/x86_64-linux-gnu", names)
	if ldCache("mips", "/x", names) != nil {
		t.Error("a cache for an architecture of which nothing is known")
	}
	if string(cache[:20]) != "glibc-ld.so.cache1.1" || binary.LittleEndian.Uint32(cache[20:]) != 5 || cache[28] != 2 {
		t.Errorf("header % x", cache[:cacheHeader])
	}
	ldconfig, err := exec.LookPath("/sbin/ldconfig")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("no ldconfig of glibc to ask")
	}
	file := filepath.Join(t.TempDir(), "cache")
	if err := os.WriteFile(file, cache, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(ldconfig, "-p", "-C", file).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "5 libs found") || !strings.Contains(string(out), "\tliba.so.10 (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/liba.so.10\n") {
		t.Errorf("ldconfig: %v: %s", err, out)
	}
}
