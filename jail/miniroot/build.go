package miniroot

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// sources are the program's files, with its tests, which are not built.
//
//go:embed program/*.go
var sources embed.FS

// goMod and goSum are those of the program as a module of its own: it has few
// of the modules that xjail needs, in the same versions.
//
//go:embed program.mod
var goMod []byte

//go:embed program.sum
var goSum []byte

// appletList names the commands, one a line.
//
//go:embed program/applets.txt
var appletList string

// ports are the values of GOARCH that Go has for each system (go tool dist list).
var ports = map[string][]string{
	"linux": {
		"386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle",
		"ppc64", "ppc64le", "riscv64", "s390x",
	},
	"freebsd": {"386", "amd64", "arm", "arm64", "riscv64"},
}

// Supported tells whether Go can build a mini root for values of GOOS and
// GOARCH.
func Supported(goos, goarch string) bool { return slices.Contains(ports[goos], goarch) }

// Options says what Build builds, and where.
type Options struct {
	GOOS     string    // whose programs: linux or freebsd
	GOARCH   string    // target
	Env      []string  // KEY=VALUE beside GOARCH: GOARM=7, GOMIPS=softfloat
	CacheDir string    // where binaries are kept; it is made when it is missing
	Go       string    // the go command; "" looks in PATH and at /usr/local/go/bin/go
	Log      io.Writer // what is done, and what go says; nil for nothing
}

// target is the port, as Go names it.
func (o Options) target() string { return o.GOOS + "/" + o.GOARCH }

// Binary is a program that Build made.
type Binary struct {
	Path      string   `json:"path"`       // in the cache
	GOOS      string   `json:"goos"`       // whose program it is
	SHA256    string   `json:"sha256"`     // of the file, in hex
	GoVersion string   `json:"go_version"` // as "go1.26.0"
	Applets   []string `json:"applets"`    // the commands that it is, sorted
}

// Applets are the names of the commands of a mini root, sorted.
func Applets() []string { return strings.Fields(appletList) }

// Build makes the program for a target, or finds it in the cache: there it
// stays until the sources, the toolchain or the target differ. It waits while
// another process builds the same. A build that is interrupted leaves nothing
// but what the next one removes.
//
// Errors are of kind fault.Unsupported when Go has no such port or the
// toolchain is too old, fault.NotFound when there is no toolchain or a module
// cannot be had, fault.Interrupted when ctx ended, fault.NoSpace.
func Build(ctx context.Context, o Options) (*Binary, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	if !Supported(o.GOOS, o.GOARCH) {
		return nil, fault.New(fault.Unsupported, "for "+o.GOOS+" Go builds: "+strings.Join(ports[o.GOOS], " "),
			"mini root: Go has no port to %s", o.target())
	}
	tool, err := findGo(o.Go)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.CacheDir, 0o755); err != nil {
		return nil, diskError(err)
	}
	b := builder{Options: o, tool: tool}
	if err := b.version(ctx); err != nil {
		return nil, err
	}
	return b.build(ctx)
}

// builder is one call of Build.
type builder struct {
	Options
	tool      string
	goVersion string
}

func (b *builder) build(ctx context.Context) (*Binary, error) {
	key, err := b.key()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.CacheDir, key)
	if bin := b.cached(dir); bin != nil {
		return bin, nil
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	if bin := b.cached(dir); bin != nil { // another process has just built it
		return bin, nil
	}
	work := dir + ".tmp"
	if err := os.RemoveAll(work); err != nil { // of a build that was killed
		return nil, diskError(err)
	}
	defer func() { _ = os.RemoveAll(work) }() // the next build removes it otherwise
	fmt.Fprintf(b.Log, "building the mini root for %s with %s\n", strings.Join(append([]string{b.target()}, b.Env...), " "), b.goVersion)
	if err := b.compile(ctx, work); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(dir); err != nil { // a damaged one
		return nil, diskError(err)
	}
	if err := os.Rename(filepath.Join(work, "out"), dir); err != nil {
		return nil, diskError(err)
	}
	bin := b.cached(dir)
	if bin == nil {
		return nil, fault.New(fault.Damaged, "", "mini root: the program was not written as it was built: %s", dir)
	}
	return bin, nil
}

