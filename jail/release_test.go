package jail

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/source"
	"github.com/xjail/xjail/jail/source/releasetest"
	"github.com/xjail/xjail/qemu"
)

// listener is a Watcher that remembers.
type listener struct {
	steps, warnings []string
	done            int64
	onStep          func(name string)
}

func (l *listener) Step(name, what string) {
	l.steps = append(l.steps, name+": "+what)
	if l.onStep != nil {
		l.onStep(name)
	}
}
func (l *listener) Progress(done, _, _ int64) {
	l.done = max(l.done, done)
}
func (l *listener) Log() io.Writer   { return io.Discard }
func (l *listener) Warn(text string) { l.warnings = append(l.warnings, text) }

// bsdWorld is a state directory and a mirror of a release.
type bsdWorld struct {
	t      *testing.T
	store  Store
	cfg    *Config
	server *releasetest.Server
	url    string
	stall  time.Duration
	heard  *listener
	onStep func(name string)
}

// newBSDWorld has no emulator for programs of FreeBSD, as about every Linux.
func newBSDWorld(t *testing.T, name string) *bsdWorld {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("makes roots in which nothing is run, which is for Linux only")
	}
	t.Setenv("PATH", t.TempDir())
	a, err := arch.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	if e, _, err := qemu.Find(t.Context(), a, qemu.FindOptions{GuestOS: "freebsd", SkipDigest: true}); err == nil {
		t.Skip("needs a machine without an emulator for FreeBSD, and there is " + e.Path)
	}
	server := &releasetest.Server{Release: releasetest.New(t, a)}
	srv := httptest.NewServer(server)
	t.Cleanup(srv.Close)
	w := &bsdWorld{t: t, store: Store{Dir: filepath.Join(t.TempDir(), "state")}, server: server, url: srv.URL, heard: &listener{}}
	w.cfg = &Config{FreeBSDMirrors: []string{srv.URL}}
	return w
}

func (w *bsdWorld) create(req Request) (*Record, error) {
	w.t.Helper()
	if req.Name == "" {
		req.Name = "j"
	}
	if req.Arch == "" {
		req.Arch = w.server.Release.Arch.Name
	}
	if req.From == "" {
		req.From = "release:14.3"
	}
	p, err := w.store.NewPlan(w.t.Context(), w.cfg, req)
	if err != nil {
		return nil, err
	}
	p.stall = w.stall
	w.heard = &listener{onStep: w.onStep}
	return w.store.Create(w.t.Context(), p, w.heard)
}

// made creates a jail, and removes it at the end of the test.
func (w *bsdWorld) made(req Request) *Record {
	w.t.Helper()
	r, err := w.create(req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := w.store.Destroy(context.Background(), r.Name); err != nil && fault.KindOf(err) != fault.NotFound {
			w.t.Error(err)
		}
	})
	return r
}

