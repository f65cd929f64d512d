package aptsources

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const list = `# deb http://example.org/no bookworm main
deb [arch=amd64 signed-by=/x.gpg] http://example.org/debian bookworm main # comment
  deb http://example.org/security bookworm/updates main
deb	[ arch=amd64 ]	http://example.org/tabs trixie main
deb-src http://example.org/debian bookworm main
deb cdrom:[Debian 12]/ bookworm main
deb http://example.org/flat ./
deb http://example.org/nothing
deb
`

const stanzas = `Types: deb deb-src
# a comment
URIs: http://example.org/debian
 http://example.org/second
suites: bookworm-backports
 sid
Components: main
Signed-By:
 -----BEGIN
 .
 -----END


Types: deb-src
URIs: http://example.org/source
Suites: trixie

Types: deb
Enabled: no
URIs: http://example.org/off
Suites: trixie
`

func TestRead(t *testing.T) {
	dir := t.TempDir()
	parts := filepath.Join(dir, "parts")
	if err := os.Mkdir(parts, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"sources.list": list, "parts/debian.sources": stanzas,
		"parts/other.list.disabled": "deb http://example.org/disabled bookworm main\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, s := range Read(filepath.Join(dir, "sources.list"), parts) {
		line := strings.Join(s.URIs, "+") + " " + strings.Join(s.Suites, "+")
		if len(s.Components) > 0 {
			line += " " + strings.Join(s.Components, "+")
		}
		if !s.Enabled {
			line += " off"
		}
		if s.Deb822 != strings.HasPrefix(s.Text, "Types:") {
			t.Errorf("style of %+v", s)
		}
		got = append(got, line)
	}
	want := []string{
		"http://example.org/debian bookworm main",
		"http://example.org/security bookworm/updates main",
		"http://example.org/tabs trixie main",
		"http://example.org/flat ./",
		"http://example.org/debian+http://example.org/second bookworm-backports+sid main",
		"http://example.org/off trixie off",
	}
	if !slices.Equal(got, want) {
		t.Errorf("read\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := Read(filepath.Join(dir, "none"), filepath.Join(dir, "none.d")); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}

func FuzzSources(f *testing.F) {
	f.Add(list, stanzas)
	f.Add("deb [a=b] http://example.org bookworm main\n", "Types: deb\nSuites: x\n y\n\n#\n")
	f.Fuzz(func(t *testing.T, list, stanzas string) {
		for _, s := range append(parseLines(list), parseStanzas(stanzas)...) {
			if len(s.Suites) == 0 || strings.TrimSpace(s.Text) == "" {
				t.Errorf("empty entry %+v", s)
			}
		}
	})
}
