package miniroot

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// goHint is what to do without a Go toolchain.
var goHint = installGo(runtime.GOOS) + ", or https://go.dev/dl; or without Go: --from debian:SUITE, --from archive:FILE"

func installGo(goos string) string {
	if goos == "freebsd" {
		return "pkg install go"
	}
	return "sudo apt-get install golang-go"
}

// usualGo is where go.dev says to install Go; it is often not in PATH.
const usualGo = "/usr/local/go/bin/go"

// findGo finds the go command.
func findGo(given string) (string, error) {
	for _, name := range []string{given, "go", usualGo} {
		if name == "" {
			continue
		}
		tool, err := exec.LookPath(name)
		if err == nil {
			return filepath.Abs(tool)
		}
		if name == given {
			return "", fault.Wrap(fault.NotFound, err, "mini root: the go command", goHint)
		}
	}
	return "", fault.New(fault.NotFound, goHint, "mini root: there is no Go toolchain to build it: no go in PATH, no %s", usualGo)
}

// version asks the toolchain what it is. That is asked with the module's
// go.mod, as a newer toolchain may be chosen by it.
func (b *builder) version(ctx context.Context) error {
	dir, err := os.MkdirTemp(b.CacheDir, "version-")
	if err != nil {
		return diskError(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // it holds nothing that counts
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), goMod, 0o644); err != nil {
		return diskError(err)
	}
	out, err := b.output(ctx, dir, "env", "GOVERSION")
	if err != nil {
		return err
	}
	b.goVersion = strings.TrimSpace(string(out))
	if !strings.HasPrefix(b.goVersion, "go") && !strings.HasPrefix(b.goVersion, "devel") {
		return fault.New(fault.NotFound, goHint, "mini root: %s is not Go's command: it says %q", b.tool, b.goVersion)
	}
	return nil
}

// run runs go, with its output in the log.
func (b *builder) run(ctx context.Context, dir string, args ...string) error {
	_, err := b.output(ctx, dir, args...)
	return err
}

func (b *builder) output(ctx context.Context, dir string, args ...string) ([]byte, error) {
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, b.tool, args...)
	cmd.Dir = dir
	cmd.Env = b.environ(os.Environ())
	cmd.Stdout = &out
	cmd.Stderr = io.MultiWriter(&said, b.Log)
	cmd.SysProcAttr = endTogether()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	switch {
	case err == nil:
		return out.Bytes(), nil
	case ctx.Err() != nil:
		return nil, fault.Wrap(fault.Interrupted, ctx.Err(), "mini root: go "+args[0], "")
	}
	return nil, b.explain(args[0], said.String(), err)
}

// environ is the environment of go: the user's, so that proxies, caches and
// GOTOOLCHAIN hold, without what would change the program.
func (b *builder) environ(env []string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		key, _, _ := strings.Cut(kv, "=")
		switch key {
		case "GOFLAGS", "GOWORK", "GO111MODULE", "GOOS", "GOARCH", "CGO_ENABLED", "GOEXPERIMENT", "GOFIPS140", "GODEBUG", "GOTMPDIR", "PWD":
			return true
		}
		return slices.Contains(archVariables, key)
	})
	// GOFLAGS must not be empty: go would take it from its own settings then.
	flags := "GOFLAGS=-mod=readonly"
	if !slices.ContainsFunc(env, hasCache) {
		flags += " -modcacherw" // modules that are ours can be removed with the cache
		env = append(env, "GOCACHE="+filepath.Join(b.CacheDir, "go-build"), "GOPATH="+filepath.Join(b.CacheDir, "go"))
	}
	// What go leaves behind when it is killed lies where it is found again.
	env = append(env, flags, "GOTMPDIR="+b.CacheDir, "GOWORK=off", "GO111MODULE=on", "CGO_ENABLED=0", "GOOS="+b.GOOS, "GOARCH="+b.GOARCH)
	return append(env, b.Env...)
}

// archVariables choose the variant of an architecture (go help environment).
var archVariables = []string{"GO386", "GOAMD64", "GOARM", "GOARM64", "GOMIPS", "GOMIPS64", "GOPPC64", "GORISCV64"}

// hasCache tells that go will find a place for its caches.
func hasCache(kv string) bool {
	key, value, _ := strings.Cut(kv, "=")
	return value != "" && (key == "HOME" || key == "GOCACHE" || key == "XDG_CACHE_HOME")
}

var (
	tooOld    = lazy(`requires go >= ?([0-9.]+)|toolchain not available|invalid go version|unknown directive: toolchain|requires newer Go version`)
	noPort    = lazy(`unsupported GOOS/GOARCH pair`)
	noModule  = lazy(`dial tcp|no such host|i/o timeout|connection refused|module lookup disabled|TLS handshake|proxyconnect|40[34] |50[0-9] |GOPROXY|server misbehaving|cannot find module`)
	noSpace   = lazy(`no space left on device|disk quota exceeded`)
	sumFailed = lazy(`SECURITY ERROR|checksum mismatch`)
)

// lazy is a pattern that is compiled when it is first used.
func lazy(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// explain makes an error of what go said.
func (b *builder) explain(verb, said string, err error) error {
	text := errors.New(lastLines(said, err))
	what := "mini root: go " + verb
	switch {
	case sumFailed().MatchString(said):
		return fault.Wrap(fault.Mismatch, text, what, "a module is not what it should be; go clean -modcache fetches all anew")
	case noSpace().MatchString(said):
		return fault.Wrap(fault.NoSpace, text, what, "free some space where go builds: go env GOCACHE GOTMPDIR")
	case noPort().MatchString(said):
		return fault.Wrap(fault.Unsupported, text, what, "this Go toolchain is too old for "+b.target()+"; "+goHint)
	case tooOld().MatchString(said):
		return fault.Wrap(fault.Unsupported, text, what, "a newer Go is needed: https://go.dev/dl, or GOTOOLCHAIN=auto")
	case noModule().MatchString(said):
		return fault.Wrap(fault.NotFound, text, what, "the modules come from GOPROXY (go env GOPROXY); without a network, run it once where there is one, with the same GOMODCACHE")
	}
	return fault.Wrap(fault.Failed, text, what, "")
}

// lastLines is the end of go's output, which says what failed.
func lastLines(said string, err error) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if said = strings.Join(lines[max(0, len(lines)-6):], "\n"); said == "" {
		return err.Error()
	}
	return said
}
