package jail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
	"github.com/xjail/xjail/jail/xtools/selftest"
	"github.com/xjail/xjail/profile/advice"
)

// program is a tool over a root's own file.
func toolOver(path, pkg, content string) xtools.File {
	sum := sha256.Sum256([]byte(content))
	return xtools.File{Path: path, Source: path[1:], Kind: xtools.Program, Package: pkg,
		Original: &xtools.Original{Package: pkg, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}}
}

func TestStandIns(t *testing.T) {
	root := plant(t, "usr/bin/\nbuild/\nusr/lib/git-core/\n")
	for name, text := range map[string]string{"build/sed": "usr/bin/sed", "build/rm": "another", "usr/bin/sed": "usr/bin/sed"} {
		if err := root.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	target, err := arch.Lookup("arm64")
	if err != nil {
		t.Fatal(err)
	}
	sed, rm := toolOver("/usr/bin/sed", "sed", "usr/bin/sed"), toolOver("/usr/bin/rm", "coreutils", "usr/bin/rm")
	st := &StandIns{
		name: "j", root: root, target: target, policy: xtools.DefaultPolicy(),
		files: map[string]xtools.File{
			"/usr/bin/sed": sed, "/usr/bin/rm": rm, "/usr/bin/tar": toolOver("/usr/bin/tar", "tar", ""), "/usr/bin/m4": toolOver("/usr/bin/m4", "m4", ""),
			"/usr/bin/aarch64-linux-gnu-gcc-12": toolOver("/usr/bin/aarch64-linux-gnu-gcc-12", "gcc-12", ""),
		},
		byBase: map[string]string{"sed": "/usr/bin/sed", "rm": "/usr/bin/rm"},
		left: map[string]xtools.Left{
			"/usr/bin/uname": {State: xtools.Excluded, Why: "tells the architecture"}, "/usr/bin/xz": {State: xtools.Drifted, Why: "5.4 and 5.6"},
			"/usr/bin/own": {State: xtools.Missing, Why: "there is no package own for amd64", Package: "own"}, "/usr/bin/cat": {State: xtools.NotChosen, Why: "x", Package: "coreutils"},
			"/usr/bin/aarch64-linux-gnu-as": {State: xtools.NotChosen, Package: "binutils-aarch64-linux-gnu"},
		},
		owner: map[string]string{"usr/lib/git-core/git-foo": "git", "usr/bin/new": "newer", "usr/bin/perl5.36": "perl"},
		laid:  map[string]bool{"/usr/bin/tar": true}, replaced: map[string]string{"/usr/bin/m4": "it was replaced"},
		suspects: map[string]string{"/usr/bin/rm": "did not pass"},
	}
	for path, want := range map[string]advice.Tool{
		"/usr/bin/sed":                      {State: advice.Available, Package: "sed"},
		"/usr/bin/cat":                      {State: advice.Available, Package: "coreutils"},
		"/usr/bin/tar":                      {State: advice.Native, Package: "tar"},
		"/usr/bin/m4":                       {State: advice.Available, Why: "replaced", Package: "m4"},
		"/usr/bin/rm":                       {State: advice.Broken, Why: "did not pass"},
		"/usr/bin/aarch64-linux-gnu-gcc-12": {State: advice.Available, Package: "gcc-12", Unit: compilerUnit},
		"/usr/bin/aarch64-linux-gnu-as":     {State: advice.Available, Package: "binutils-aarch64-linux-gnu", Unit: compilerUnit},
		"/usr/bin/uname":                    {State: advice.Excluded, Why: "tells the architecture"},
		"/usr/bin/xz":                       {State: advice.Drifted, Why: "5.6"},
		"/usr/bin/own":                      {State: advice.Missing, Why: "no package own", Package: "own"},
		"/usr/bin/new":                      {State: advice.Missing, Why: "package newer", Package: "newer"},
		"/usr/lib/git-core/git-foo":         {State: advice.Missing, Why: "not where", Package: "git"},
		"/usr/bin/perl5.36":                 {State: advice.Excluded, Why: "loads compiled modules", Package: "perl"},
		"/usr/local/bin/python3":            {State: advice.Excluded, Why: "loads compiled modules"},
		"/usr/local/bin/thing":              {State: advice.Missing, Why: "of no package"},
		"/build/sed":                        {State: advice.Elsewhere, Why: "a copy of /usr/bin/sed"},
		"/build/rm":                         {State: advice.Built, Why: "the build made it"},
		"/build/conftest":                   {State: advice.Built, Why: "the build made it"},
		"/usr/obj/bin/cat":                  {State: advice.Built, Why: "the build made it"},
		"./conftest":                        {State: advice.Built, Why: "the build made it"},
	} {
		got := st.Tool(path)
		if got.State != want.State || !strings.Contains(got.Why, want.Why) || got.Package != want.Package || got.Unit != want.Unit || want.Why == "" && got.Why != "" {
			t.Errorf("%s: %+v, want %+v", path, got, want)
		}
	}
}

func TestSuspects(t *testing.T) {
	programs := map[string]bool{"/usr/bin/sed": false, "/usr/bin/sed-x": false, "/usr/bin/gcc": true, "/usr/lib/cc1": true}
	for name, tt := range map[string]struct {
		finding selftest.Finding
		want    []string
	}{
		"one that is named":    {selftest.Finding{Check: "start", Evidence: []string{"/usr/bin/sed: --version ended with status 1"}}, []string{"/usr/bin/sed"}},
		"a longer name":        {selftest.Finding{Check: "link", Evidence: []string{"/usr/bin/sed-x: no libx"}}, []string{"/usr/bin/sed-x"}},
		"in the message":       {selftest.Finding{Check: "digests", Message: "tool /usr/lib/cc1"}, []string{"/usr/lib/cc1"}},
		"objects":              {selftest.Finding{Check: "objects", Message: "differ", Evidence: []string{"a.o: .text"}}, []string{"/usr/bin/gcc", "/usr/lib/cc1"}},
		"a program":            {selftest.Finding{Check: "program lto"}, []string{"/usr/bin/gcc", "/usr/lib/cc1"}},
		"what built it":        {selftest.Finding{Check: "program make", Evidence: []string{"status 2", `make -s && test "$(sed p log)" = x`}}, []string{"/usr/bin/gcc", "/usr/bin/sed", "/usr/lib/cc1"}},
		"too many to be named": {selftest.Finding{Check: "start", Evidence: []string{"/usr/bin/sed: status 1", "and 3 more lines"}, Omitted: 3}, []string{"/usr/bin/gcc", "/usr/bin/sed", "/usr/bin/sed-x", "/usr/lib/cc1"}},
		"nobody knows of what": {selftest.Finding{Check: "configure", Message: "differs"}, []string{"/usr/bin/gcc", "/usr/bin/sed", "/usr/bin/sed-x", "/usr/lib/cc1"}},
	} {
		var got []string
		for p, why := range suspects(programs, []selftest.Finding{tt.finding}) {
			got = append(got, p)
			if !strings.Contains(why, tt.finding.Check) {
				t.Errorf("%s: %q", name, why)
			}
		}
		if slices.Sort(got); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	if got := suspects(programs, nil); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// What failed is remembered for that farm, until all of it passes.
func TestFailures(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	if err := os.MkdirAll(s.dir("j"), 0o700); err != nil {
		t.Fatal(err)
	}
	m := &xtools.Manifest{Farm: "cache/twins/x/root"}
	failed := []selftest.Finding{{Result: selftest.OK, Check: "start"}, {Result: selftest.Failed, Check: "objects", Kind: fault.Mismatch}}
	passed := failed[:1]
	known := func(farm string) int {
		list, err := s.readFailures("j", farm)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	keep := func(m *xtools.Manifest, list []selftest.Finding, whole bool) {
		if err := s.keepFailures("j", m, list, whole); err != nil {
			t.Fatal(err)
		}
	}
	keep(m, failed, true)
	if known(m.Farm) != 1 || known("cache/twins/y/root") != 0 {
		t.Error("not remembered, or for another farm")
	}
	keep(m, passed, false)
	keep(&xtools.Manifest{Farm: m.Farm, Only: []string{"/usr/bin/sed"}}, passed, true)
	if known(m.Farm) != 1 {
		t.Error("a shorter test has made it good")
	}
	if keep(m, passed, true); known(m.Farm) != 0 {
		t.Error("it is not forgotten")
	}
	if left, _ := filepath.Glob(s.dir("j") + "/*"); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

// quiet is a Watcher that keeps warnings.
type quiet struct{ bytes.Buffer }

func (q *quiet) Step(string, string)          {}
func (q *quiet) Progress(int64, int64, int64) {}
func (q *quiet) Log() io.Writer               { return io.Discard }
func (q *quiet) Warn(text string)             { q.WriteString(text) }

func TestChoose(t *testing.T) {
	manifest := func() *xtools.Manifest {
		return &xtools.Manifest{Target: "aarch64", Files: []xtools.File{toolOver("/usr/bin/sed", "sed", ""), toolOver("/usr/bin/rm", "coreutils", "")}}
	}
	var w quiet
	m := manifest()
	if err := choose(m, nil, &w); err != nil || len(m.Files) != 2 || m.Only != nil {
		t.Errorf("%v %+v", err, m)
	}
	if err := choose(m, []string{"/usr/bin/rm", "/usr/bin/gone"}, &w); err != nil || len(m.Files) != 1 || !strings.Contains(w.String(), "/usr/bin/gone") {
		t.Errorf("%v %+v %q", err, m, w.String())
	}
	odd := []string{"/usr/bin/e\x1b[31mvil"}
	if err := choose(manifest(), odd, &w); fault.KindOf(err) != fault.NotFound || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%q", err)
	}
	if err := choose(manifest(), append(odd, "/usr/bin/rm"), &w); err != nil || strings.Contains(w.String(), "\x1b") {
		t.Errorf("%v %q", err, w.String())
	}
}

func TestChosenWith(t *testing.T) {
	for name, tt := range map[string]struct {
		have      *xtools.Manifest
		add, want []string
		guest     string
		kind      fault.Kind
	}{
		"all":                  {nil, nil, nil, "linux", 0},
		"from nothing":         {nil, []string{"/b"}, []string{"/b"}, "linux", 0},
		"twice from nothing":   {nil, []string{"/b", "/a", "/b"}, []string{"/a", "/b"}, "linux", 0},
		"beside what is there": {&xtools.Manifest{Only: []string{"/a", "/b"}}, []string{"/c", "/b"}, []string{"/a", "/b", "/c"}, "linux", 0},
		"all are there":        {&xtools.Manifest{}, []string{"/b"}, nil, "linux", 0},
		"all again":            {&xtools.Manifest{Only: []string{"/a"}}, nil, nil, "linux", 0},
		"of FreeBSD":           {nil, []string{"/b"}, nil, "freebsd", fault.Unsupported},
	} {
		s := Store{Dir: t.TempDir()}
		if tt.have != nil {
			tt.have.Version, tt.have.Farm = xtools.ManifestVersion, "cache/twins/x/root"
			if err := os.MkdirAll(s.toolsDir("j"), 0o700); err != nil {
				t.Fatal(err)
			}
			text, err := tt.have.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if err := writeFile(s.toolsManifest("j"), text); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.chosenWith(&Record{Name: "j", Guest: tt.guest}, tt.add)
		if fault.KindOf(err) != tt.kind || !slices.Equal(got, tt.want) || (got == nil) != (tt.want == nil) {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
}
