package nxb

import (
	"os"
	"strings"
	"testing"
)

// make.nxb.conf is what poudriere's setup_xdev writes (common.sh of commit
// 5c160650): fifteen lines, and AS where there is one.
func TestMakeConf(t *testing.T) {
	golden, err := os.ReadFile("testdata/make.nxb.conf")
	if err != nil {
		t.Fatal(err)
	}
	m := &Manifest{}
	if got := m.MakeConf(); got != string(golden) {
		t.Errorf("%s", got)
	}
	m.Files = []File{{Path: assembler, Kind: Static}}
	if got := m.MakeConf(); got != string(golden)+"AS=/nxb-bin/usr/bin/as\n" {
		t.Errorf("%s", got)
	}
}

// The default policy has no name twice, and none that it also refuses.
func TestDefaultPolicy(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range frequent {
		wanted, reason := Default(name)
		if seen[name] || !wanted || reason != "" || never[name] != "" {
			t.Errorf("%s is twice in the lists: %q", name, reason)
		}
		seen[name] = true
		dir := name[:strings.LastIndex(name, "/")]
		if !strings.Contains(" "+strings.Join(toolDirs, " ")+" ", " "+dir+" ") {
			t.Errorf("%s is where no programs are looked for", name)
		}
	}
	for _, name := range append(Required(), Linked()...) {
		if wanted, _ := Default(name); !wanted {
			t.Errorf("%s is not wanted", name)
		}
	}
	for _, name := range []string{"sbin/sysctl", "usr/bin/uname", "usr/bin/ldd", "usr/sbin/pkg", "usr/local/bin/perl"} {
		if wanted, _ := (&Options{Policy: Default}).wants(name); wanted {
			t.Errorf("%s is wanted", name)
		}
	}
	for _, name := range rescued {
		if wanted, _ := Default(name); !wanted {
			t.Errorf("%s would be taken from /rescue, and is not wanted", name)
		}
	}
}
