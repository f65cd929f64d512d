package hook

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools/nxb"
)

// Leave are programs that stay emulated, by the jail of poudriere; those of ""
// are left in every jail.
type Leave map[string][]string

// ParseLeave reads PROGRAM[,PROGRAM...], and JAIL=PROGRAM[,...]: names of programs
// without a directory. The error is of kind fault.Usage.
func ParseLeave(list []string) (Leave, error) {
	l := Leave{}
	for _, text := range list {
		jail, names, ok := strings.Cut(text, "=")
		if !ok {
			jail, names = "", text
		} else if jail == "" || path.Base(jail) != jail {
			return nil, fault.New(fault.Usage, "--leave arm64=cc,ld", "--leave %q names no jail", text)
		}
		for name := range strings.SplitSeq(names, ",") {
			if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/ \t\n\x00") {
				return nil, fault.New(fault.Usage, "--leave cc,ld", "--leave %q: %q is not the name of a program", text, name)
			}
			if !slices.Contains(l[jail], name) {
				l[jail] = append(l[jail], name)
			}
		}
	}
	return l, nil
}

// together are programs that are one under several names.
var together = [][]string{
	{"cc", "c++", "cpp", "clang", "clang++", "clang-cpp"},
	{"ld", "ld.lld"},
	{"tar", "bsdtar"},
	{"make", "bmake"},
	{"awk", "nawk"},
	{"flex", "lex", "flex++", "lex++"},
	{"yacc", "byacc"},
	{"grep", "egrep", "fgrep", "zgrep", "rgrep"},
}

// Of are the programs that are left in a jail of poudriere, with the other names of
// each, sorted.
func (l Leave) Of(jail string) []string {
	var all []string
	for _, name := range slices.Concat(l[""], l[jail]) {
		all = append(all, name)
		for _, group := range together {
			if slices.Contains(group, name) {
				all = append(all, group...)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// left tells whether a program is to stay emulated.
func (j *job) left(name string) bool {
	_, ok := slices.BinarySearch(j.Leave.Of(j.jail.Name), path.Base(name))
	return ok
}

// leaveTools takes the programs that are left out of the reference's /nxb-bin.
// Poudriere lays over what it finds there, and so do the hooks, so that they stay
// emulated in this build; the jail's own root keeps them.
func (j *job) leaveTools(ref *os.Root) error {
	var failed error
	for _, name := range j.Leave.Of(j.jail.Name) {
		for _, dir := range toolDirs {
			err := ref.Remove(path.Join(nxb.Dir, dir, name))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				failed = errors.Join(failed, err)
			}
		}
	}
	return failed
}

// nxbConf is what poudriere writes about /nxb-bin, when it starts the reference.
const nxbConf = "etc/make.nxb.conf"

// leaveVariables takes variables out of make.nxb.conf whose programs are left:
// make(1) has the jail's own then. What poudriere has linked from a /nxb-bin that
// could not be changed is said.
func (j *job) leaveVariables(ref *os.Root) error {
	if len(j.Leave.Of(j.jail.Name)) == 0 {
		return nil
	}
	if err := j.linkedAll(ref); err != nil {
		return err
	}
	st, err := ref.Lstat(nxbConf)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || !st.Mode().IsRegular() {
		return errors.Join(err, errors.New(nxbConf+" is no file"))
	}
	text, err := ref.ReadFile(nxbConf)
	if err != nil {
		return err
	}
	var kept strings.Builder
	for line := range strings.Lines(string(text)) {
		_, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if !strings.HasPrefix(value, "/"+nxb.Dir+"/") || !j.left(value) {
			kept.WriteString(line)
		}
	}
	if kept.Len() == len(text) {
		return nil
	}
	return replaceFile(ref, nxbConf, []byte(kept.String()))
}

// linkedAll looks whether a program that is to be left is native all the same.
func (j *job) linkedAll(ref *os.Root) error {
	var native []string
	for _, name := range nxb.Linked() {
		if !j.left(name) {
			continue
		}
		tool, err := ref.Lstat(path.Join(nxb.Dir, name))
		if st, serr := ref.Lstat(name); err == nil && serr == nil && os.SameFile(tool, st) {
			native = append(native, name)
		}
	}
	if native == nil {
		return nil
	}
	return errors.New("these stay native, as the reference is no clone of the jail: " + strings.Join(native, " "))
}

// replaceFile replaces a file in one step, with the mode 0644 that poudriere gives.
func replaceFile(root *os.Root, name string, text []byte) error {
	tmp := path.Join(path.Dir(name), ".xjail-"+path.Base(name))
	_ = root.Remove(tmp) // of one that was killed
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(tmp, name)
	}
	if err != nil {
		_ = root.Remove(tmp)
	}
	return err
}
