package jail

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// toolNews is what became of native tools while a jail was used.
type toolNews struct {
	drifted, lifted []string
	noTrap          string
}

func (n *toolNews) add(m message) {
	n.drifted = append(n.drifted, m.Drifted...)
	if m.Lifted != "" && !slices.Contains(n.lifted, m.Lifted) {
		n.lifted = append(n.lifted, m.Lifted)
	}
	if m.NoTrap != "" {
		n.noTrap = m.NoTrap
	}
}

// report tells the user, a line each. A program that was replaced by the same one
// is native again from the next time on, and not worth a word.
func (n *toolNews) report(e *entrance, warn func(string)) {
	again := "; xjail tools install " + e.Name + " gets native ones again"
	if lifted := e.changedTools(n.lifted); len(lifted) > 0 {
		warn(fmt.Sprintf("replaced in the jail, and emulated from now on: %s%s", some(lifted), again))
	}
	if len(n.drifted) > 0 {
		warn(fmt.Sprintf("emulated, since they, or the perl that runs them, were changed after the native tools were installed: %s%s", some(n.drifted), again))
	}
	if n.noTrap != "" {
		warn("packages whose programs are native cannot be upgraded here but with --no-tools: " + n.noTrap)
	}
}

// changedTools are those of the paths at which the root has another file now.
func (e *entrance) changedTools(paths []string) []string {
	root, err := os.OpenRoot(e.Root)
	if err != nil || len(paths) == 0 {
		return paths
	}
	defer root.Close()
	return slices.DeleteFunc(slices.Clone(paths), func(name string) bool {
		i := slices.IndexFunc(e.Tools.Files, func(f overlayFile) bool { return f.Path == name })
		st, err := root.Lstat(strings.TrimPrefix(name, "/"))
		return i >= 0 && err == nil && st.Mode().IsRegular() && st.Size() == e.Tools.Files[i].Size && st.ModTime().Equal(e.Tools.Files[i].MTime)
	})
}

// shownNames is how many names a line has.
const shownNames = 5

// some names a few of many.
func some(names []string) string {
	if len(names) <= shownNames {
		return strings.Join(names, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shownNames], " "), len(names)-shownNames)
}
