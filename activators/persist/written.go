package persist

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Written is one of the files by which activators are registered at boot, as it
// is.
type Written struct {
	Path string
	// Changed: xjail wrote it, and somebody changed it since.
	Changed bool
	// Needs are the files that it names: xjail, and emulators.
	Needs []string
	// Archs are the architectures that it names, of FreeBSD's settings.
	Archs []string
}

// ReadWritten finds the files of a system that xjail wrote, and what they name.
// missing are those without which they do not do their work. Files that somebody
// else wrote, the package's script among them, are not looked at.
func ReadWritten(t *Tree, system string) (written []Written, missing []string, err error) {
	var needed []string
	for _, p := range paths(system) {
		s, err := t.look(p)
		if err != nil {
			return nil, nil, err
		}
		owner := s.owner(File{Path: p, Link: linkOf(p)})
		switch {
		case !s.exists:
			needed = append(needed, p)
			continue
		case owner != ours && owner != changed:
			continue
		}
		written = append(written, Written{Path: p, Changed: owner == changed, Needs: needs(s.text), Archs: archsOf(s.text)})
	}
	if len(written) == 0 {
		return nil, nil, nil
	}
	for _, f := range t.Fit(filesOf(needed)) {
		missing = append(missing, f.Path)
	}
	return written, missing, nil
}

// filesOf are paths as Fit takes them.
func filesOf(paths []string) []File {
	var files []File
	for _, p := range paths {
		files = append(files, File{Path: p})
	}
	return files
}

// The patterns are compiled when they are first used: most commands need none.
var (
	programWord  = lazily(`(?m)^(?:ExecStart=|xjail_activators_command=")([^" \n]+)`)
	emulatorWord = lazily(`(?m)^[^#\n]*--emulator ([^" \n]+)`)
	archsWord    = lazily(`(?m)^xjail_activators_archs="([^"\n]*)"`)
)

func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// needs are the programs that a unit or settings name, each once.
func needs(text string) []string {
	var list []string
	for _, word := range []func() *regexp.Regexp{programWord, emulatorWord} {
		for _, m := range word().FindAllStringSubmatch(text, -1) {
			if path.IsAbs(m[1]) && !slices.Contains(list, m[1]) {
				list = append(list, m[1])
			}
		}
	}
	return list
}

func archsOf(text string) []string {
	m := archsWord().FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	return strings.Fields(m[1])
}
