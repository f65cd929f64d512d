package hook

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools/nxb"
)

// rtld is the run-time linker of relocated tools, and what they have as their
// interpreter.
const rtld = "/" + nxb.Dir + "/ld-elf.so.1"

// toolDirs are where the programs in /nxb-bin are.
var toolDirs = []string{"bin", "sbin", "usr/bin", "usr/sbin"}

// storedTools looks at /nxb-bin in the jail's own root, of which poudriere takes a
// clone. Tools of another release than the jail's are what poudriere never asks
// about.
func (j *job) storedTools() error {
	root, err := os.OpenRoot(j.jail.Mnt)
	if err != nil {
		return nil //nolint:nilerr // poudriere says what is wrong with the root
	}
	defer root.Close()
	owner, manifest, _ := j.Store.NxbOf(j.jail.Mnt)
	install := "xjail tools install " + owner + " twin"
	switch why := j.badTools(root); {
	case errors.Is(why, fs.ErrNotExist):
		if owner != "" {
			j.say("it has no native tools, and all is emulated: %s", install)
		}
		return nil
	case why != nil && manifest != nil:
		return stop("the native tools in /nxb-bin are not usable (%v): %s", why, install)
	case why != nil:
		j.say("the native tools in /nxb-bin may not be usable: %v", why)
		return nil
	}
	tools, err := toolsRelease(root)
	if err != nil {
		return nil //nolint:nilerr // nothing tells, as with programs without notes
	}
	jail, err := nxb.ReadRelease(root)
	if err != nil || tools.Number() == jail.Number() || tools.OSVersion != 0 && tools.OSVersion == jail.OSVersion {
		return nil //nolint:nilerr // likewise
	}
	if manifest != nil {
		return stop("the native tools in /nxb-bin are of FreeBSD %s, and the jail is of %s: %s", tools.Number(), jail.Number(), install)
	}
	j.say("the native tools in /nxb-bin are of FreeBSD %s, and the jail is of %s", tools.Number(), jail.Number())
	return nil
}

// toolsRelease is the release of /nxb-bin, by the notes of its programs.
func toolsRelease(root *os.Root) (nxb.Release, error) {
	dir, err := root.OpenRoot(nxb.Dir)
	if err != nil {
		return nxb.Release{}, err
	}
	defer dir.Close()
	return nxb.ReadRelease(dir)
}

// badTools is why /nxb-bin below root is not what poudriere will take it for: of
// the programs that make.nxb.conf names each must be there and run on this
// machine. It is fs.ErrNotExist when there is no /nxb-bin.
func (j *job) badTools(root *os.Root) error {
	st, err := root.Lstat(nxb.Dir)
	switch {
	case err != nil:
		return err
	case !st.IsDir():
		return errors.New("it is no directory")
	}
	for _, name := range nxb.Required() {
		if err := j.badTool(root, name); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return fault.New(fault.NotFound, "", "%s is not there", name)
			}
			return err
		}
	}
	return nil
}

// badTool is why a program below /nxb-bin does not run in a root of another
// architecture on this machine: it must be of this machine, and static or
// relocated. A script is what starts a compiler that takes no configuration.
func (j *job) badTool(root *os.Root, name string) error {
	f, err := openTool(root, name)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 2)
	if _, err := io.ReadFull(f, head); err == nil && string(head) == "#!" {
		return nil
	}
	id, err := arch.Identify(f)
	host := arch.Host()
	switch {
	case err != nil:
		return fault.New(fault.Damaged, "", "%s is no program", name)
	case host != nil && host.Accepts(id) != nil && !slices.Contains(j.natives(), id.Name):
		return fault.New(fault.WrongArch, "", "%s is a program of %s, not of this machine", name, id.Name)
	case id.Interp == rtld:
		if _, err := root.Lstat(rtld[1:]); err != nil {
			return fault.New(fault.NotFound, "", "%s is not there", rtld)
		}
	case id.Interp != "":
		return fault.New(fault.Unsupported, "", "%s needs %s, which in the jail is of another machine", name, id.Interp)
	}
	return nil
}

// openTool opens a file below /nxb-bin. A link there leads wherever the jail
// likes, and a FIFO would block.
func openTool(root *os.Root, name string) (*os.File, error) {
	full := path.Join(nxb.Dir, name)
	st, err := root.Lstat(full)
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular() && st.Mode().Type() != fs.ModeSymlink:
		return nil, fault.New(fault.Damaged, "", "%s is no file", name)
	}
	if st.Mode().Type() == fs.ModeSymlink { // native-xtools has ld -> ld.lld
		to, err := root.Readlink(full)
		if err != nil || path.Base(to) != to {
			return nil, fault.New(fault.Unsafe, "", "%s is a link that leads elsewhere", name)
		}
		full = path.Join(path.Dir(full), to)
		if st, err = root.Lstat(full); err != nil {
			return nil, err
		}
		if !st.Mode().IsRegular() {
			return nil, fault.New(fault.Unsafe, "", "%s is a link that leads elsewhere", name)
		}
	}
	return root.Open(full)
}
