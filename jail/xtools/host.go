package xtools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// HostTools takes the tools of this machine itself, where it is of the root's
// release: what its packages have installed, by the rules of the twin. Nothing is
// fetched. A program is taken where both have its package in one version; the
// compiler is that of Debian's cross compilers, if it is installed.
type HostTools struct {
	Twin        // its Mirror is not used
	Root string // the machine's root directory: /
}

// Name is HostName.
func (h *HostTools) Name() string { return HostName }

// Collect finds or makes the farm.
func (h *HostTools) Collect(ctx context.Context, s *Subject, n Notes) (*Manifest, error) {
	release, err := CheckSubject(s)
	if err != nil {
		return nil, err
	}
	machine, err := os.OpenRoot(h.Root)
	if err != nil {
		return nil, fault.Wrap(fault.Permission, err, "programs of this machine", "")
	}
	defer machine.Close()
	own, err := h.checkRelease(machine, s, release)
	if err != nil {
		return nil, err
	}
	in, err := readOwn(s)
	if err != nil {
		return nil, err
	}
	found, left, err := candidates(s, in, h.Policy)
	if err != nil {
		return nil, err
	}
	scripts, unfit, err := findScripts(s, in, h.Policy)
	if err != nil {
		return nil, err
	}
	c := newChooser(s, in, own)
	c.scripts, c.policy = scripts, h.Policy
	programs, plugins, more := c.sort(found)
	if err := sameRelease(release, programs, more); err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "programs of this machine", "xjail tools install NAME twin fetches those of the root's versions")
	}
	left = slices.Concat(left, unfit, more, c.pickScripts(h.Policy))
	c.takeAlways()
	c.readRevisions(found)
	key := h.key(s, c, append(slices.Clone(programs), stamps(machine, own, c)...), plugins)
	farm := readFarm(filepath.Join(h.Dir, key))
	if farm == nil {
		n.Step("collect the programs of this machine")
		farm, err = h.makeOf(ctx, s, release, c, key, programs, plugins, func(dir *os.Root) (*staged, error) {
			return h.stage(ctx, s, machine, own, c, dir, slices.Concat(programs, plugins, c.scripts.wanted()))
		})
		if err != nil {
			return nil, err
		}
	}
	m := &Manifest{
		Version: ManifestVersion, Source: HostName, Release: release.String(), Host: s.Host.Name, Target: s.Arch.Name,
		Made: h.touch(key), Farm: path.Join(h.Below, key, farmRoot), Left: left,
	}
	h.describe(m, farm, found, c)
	return m, nil
}

// checkRelease compares the machine's release with the root's, and reads what it
// has installed.
func (h *HostTools) checkRelease(machine *os.Root, s *Subject, release Release) (*Installed, error) {
	hint := "xjail tools install NAME twin fetches them"
	own, err := ReadRelease(machine)
	if err != nil {
		return nil, fault.New(fault.Mismatch, hint, "this machine is not of %s, as the root is: os-release says %q %q", release, own.ID, own.Codename)
	}
	if own != release {
		return nil, fault.New(fault.Mismatch, hint, "this machine is of %s, and the root of %s", own, release)
	}
	in, err := ReadInstalled(machine, s.Host.Debian)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "programs of this machine", hint)
	}
	return in, nil
}

// newChooser chooses among what is installed.
func newChooser(s *Subject, in, own *Installed) *chooser {
	index := map[string][]Package{}
	for name, p := range own.Packages {
		index[name] = []Package{p}
	}
	return &chooser{
		subject: s, in: in, index: index, triplet: triplet(s.Arch),
		pairs: map[string]PackagePair{}, chosen: map[string]Package{},
	}
}

// stamps tell the state of the machine's files: one that was replaced under the
// same version of its package makes another farm.
func stamps(machine *os.Root, own *Installed, c *chooser) []string {
	var list []string
	for file, name := range own.Owner {
		if _, ok := c.chosen[name]; !ok {
			continue
		}
		if st, err := machine.Lstat(file); err == nil && st.Mode().IsRegular() {
			list = append(list, fmt.Sprintf("%s %d %d", file, st.Size(), st.ModTime().UnixNano()))
		}
	}
	return list
}

// stage copies what may be wanted of the machine's files.
func (h *HostTools) stage(ctx context.Context, s *Subject, machine *os.Root, own *Installed, c *chooser, dir *os.Root, wanted []string) (*staged, error) {
	root, err := dir.OpenRoot(farmStage)
	if err != nil {
		return nil, err
	}
	st := &staged{root: root, links: map[string]string{}, owner: map[string]Package{}, special: map[string]bool{}}
	for file, pkg := range own.Owner {
		name := nativePath(mergedUsr(file))
		p, ok := c.chosen[pkg]
		if !ok || !slices.Contains(wanted, name) && !wantsLibrary(s.Host, name) {
			continue
		}
		if err = ctx.Err(); err == nil {
			err = st.copyFrom(machine, file, name, p)
		}
		if err != nil {
			root.Close()
			if ctx.Err() != nil {
				return nil, fault.Wrap(fault.Interrupted, err, "", "")
			}
			return nil, fmt.Errorf("/%s of this machine: %w", file, err)
		}
	}
	return st, nil
}

// copyFrom takes a file or a symlink of a machine.
func (s *staged) copyFrom(machine *os.Root, file, name string, p Package) error {
	info, err := machine.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // removed by hand, or diverted
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := machine.Readlink(file)
		if err != nil {
			return err
		}
		s.link(name, target)
	case info.Mode().IsRegular():
		if err := s.copyFile(machine, file, name, info); err != nil {
			return err
		}
	default:
		return nil
	}
	s.owner[name] = p
	return nil
}

func (s *staged) copyFile(machine *os.Root, file, name string, info fs.FileInfo) error {
	in, err := machine.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := s.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	if info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
		s.special[name] = true
	}
	out, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
