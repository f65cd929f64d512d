package xtools

import (
	"cmp"
	"crypto/md5" //nolint:gosec // dpkg's own sums, against accidents
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// candidate is a file of the root that a native one could stand in for.
type candidate struct {
	name     string // path in the root, as resolved, without the first slash
	source   string // path in the farm: the same, with /usr merged
	plugin   bool
	text     []byte // of a script
	md5      string // of a program
	why      string // a script may be native
	original Original
}

// candidates looks through the programs of a root. Those that stay as they are
// by the policy are in left.
func candidates(s *Subject, in *Installed, p *Policy) (found []candidate, left []Left, err error) {
	sums := sumsOf{subject: s, packages: map[string]map[string]string{}}
	for name, pkg := range in.Owner {
		program, plugin := p.isProgram(name), p.isPlugin(name)
		if !program && !plugin {
			continue
		}
		c, why, err := examine(s, name)
		if err != nil {
			return nil, nil, err
		}
		if c == nil && why == "" {
			continue
		}
		if never := p.staysWhy(s, path.Base(name)); never != "" {
			why = never
		}
		state := Excluded
		if why == "" {
			known, err := sums.of(pkg, c.source)
			if err != nil {
				return nil, nil, err
			}
			if known != "" && known != c.md5 {
				state, why = Drifted, "it is not as package "+pkg+" has it"
			}
		}
		if why != "" {
			left = append(left, Left{Path: "/" + name, State: state, Why: why, Package: pkg, Pays: p.PaysOff(path.Base(name))})
			continue
		}
		c.plugin = plugin
		c.original.Package, c.original.Version = pkg, in.Packages[pkg].Version
		found = append(found, *c)
	}
	slices.SortFunc(found, func(a, b candidate) int { return cmp.Compare(a.name, b.name) })
	return found, left, nil
}

// examine looks at one file of the root. It is nil for what is no program of
// the root's architecture: a script, a symlink, a file that is not there. why says
// what makes a program unfit.
func examine(s *Subject, name string) (c *candidate, why string, err error) {
	c, f, err := openCandidate(s, name)
	if c == nil || err != nil {
		return nil, "", err
	}
	defer f.Close()
	if !isELF(f) {
		return nil, "", nil
	}
	id, err := arch.Identify(f)
	if err != nil || s.Arch.Accepts(id) != nil {
		return nil, "is not a program of " + s.Arch.Name, nil //nolint:nilerr // a damaged program of the root is no reason to do without tools
	}
	if c.original.Mode&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
		return nil, "changes its user or group", nil
	}
	if n, err := unix.Fgetxattr(int(f.Fd()), capabilities, nil); err == nil && n > 0 {
		return nil, "has capabilities of its own, which a file that is laid over it has not", nil
	}
	h, m := sha256.New(), md5.New() //nolint:gosec // dpkg's own sums, against accidents
	if _, err := io.Copy(io.MultiWriter(h, m), f); err != nil {
		return nil, "", fault.Wrap(fault.Failed, err, "read /"+name+" of the root", "")
	}
	c.original.SHA256, c.md5 = hex.EncodeToString(h.Sum(nil)), hex.EncodeToString(m.Sum(nil))
	return c, "", nil
}

// capabilities is the attribute of a file with rights of its own, capabilities(7).
const capabilities = "security.capability"

// sumsOf are dpkg's sums of the files of packages, read as they are asked for. A
// program that is not as its package has it was built or put there by somebody else,
// and another one does not stand in for it.
type sumsOf struct {
	subject  *Subject
	packages map[string]map[string]string
}

// of is the sum of a package's file, by its path with /usr merged; "" where the
// package has none.
func (s sumsOf) of(pkg, name string) (string, error) {
	sums, ok := s.packages[pkg]
	if !ok {
		sums = map[string]string{}
		err := readInfo(s.subject.Root, pkg, s.subject.Arch.Debian, "md5sums", func(line string) {
			if sum, file, ok := strings.Cut(line, "  "); ok {
				sums[mergedUsr(file)] = sum
			}
		})
		if err != nil {
			return "", err
		}
		s.packages[pkg] = sums
	}
	return sums[name], nil
}

// openCandidate opens a file of the root; nil when there is no such file.
func openCandidate(s *Subject, name string) (*candidate, *os.File, error) {
	st, err := s.Root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !st.Mode().IsRegular() {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fault.Wrap(fault.Failed, err, "look at /"+name+" of the root", "")
	}
	f, err := s.Root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Failed, err, "open /"+name+" of the root", "")
	}
	c := &candidate{name: name, source: mergedUsr(name), original: Original{Size: st.Size(), Mode: st.Mode(), MTime: st.ModTime()}}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		c.original.Links = uint64(sys.Nlink) //nolint:unconvert // 32 or 16 bits elsewhere
	}
	return c, f, nil
}

// mergedUsr is a path as it is where /bin, /sbin and /lib are links to those of
// /usr: packages have their files by either.
func mergedUsr(name string) string {
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32":
		return "usr/" + name
	}
	return name
}