// nothingLeft wants no jail and no lock.
func (w *bsdWorld) nothingLeft() {
	w.t.Helper()
	if left, err := os.ReadDir(w.store.jails()); !os.IsNotExist(err) {
		w.t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCreateRelease(t *testing.T) {
	w := newBSDWorld(t, "aarch64")
	r := w.made(Request{})
	if r.Guest != "freebsd" || r.NotRun == "" || r.Emulator != nil || len(r.Activators) > 0 || len(r.Probe.Argv) > 0 {
		t.Errorf("%+v", r)
	}
	m := r.Source.Manifest
	if m == nil || m.Trust != source.ByHTTP || m.SHA256 != releasetest.Digest(w.server.Release.Files["MANIFEST"]) || len(m.Sets) != 2 || m.Sets[1].File != "lib32.txz" {
		t.Errorf("%+v", m)
	}
	if len(w.heard.warnings) != 1 || !strings.Contains(w.heard.warnings[0], "not pinned") {
		t.Errorf("warnings: %q", w.heard.warnings)
	}
	if got := w.server.Asked(); !slices.Equal(got, []string{"MANIFEST", "base.txz", "lib32.txz"}) {
		t.Errorf("asked for %q", got)
	}
	for name, want := range map[string]string{"etc/motd": "with 32 bits\n", "rescue/vi": string(releasetest.Program(w.server.Release.Arch))} {
		if text, err := os.ReadFile(filepath.Join(r.Root, name)); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	one, err1 := os.Stat(filepath.Join(r.Root, "rescue/sh"))
	two, err2 := os.Stat(filepath.Join(r.Root, "rescue/ls"))
	if err1 != nil || err2 != nil || !os.SameFile(one, two) {
		t.Errorf("a hard link: %v, %v", err1, err2)
	}
	if st, err := os.Stat(filepath.Join(r.Root, "usr/bin/su")); err != nil || os.Geteuid() == 0 && st.Mode()&os.ModeSetuid == 0 {
		t.Errorf("a set-id program: %v, %v", st.Mode(), err)
	}
	// The flags of both sets are kept aside, since Linux has none such.
	text, err := os.ReadFile(filepath.Join(w.store.dir("j"), "metadata.json"))
	for _, want := range []string{`"path":"lib/libc.so.7"`, `"path":"usr/lib32/libc.so.7"`, `"path":"var/empty"`, `"flags":"schg,uarch"`} {
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("metadata.json has no %s: %v", want, err)
		}
	}
}

// What is not entered is listed, verified and destroyed all the same.
func TestReleaseWithoutEmulator(t *testing.T) {
	w := newBSDWorld(t, "amd64")
	w.made(Request{})
	list, err := w.store.List()
	if err != nil || len(list) != 1 || list[0].State != "no emulator" {
		t.Errorf("%+v, %v", list, err)
	}
	checks, err := w.store.Verify(t.Context(), "j")
	if err != nil || len(checks) != 2 || checks[0].Result != OK || checks[1].Result != Warning || checks[1].Fix == "" {
		t.Errorf("%+v, %v", checks, err)
	}
	_, err = w.store.Exec(t.Context(), "j", &Command{Argv: []string{"uname"}})
	if fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), "no bsd-user QEMU") || fault.HintOf(err) == "" {
		t.Errorf("exec: %v, hint %q", err, fault.HintOf(err))
	}
	if err := w.store.Destroy(t.Context(), "j"); err != nil {
		t.Fatal(err)
	}
	w.nothingLeft()
}

func TestSetsAreShared(t *testing.T) {
	w := newBSDWorld(t, "aarch64")
	w.made(Request{})
	w.server.Asked()
	r := w.made(Request{Name: "k", Sets: []string{"src", "base"}})
	if got := w.server.Asked(); !slices.Equal(got, []string{"MANIFEST", "src.txz"}) {
		t.Errorf("asked for %q", got)
	}
	if got := r.Source.Manifest.Sets; len(got) != 2 || got[0].Name() != "base" {
		t.Errorf("sets %+v", got)
	}
	if _, err := os.Stat(filepath.Join(r.Root, "usr/src/Makefile")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(r.Root, "usr/lib32")); !os.IsNotExist(err) {
		t.Errorf("lib32 was not asked for: %v", err)
	}
}

