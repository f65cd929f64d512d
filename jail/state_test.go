package jail

import (
	"os"
	"path/filepath"
	"testing"
)

// Records and journals are files that a user can damage: they are read or
// refused, and never bring the reader down.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":1,"name":"j","arch":"mips64","root":"/r"}`), []byte("{\"step\":\"x\",\"outside\":[\"/a\"]}\n{"))
	f.Add([]byte(`{"version":1,"name":"j","activators":[{"magic":"7f"}]}`), []byte("\n\n{}\nnull\n[]"))
	f.Fuzz(func(t *testing.T, record, journal []byte) {
		s := Store{Dir: t.TempDir()}
		if err := os.MkdirAll(s.dir("j"), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string][]byte{"jail.json": record, "journal": journal} {
			if err := os.WriteFile(filepath.Join(s.dir("j"), name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, err := s.Load("j")
		if err == nil && (r.Name != "j" || r.Version != recordVersion) {
			t.Errorf("loaded %+v", r)
		}
		if e := s.describe("j"); e.State == "" {
			t.Errorf("described as %+v", e)
		}
		_, _ = s.readJournal("j")
		_, _ = s.Belongings("j")
	})
}

// A directory that took the name of one that xjail announced is not xjail's.
func TestJournalNamesOnlyOwnDirectories(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "root")
	missing := missingParents(dir)
	if len(missing) != 2 || filepath.Base(missing[0]) != "a" {
		t.Errorf("missing parents: %q", missing)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	inode, err := inodeOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	entries := []journalEntry{{Outside: []string{dir + ".x"}, Parents: missing}, {Outside: []string{dir}, Inode: inode}}
	if got := outside(entries); len(got) != 2 || got[0] != dir {
		t.Errorf("its own: %q", got)
	}
	if got := parents(entries); len(got) != 2 || got[1] != missing[0] {
		t.Errorf("parents, the innermost first: %q", got)
	}
	// The first inode stays taken, so that another directory gets another.
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := outside(entries); len(got) != 1 || got[0] != dir+".x" {
		t.Errorf("somebody else's: %q", got)
	}
}
