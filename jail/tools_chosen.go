package jail

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/inventory"
	"github.com/xjail/xjail/jail/xtools"
	"github.com/xjail/xjail/jail/xtools/selftest"
)

// chosenWith are the programs to be native when some are to be added to what a
// jail has; nil for all, as when it has all.
func (s Store) chosenWith(r *Record, add []string) ([]string, error) {
	if add == nil {
		return nil, nil
	}
	if r.Guest == "freebsd" {
		return nil, fault.New(fault.Unsupported, "run programs from /nxb-bin: docs/nxb.md", "the native tools of a root of FreeBSD are in /nxb-bin, all or none")
	}
	m, err := s.LoadTools(r.Name)
	if err != nil || m != nil && m.Only == nil {
		return nil, err
	}
	all := slices.Clone(add)
	if m != nil {
		all = append(all, m.Only...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// choose restricts tools to those that are wanted, if not all are.
func choose(m *xtools.Manifest, only []string, w Watcher) error {
	if only == nil {
		return nil
	}
	absent := m.Choose(only)
	if len(absent) == len(only) {
		return fault.New(fault.NotFound, "make the advice anew: xjail profile advice", "none of the programs is to be had natively: %s", printableList(absent))
	}
	if len(absent) > 0 {
		w.Warn("not to be had natively, and left as they are: " + printableList(absent))
	}
	return nil
}

// printableList is a list of paths of an advice, which anybody may have written.
func printableList(paths []string) string {
	var b strings.Builder
	for _, p := range paths {
		b.WriteString(" " + inventory.Printable(p))
	}
	return strings.TrimPrefix(b.String(), " ")
}

// failures is a record of what a self-test found wrong with the tools of a farm.
type failures struct {
	Farm   string             `json:"farm"`
	Failed []selftest.Finding `json:"failed"`
}

func (s Store) failuresFile(name string) string { return filepath.Join(s.dir(name), "failures.json") }

// keepFailures notes what failed. What passes takes the note away only when all
// was tried, with all tools.
func (s Store) keepFailures(name string, m *xtools.Manifest, findings []selftest.Finding, whole bool) error {
	f := failures{Farm: m.Farm}
	for _, finding := range findings {
		if finding.Result == selftest.Failed {
			f.Failed = append(f.Failed, finding)
		}
	}
	if len(f.Failed) == 0 {
		if whole && m.Only == nil {
			return absentError(os.Remove(s.failuresFile(name)))
		}
		return nil
	}
	text, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	return writeFile(s.failuresFile(name), append(text, '\n'))
}

// readFailures is what is known to be wrong with the tools of a farm.
func (s Store) readFailures(name, farm string) ([]selftest.Finding, error) {
	text, err := os.ReadFile(s.failuresFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	f := failures{}
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Damaged, err, s.failuresFile(name), "xjail tools verify "+name+" writes it anew")
	}
	if f.Farm != farm {
		return nil, nil
	}
	return f.Failed, nil
}

// aboutCompilers are the checks whose failure is the compiler's, when it names no
// program.
var aboutCompilers = []string{"compiler", "compiler answers", "objects", "programs", "programs without tools"}

// suspects says of programs which did not pass the self-test, and why; programs
// tells of each whether it is the compiler's. A failure that names none is one of
// all of them: any may have done it.
func suspects(programs map[string]bool, failed []selftest.Finding) map[string]string {
	list := map[string]string{}
	for _, f := range failed {
		why := "did not pass the self-test: " + f.Check + ": " + f.Message
		for _, p := range suspectsOf(programs, f) {
			if list[p] == "" {
				list[p] = why
			}
		}
	}
	return list
}

func suspectsOf(programs map[string]bool, f selftest.Finding) []string {
	text := f.Message + "\n" + strings.Join(f.Evidence, "\n") + "\n"
	var named, compilers, all []string
	for p, compiler := range programs {
		all = append(all, p)
		if compiler {
			compilers = append(compilers, p)
		}
		if mentions(text, p) {
			named = append(named, p)
		}
	}
	switch {
	case len(named) > 0 && f.Omitted == 0:
		return named
	case strings.HasPrefix(f.Check, "program "):
		return append(compilers, calledIn(text, all)...)
	case slices.Contains(aboutCompilers, f.Check):
		return compilers
	}
	return all // those that were left out may be any
}

// calledIn are the programs that a text calls by their names, as the evidence of a
// test program does, which has the commands that built it.
func calledIn(text string, programs []string) (called []string) {
	words := strings.FieldsFunc(text, func(r rune) bool { return r > 0x7f || r == '/' || !isPathByte(byte(r)) })
	for _, p := range programs {
		if slices.Contains(words, path.Base(p)) {
			called = append(called, p)
		}
	}
	return called
}

// mentions tells whether a text has a path, and not only the beginning of a
// longer one.
func mentions(text, path string) bool {
	for {
		_, rest, ok := strings.Cut(text, path)
		if !ok {
			return false
		}
		if rest == "" || !isPathByte(rest[0]) {
			return true
		}
		text = rest
	}
}

func isPathByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("/_-+", b) >= 0
}