// Each way to fail has its own kind and words; nothing is left of the jail; and
// the next try goes on where the download ended.
func TestReleaseFails(t *testing.T) {
	w := newBSDWorld(t, "aarch64")
	base := w.server.Release.Files["base.txz"]
	half := len(base) / 2
	other := httptest.NewServer(w.server)
	t.Cleanup(other.Close)
	cut := func(then func(*http.Request)) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Length", "99999")
			_, _ = rw.Write(base[:half])
			rw.(http.Flusher).Flush()
			then(r)
		}
	}
	tests := []struct {
		name    string
		req     Request
		cfg     Config
		stall   time.Duration
		answer  http.HandlerFunc
		kind    fault.Kind
		text    string
		resumes bool
	}{
		{"flipped bit", Request{}, Config{}, 0, func(rw http.ResponseWriter, _ *http.Request) {
			bad := slices.Clone(base)
			bad[half] ^= 1
			_, _ = rw.Write(bad)
		}, fault.Mismatch, "expected " + releasetest.Digest(base), false},
		{"missing set", Request{}, Config{}, 0, http.NotFound, fault.NotFound, "base.txz: 404", false},
		{"set that is not in the MANIFEST", Request{Sets: []string{"base", "games"}}, Config{}, 0, nil, fault.NotFound, "no set games", false},
		{"short file", Request{}, Config{}, 0, cut(func(*http.Request) {}), fault.Damaged, "cut short", true},
		{"stalled", Request{}, Config{}, 20 * time.Millisecond, cut(func(r *http.Request) { <-r.Context().Done() }), fault.Failed, "stalled", true},
		{"wrong MANIFEST", Request{ManifestSHA256: strings.Repeat("0", 64)}, Config{}, 0, nil, fault.Mismatch, "SHA-256 of the MANIFEST", false},
		{"other host", Request{}, Config{}, 0, func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, other.URL+r.URL.Path, http.StatusMovedPermanently)
		}, fault.Unsafe, "redirects to another host", false},
		{"no pin", Request{}, Config{FreeBSDRequirePinned: true}, 0, nil, fault.Unsafe, "freebsd_require_pinned", false},
		{"no such release", Request{From: "release:14.2"}, Config{}, 0, nil, fault.NotFound, "404", false},
		{"never was", Request{Arch: "mips64", From: "release:13.5"}, Config{}, 0, nil, fault.NotFound, "no sets were ever published", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.t = t
			w.store.Dir = filepath.Join(t.TempDir(), "state")
			w.cfg = &tt.cfg
			w.cfg.FreeBSDMirrors = []string{w.url}
			w.stall = tt.stall
			w.server.Answer(tt.answer)
			_, err := w.create(tt.req)
			if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.text) || fault.HintOf(err) == "" {
				t.Errorf("%v (kind %d), hint %q", err, fault.KindOf(err), fault.HintOf(err))
			}
			w.nothingLeft()
			w.server.Answer(nil)
			w.server.Asked()
			w.stall, w.cfg.FreeBSDRequirePinned = 0, false
			w.made(Request{})
			asked := slices.ContainsFunc(w.server.Asked(), func(s string) bool { return strings.HasPrefix(s, "base.txz bytes=") })
			if asked != tt.resumes {
				t.Errorf("resumed %v, want %v", asked, tt.resumes)
			}
		})
	}
}

// A set that somebody changes in the cache, once it was looked at, is not
// unpacked.
func TestChangedCache(t *testing.T) {
	w := newBSDWorld(t, "aarch64")
	digest := releasetest.Digest(w.server.Release.Files["base.txz"])
	w.onStep = func(name string) {
		if name != "extract" {
			return
		}
		if err := os.WriteFile(filepath.Join(w.store.Cache().Dir, digest, "file"), w.server.Release.Files["src.txz"], 0o600); err != nil {
			t.Error(err)
		}
	}
	_, err := w.create(Request{})
	if fault.KindOf(err) != fault.Mismatch || !strings.Contains(err.Error(), "base.txz") {
		t.Error(err)
	}
	w.nothingLeft()
	w.onStep = nil
	w.made(Request{})
}

