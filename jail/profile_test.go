package jail

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// Profiles that begin in one second get names of their own, unless somebody chose
// the name.
func TestProfileNames(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "j-20261128-171523.xprof")
	for _, want := range []string{"j-20261128-171523.xprof", "j-20261128-171523-2.xprof", "j-20261128-171523-3.xprof"} {
		p := &Profile{Output: name, Numbered: true}
		made, err := p.open()
		if err != nil || !made || p.Output != filepath.Join(dir, want) {
			t.Fatalf("%v %v %s", made, err, p.Output)
		}
		if _, err := os.Stat(p.Output); err != nil {
			t.Error(err)
		}
		p.file.Close()
	}
	p := &Profile{Output: name}
	if made, err := p.open(); fault.KindOf(err) != fault.Exists || made || p.Output != name {
		t.Errorf("%v %v %s", made, err, p.Output)
	}
	link := filepath.Join(dir, "link.xprof")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	for _, force := range []bool{false, true} {
		p = &Profile{Output: link, Force: force}
		if _, err := p.open(); fault.KindOf(err) != fault.Exists || !strings.Contains(err.Error(), "leads nowhere") {
			t.Errorf("%v", err)
		}
	}
	p = &Profile{Output: filepath.Join(dir, "none", "a.xprof"), Numbered: true}
	if _, err := p.open(); fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
}
