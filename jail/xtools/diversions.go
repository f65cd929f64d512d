package xtools

import (
	"os"
	"strings"
)

// diversionsFile is dpkg's: three lines for each, what is diverted, where to, and
// the package whose file is not (dpkg-divert(1)).
const diversionsFile = "var/lib/dpkg/diversions"

// diversion is where the file of a package is, when that of another one, or of the
// administrator (":"), is at its path.
type diversion struct{ to, but string }

// diversions are those of a root by the path, with /usr merged.
type diversions map[string]diversion

// readDiversions is empty for a root that has none.
func readDiversions(root *os.Root) diversions {
	text, err := readSmall(root, diversionsFile)
	if err != nil {
		return nil
	}
	lines := strings.Split(text, "\n")
	d := diversions{}
	for i := 0; i+2 < len(lines); i += 3 {
		d[mergedUsr(strings.TrimPrefix(lines[i], "/"))] = diversion{to: lines[i+1], but: lines[i+2]}
	}
	return d
}

// place is where the file of a package is that has it at path.
func (d diversions) place(path, pkg string) string {
	if to, ok := d[mergedUsr(strings.TrimPrefix(path, "/"))]; ok && to.but != pkg {
		return to.to
	}
	return path
}