func TestCheckRoot(t *testing.T) {
	host := arch.Host()
	bsd := string(releasetest.Program(host))
	unmarked := []byte(bsd)
	unmarked[7] = 0
	linux := slices.Clone(unmarked)
	linux[7] = 3
	for name, tt := range map[string]struct {
		files map[string]string
		guest string
		kind  fault.Kind
		hint  string
	}{
		"freebsd":                    {map[string]string{"bin/sh": bsd}, "freebsd", 0, ""},
		"freebsd for linux":          {map[string]string{"bin/sh": bsd}, "linux", fault.WrongArch, "--os freebsd"},
		"linux":                      {map[string]string{"bin/sh": string(linux)}, "linux", 0, ""},
		"linux for freebsd":          {map[string]string{"bin/sh": string(linux)}, "freebsd", fault.WrongArch, "--os linux"},
		"no mark":                    {map[string]string{"bin/sh": string(unmarked)}, "linux", 0, ""},
		"no mark for freebsd":        {map[string]string{"bin/sh": string(unmarked)}, "freebsd", fault.WrongArch, "identify"},
		"the second has a mark":      {map[string]string{"bin/sh": string(unmarked), "rescue/sh": bsd}, "freebsd", 0, ""},
		"the second is of another":   {map[string]string{"bin/sh": string(unmarked), "rescue/sh": bsd}, "linux", fault.WrongArch, "--os freebsd"},
		"only the linker is there":   {map[string]string{"libexec/ld-elf.so.1": bsd}, "freebsd", 0, ""},
		"a script, and then freebsd": {map[string]string{"bin/sh": "#!/bin/false\n", "lib/libc.so.7": bsd}, "freebsd", 0, ""},
		"nothing":                    {map[string]string{"etc/motd": "x"}, "freebsd", fault.Damaged, "/bin/sh"},
	} {
		dir := t.TempDir()
		for file, text := range tt.files {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		err = checkRoot(root, host, tt.guest)
		if fault.KindOf(err) != tt.kind || !strings.Contains(fault.HintOf(err), tt.hint) {
			t.Errorf("%s: %v, hint %q", name, err, fault.HintOf(err))
		}
	}
}

// A root of another system or architecture than was asked for is found out.
func TestWrongGuest(t *testing.T) {
	w := newBSDWorld(t, "aarch64")
	root := w.made(Request{}).Root
	for _, tt := range []struct {
		name string
		req  Request
		kind fault.Kind
		hint string
	}{
		{"another architecture", Request{Name: "k", Arch: "riscv64", From: "dir:" + root}, fault.WrongArch, "--arch"},
		{"source has another", Request{Name: "k", From: "release:14.3", Guest: "linux"}, fault.Usage, "--os"},
		{"no system", Request{Name: "k", From: "release:14.3", Guest: "plan9"}, fault.Usage, "--os"},
		{"sets of no release", Request{Name: "k", From: "dir:" + root, Sets: []string{"base"}}, fault.Usage, "--sets"},
		{"MANIFEST of no release", Request{Name: "k", From: "dir:" + root, ManifestSHA256: "00"}, fault.Usage, "--manifest-sha256"},
	} {
		_, err := w.create(tt.req)
		if fault.KindOf(err) != tt.kind || !strings.Contains(fault.HintOf(err), tt.hint) {
			t.Errorf("%s: %v, hint %q", tt.name, err, fault.HintOf(err))
		}
	}
	// A directory says itself what it is of.
	r := w.made(Request{Name: "k", From: "dir:" + root})
	if r.Guest != "freebsd" || r.NotRun == "" {
		t.Errorf("%+v", r)
	}
	archive := filepath.Join(t.TempDir(), "root.txz")
	if err := os.WriteFile(archive, w.server.Release.Files["base.txz"], 0o600); err != nil {
		t.Fatal(err)
	}
	if r := w.made(Request{Name: "l", From: "archive:" + archive, Guest: "freebsd"}); r.Guest != "freebsd" {
		t.Errorf("%+v", r)
	}
}

func TestReleaseConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "xjail.yaml")
	pin := strings.Repeat("a", 64)
	text := "freebsd_mirrors: [http://m.example]\nfreebsd_manifests: {arm64-aarch64-14.3-RELEASE: " + pin + "}\nfreebsd_manifest_dirs: [/d]\nfreebsd_require_pinned: true\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := ReadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	o := cfg.releaseOptions(Request{Sets: []string{"base"}, ManifestSHA256: "x"})
	want := source.ReleaseOptions{
		Mirrors: []string{"http://m.example"}, Sets: []string{"base"}, SHA256: "x",
		Pins: map[string]string{"arm64-aarch64-14.3-RELEASE": pin}, Dirs: []string{"/d"}, RequirePinned: true,
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("%+v, want %+v", o, want)
	}
}

