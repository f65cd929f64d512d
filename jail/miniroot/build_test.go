package miniroot

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// needGo skips where there is no toolchain: the package says so itself then.
func needGo(t *testing.T) {
	t.Helper()
	if _, err := findGo(""); err != nil {
		t.Skip("no Go toolchain:", err)
	}
}

// TestBuild builds for another architecture, without a network: the modules
// that the tests were compiled with have to do.
func TestBuild(t *testing.T) {
	needGo(t)
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "-mod=mod")
	var log bytes.Buffer
	o := Options{GOOS: "linux", GOARCH: "mips64", CacheDir: filepath.Join(t.TempDir(), "deep", "cache"), Log: &log}
	b, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "building the mini root for linux/mips64") {
		t.Errorf("log: %q", log.String())
	}
	if sum, err := digest(b.Path); err != nil || sum != b.SHA256 {
		t.Errorf("digest %s, %v; the binary says %s", sum, err, b.SHA256)
	}
	if !strings.HasPrefix(b.GoVersion, "go1.") || !slices.Contains(b.Applets, "sh") {
		t.Errorf("%+v", b)
	}
	runForeign(t, b.Path)

	t.Run("again", func(t *testing.T) {
		log.Reset()
		again, err := Build(t.Context(), o)
		if err != nil || again.Path != b.Path || log.Len() > 0 {
			t.Errorf("%+v, %v, log %q", again, err, log.String())
		}
	})
	t.Run("damaged", func(t *testing.T) {
		if err := os.Truncate(b.Path, 1000); err != nil {
			t.Fatal(err)
		}
		// What a killed build has left is in the way of nothing.
		if err := os.MkdirAll(filepath.Dir(b.Path)+".tmp/src/x", 0o755); err != nil {
			t.Fatal(err)
		}
		again, err := Build(t.Context(), o)
		if err != nil || again.SHA256 != b.SHA256 {
			t.Errorf("%+v, %v: expected the same program", again, err)
		}
		left, err := filepath.Glob(filepath.Join(o.CacheDir, "*"))
		if err != nil || len(left) != 2 { // the directory and the lock
			t.Errorf("left: %q, %v", left, err)
		}
	})
}

// runForeign runs a program for mips64 where there is an emulator.
func runForeign(t *testing.T, file string) {
	t.Helper()
	emulator, err := exec.LookPath("qemu-mips64-static")
	if err != nil {
		t.Log("not run: there is no qemu-mips64-static")
		return
	}
	out, err := exec.Command(emulator, file, "uname", "-m").CombinedOutput()
	if err != nil || string(out) != "mips64\n" {
		t.Errorf("uname -m: %q, %v", out, err)
	}
}

// TestBuildTogether: of two builds of the same one waits for the other.
func TestBuildTogether(t *testing.T) {
	needGo(t)
	log := &safeBuffer{}
	o := Options{GOOS: "linux", GOARCH: runtime.GOARCH, CacheDir: t.TempDir(), Log: log}
	if !Supported(o.GOOS, o.GOARCH) {
		t.Skip("Go has no port of Linux to this architecture")
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := Build(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := strings.Count(log.String(), "building"); n != 1 {
		t.Errorf("built %d times: %s", n, log.String())
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// fakeGo is a go command that is a script.
func fakeGo(t *testing.T, script string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "go")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestBuildErrors(t *testing.T) {
	const version = `[ "$1" = env ] && { echo go1.26.0; exit; }` + "\n"
	for _, tt := range []struct {
		name, goarch, tool string // tool: a script, or a path when it begins with a slash
		kind               fault.Kind
		text, hint         string
	}{
		{"no such port", "sparc64", "", fault.Unsupported, "linux/sparc64", "mips64le"},
		{"no toolchain", "arm64", "/no/such/go", fault.NotFound, "go command", installGo(runtime.GOOS)},
		{"not go", "arm64", "echo gnu make", fault.NotFound, "gnu make", installGo(runtime.GOOS)},
		{"too old", "arm64", version + "echo 'go: go.mod requires go >= 1.26.0 (running go 1.19)' >&2; exit 1", fault.Unsupported, "1.19", "newer Go"},
		{"too old for the port", "loong64", version + "echo 'go: unsupported GOOS/GOARCH pair linux/loong64' >&2; exit 2", fault.Unsupported, "pair", "too old"},
		{"no network", "arm64", version + "echo 'main.go:1: mvdan.cc/sh/v3: Get \"https://example.org\": dial tcp: lookup example.org: no such host' >&2; exit 1", fault.NotFound, "no such host", "GOPROXY"},
		{"a changed module", "arm64", version + "echo 'verifying mvdan.cc/sh/v3@v3.14.1: checksum mismatch' >&2; exit 1", fault.Mismatch, "checksum", "modcache"},
		{"disk full", "arm64", version + "echo 'write $WORK/b001: no space left on device' >&2; exit 1", fault.NoSpace, "no space", "GOCACHE"},
		{"anything else", "arm64", version + "exit 3", fault.Failed, "exit status 3", ""},
		{"no ELF", "arm64", version + `while [ "$1" != -o ]; do shift || exit; done; echo a text and no program > "$2"`, fault.Damaged, "bad magic", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := Options{GOOS: "linux", GOARCH: tt.goarch, CacheDir: t.TempDir(), Go: tt.tool}
			if tt.tool != "" && tt.tool[0] != '/' {
				o.Go = fakeGo(t, tt.tool)
			}
			_, err := Build(t.Context(), o)
			if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.text) || !strings.Contains(fault.HintOf(err), tt.hint) {
				t.Errorf("kind %d: %v; hint %q", fault.KindOf(err), err, fault.HintOf(err))
			}
			left, err := filepath.Glob(filepath.Join(o.CacheDir, "*"))
			if err != nil || slices.ContainsFunc(left, func(s string) bool { return !strings.HasSuffix(s, ".lock") }) {
				t.Errorf("left: %q, %v", left, err)
			}
		})
	}
}

func TestBuildInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	mark := filepath.Join(t.TempDir(), "started")
	o := Options{GOOS: "linux", GOARCH: "arm64", CacheDir: t.TempDir(), Go: fakeGo(t, `[ "$1" = env ] && { echo go1.26.0; exit; }
trap 'exit 1' INT
echo > `+mark+`
while :; do sleep 0.05; done`)}
	go func() {
		for {
			if _, err := os.Stat(mark); err == nil {
				cancel()
				return
			}
			runtime.Gosched()
		}
	}()
	_, err := Build(ctx, o)
	if fault.KindOf(err) != fault.Interrupted || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(o.CacheDir, "*.tmp")); left != nil {
		t.Errorf("left: %q", left)
	}
}

