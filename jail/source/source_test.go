package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

func TestParse(t *testing.T) {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		in   string
		want Spec
		bad  bool
	}{
		{in: "miniroot", want: Spec{Kind: Miniroot}},
		{in: "debian:bookworm", want: Spec{Debian, "bookworm"}},
		{in: "archive:/a/b.txz", want: Spec{Archive, "/a/b.txz"}},
		{in: "archive:b.txz", want: Spec{Archive, filepath.Join(wd, "b.txz")}},
		{in: "archive:https://example.org/r.tar", want: Spec{Archive, "https://example.org/r.tar"}},
		{in: "https://example.org/r.tar", want: Spec{Archive, "https://example.org/r.tar"}},
		{in: "dir:/srv/root", want: Spec{Dir, "/srv/root"}},
		{in: "src:/usr/src", want: Spec{Src, "/usr/src"}},
		{in: "release:14.3", want: Spec{Release, "14.3-RELEASE"}},
		{in: "release:16.0-CURRENT", want: Spec{Release, "16.0-CURRENT"}},
		{in: "pkgbase:15.1", want: Spec{PkgBase, "15.1-RELEASE"}},
		{in: "", bad: true},
		{in: "tarball:/x", bad: true},
		{in: "archive:", bad: true},
		{in: "http://", bad: true},
		{in: "debian:", bad: true},
		{in: "debian:--setup-hook=rm", bad: true},
		{in: "debian:a b", bad: true},
		{in: "miniroot:x", bad: true},
		{in: "release:", bad: true},
		{in: "release:stable", bad: true},
		{in: "pkgbase:14", bad: true},
		{in: "src:", bad: true},
	}
	for _, tt := range tests {
		got, err := Parse(tt.in)
		if tt.bad {
			if fault.KindOf(err) != fault.Usage {
				t.Errorf("Parse(%q) = %v, %v, want a usage error", tt.in, got, err)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("Parse(%q) = %v, %v, want %v", tt.in, got, err, tt.want)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("Parse(%q), which %q prints, = %v, %v", got.String(), tt.in, again, err)
		}
	}
}

func TestDefault(t *testing.T) {
	linux, bsd := Host{OS: "linux"}, Host{"freebsd", "15.1-RELEASE"}
	tests := []struct {
		arch  string
		host  Host
		guest string
		want  string // "" is an error
		why   string // part of the reason, or of the error and its hint
	}{
		{"aarch64", linux, "", "debian:stable", "arm64"},
		{"powerpc64le", linux, "", "debian:stable", "ppc64el"},
		{"mips64", linux, "", "miniroot", "Debian"},
		{"mips64el", linux, "", "miniroot", "bookworm"},
		{"powerpc64", linux, "", "miniroot", "Debian Ports"},
		{"powerpc", linux, "", "", "archive:"},
		{"sparc64", linux, "", "", "archive:"},

		{"aarch64", bsd, "", "release:15.1-RELEASE", "this machine runs 15.1-RELEASE"},
		{"amd64", Host{"freebsd", "16.0-CURRENT"}, "", "release:16.0-CURRENT", "this machine"},
		{"powerpc", bsd, "", "release:14.5-RELEASE", "last release with powerpc"},
		{"i386", Host{"freebsd", "14.3-RELEASE"}, "", "release:14.3-RELEASE", "this machine"},
		{"powerpc64le", Host{"freebsd", "12.4-RELEASE"}, "", "", "published since 13.0"},
		{"mips64", bsd, "", "", "no sets were ever published for mips64: its last release was 13.5"},
		{"mips64", bsd, "", "", "buildworld TARGET=mips TARGET_ARCH=mips64"},
		{"mips64", bsd, "", "", "--from src:DIR"},
		{"mips64", bsd, "", "", "--from archive:FILE"},
		{"loongarch64", bsd, "", "", "never released for it"},

		{"powerpc", linux, "freebsd", "release:14.5-RELEASE", "last release"},
		{"mips64", linux, "freebsd", "", "no sets were ever published"},
		{"aarch64", linux, "freebsd", "", "release:VERSION"},
		{"aarch64", Host{OS: "openbsd"}, "", "", "--from"},
	}
	for _, tt := range tests {
		spec, why, err := Default(lookup(t, tt.arch), tt.host, tt.guest)
		if tt.want == "" {
			if err == nil || fault.HintOf(err) == "" || !strings.Contains(err.Error()+" "+fault.HintOf(err), tt.why) {
				t.Errorf("Default(%s, %v) = %v, %v, hint %q", tt.arch, tt.host, spec, err, fault.HintOf(err))
			}
			continue
		}
		if err != nil || spec.String() != tt.want || !strings.Contains(why, tt.why) {
			t.Errorf("Default(%s, %v) = %v, %q, %v, want %s because of %q", tt.arch, tt.host, spec, why, err, tt.want, tt.why)
		}
		if again, err := Parse(spec.String()); err != nil || again != spec {
			t.Errorf("Parse(%q) = %v, %v", spec, again, err)
		}
	}
}

