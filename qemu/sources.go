package qemu

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// aptSource is an entry of apt's source lists, as it stands there.
type aptSource struct {
	text   string
	deb822 bool
	suites []string
}

// oneLine is an entry of sources.list(5)'s one-line style, for binary packages:
// deb [options] URI suite component...
var oneLine = lazy(`^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)`)

// readSources reads apt's main list and the files of its directory. Files that
// are not there or cannot be read do not count, as with apt.
func readSources(list, parts string) []aptSource {
	files := []string{list}
	entries, _ := os.ReadDir(parts)
	for _, e := range entries {
		files = append(files, filepath.Join(parts, e.Name()))
	}
	var all []aptSource
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		switch filepath.Ext(path) {
		case ".list":
			all = append(all, parseOneLine(string(text))...)
		case ".sources":
			all = append(all, parseDeb822(string(text))...)
		}
	}
	return all
}

func parseOneLine(text string) []aptSource {
	var all []aptSource
	for line := range strings.Lines(text) {
		m := oneLine().FindStringSubmatch(line)
		if m == nil || strings.HasPrefix(m[1], "cdrom:") {
			continue
		}
		all = append(all, aptSource{text: strings.TrimSpace(line), suites: []string{m[2]}})
	}
	return all
}

// parseDeb822 reads the stanzas of a .sources file.
func parseDeb822(text string) []aptSource {
	var all []aptSource
	var stanza []string
	end := func() {
		if suites := deb822Suites(stanza); len(suites) > 0 {
			all = append(all, aptSource{text: strings.Join(stanza, "\n"), deb822: true, suites: suites})
		}
		stanza = nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" {
			end()
			continue
		}
		stanza = append(stanza, line)
	}
	end()
	return all
}

// deb822Suites are the values of the field Suites, which may go on in indented
// lines.
func deb822Suites(stanza []string) []string {
	var suites []string
	in := false
	for _, line := range stanza {
		switch {
		case strings.HasPrefix(line, "#"):
		case line[0] == ' ' || line[0] == '\t':
			if in {
				suites = append(suites, strings.Fields(line)...)
			}
		default:
			key, value, _ := strings.Cut(line, ":")
			if in = strings.EqualFold(key, "Suites"); in {
				suites = append(suites, strings.Fields(value)...)
			}
		}
	}
	return suites
}

// debianAliases are names of suites that do not change with releases. Others
// use them for their own repositories too, so they count only when no source
// bears the release's name.
var debianAliases = []string{"stable", "oldstable", "oldoldstable", "testing", "unstable", "sid"}

// ownSources are the sources of the distribution itself, by the names of their
// suites: those of other parties may be unreachable, and do not have QEMU. When
// none is found, all are taken.
func ownSources(all []aptSource, codenames []string) []aptSource {
	for _, names := range [][]string{codenames, debianAliases} {
		var own []aptSource
		for _, s := range all {
			if slices.ContainsFunc(s.suites, func(suite string) bool { return ofRelease(suite, names) }) {
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
func writeSources(dir string, sources []aptSource) (list, parts string, err error) {
	list, parts = filepath.Join(dir, "sources.list"), filepath.Join(dir, "sources.list.d")
	if err := os.MkdirAll(parts, 0o755); err != nil {
		return "", "", err
	}
	var lines, stanzas []string
	for _, s := range sources {
		if s.deb822 {
			stanzas = append(stanzas, s.text+"\n")
		} else {
			lines = append(lines, s.text)
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
