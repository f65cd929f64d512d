package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// FetchOptions say where Fetch puts emulators and what it shows.
type FetchOptions struct {
	Dir string    // made when it is missing
	Log io.Writer // what apt says; nil: nowhere
	// Progress is called from time to time with the bytes downloaded so far and
	// in all; nil: never.
	Progress func(done, total int64)
}

// packages have static emulators: qemu-user-static up to Debian 12, and
// qemu-user after it, where qemu-user-static is an empty package. The first
// that holds the file counts.
var packages = []string{"qemu-user-static", "qemu-user"}

// tempPrefix begins the names of the directories in which Fetch works.
const tempPrefix = ".fetch-"

// Fetch gets the distribution's own emulator of a and puts it into o.Dir. See
// FetchAll.
func Fetch(ctx context.Context, a *arch.Arch, o FetchOptions) (*Emulator, error) {
	all, err := FetchAll(ctx, []*arch.Arch{a}, o)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// FetchAll gets emulators out of the packages of a Debian-like host, in the
// order of archs. apt downloads and verifies them, with the machine's own
// sources, keyrings and proxies, but with state and cache in a directory of
// their own below o.Dir, which is removed at the end: any user can do it, and
// the machine is not changed. The machine's package lists are used when they
// are there and good enough, else fresh ones are downloaded.
//
// What is there already in the package's version is not downloaded again. When
// one emulator cannot be had none is put in place.
//
// Errors are of kind Unsupported where there is no apt, NotFound when the
// packages do not have the emulator, Mismatch when a signature or a digest is
// wrong, Locked when another process fetches into o.Dir.
func FetchAll(ctx context.Context, archs []*arch.Arch, o FetchOptions) ([]*Emulator, error) {
	if err := canFetch(archs); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fileError(err)
	}
	o.Dir = dir
	unlock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	sweep(o.Dir)
	tmp, err := os.MkdirTemp(o.Dir, tempPrefix)
	if err != nil {
		return nil, fileError(err)
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // what cannot be removed now is swept by the next fetch
	f := &fetcher{FetchOptions: o, archs: archs, tmp: tmp}
	return f.fetch(ctx)
}

// canFetch checks what can be known beforehand.
func canFetch(archs []*arch.Arch) error {
	for _, a := range archs {
		if a.QEMU == "" {
			return fault.New(fault.NotFound, "", "QEMU has no user-mode emulator for %s", a.Name)
		}
		if !a.LinuxUser && runtime.GOOS == "linux" {
			return fault.New(fault.NotFound, "", "QEMU has no linux-user emulator for %s", a.Name)
		}
	}
	for _, tool := range []string{"apt-get", "apt-config", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			target := "TARGET"
			if len(archs) == 1 {
				target = archs[0].QEMU
			}
			return fault.New(fault.Unsupported, installCommand(runtime.GOOS, readOSRelease(), target),
				"emulators are fetched with apt, and this system has no %s", tool)
		}
	}
	return nil
}

// lockDir makes dir and locks it. The lock goes with the process.
func lockDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fileError(err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, fileError(err)
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		d.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fault.New(fault.Locked, "wait until it is done", "another xjail fetches emulators into %s", dir)
		}
		return nil, fault.Wrap(fault.Failed, err, "lock "+dir, "")
	}
	return func() { d.Close() }, nil
}

// sweep removes what killed runs have left. The lock on dir is held, so nobody
// works in there.
func sweep(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), tempPrefix) {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}

type fetcher struct {
	FetchOptions
	archs []*arch.Arch
	tmp   string
	apt   *privateApt
}

// fetched is the name of the file in Dir.
func fetched(a *arch.Arch) string { return "qemu-" + a.QEMU + "-static" }

// inPackage are the paths at which packages have the emulator of a.
func inPackage(a *arch.Arch) []string {
	return []string{"/usr/bin/qemu-" + a.QEMU + "-static", "/usr/bin/qemu-" + a.QEMU}
}