func TestHost(t *testing.T) {
	for in, want := range map[string]string{"15.1-RELEASE-p3": "15.1-RELEASE", "15.1-RELEASE": "15.1-RELEASE", "16.0-CURRENT": "16.0-CURRENT", "15.0-PRERELEASE": "15.0-PRERELEASE", "": ""} {
		if got := withoutPatch(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	if h := ThisHost(); h.OS == "" || (h.OS == "linux") != (h.Release == "") {
		t.Errorf("this host: %+v", h)
	}
}

func TestCheckDebian(t *testing.T) {
	tests := []struct {
		arch, suite string
		text, hint  string // "" allows it
	}{
		{"arm64", "bookworm", "", ""},
		{"riscv64", "stable", "", ""},
		{"mips64el", "bookworm", "", ""},
		{"arm64", "noble", "", ""},
		{"mips64el", "trixie", "from stretch to bookworm", "debian:bookworm"},
		{"mips64el", "stable", "from stretch to bookworm", "debian:bookworm"},
		{"riscv64", "bookworm", "since trixie", "debian:stable"},
		{"sparc64", "sid", "Debian Ports", "mirror:"},
		{"mips64", "bookworm", "Debian has no architecture for mips64", "miniroot"},
		{"mipsn32", "bookworm", "no release", "archive:FILE"},
	}
	for _, tt := range tests {
		a, err := arch.Lookup(tt.arch)
		if err != nil {
			t.Fatal(err)
		}
		err = CheckDebian(a, tt.suite)
		if tt.text == "" {
			if err != nil {
				t.Errorf("%s in %s: %v", tt.arch, tt.suite, err)
			}
			continue
		}
		if fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), tt.text) || !strings.Contains(fault.HintOf(err), tt.hint) {
			t.Errorf("%s in %s: %v, hint %q", tt.arch, tt.suite, err, fault.HintOf(err))
		}
	}
}

func TestDebianMirror(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"no sources", nil, ""},
		{"one line", map[string]string{"sources.list": "# deb http://old.example/debian x main\ndeb-src http://src.example/debian s main\ndeb [arch=amd64 signed-by=/k] http://a.example/debian bookworm main\n"}, "http://a.example/debian"},
		{"security is no mirror", map[string]string{"sources.list": "deb http://sec.example/debian-security bookworm-security main\ndeb http://b.example/debian/ bookworm main\n"}, "http://b.example/debian/"},
		{"stanza", map[string]string{"sources.list.d/debian.sources": "Types: deb\nURIs: http://c.example/debian\nSuites: trixie\n\nTypes: deb\nURIs: http://d.example/debian\nSuites: sid\n"}, "http://c.example/debian"},
		{"stanza that is off", map[string]string{"sources.list.d/debian.sources": "Types: deb\nEnabled: no\nURIs: http://c.example/debian\nSuites: trixie\n\nTypes: deb-src\nURIs: http://e.example/debian\nSuites: trixie\n\nTypes: deb deb-src\nURIs: http://d.example/debian\nSuites: trixie\n"}, "http://d.example/debian"},
		{"third parties", map[string]string{"sources.list.d/x.list": "deb https://packages.example/apt stable main\n"}, ""},
		{"other files", map[string]string{"sources.list.d/x.list.save": "deb http://a.example/debian x main\n"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "sources.list.d"), 0o755); err != nil {
				t.Fatal(err)
			}
			for name, text := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := DebianMirror(dir); got != tt.want {
				t.Errorf("DebianMirror = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDebianCommand(t *testing.T) {
	got := DebianCommand("/usr/bin/mmdebstrap", "arm64", "bookworm", "http://a.example/debian", "/r")
	if !slices.Contains(got, "--architectures=arm64") || got[len(got)-1] != "http://a.example/debian" || got[len(got)-2] != "/r" {
		t.Errorf("DebianCommand = %q", got)
	}
	if got := DebianCommand("m", "arm64", "bookworm", "", "/r"); got[len(got)-1] != "/r" {
		t.Errorf("without a mirror: %q", got)
	}
}

func TestDownload(t *testing.T) {
	const body = "a root, almost"
	digest := sha256.Sum256([]byte(body))
	right := hex.EncodeToString(digest[:])
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
	mux.HandleFunc("/short", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(body))
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	tests := []struct {
		name, path, sum string
		kind            fault.Kind
		text            string
	}{
		{"any digest", "/ok", "", 0, ""},
		{"right digest", "/ok", right, 0, ""},
		{"wrong digest", "/ok", strings.Repeat("0", 64), fault.Mismatch, right},
		{"not there", "/nothing", "", fault.NotFound, "404"},
		{"cut short", "/short", "", fault.Damaged, "after 14 of 100 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "file")
			seen := int64(0)
			sum, err := Download(context.Background(), srv.URL+tt.path, name, tt.sum, func(done, _ int64) { seen = done })
			if fault.KindOf(err) != tt.kind {
				t.Fatalf("Download: %v, kind %d, want %d", err, fault.KindOf(err), tt.kind)
			}
			_, serr := os.Stat(name)
			if err != nil {
				if !strings.Contains(err.Error(), tt.text) {
					t.Errorf("error %q does not say %q", err, tt.text)
				}
				if !errors.Is(serr, fs.ErrNotExist) {
					t.Error("a failed download left its file")
				}
				return
			}
			if sum != right || seen != int64(len(body)) || serr != nil {
				t.Errorf("sum %s, progress %d, file %v", sum, seen, serr)
			}
		})
	}
}

func TestDownloadStops(t *testing.T) {
	arrived := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("begin"))
		w.(http.Flusher).Flush()
		close(arrived)
		<-r.Context().Done()
	}))
	defer srv.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-arrived; cancel() }()
	name := filepath.Join(t.TempDir(), "file")
	if _, err := Download(ctx, srv.URL, name, "", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Download = %v, want context.Canceled", err)
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Error("an interrupted download left its file")
	}
}
