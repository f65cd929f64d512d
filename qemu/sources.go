package qemu

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/aptsources"
)

// debianAliases are names of suites that do not change with releases. Others
// use them for their own repositories too, so they count only when no source
// bears the release's name.
var debianAliases = []string{"stable", "oldstable", "oldoldstable", "testing", "unstable", "sid"}

// ownSources are the sources of the distribution itself, by the names of their
// suites: those of other parties may be unreachable, and do not have QEMU. When
// none is found, all are taken.
func ownSources(all []aptsources.Source, codenames []string) []aptsources.Source {
	for _, names := range [][]string{codenames, debianAliases} {
		var own []aptsources.Source
		for _, s := range all {
			if slices.ContainsFunc(s.Suites, func(suite string) bool { return ofRelease(suite, names) }) {
				own = append(own, s)
			}
		}
		if len(own) > 0 {
			return own
		}
	}
	return all
}

// ofRelease tells whether a suite belongs to one of these releases: bookworm,
// bookworm-updates, bookworm/updates.
func ofRelease(suite string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool {
		return suite == n || strings.HasPrefix(suite, n+"-") || strings.HasPrefix(suite, n+"/")
	})
}

// writeSources writes the entries as they are into dir, and returns the list
// and the directory for apt.
func writeSources(dir string, sources []aptsources.Source) (list, parts string, err error) {
	list, parts = filepath.Join(dir, "sources.list"), filepath.Join(dir, "sources.list.d")
	if err := os.MkdirAll(parts, 0o755); err != nil {
		return "", "", err
	}
	var lines, stanzas []string
	for _, s := range sources {
		if s.Deb822 {
			stanzas = append(stanzas, s.Text+"\n")
		} else {
			lines = append(lines, s.Text)
		}
	}
	if err := os.WriteFile(list, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		return "", "", err
	}
	if len(stanzas) == 0 {
		return list, parts, nil
	}
	err = os.WriteFile(filepath.Join(parts, "own.sources"), []byte(strings.Join(stanzas, "\n")), 0o644)
	return list, parts, err
}
