package qemu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// FindOptions say where Find looks. The zero value is PATH and the usual places.
type FindOptions struct {
	// Explicit is a file that the user named: it is taken or the search fails.
	Explicit string
	// Dirs come from the configuration; what is there wins over the rest.
	Dirs []string
	// Fetched is where Fetch puts emulators.
	Fetched string
	// Path is a list of directories like $PATH; "" stands for the process's.
	Path string
	// Prefixes are further directories; nil stands for the usual ones.
	Prefixes []string
	// GuestOS is linux or freebsd; "" stands for the host's system. A named file
	// is only held to it when it is given.
	GuestOS string
	// SkipDigest leaves out the digest of the chosen file, which costs more than
	// all the rest.
	SkipDigest bool
}

// Candidate is a file that could have been the emulator.
type Candidate struct {
	Path string `json:"path"`
	From string `json:"from"` // "--emulator", "configuration", "fetched", "PATH", "usual place"
	// Why says why it was passed over; "" for the chosen one.
	Why string `json:"why,omitempty"`
	// Dynamic is set when it is unusable because it is dynamically linked.
	Dynamic bool `json:"dynamic,omitempty"`
	// Emulator is what is known of it; nil when it is unusable or was not
	// looked at.
	Emulator *Emulator `json:"emulator,omitempty"`
	// Chosen marks the one that Find returned.
	Chosen bool `json:"chosen,omitempty"`

	err  error
	tier int
}

// Places where candidates come from.
const (
	fromExplicit = "--emulator"
	fromConfig   = "configuration"
	fromFetched  = "fetched"
	fromPath     = "PATH"
	fromPrefix   = "usual place"
)

// UsualPrefixes are where packages of both systems put emulators: FreeBSD's
// ports in /usr/local/bin, Linux distributions in /usr/bin, Debian's
// binfmt links in /usr/libexec/qemu-binfmt.
func UsualPrefixes() []string {
	return []string{"/usr/local/bin", "/usr/bin", "/usr/libexec/qemu-binfmt", "/usr/libexec/xjail", "/usr/local/libexec/xjail"}
}

// Targets are the names of QEMU's targets that run programs of a, best first;
// the emulator of one is qemu-TARGET.
func Targets(a *arch.Arch) []string {
	switch a.QEMU {
	case "":
		return nil
	case "ppc":
		// Was a target until QEMU 5.2: the 64-bit CPU with the 32-bit system calls.
		return []string{"ppc", "ppc64abi32"}
	case "sparc":
		return []string{"sparc", "sparc32plus"}
	}
	return []string{a.QEMU}
}

// Find looks for an emulator of a and returns the best one, and every candidate
// with the reason why it was passed over, also when there is an error. A file
// that the user named is the only one that counts. Among others the guest's
// system must fit; then the configuration's directories win, then the newer
// version, then the place that is looked at first.
//
// The error is of kind NotFound when there is none, with the reasons and the
// command that gets one; that of Inspect, or BadEmulator, for a named file.
func Find(ctx context.Context, a *arch.Arch, o FindOptions) (*Emulator, []Candidate, error) {
	if a.QEMU == "" {
		return nil, nil, fault.New(fault.NotFound, "", "QEMU has no user-mode emulator for %s", a.Name)
	}
	all := o.candidates(Targets(a))
	if o.Explicit != "" {
		return findExplicit(ctx, a, o, all)
	}
	files := map[*Emulator]*os.File{}
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for i := range all {
		if f := all[i].examine(ctx, a, o.guest()); f != nil {
			files[all[i].Emulator] = f
		}
		if err := ctx.Err(); err != nil {
			return nil, all, fault.Wrap(fault.Interrupted, err, "look for emulators", "")
		}
	}
	best := choose(all)
	if best == nil {
		return nil, all, notFound(a, all)
	}
	return best, all, o.finish(best, files[best])
}

// finish adds what is only needed of the chosen file.
func (o FindOptions) finish(e *Emulator, f *os.File) error {
	if o.SkipDigest {
		return nil
	}
	return e.addDigest(f)
}

// findExplicit looks at the named file only.
func findExplicit(ctx context.Context, a *arch.Arch, o FindOptions, all []Candidate) (*Emulator, []Candidate, error) {
	for i := range all {
		all[i].Why = "not looked at: another was named"
	}
	c := Candidate{Path: o.Explicit, From: fromExplicit}
	f := c.examine(ctx, a, o.GuestOS)
	if f == nil {
		return nil, append([]Candidate{c}, all...), c.err
	}
	defer f.Close()
	c.Chosen = true
	return c.Emulator, append([]Candidate{c}, all...), o.finish(c.Emulator, f)
}

// guest is the system whose programs shall run.
func (o FindOptions) guest() string {
	switch {
	case o.GuestOS != "":
		return o.GuestOS
	case runtime.GOOS == "freebsd":
		return "freebsd"
	}
	return "linux"
}