// key names the binary by all that goes into it.
func (b *builder) key() (string, error) {
	h := sha256.New()
	add := func(name string, text []byte) { fmt.Fprintf(h, "%s %d\n%s", name, len(text), text) }
	names, err := sourceNames()
	if err != nil {
		return "", err
	}
	for _, name := range names {
		text, err := sources.ReadFile(name)
		if err != nil {
			return "", err
		}
		add(name, text)
	}
	add("go.mod", goMod)
	add("go.sum", goSum)
	add("go", []byte(b.goVersion))
	add("flags", []byte(strings.Join(buildFlags, " ")))
	env := slices.Clone(b.Env)
	slices.Sort(env)
	add("env", []byte(strings.Join(env, "\n")))
	return b.GOOS + "-" + b.GOARCH + "-" + hex.EncodeToString(h.Sum(nil))[:16], nil
}

// sourceNames are the embedded files that the program is built of.
func sourceNames() ([]string, error) {
	names, err := fs.Glob(sources, "program/*.go")
	return slices.DeleteFunc(names, func(s string) bool { return strings.HasSuffix(s, "_test.go") }), err
}

// binaryName is the name of the program, in the cache and in the root.
const binaryName = "xjail-miniroot"

// cached is the binary of a directory of the cache when it is there and whole.
func (b *builder) cached(dir string) *Binary {
	file := filepath.Join(dir, binaryName)
	want, err := os.ReadFile(file + ".sha256")
	if err != nil {
		return nil
	}
	sum, err := digest(file)
	if err != nil || sum != strings.TrimSpace(string(want)) {
		return nil
	}
	return &Binary{Path: file, GOOS: b.GOOS, SHA256: sum, GoVersion: b.goVersion, Applets: Applets()}
}

func digest(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// buildFlags make a file that does not depend on where it was built. Symbols
// are left out: they are not loaded, but they are copied into each root.
//
// The goroutines are not preempted by signals (GODEBUG=asyncpreemptoff=1, here
// as the program's default): a signal is costly to an emulator, and a Go program
// with threads does not survive one in QEMU 7.2's i386.
var buildFlags = []string{
	"build", "-mod=readonly", "-trimpath", "-buildvcs=false",
	"-ldflags=-s -w -buildid= -X=runtime.godebugDefault=asyncpreemptoff=1",
}

// compile lays out the sources in work and builds work/out.
func (b *builder) compile(ctx context.Context, work string) error {
	src, out := filepath.Join(work, "src"), filepath.Join(work, "out")
	if err := writeSources(src); err != nil {
		return diskError(err)
	}
	if err := os.Mkdir(out, 0o755); err != nil {
		return diskError(err)
	}
	file := filepath.Join(out, binaryName)
	if err := b.run(ctx, src, append(slices.Clone(buildFlags), "-o", file, ".")...); err != nil {
		return err
	}
	if err := checkStatic(file); err != nil {
		return err
	}
	if err := os.Chmod(file, 0o755); err != nil {
		return diskError(err)
	}
	sum, err := digest(file)
	if err != nil {
		return diskError(err)
	}
	return diskError(os.WriteFile(file+".sha256", []byte(sum+"\n"), 0o644))
}

func writeSources(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	names, err := sourceNames()
	if err != nil {
		return err
	}
	files := map[string][]byte{"go.mod": goMod, "go.sum": goSum}
	for _, name := range names {
		if files[path.Base(name)], err = sources.ReadFile(name); err != nil {
			return err
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// checkStatic makes sure that the program needs no file but itself.
func checkStatic(file string) error {
	f, err := elf.Open(file)
	if err != nil {
		return fault.Wrap(fault.Damaged, err, "mini root: what go built", "")
	}
	defer func() { _ = f.Close() }() // it was only read
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fault.New(fault.Failed, "unset CGO_ENABLED", "mini root: go built a program that needs a dynamic linker")
		}
	}
	return nil
}

// lock takes the lock of a build, or waits for it.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, diskError(err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			// The file stays: removing it would let two processes lock two files.
			return func() { f.Close() }, nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			f.Close()
			return nil, diskError(err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fault.Wrap(fault.Interrupted, ctx.Err(), "mini root: waiting for another build", "")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// diskError gives a failure of the cache or the root its kind; nil stays nil.
func diskError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fault.Wrap(fault.NoSpace, err, "mini root", "free some space, or put the state elsewhere with --state")
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(fault.Permission, err, "mini root", "")
	case errors.Is(err, fs.ErrExist):
		return fault.Wrap(fault.Exists, err, "mini root", "")
	}
	return fault.Wrap(fault.Failed, err, "mini root", "")
}
