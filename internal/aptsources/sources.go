// Package aptsources reads where the machine's apt gets packages from:
// sources.list(5), in both of its styles.
package aptsources

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Source is an entry for binary packages.
type Source struct {
	Text   string // as it stands in its file, without the line's end
	Deb822 bool   // a stanza, not a line
	URIs   []string
	Suites []string
	// Components are of the archive: main, contrib. A flat one has none.
	Components []string
	Enabled    bool
}

// Read reads apt's main list and the files of its directory, sorted by name.
// Files that are not there, cannot be read, or have names that apt does not
// look at do not count, as with apt.
func Read(list, parts string) []Source {
	files := []string{list}
	entries, _ := os.ReadDir(parts)
	for _, e := range entries {
		files = append(files, filepath.Join(parts, e.Name()))
	}
	var all []Source
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		all = append(all, Parse(path, string(text))...)
	}
	return all
}

// Parse reads the text of one file. Its name tells its style.
func Parse(name, text string) []Source {
	switch filepath.Ext(name) {
	case ".list":
		return parseLines(text)
	case ".sources":
		return parseStanzas(text)
	}
	return nil
}

// parseLines reads the one-line style: deb [options] URI suite component...
func parseLines(text string) []Source {
	var all []Source
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		field := strings.Fields(withoutOptions(line))
		if len(field) < 3 || field[0] != "deb" || strings.HasPrefix(field[1], "cdrom:") {
			continue
		}
		all = append(all, Source{Text: line, URIs: field[1:2], Suites: field[2:3], Components: components(field[3:]), Enabled: true})
	}
	return all
}

// components are the words behind the suite, without a comment.
func components(words []string) []string {
	if i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "#") }); i >= 0 {
		words = words[:i]
	}
	return words
}

// withoutOptions cuts out [name=value ...], which may have blanks.
func withoutOptions(line string) string {
	before, rest, ok := strings.Cut(line, "[")
	if !ok || strings.TrimSpace(before) != "deb" {
		return line
	}
	_, rest, _ = strings.Cut(rest, "]")
	return before + " " + rest
}

// parseStanzas reads the deb822 style.
func parseStanzas(text string) []Source {
	var all []Source
	var stanza []string
	end := func() {
		if s := parseStanza(stanza); len(s.Suites) > 0 {
			all = append(all, s)
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

// parseStanza reads one; it has no suites when it is not for binary packages.
func parseStanza(stanza []string) Source {
	fields := fieldsOf(stanza)
	if !slices.Contains(fields["types"], "deb") {
		return Source{}
	}
	return Source{
		Text: strings.Join(stanza, "\n"), Deb822: true,
		URIs: fields["uris"], Suites: fields["suites"], Components: fields["components"], Enabled: !slices.Contains(fields["enabled"], "no"),
	}
}

// fieldsOf has the words of each field by its name in lower case. A field goes
// on in indented lines.
func fieldsOf(stanza []string) map[string][]string {
	fields := map[string][]string{}
	key := ""
	for _, line := range stanza {
		switch {
		case strings.HasPrefix(line, "#"):
		case line[0] == ' ' || line[0] == '\t':
			fields[key] = append(fields[key], strings.Fields(line)...)
		default:
			name, value, _ := strings.Cut(line, ":")
			key = strings.ToLower(name)
			fields[key] = append(fields[key], strings.Fields(value)...)
		}
	}
	return fields
}