func (f *fetcher) fetch(ctx context.Context) ([]*Emulator, error) {
	var err error
	if f.apt, err = newPrivateApt(ctx, f.tmp, f.Log); err != nil {
		return nil, err
	}
	got := map[string]*Emulator{} // by target, examined, below tmp or in Dir
	problems := f.fromPackages(ctx, got)
	if len(f.missing(got)) > 0 && len(problems) > 0 && ctx.Err() == nil {
		// The machine's lists are missing or old.
		updateErr := f.apt.update(ctx)
		problems = slices.Concat(f.fromPackages(ctx, got), []error{updateErr}, problems)
	}
	switch {
	case ctx.Err() != nil:
		return nil, fault.Wrap(fault.Interrupted, ctx.Err(), "fetch", "")
	case len(f.missing(got)) > 0:
		return nil, failed(f.missing(got)[0], problems)
	}
	return f.publish(got)
}

// fromPackages tries the packages in their order, and returns what went wrong.
func (f *fetcher) fromPackages(ctx context.Context, got map[string]*Emulator) (problems []error) {
	for _, pkg := range packages {
		if len(f.missing(got)) == 0 || ctx.Err() != nil {
			break
		}
		if err := f.fromPackage(ctx, pkg, got); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

// missing are the architectures for which there is nothing yet.
func (f *fetcher) missing(got map[string]*Emulator) []*arch.Arch {
	var list []*arch.Arch
	for _, a := range f.archs {
		if got[a.QEMU] == nil && !slices.ContainsFunc(list, func(b *arch.Arch) bool { return a.QEMU == b.QEMU }) {
			list = append(list, a)
		}
	}
	return list
}

// failed is the error for an architecture that no package had. That one of the
// packages does not exist matters only when nothing else went wrong.
func failed(a *arch.Arch, problems []error) error {
	known := func(err error) bool { return err == nil || fault.KindOf(err) == fault.NotFound }
	real := slices.DeleteFunc(slices.Clone(problems), known)
	what := "fetch emulator for " + a.Name
	switch {
	case len(real) > 0:
		hint := fault.HintOf(real[0])
		if hint == "" {
			hint = "see whether apt-get update works on this machine"
		}
		return &fault.Error{Kind: fault.KindOf(real[0]), What: what, Hint: hint, Err: joined(real)}
	case len(problems) >= len(packages):
		return &fault.Error{
			Kind: fault.NotFound, What: what, Err: joined(problems),
			Hint: "look whether apt's sources have the distribution's component main (Ubuntu: universe)",
		}
	}
	reason := "the distribution's packages " + strings.Join(packages, " and ") + " have no static qemu-" + a.QEMU
	if a.QEMULast != "" {
		reason += ": QEMU has dropped it after " + a.QEMULast
	}
	return fault.New(fault.NotFound, "", "%s", reason)
}

// joined are errors on one line, each text once.
func joined(errs []error) error {
	var all error
	var seen []string
	for _, err := range errs {
		switch {
		case err == nil || slices.Contains(seen, err.Error()):
			continue
		case all == nil:
			all = err
		default:
			all = fmt.Errorf("%w; %w", all, err)
		}
		seen = append(seen, err.Error())
	}
	return all
}

// fromPackage gets out of one package what is missing.
func (f *fetcher) fromPackage(ctx context.Context, pkg string, got map[string]*Emulator) error {
	deb, err := f.apt.candidate(ctx, pkg)
	if err != nil {
		return err
	}
	if f.present(ctx, deb, got); len(f.missing(got)) == 0 {
		return nil
	}
	stop := f.report(deb)
	path, err := f.apt.download(ctx, pkg, deb)
	stop()
	if err != nil {
		return err
	}
	defer os.Remove(path) //nolint:errcheck // its directory is removed at the end
	return f.extract(ctx, path, got)
}

// present takes what is in Dir already from this very package: the version that
// QEMU prints holds the package's.
func (f *fetcher) present(ctx context.Context, deb debFile, got map[string]*Emulator) {
	for _, a := range f.missing(got) {
		e, err := Inspect(ctx, filepath.Join(f.Dir, fetched(a)))
		if err == nil && fits(e, a, "") == nil && strings.Contains(e.Version, deb.version+")") {
			got[a.QEMU] = e
		}
	}
}

// report calls Progress while a package is downloaded, until stop is called.
func (f *fetcher) report(deb debFile) (stop func()) {
	if f.Progress == nil {
		return func() {}
	}
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			f.Progress(min(sizeOf(f.apt.downloads()), deb.size), deb.size)
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	})
	return func() { close(done); wait.Wait() }
}

