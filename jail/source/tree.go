package source

import (
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// BuiltTree is a FreeBSD source tree of which the world was built.
type BuiltTree struct {
	Dir     string
	Version Version
	target  string
	arch    string
}

// NewBuiltTree looks at a source tree: it must be one, of a version that has
// the architecture. Whether it was built for it, make finds out.
func NewBuiltTree(a *arch.Arch, dir string, host Host) (*BuiltTree, error) {
	for _, name := range []string{"Makefile.inc1", "sys/conf/newvers.sh"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() {
			return nil, fault.New(fault.Damaged, "name the directory that git clone of freebsd-src made, such as /usr/src", "%s is no FreeBSD source tree: it has no %s", dir, name)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "sys/conf/newvers.sh"))
	if err != nil {
		return nil, fault.Wrap(fault.Permission, err, "source", "")
	}
	v, err := treeVersion(string(text))
	if err != nil {
		return nil, fault.Wrap(fault.Damaged, err, filepath.Join(dir, "sys/conf/newvers.sh"), "")
	}
	if err := checkRange(a, v); err != nil {
		return nil, err
	}
	if host.OS != "freebsd" {
		return nil, onlyFreeBSD("src: needs FreeBSD's make and build tools", "--from archive:FILE --os freebsd with a root that was built there")
	}
	return &BuiltTree{dir, v, a.Target, a.Name}, nil
}

var newvers = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^(REVISION|BRANCH)="([^"$]*)"`)
})

// treeVersion reads REVISION and BRANCH of newvers.sh.
func treeVersion(text string) (Version, error) {
	found := map[string]string{}
	for _, m := range newvers().FindAllStringSubmatch(text, -1) {
		if _, twice := found[m[1]]; !twice {
			found[m[1]] = m[2]
		}
	}
	return ParseVersion(found["REVISION"] + "-" + withoutPatch(found["BRANCH"]))
}

// Commands are the make calls that fill root: what was built, and then the
// configuration files. DB_FROM_SRC takes the users and groups of the tree in
// place of the host's.
func (t *BuiltTree) Commands(root string) [][]string {
	var calls [][]string
	for _, target := range []string{"installworld", "distribution"} {
		calls = append(calls, []string{"make", "-C", t.Dir, target,
			"TARGET=" + t.target, "TARGET_ARCH=" + t.arch, "DESTDIR=" + root, "DB_FROM_SRC=yes"})
	}
	return calls
}
