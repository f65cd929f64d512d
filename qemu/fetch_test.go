package qemu

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/aptsources"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu/qemutest"
)

// fakeApt is a machine's apt, made of scripts. Packages are tar files in dir,
// named by the package; "lists" as a suffix means that only an update shows it.
type fakeApt struct {
	t   *testing.T
	dir string
}

const aptConfigScript = `#!/bin/sh
echo "apt-config $*" >> DIR/log
case $1 in
shell)
	echo "LIST='DIR/etc/sources.list'"
	echo "PARTS='DIR/etc/sources.list.d/'"
	echo "STATE='DIR/lists/'";;
dump)
	cat DIR/dump;;
esac
`

const aptGetScript = `#!/bin/sh
echo "apt-get $*" >> DIR/log
test -f "$APT_CONFIG" || exit 90
lists=$(sed -n 's/^Dir::State::lists "\(.*\)";/\1/p' "$APT_CONFIG")
case $* in
*update)
	grep -q me:secret@ "$APT_CONFIG" || exit 91
	cp "$(sed -n 's/^Dir::Etc::sourcelist "\(.*\)";/\1/p' "$APT_CONFIG")" DIR/seen.list
	echo "Get:1 http://example.org/debian bookworm InRelease"
	cp DIR/archive/* "$lists"
	if test -f DIR/update-fails; then echo "E: Failed to fetch example.org" >&2; exit 100; fi;;
*--print-uris*)
	for p; do :; done
	if ! test -f "$lists/$p"; then echo "E: Unable to locate package $p" >&2; exit 100; fi
	echo "NOTICE: something"
	echo "'http://example.org/pool/$p.deb' ${p}_1%3a7.2+dfsg-7_amd64.deb $(($(wc -c < "$lists/$p"))) SHA256:00";;
*download*)
	for p; do :; done
	if test -f DIR/stale && test "$lists" = DIR/lists/; then echo "E: Failed to fetch: 404  Not Found" >&2; exit 100; fi
	if test -f DIR/unsigned; then echo "E: Some packages could not be authenticated" >&2; exit 100; fi
	if test -f DIR/hang; then : > DIR/hanging; exec sleep 600; fi
	cp "$lists/$p" "${p}_1%3a7.2+dfsg-7_amd64.deb";;
esac
`

const dpkgDebScript = `#!/bin/sh
echo "dpkg-deb $*" >> DIR/log
if test -f DIR/broken; then head -c 700 "$2"; echo "dpkg-deb: error: corrupt" >&2; exit 2; fi
cat "$2"
`

