package jail

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/jail/xtools"
)

// toolsAgain is what is planned for a jail of which the list of tools has a text.
func toolsAgain(t *testing.T, text []byte) *UpdatePlan {
	t.Helper()
	s := Store{Dir: t.TempDir()}
	if err := os.MkdirAll(s.toolsDir("j"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(s.toolsManifest("j"), text); err != nil {
		t.Fatal(err)
	}
	p := &UpdatePlan{Name: "j", old: &Record{Name: "j", Root: t.TempDir()}}
	if err := s.planToolsAgain(p); err != nil {
		t.Fatal(err)
	}
	return p
}

// Tools that an advice chose are got again, and no others.
func TestUpdateKeepsTheChoice(t *testing.T) {
	for name, only := range map[string][]string{"some": {"/usr/bin/rm", "/usr/bin/sed"}, "all": nil} {
		m := &xtools.Manifest{Version: xtools.ManifestVersion, Farm: "cache/twins/gone/root", Source: xtools.TwinName, Only: only}
		text, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		p := toolsAgain(t, text)
		if p.Tools == nil || p.Tools.Source != xtools.TwinName || !slices.Equal(p.Tools.Only, only) || (p.Tools.Only == nil) != (only == nil) {
			t.Errorf("%s: %+v", name, p.Tools)
		}
	}
}

// A list that cannot be read is told of.
func TestUpdateOfDamagedTools(t *testing.T) {
	p := toolsAgain(t, []byte("{"))
	if p.Tools != nil || len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "xjail tools install j") {
		t.Errorf("%+v %q", p.Tools, p.Notes)
	}
}