// sizeOf is the size in bytes of the files in dir and below.
func sizeOf(dir string) int64 {
	var n int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // files come and go while apt works
		}
		if info, err := d.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}

// extract takes what is missing out of a package and examines it.
func (f *fetcher) extract(ctx context.Context, deb string, got map[string]*Emulator) error {
	dir, err := os.MkdirTemp(f.tmp, "out-")
	if err != nil {
		return fileError(err)
	}
	missing := f.missing(got)
	wanted := map[string]string{}
	for _, a := range missing {
		for _, path := range inPackage(a) {
			wanted[path] = a.QEMU
		}
	}
	found, err := extractDeb(ctx, deb, dir, wanted)
	if err != nil {
		return err
	}
	var reasons []error
	for _, a := range missing {
		path, ok := found[a.QEMU]
		if !ok {
			continue
		}
		e, err := Inspect(ctx, path)
		if err == nil {
			err = fits(e, a, "")
		}
		if err != nil {
			reasons = append(reasons, err)
			continue
		}
		got[a.QEMU] = e
	}
	if len(reasons) > 0 {
		return fault.Wrap(fault.BadEmulator, joined(reasons), "", "")
	}
	return nil
}

// publish puts the examined files in place.
func (f *fetcher) publish(got map[string]*Emulator) ([]*Emulator, error) {
	var all []*Emulator
	for _, a := range f.archs {
		e, path := got[a.QEMU], filepath.Join(f.Dir, fetched(a))
		if e.Path != path {
			if err := os.Rename(e.Path, path); err != nil {
				return nil, fileError(err)
			}
			e.Path = path
		}
		all = append(all, e)
	}
	d, err := os.OpenRoot(f.Dir)
	if err != nil {
		return nil, fileError(err)
	}
	defer d.Close()
	return all, fileError(syncDir(d))
}

// FetchPlan is what FetchAll would do.
type FetchPlan struct {
	Dir      string   `json:"dir"`
	Files    []string `json:"files"`    // that would be made
	Packages []string `json:"packages"` // asked for in this order
	// Config is the configuration that apt would get, without passwords; TMP
	// stands for the temporary directory in Dir.
	Config   string   `json:"config"`
	Commands []string `json:"commands"`
}

// PlanFetch says what FetchAll would ask of apt, and changes nothing.
func PlanFetch(ctx context.Context, archs []*arch.Arch, o FetchOptions) (*FetchPlan, error) {
	if err := canFetch(archs); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fileError(err)
	}
	paths, err := readAptPaths(ctx)
	if err != nil {
		return nil, err
	}
	const tmp = "TMP"
	config := aptConfig(paths, tmp, paths.sourceList, paths.sourceParts, paths.lists)
	p := &FetchPlan{Dir: dir, Packages: packages, Config: withoutPasswords(config)}
	for _, a := range archs {
		if file := filepath.Join(dir, fetched(a)); !slices.Contains(p.Files, file) {
			p.Files = append(p.Files, file)
		}
	}
	apt := "APT_CONFIG=" + tmp + "/apt.conf apt-get -q -y "
	for _, pkg := range packages {
		p.Commands = append(p.Commands,
			apt+"--print-uris download "+pkg,
			apt+"download "+pkg,
			"dpkg-deb --fsys-tarfile "+tmp+"/download/"+pkg+"_*.deb")
	}
	return p, nil
}