func TestVersionStatus(t *testing.T) {
	for _, tt := range []struct {
		family string
		status int
		ok     bool
	}{{qemu.LinuxUser, 0, true}, {qemu.LinuxUser, 1, false}, {qemu.BSDUser, 1, true}, {qemu.BSDUser, 0, true}, {qemu.BSDUser, 139, false}} {
		if err := checkVersionStatus(&qemu.Emulator{Family: tt.family}, tt.status); (err == nil) != tt.ok {
			t.Errorf("%s, status %d: %v", tt.family, tt.status, err)
		}
	}
}

// What uname -m of FreeBSD says is TARGET.
func TestProbeOfFreeBSD(t *testing.T) {
	for _, tt := range []struct {
		arch, said string
		ok         bool
	}{
		{"aarch64", "arm64", true}, {"mips64", "mips", true}, {"powerpc64", "powerpc", true}, {"armv7", "arm", true}, {"riscv64", "riscv", true},
		{"mips64", "amd64", false}, {"aarch64", "arm", false},
	} {
		err := checkProbe(&Record{Arch: tt.arch, Guest: "freebsd"}, Probe{Argv: []string{"/usr/bin/uname", "-m"}, Output: tt.said})
		if (err == nil) != tt.ok {
			t.Errorf("%s says %s: %v", tt.arch, tt.said, err)
		}
	}
}

// A jail that the machine runs by itself has no emulator to be replaced.
func TestProbeHint(t *testing.T) {
	said := Probe{Argv: []string{"/usr/bin/uname", "-m"}, Output: "sparc64"}
	for _, r := range []*Record{{Arch: "amd64"}, {Arch: "amd64", Emulator: &EmulatorRecord{}}} {
		for _, err := range []error{checkProbe(r, said), hangs(r, "/bin/sh", time.Second)} {
			all := fault.HintOf(err) + err.Error()
			if err == nil || strings.Contains(all, "emulator") != (r.Emulator != nil) {
				t.Errorf("%+v: %v, hint %q", r, err, fault.HintOf(err))
			}
		}
	}
}

// The plans of a FreeBSD host, seen from here.
func TestPlanOnFreeBSD(t *testing.T) {
	w := newBSDWorld(t, "aarch64")
	host := &source.Host{OS: "freebsd", Release: "15.1-RELEASE"}
	for _, tt := range []struct {
		req  Request
		kind fault.Kind
		text string
	}{
		{Request{Name: "mips64"}, fault.NotFound, "no sets were ever published for mips64: its last release was 13.5"},
		{Request{Name: "j", Arch: "aarch64", From: "debian:bookworm"}, fault.Unsupported, "need a Linux kernel"},
		{Request{Name: "j", Arch: "mips64", From: "miniroot"}, fault.Unsupported, "Go has no port to mips64 on freebsd"},
		{Request{Name: "j", Arch: "aarch64", From: "miniroot", Guest: "linux"}, fault.Unsupported, "need a Linux kernel"},
		{Request{Name: "j", Arch: "aarch64", From: "archive:/none.tar", Guest: "linux"}, fault.Unsupported, "need a Linux kernel"},
		{Request{Name: "j", Arch: "aarch64", From: "release:10.4"}, fault.NotFound, "releases since 11.0"},
		{Request{Name: "j", Arch: "aarch64", From: "pkgbase:15.1"}, fault.NotFound, "pkg(8) is not installed"},
	} {
		tt.req.host = host
		_, err := w.store.NewPlan(t.Context(), w.cfg, tt.req)
		if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.text) || fault.HintOf(err) == "" {
			t.Errorf("%+v: %v, hint %q", tt.req, err, fault.HintOf(err))
		}
	}
	for _, from := range []string{"pkgbase:15.1", "src:" + t.TempDir()} {
		_, err := w.store.NewPlan(t.Context(), w.cfg, Request{Name: "j", Arch: "aarch64", From: from})
		if fault.HintOf(err) == "" || from == "pkgbase:15.1" && fault.KindOf(err) != fault.Unsupported {
			t.Errorf("%s on Linux: %v", from, err)
		}
	}
}