// TestWaitInterrupted: waiting for another build ends with the context.
func TestWaitInterrupted(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.lock")
	unlock, err := lock(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lock(ctx, name); fault.KindOf(err) != fault.Interrupted {
		t.Errorf("%v", err)
	}
	unlock()
	if unlock, err := lock(t.Context(), name); err != nil {
		t.Error(err)
	} else {
		unlock()
	}
}

func TestKey(t *testing.T) {
	base := builder{Options: Options{GOOS: "linux", GOARCH: "arm", Env: []string{"GOARM=7", "GODEBUG=a=b"}}, goVersion: "go1.26.0"}
	key := func(change func(*builder)) string {
		b := base
		change(&b)
		k, err := b.key()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	same := key(func(*builder) {})
	if got := key(func(b *builder) { b.Env = []string{"GODEBUG=a=b", "GOARM=7"} }); got != same {
		t.Error("the order of the environment changes the key")
	}
	for name, change := range map[string]func(*builder){
		"environment":  func(b *builder) { b.Env = []string{"GOARM=5"} },
		"architecture": func(b *builder) { b.GOARCH = "arm64" },
		"system":       func(b *builder) { b.GOOS = "freebsd" },
		"version":      func(b *builder) { b.goVersion = "go1.26.1" },
	} {
		if key(change) == same {
			t.Error("the key does not depend on the", name)
		}
	}
}

func TestEnviron(t *testing.T) {
	b := builder{Options: Options{GOOS: "linux", GOARCH: "mips", Env: []string{"GOMIPS=softfloat"}, CacheDir: "/c"}}
	got := b.environ([]string{"HOME=/h", "GOPROXY=https://example.org", "GOFLAGS=-mod=vendor", "GOARCH=amd64", "GOMIPS=hardfloat", "CGO_ENABLED=1", "GOWORK=/w", "GOEXPERIMENT=x", "PATH=/bin"})
	want := []string{"HOME=/h", "GOPROXY=https://example.org", "PATH=/bin", "GOFLAGS=-mod=readonly", "GOTMPDIR=/c", "GOWORK=off", "GO111MODULE=on", "CGO_ENABLED=0", "GOOS=linux", "GOARCH=mips", "GOMIPS=softfloat"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	got = b.environ([]string{"PATH=/bin", "HOME="})
	if !slices.Contains(got, "GOCACHE=/c/go-build") || !slices.Contains(got, "GOPATH=/c/go") || !slices.Contains(got, "GOFLAGS=-mod=readonly -modcacherw") {
		t.Errorf("without a home the caches have no place: %q", got)
	}
}

func TestSupported(t *testing.T) {
	for port, want := range map[string]bool{
		"linux/mips64": true, "linux/loong64": true, "linux/ppc": false, "linux/": false, "/amd64": false,
		"freebsd/riscv64": true, "freebsd/mips64": false, "js/wasm": false,
	} {
		goos, goarch, _ := strings.Cut(port, "/")
		if Supported(goos, goarch) != want {
			t.Errorf("Supported(%q, %q) is %v", goos, goarch, !want)
		}
	}
	needGo(t)
	tool, err := findGo("")
	if err != nil {
		t.Fatal(err)
	}
	whole, broken := goPorts(t, tool), goPorts(t, tool, "-broken")
	for goos, have := range ports {
		for _, goarch := range have {
			if !slices.Contains(broken, goos+"/"+goarch) {
				t.Errorf("Go has no port %s/%s", goos, goarch)
			}
		}
		for _, port := range whole {
			if goarch, ok := strings.CutPrefix(port, goos+"/"); ok && !Supported(goos, goarch) {
				t.Errorf("Go has a port to %s", port)
			}
		}
	}
}

// goPorts are the ports that go knows; -broken lists those too that build but
// that Go's makers do not test at present, such as freebsd/riscv64 in 1.26.
func goPorts(t *testing.T, tool string, options ...string) []string {
	t.Helper()
	out, err := exec.Command(tool, append([]string{"tool", "dist", "list"}, options...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}
