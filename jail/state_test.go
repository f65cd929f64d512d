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