// installworld is two calls of make, and what they print when they fail is in
// the error. The make here is a shell script.
func TestInstallWorld(t *testing.T) {
	w := newBSDWorld(t, "mips64")
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Makefile.inc1": "", "sys/conf/newvers.sh": "REVISION=\"13.5\"\nBRANCH=\"RELEASE\"\n",
		"program": string(releasetest.Program(w.server.Release.Arch)),
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	bin := t.TempDir()
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	fakeMake := func(text string) {
		if err := os.WriteFile(filepath.Join(bin, "make"), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	req := Request{Name: "j", Arch: "mips64", From: "src:" + dir}
	create := func() (*Record, error) {
		// The host of the plan is FreeBSD, and the one that has no emulator Linux.
		p, err := w.store.NewPlan(t.Context(), w.cfg, Request{Name: "j", Arch: "mips64", From: "dir:" + dir, Guest: "freebsd"})
		if err != nil {
			t.Fatal(err)
		}
		if p.Source.tree, err = source.NewBuiltTree(p.arch, dir, source.Host{OS: "freebsd"}); err != nil {
			t.Fatal(err)
		}
		p.Source.Spec, _ = source.Parse(req.From)
		return w.store.Create(t.Context(), p, w.heard)
	}
	fakeMake("echo 'install: no such object' >&2\nexit 2\n")
	_, err := create()
	if fault.KindOf(err) != fault.Failed || !strings.Contains(err.Error(), "no such object") || !strings.Contains(fault.HintOf(err), "buildworld TARGET=mips TARGET_ARCH=mips64") {
		t.Errorf("%v, hint %q", err, fault.HintOf(err))
	}
	w.nothingLeft()
	fakeMake(`case $(readlink /proc/self/fd/3) in */j.lock) ;; *) exit 3;; esac
dest=${6#DESTDIR=}
case $3 in
installworld) mkdir -p "$dest/bin" && cp "$2/program" "$dest/bin/sh";;
distribution) echo "$4 $5 $7" > "$dest/etc";;
esac
`)
	r, err := create()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(r.Root, "etc")); err != nil || string(text) != "TARGET=mips TARGET_ARCH=mips64 DB_FROM_SRC=yes\n" {
		t.Errorf("%q, %v", text, err)
	}
	if err := w.store.Destroy(t.Context(), "j"); err != nil {
		t.Error(err)
	}
}

func TestPruneCache(t *testing.T) {
	w := newBSDWorld(t, "aarch64")
	w.made(Request{})
	if _, err := w.create(Request{Name: "k", Sets: []string{"base", "src"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.store.Destroy(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	removed := func(o PruneOptions) int {
		t.Helper()
		list, err := w.store.PruneCache(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, p := range list {
			if p.Removed {
				n++
			}
			if p.Removed == (p.Why != "") {
				t.Errorf("%+v", p)
			}
		}
		return n
	}
	for _, step := range []struct {
		o    PruneOptions
		want int
	}{
		{PruneOptions{Age: time.Hour}, 0},
		{PruneOptions{DryRun: true}, 1},
		{PruneOptions{}, 1}, // src, of which there is no jail any more
		{PruneOptions{}, 0},
		{PruneOptions{All: true, DryRun: true}, 2},
		{PruneOptions{All: true}, 2},
	} {
		if got := removed(step.o); got != step.want {
			t.Errorf("%+v removes %d, want %d", step.o, got, step.want)
		}
	}
	if _, err := os.Lstat(filepath.Join(w.store.Dir, "cache")); !os.IsNotExist(err) {
		t.Errorf("the empty cache stays: %v", err)
	}
}