func newFakeApt(t *testing.T) *fakeApt {
	t.Helper()
	f := &fakeApt{t, t.TempDir()}
	for _, d := range []string{"bin", "lists", "archive", "etc/sources.list.d"} {
		if err := os.MkdirAll(filepath.Join(f.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, script := range map[string]string{"apt-config": aptConfigScript, "apt-get": aptGetScript, "dpkg-deb": dpkgDebScript} {
		f.write("bin/"+name, strings.ReplaceAll(script, "DIR", f.dir))
	}
	f.write("dump", `APT::Architecture "amd64";
APT::Architectures:: "amd64";
APT::Update::Post-Invoke:: "rm -rf /important";
Acquire::http::Proxy "http://me:secret@localhost:3128";
Acquire::AllowInsecureRepositories "1";
Acquire::IndexTargets::deb::Contents-deb::MetaKey "x";
Acquire::Languages:: "de";
Dir::Cache "/var/cache/apt";
`)
	f.write("etc/sources.list", "deb http://example.org/debian bookworm main\n")
	t.Setenv("PATH", filepath.Join(f.dir, "bin")+":"+os.Getenv("PATH"))
	old := osReleaseFiles
	osReleaseFiles = []string{filepath.Join(f.dir, "etc/os-release")}
	t.Cleanup(func() { osReleaseFiles = old })
	f.write("etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n")
	return f
}

func (f *fakeApt) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o755); err != nil {
		f.t.Fatal(err)
	}
}

// pkg makes a package in the machine's lists ("lists") or the archive's.
func (f *fakeApt) pkg(where, name string, files map[string]any) {
	f.t.Helper()
	f.write(where+"/"+name, string(tarOf(f.t, files)))
}

// log is what was called.
func (f *fakeApt) log() string {
	b, _ := os.ReadFile(filepath.Join(f.dir, "log"))
	return string(b)
}

type link string

// tarOf is a tar stream of files; a link is a symbolic one.
func tarOf(t *testing.T, files map[string]any) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	var names []string
	for n := range files {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		h := &tar.Header{Name: n, Mode: 0o755}
		var data []byte
		switch v := files[n].(type) {
		case link:
			h.Typeflag, h.Linkname = tar.TypeSymlink, string(v)
		case []byte:
			h.Typeflag, h.Size, data = tar.TypeReg, int64(len(v)), v
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// packaged is the version of the fake packages.
const packaged = "7.2.22 (Debian 1:7.2+dfsg-7)"

func binary72(t *testing.T, target string) []byte { return qemutest.Linux(target, packaged).Bytes(t) }

// names are the files in dir, hidden ones too.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestFetch(t *testing.T) {
	f := newFakeApt(t)
	f.pkg("lists", "qemu-user-static", map[string]any{
		"./usr/bin/qemu-arm-static":    binary72(t, "arm"),
		"./usr/bin/qemu-mips64-static": binary72(t, "mips64"),
		"./usr/bin/qemu-zz":            []byte("never read"),
	})
	dir := filepath.Join(t.TempDir(), "new", "emulators")
	archs := []*arch.Arch{lookup(t, "mips64"), lookup(t, "armv6"), lookup(t, "armv7")}
	var log bytes.Buffer
	calls := 0
	got, err := FetchAll(t.Context(), archs, FetchOptions{Dir: dir, Log: &log, Progress: func(_, total int64) {
		if calls++; total <= 0 {
			t.Errorf("total %d", total)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].Path != filepath.Join(dir, "qemu-mips64-static") || got[1] != got[2] || got[1].Target != "arm" {
		t.Errorf("got %+v", got)
	}
	if n := names(t, dir); !slices.Equal(n, []string{"qemu-arm-static", "qemu-mips64-static"}) {
		t.Errorf("directory %q", n)
	}
	if e, err := Inspect(t.Context(), got[0].Path); err != nil || *e != *got[0] {
		t.Errorf("now %+v, %v", e, err)
	}
	if strings.Contains(f.log(), "update") || calls == 0 || !strings.Contains(log.String(), "apt-get download qemu-user-static") {
		t.Errorf("%d calls, log %s%s", calls, log.String(), f.log())
	}
	// The second time nothing is downloaded.
	f.write("log", "")
	if again, err := Fetch(t.Context(), archs[0], FetchOptions{Dir: dir}); err != nil || *again != *got[0] {
		t.Errorf("again: %+v, %v", again, err)
	}
	if strings.Contains(strings.ReplaceAll(f.log(), "--print-uris download", ""), "download") {
		t.Errorf("downloaded again: %s", f.log())
	}
	// A spoiled one is.
	if err := os.Truncate(got[0].Path, 1000); err != nil {
		t.Fatal(err)
	}
	if again, err := Fetch(t.Context(), archs[0], FetchOptions{Dir: dir}); err != nil || again.SHA256 != got[0].SHA256 {
		t.Errorf("spoiled: %+v, %v", again, err)
	}
}

// After Debian 12 qemu-user-static is an empty package, or none at all.
func TestFetchNewerRelease(t *testing.T) {
	f := newFakeApt(t)
	f.pkg("lists", "qemu-user-static", map[string]any{"./usr/share/doc/x": []byte("transitional"), "./usr/bin/qemu-arm-static": link("qemu-arm")})
	f.pkg("lists", "qemu-user", map[string]any{"./usr/bin/qemu-arm": binary72(t, "arm")})
	for range 2 {
		dir := t.TempDir()
		e, err := Fetch(t.Context(), lookup(t, "arm"), FetchOptions{Dir: dir})
		if err != nil || e.Path != filepath.Join(dir, "qemu-arm-static") {
			t.Errorf("%+v, %v", e, err)
		}
		if err := os.Remove(filepath.Join(f.dir, "lists/qemu-user-static")); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

// Without lists, or with old ones, fresh ones are downloaded: of the
// distribution's own sources.
func TestFetchUpdates(t *testing.T) {
	for _, stale := range []bool{false, true} {
		f := newFakeApt(t)
		files := map[string]any{"./usr/bin/qemu-arm-static": binary72(t, "arm")}
		f.pkg("archive", "qemu-user-static", files)
		if stale {
			f.pkg("lists", "qemu-user-static", files)
			f.write("stale", "")
		}
		f.write("etc/sources.list", "deb http://example.org/other stable main\ndeb http://example.org/debian bookworm-updates main\n")
		f.write("update-fails", "")
		dir := t.TempDir()
		if _, err := Fetch(t.Context(), lookup(t, "arm"), FetchOptions{Dir: dir}); err != nil {
			t.Fatal(err)
		}
		seen, err := os.ReadFile(filepath.Join(f.dir, "seen.list"))
		if err != nil || string(seen) != "deb http://example.org/debian bookworm-updates main\n" {
			t.Errorf("updated from %q, %v", seen, err)
		}
		if n := strings.Count(f.log(), "update"); n != 1 {
			t.Errorf("%d updates: %s", n, f.log())
		}
	}
}

func TestFetchFails(t *testing.T) {
	arm := map[string]any{"./usr/bin/qemu-arm-static": binary72(t, "arm")}
	for _, tc := range []struct {
		name  string
		setup func(f *fakeApt)
		arch  string
		kind  fault.Kind
		word  string
	}{
		{"no package", func(*fakeApt) {}, "arm", fault.NotFound, "apt knows no package qemu-user"},
		{"no network", func(f *fakeApt) { f.write("update-fails", "") }, "arm", fault.Failed, "Failed to fetch example.org"},
		{"no sources", func(f *fakeApt) { f.write("etc/sources.list", "") }, "arm", fault.Failed, "apt has no sources"},
		{"not signed", func(f *fakeApt) { f.pkg("lists", "qemu-user-static", arm); f.write("unsigned", "") }, "arm", fault.Mismatch, "could not be authenticated"},
		{"damaged package", func(f *fakeApt) { f.pkg("lists", "qemu-user-static", arm); f.write("broken", "") }, "arm", fault.Failed, "corrupt"},
		{"not in the packages", func(f *fakeApt) {
			f.pkg("lists", "qemu-user-static", arm)
			f.pkg("lists", "qemu-user", arm)
		}, "tilegx", fault.NotFound, "have no static qemu-tilegx: QEMU has dropped it after 5.2"},
		{"one of two", func(f *fakeApt) {
			f.pkg("lists", "qemu-user-static", arm)
			f.pkg("lists", "qemu-user", arm)
		}, "arm s390x", fault.NotFound, "have no static qemu-s390x"},
		{"another target", func(f *fakeApt) {
			f.pkg("lists", "qemu-user-static", map[string]any{"./usr/bin/qemu-mips-static": binary72(t, "arm")})
			f.pkg("lists", "qemu-user", arm)
		}, "mips", fault.BadEmulator, "emulates arm, not mips"},
		{"dynamic", func(f *fakeApt) {
			b := elfFile(arch.Host(), "/lib/ld.so", 2, 0)
			f.pkg("lists", "qemu-user-static", map[string]any{"./usr/bin/qemu-arm": b})
			f.pkg("lists", "qemu-user", map[string]any{})
		}, "arm", fault.BadEmulator, "dynamically linked"},
		{"no emulator", func(*fakeApt) {}, "ia64", fault.NotFound, "QEMU has no user-mode emulator for ia64"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFakeApt(t)
			tc.setup(f)
			dir := t.TempDir()
			var archs []*arch.Arch
			for name := range strings.FieldsSeq(tc.arch) {
				archs = append(archs, lookup(t, name))
			}
			_, err := FetchAll(t.Context(), archs, FetchOptions{Dir: dir})
			wantKind(t, err, tc.kind, tc.word)
			if n := names(t, dir); len(n) != 0 {
				t.Errorf("left: %q", n)
			}
		})
	}
}

func TestFetchWithoutApt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	dir := filepath.Join(t.TempDir(), "emulators")
	_, err := Fetch(t.Context(), lookup(t, "arm"), FetchOptions{Dir: dir})
	wantKind(t, err, fault.Unsupported, "no apt-get")
	if fault.HintOf(err) == "" {
		t.Error("no hint")
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory was made")
	}
	_, err = PlanFetch(t.Context(), []*arch.Arch{lookup(t, "arm"), lookup(t, "mips")}, FetchOptions{Dir: dir})
	wantKind(t, err, fault.Unsupported, "no apt-get")
}

// Interrupted while apt downloads: no process goes on, nothing is left. What a
// killed run has left goes too.
func TestFetchInterrupted(t *testing.T) {
	f := newFakeApt(t)
	f.pkg("lists", "qemu-user-static", map[string]any{"./usr/bin/qemu-arm-static": binary72(t, "arm")})
	f.write("hang", "")
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, tempPrefix+"123/download"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(f.dir, "hanging")); err == nil {
				cancel()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, err := Fetch(ctx, lookup(t, "arm"), FetchOptions{Dir: dir})
	wantKind(t, err, fault.Interrupted, "canceled")
	if n := names(t, dir); len(n) != 0 {
		t.Errorf("left: %q", n)
	}
}

func TestFetchLocked(t *testing.T) {
	newFakeApt(t)
	dir := t.TempDir()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	_, err = Fetch(t.Context(), lookup(t, "arm"), FetchOptions{Dir: dir})
	wantKind(t, err, fault.Locked, "another xjail")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Fetch(t.Context(), lookup(t, "arm"), FetchOptions{Dir: file})
	wantKind(t, err, fault.Failed, "not a directory")
	_, err = Fetch(t.Context(), lookup(t, "arm"), FetchOptions{Dir: filepath.Join(t.TempDir(), `quo"te`)})
	wantKind(t, err, fault.Usage, "with such a name")
}

// apt gets the machine's proxy and architecture, not its hooks, and never leave
// to take what is not signed.
func TestPlanFetch(t *testing.T) {
	f := newFakeApt(t)
	dir := filepath.Join(t.TempDir(), "none")
	p, err := PlanFetch(t.Context(), []*arch.Arch{lookup(t, "armv6"), lookup(t, "armv7")}, FetchOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Files, []string{filepath.Join(dir, "qemu-arm-static")}) || len(p.Commands) != 6 || p.Dir != dir {
		t.Errorf("plan %+v", p)
	}
	for _, want := range []string{
		"Acquire::http::Proxy \"http://***@localhost:3128\";\n", "APT::Architectures { \"amd64\"; };\n", "Dir::State \"TMP/state\";\n",
		"Dir::State::lists \"" + f.dir + "/lists/\";\n", "Acquire::AllowInsecureRepositories \"false\";\n", "APT::Get::AllowUnauthenticated \"false\";\n",
	} {
		if !strings.Contains(p.Config, want) {
			t.Errorf("no %q in\n%s", want, p.Config)
		}
	}
	for _, not := range []string{"Post-Invoke", "/var/cache", "\"1\"", "Contents", "\"de\"", "secret"} {
		if strings.Contains(p.Config, not) {
			t.Errorf("%q in\n%s", not, p.Config)
		}
	}
	if strings.Contains(f.log(), "apt-get") {
		t.Errorf("apt-get was run: %s", f.log())
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory was made")
	}
}

func TestSources(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	list := write("sources.list", `# deb http://example.org/no bookworm main
deb [arch=amd64 signed-by=/x.gpg] http://example.org/debian bookworm main # comment
  deb http://example.org/security bookworm/updates main
deb-src http://example.org/debian bookworm main
deb cdrom:[Debian 12]/ bookworm main
deb http://example.org/browser stable main
deb
`)
	parts := filepath.Join(dir, "parts")
	write("parts/debian.sources", "Types: deb deb-src\n# a comment\nURIs: http://example.org/debian\nsuites: bookworm-backports\n sid\nComponents: main\nSigned-By:\n -----BEGIN\n .\n -----END\n\n\nTypes: deb\nURIs: http://example.org/vendor\nSuites: nodistro\n")
	write("parts/other.list.disabled", "deb http://example.org/disabled bookworm main\n")
	all := aptsources.Read(list, parts)
	texts := func(sources []aptsources.Source) []string {
		var list []string
		for _, s := range sources {
			list = append(list, strings.Join(s.Suites, "+"))
		}
		return list
	}
	if got, want := texts(all), []string{"bookworm", "bookworm/updates", "stable", "bookworm-backports+sid", "nodistro"}; !slices.Equal(got, want) {
		t.Fatalf("read %q", got)
	}
	for _, tc := range []struct {
		codenames, want []string
	}{
		{[]string{"bookworm"}, []string{"bookworm", "bookworm/updates", "bookworm-backports+sid"}},
		{[]string{"trixie"}, []string{"stable", "bookworm-backports+sid"}},
		{nil, []string{"stable", "bookworm-backports+sid"}},
	} {
		if got := texts(ownSources(all, tc.codenames)); !slices.Equal(got, tc.want) {
			t.Errorf("%q: own are %q", tc.codenames, got)
		}
	}
	if got := texts(ownSources(all[4:], nil)); !slices.Equal(got, []string{"nodistro"}) {
		t.Errorf("without own: %q", got)
	}
	outList, outParts, err := writeSources(filepath.Join(dir, "out"), all)
	if err != nil {
		t.Fatal(err)
	}
	if got := texts(aptsources.Read(outList, outParts)); !slices.Equal(got, texts(all)) {
		t.Errorf("written and read again: %q", got)
	}
	if _, _, err := writeSources(list, all); err == nil {
		t.Error("wrote below a file")
	}
}

func TestParseURIs(t *testing.T) {
	good := "Reading package lists...\n'http://example.org/a%2bb.deb' qemu-user_1%3a7.2+dfsg-7%2bdeb12u18+b3_amd64.deb 62603724 SHA256:c3e3\n"
	if d, err := parseURIs([]byte(good), "qemu-user"); err != nil || d.version != "1:7.2+dfsg-7+deb12u18+b3" || d.size != 62603724 {
		t.Errorf("%+v, %v", d, err)
	}
	for _, bad := range []string{"", "'x' y", "'x' a_b_c.deb many SHA256:0", "'x' ../a_b_c.deb 5 SHA256:0", "'x' ab.deb 5 S", "'x' a_%zz_c 5 S"} {
		if d, err := parseURIs([]byte(bad), "p"); err == nil {
			t.Errorf("%q: %+v", bad, d)
		}
	}
}

func TestCommandError(t *testing.T) {
	cause := os.ErrInvalid
	for _, tc := range []struct {
		text, want string
		kind       fault.Kind
	}{
		{"W: old\nE: first\nE: second\n", "apt-get update: first; second", fault.Failed},
		{"some text\nmore", "apt-get update: invalid argument: some text", fault.Failed},
		{"", "apt-get update: invalid argument", fault.Failed},
		{"E: The repository is not signed.", "apt-get update: The repository is not signed.", fault.Mismatch},
		{"E: write: No space left on device", "apt-get update: write: No space left on device", fault.NoSpace},
	} {
		err := commandError("apt-get", []string{"-q", "update"}, tc.text, cause)
		if err.Error() != tc.want || fault.KindOf(err) != tc.kind {
			t.Errorf("%q: %v (kind %d)", tc.text, err, fault.KindOf(err))
		}
	}
	var tl tail
	tl.limit = 4
	_, _ = tl.Write([]byte("abcdef"))
	if tl.String() != "cdef" {
		t.Errorf("tail %q", tl.String())
	}
}

func TestExtractTar(t *testing.T) {
	dir := t.TempDir()
	wanted := map[string]string{"/usr/bin/a": "A", "/usr/bin/b": "B"}
	stream := tarOf(t, map[string]any{"../../usr/bin/b": []byte("climbs"), "usr/bin/a": []byte("plain"), "usr/bin/z": []byte("z")})
	found, err := extractTar(bytes.NewReader(stream), dir, wanted)
	if err != nil || len(found) != 2 {
		t.Fatalf("%v, %v", found, err)
	}
	for _, path := range found {
		if filepath.Dir(path) != dir {
			t.Errorf("written to %s", path)
		}
	}
	if _, err := extractTar(bytes.NewReader(stream), dir, wanted); err == nil {
		t.Error("wrote over a file")
	}
	links := tarOf(t, map[string]any{"usr/bin/a": link("b"), "usr/bin/b": link("c")})
	if found, err := extractTar(bytes.NewReader(links), t.TempDir(), wanted); err != nil || len(found) != 0 {
		t.Errorf("links: %v, %v", found, err)
	}
	// tar fills its last record with zeros, 10 KiB or more; a writer whose
	// reader leaves before them dies of SIGPIPE.
	padded := bytes.NewReader(append(links, make([]byte, 64<<10)...))
	if found, err := extractTar(padded, t.TempDir(), wanted); err != nil || len(found) != 0 || padded.Len() != 0 {
		t.Errorf("padding: %v, %v, %d bytes not read", found, err, padded.Len())
	}
	_, err = extractTar(strings.NewReader(string(stream[:515])), t.TempDir(), wanted)
	wantKind(t, err, fault.Failed, "unpack /usr/bin/b: unexpected EOF")
	huge := &tar.Header{Name: "usr/bin/a", Typeflag: tar.TypeReg, Size: maxEmulator + 1}
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(huge); err != nil {
		t.Fatal(err)
	}
	_, err = extractTar(&b, t.TempDir(), wanted)
	wantKind(t, err, fault.Unsafe, "more than an emulator can have")
}
