package formats

import (
	"slices"
	"strings"

	"github.com/xjail/xjail/activators/formats/shell"
)

// updateBinfmts does what update-binfmts(8) does to the table.
func (m *machine) updateBinfmts(c *shell.Command, args []string) shell.Status {
	u := parseUpdate(args)
	for _, w := range append(slices.Clone(u.words), u.values["magic"], u.values["mask"]) {
		if shell.IsUnknown(w) {
			m.note(c.Line, "update-binfmts is called with what is not known: %s", cut(shell.Plain(strings.Join(args, " "))))
			return shell.Unknown
		}
	}
	switch u.action {
	case "install":
		return m.install(c, u)
	case "remove", "unimport":
		if len(u.words) > 0 {
			m.remove(u.words[0])
		}
	case "enable", "disable":
		m.switchAll(u)
	case "import":
		m.note(c.Line, "update-binfmts --import %s: that file is not read", strings.Join(u.words, " "))
	}
	return shell.Success
}

// update is a command line of update-binfmts.
type update struct {
	action string
	words  []string // what has no option before it
	values map[string]string
}

func parseUpdate(args []string) update {
	u := update{values: map[string]string{}}
	for i := 0; i < len(args); i++ {
		option, long := strings.CutPrefix(args[i], "--")
		if !long {
			u.words = append(u.words, args[i])
			continue
		}
		name, value, joined := strings.Cut(option, "=")
		switch name {
		case "package", "admindir", "importdir", "magic", "mask", "offset", "extension", "detector", "credentials", "preserve", "fix-binary":
			if !joined && i+1 < len(args) {
				i++
				value = args[i]
			}
			u.values[strings.ReplaceAll(name, "-", "_")] = value
		case "install", "remove", "import", "unimport", "enable", "disable", "display", "find":
			u.action = name
			if joined {
				u.words = append(u.words, value)
			}
		}
	}
	return u
}

func (m *machine) install(c *shell.Command, u update) shell.Status {
	if len(u.words) < 2 {
		m.note(c.Line, "update-binfmts fails: --install wants a name and a path")
		return 2
	}
	u.values["interpreter"] = u.words[1]
	f := &binfmts{name: u.words[0], line: c.Line, values: u.values}
	if e, err := f.entry(); err != nil {
		m.note(c.Line, "update-binfmts fails: entry %q: %v", e.Name, err)
		return 2
	}
	m.recorded++
	m.linux++
	m.debian(f)
	return shell.Success
}

// switchAll is --enable and --disable, of one entry or of all.
func (m *machine) switchAll(u update) {
	m.set.Entries = slices.Clone(m.set.Entries)
	for i := range m.set.Entries {
		if len(u.words) == 0 || u.words[0] == m.set.Entries[i].Name {
			m.set.Entries[i].Enabled = u.action == "enable"
		}
	}
}