// candidates are the files that there are, by name, each file once.
func (o FindOptions) candidates(targets []string) []Candidate {
	var all []Candidate
	var seen []fs.FileInfo
	for _, p := range o.places() {
		for _, t := range targets {
			for _, name := range []string{"qemu-" + t + "-static", "qemu-" + t} {
				c := Candidate{Path: filepath.Join(p.dir, name), From: p.from, tier: p.tier}
				info, err := os.Stat(c.Path)
				if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || containsFile(seen, info) {
					continue
				}
				if err == nil {
					seen = append(seen, info)
				}
				all = append(all, c)
			}
		}
	}
	return all
}

func containsFile(list []fs.FileInfo, info fs.FileInfo) bool {
	return info != nil && slices.ContainsFunc(list, func(i fs.FileInfo) bool { return os.SameFile(i, info) })
}

// place is a directory to look at.
type place struct {
	dir, from string
	tier      int // lower wins over any version
}

// places are the directories in the order in which they are looked at. Those
// relative to the current directory do not count: whoever can write there would
// choose the emulator.
func (o FindOptions) places() []place {
	var list []place
	add := func(from string, tier int, dirs ...string) {
		for _, d := range dirs {
			known := slices.ContainsFunc(list, func(p place) bool { return p.dir == filepath.Clean(d) })
			if filepath.IsAbs(d) && !known {
				list = append(list, place{filepath.Clean(d), from, tier})
			}
		}
	}
	path, prefixes := o.Path, o.Prefixes
	if path == "" {
		path = os.Getenv("PATH")
	}
	if prefixes == nil {
		prefixes = UsualPrefixes()
	}
	add(fromConfig, 0, o.Dirs...)
	add(fromFetched, 1, o.Fetched)
	add(fromPath, 1, filepath.SplitList(path)...)
	add(fromPrefix, 1, prefixes...)
	return list
}

// examine looks at the candidate and fills in what is known, or why not. It
// returns the open file when the candidate is usable.
func (c *Candidate) examine(ctx context.Context, a *arch.Arch, guest string) *os.File {
	e, f, err := examine(ctx, c.Path)
	if err == nil {
		err = fits(e, a, guest)
	}
	if err != nil {
		if f != nil {
			f.Close()
		}
		c.err, c.Why, c.Dynamic = err, reason(err, c.Path), errors.Is(err, errDynamic)
		return nil
	}
	c.Path, c.Emulator = e.Path, e
	return f
}

// fits checks that e runs programs of a, and of the guest's system ("": any).
func fits(e *Emulator, a *arch.Arch, guest string) error {
	if !slices.Contains(Targets(a), e.Target) {
		return fault.New(fault.BadEmulator, "xjail emulator find "+a.Name, "%s emulates %s, not %s", e.Path, e.Target, a.QEMU)
	}
	switch {
	case guest == "linux" && e.Family != LinuxUser:
		return fault.New(fault.BadEmulator, "", "%s is %s: it runs programs of FreeBSD, not of Linux", e.Path, e.Family)
	case guest == "freebsd" && e.Family != BSDUser:
		return fault.New(fault.BadEmulator, "", "%s is %s: it runs programs of Linux, not of FreeBSD", e.Path, e.Family)
	}
	return nil
}

// reason is the error without the path, which stands beside it anyway.
func reason(err error, path string) string {
	text := err.Error()
	for _, prefix := range []string{path + " ", path + ": "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}

// choose marks the best candidate and tells the others why they are not.
func choose(all []Candidate) *Emulator {
	best := -1
	for i, c := range all {
		if c.Emulator != nil && (best < 0 || c.better(&all[best])) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	for i := range all {
		if all[i].Emulator != nil && i != best {
			all[i].Why = all[i].worse(&all[best])
		}
	}
	all[best].Chosen = true
	return all[best].Emulator
}

// better tells whether c is preferred to b, which was found earlier: places that
// win over any version are looked at first.
func (c *Candidate) better(b *Candidate) bool {
	return c.tier == b.tier && compareVersions(c.Emulator.Version, b.Emulator.Version) > 0
}

// worse says why best was preferred to c.
func (c *Candidate) worse(best *Candidate) string {
	order := compareVersions(c.Emulator.Version, best.Emulator.Version)
	switch {
	case c.tier != best.tier:
		return "the configuration names the directory of another, " + best.Path
	case order < 0:
		return fmt.Sprintf("older than %s (%s)", best.Path, best.Emulator.Version)
	}
	return "not newer than " + best.Path + ", which was found first"
}

// notFound is the error of a search without a result.
func notFound(a *arch.Arch, all []Candidate) error {
	if len(all) == 0 {
		return fault.New(fault.NotFound, InstallHint(a), "no emulator for %s: there is no qemu-%s-static here", a.Name, a.QEMU)
	}
	var reasons []string
	for _, c := range all {
		reasons = append(reasons, c.Path+": "+c.Why)
	}
	return fault.New(fault.NotFound, InstallHint(a), "no usable emulator for %s: %s", a.Name, strings.Join(reasons, "; "))
}
