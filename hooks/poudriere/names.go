package poudriere

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/xjail/xjail/internal/fault"
)

// nameForm is what poudriere can call a jail: it is a directory, part of the name
// of a jail(8), which may have no dot, of paths in which a colon breaks PATH, and
// a word of unquoted lists.
var nameForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_+-]{0,63}$`) })

// checkName refuses what poudriere cannot call a jail.
func checkName(name string) error {
	if nameForm().MatchString(name) {
		return nil
	}
	hint := "use letters, digits, '_', '+' and '-', 64 at most"
	if plain := plainName(name); plain != "" {
		hint = "--as " + plain + ", or another name without dots and colons"
	}
	return fault.New(fault.Usage, hint, "poudriere cannot have a jail called %q", name)
}

// plainName is a name without what poudriere does not take; "" when none is left.
func plainName(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r == '.' || r == ':' {
			return -1
		}
		return r
	}, name)
	if plain == name || !nameForm().MatchString(plain) {
		return ""
	}
	return plain
}

// awkward is what poudriere's unquoted expansions, and the paths that it makes of
// a root's, cannot have in them.
const awkward = " \t\n\r:*?[]\"'`$\\;&|<>(){}#~!"

// checkEtc refuses a place for poudriere's configuration in which poudriere would
// find neither its jails nor its hooks, without a word.
func (c Config) checkEtc() error {
	i := strings.IndexAny(c.Etc, awkward)
	if i < 0 {
		return nil
	}
	return fault.New(fault.Usage, "move it, and say --poudriere-etc DIR; poudriere wants POUDRIERE_ETC=DIR",
		"poudriere cannot have its configuration in %q: it takes no %q there", c.Etc, string(c.Etc[i]))
}

// nullPath is the longest path below a root that poudriere mounts from it where
// nothing else is configured: NULLFS_PATHS.
const nullPath = "/usr/share"

// mountNameMax is MNAMELEN since FreeBSD 12: what the kernel keeps of a path, and
// one byte for its end.
const mountNameMax = 1024

// checkMount refuses roots that poudriere cannot hold.
func checkMount(dir string) error {
	hint := "xjail destroy and create it again with --path DIR, or --state DIR"
	switch {
	case dir == "/":
		return fault.New(fault.Unsafe, hint, "poudriere does not take / for a jail")
	case !filepath.IsAbs(dir):
		return fault.New(fault.Usage, hint, "the root %q is not an absolute path", dir)
	case strings.ContainsAny(dir, awkward):
		return fault.New(fault.Usage, hint, "poudriere cannot hold the path %q: it takes no %q there", dir, string(dir[strings.IndexAny(dir, awkward)]))
	}
	if limit := machineNameMax("/usr/include/sys/mount.h"); len(dir)+len(nullPath) > limit-1 {
		return fault.New(fault.Usage, hint, "the path of the root has %d bytes: this system mounts nothing from paths of more than %d", len(dir), limit-1-len(nullPath))
	}
	return nil
}

// machineNameMax is MNAMELEN of a header, from which poudriere takes it as well.
func machineNameMax(header string) int {
	f, err := os.Open(header)
	if err != nil {
		return mountNameMax
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 3 || words[0] != "#define" || words[1] != "MNAMELEN" {
			continue
		}
		if n, err := strconv.Atoi(words[2]); err == nil && n > len(nullPath) {
			return n
		}
	}
	return mountNameMax
}
