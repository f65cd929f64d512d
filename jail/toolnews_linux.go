package jail

import (
	"fmt"
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

// report tells the user, a line each.
func (n *toolNews) report(jail string, warn func(string)) {
	again := "; xjail tools install " + jail + " gets native ones again"
	if len(n.lifted) > 0 {
		warn(fmt.Sprintf("replaced in the jail, and emulated from now on: %s%s", some(n.lifted), again))
	}
	if len(n.drifted) > 0 {
		warn(fmt.Sprintf("emulated, since they were replaced after the native tools were installed: %s%s", some(n.drifted), again))
	}
	if n.noTrap != "" {
		warn("packages whose programs are native cannot be upgraded here but with --no-tools: " + n.noTrap)
	}
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
