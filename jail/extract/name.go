package extract

import (
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// cleanName turns the name of an entry into a path below the root without ".",
// empty components and slashes at the ends; "." stands for the root itself.
// Absolute names, ".." and NUL are refused rather than mended: whoever wrote
// them meant a place outside the root.
func cleanName(name string) (string, error) {
	switch {
	case name == "":
		return "", fault.New(fault.Damaged, "", "an entry has no name")
	case len(name) > maxPath:
		return "", unsafe(name[:64]+"...", "its name is longer than %d bytes", maxPath)
	case strings.IndexByte(name, 0) >= 0:
		return "", unsafe(name, "its name holds a NUL byte")
	case name[0] == '/':
		return "", unsafe(name, "its name is absolute")
	}
	if isClean(name) {
		return name, nil
	}
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
		case "..":
			return "", unsafe(name, `its name has the component ".."`)
		default:
			parts = append(parts, part)
		}
	}
	if parts == nil {
		return ".", nil
	}
	return strings.Join(parts, "/"), nil
}

// isClean spares the usual name the splitting.
func isClean(name string) bool {
	return name[0] != '.' && !strings.Contains(name, "/.") &&
		!strings.Contains(name, "//") && name[len(name)-1] != '/'
}

// unsafe is the refusal of the entry with that name. The name is quoted, so
// that it cannot play with the terminal.
func unsafe(name, format string, args ...any) error {
	err := fault.New(fault.Unsafe, "do not use this archive, or ask its maker", format, args...)
	err.What = quote(name) + " is refused: " + err.What
	return err
}

// split is the directory and the last component of a clean path other than ".".
func split(path string) (dir, base string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return ".", path
}

// join is the opposite of split.
func join(dir, base string) string {
	if dir == "." {
		return base
	}
	return dir + "/" + base
}
