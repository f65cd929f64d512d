package jail

import (
	"bytes"
	"os"
	"slices"
	"testing"
)

// What the journal knows already is not written again, so that a jail can be
// destroyed on a full disk.
func TestAnnounceDestroy(t *testing.T) {
	root := t.TempDir()
	for name, tt := range map[string]struct {
		record  Record
		written []string // directories and activators
	}{
		"within the state":         {Record{}, nil},
		"outside":                  {Record{Root: root, Outside: true}, []string{root}},
		"activators of the jail":   {Record{Global: true, Registered: true}, []string{"mips64"}},
		"activators of somebody's": {Record{Global: true}, nil},
	} {
		s := Store{Dir: t.TempDir()}
		tt.record.Name, tt.record.Version = "j", recordVersion
		if tt.record.Global {
			tt.record.Activators = globalJail(t, s, "j", "mips64", tt.record.Registered).Activators
		}
		if err := os.MkdirAll(s.dir("j"), 0o700); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.announceDestroy(&tt.record); err != nil {
				t.Fatal(err)
			}
		}
		text, _ := os.ReadFile(s.journal("j"))
		if lines := bytes.Count(text, []byte("\n")); lines != len(tt.written) {
			t.Errorf("%s: %d lines: %q", name, lines, text)
		}
		entries, err := s.readJournal("j")
		got := append(outside(entries), global(entries)...)
		if err != nil || !slices.Equal(got, tt.written) {
			t.Errorf("%s: %q names %q, %v; want %q", name, text, got, err, tt.written)
		}
	}
}
