package xtools

import (
	"archive/tar"
	"bytes"
	"crypto/md5" //nolint:gosec // dpkg's
	"encoding/hex"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

const (
	perlPackages = "perl-base 5.36.0-7"
	ownScript    = perlHead + " -w\nprint 1;\n"
)

// withPerl is what a machine of Debian has for scripts of perl, with its own
// directories, changed by more: "none" is a file that is not there.
func withPerl(debian string, more map[string]string) map[string]string {
	machine, gnu, interp := uint16(aarch64), "aarch64-linux-gnu", "/lib/ld-linux-aarch64.so.1"
	if debian == "amd64" {
		machine, gnu, interp = amd64, "x86_64-linux-gnu", loader
	}
	base := "usr/lib/" + gnu + "/perl-base/"
	files := map[string]string{
		perlPath:                              elfSpec{machine: machine, interp: interp, needed: []string{"libc.so.6"}}.file(),
		base + "Config.pm":                    "1; # " + debian,
		base + "auto/re/re.so":                elfSpec{machine: machine, soname: "re.so"}.file(),
		infoDir + "/perl-base.list":           "/" + perlPath + "\n/" + base + "Config.pm\n/" + base + "auto/re/re.so\n",
		"usr/bin/dpkg-buildflags":             ownScript,
		infoDir + "/dpkg-dev.list":            "/usr/bin/dpkg-buildflags\n",
		infoDir + "/libother-perl.list":       "/usr/lib/" + gnu + "/perl5/5.36/X.pm\n",
		"usr/lib/" + gnu + "/perl5/5.36/X.pm": "1;",
	}
	maps.Copy(files, more)
	maps.DeleteFunc(files, func(_, text string) bool { return text == "none" })
	sum := md5.Sum([]byte(files["usr/bin/dpkg-buildflags"])) //nolint:gosec // as above
	files[infoDir+"/dpkg-dev.md5sums"] = hex.EncodeToString(sum[:]) + "  usr/bin/dpkg-buildflags\n"
	return files
}

const buildflags = "/usr/bin/dpkg-buildflags"

// packages with scripts and modules of perl, and one more that both sides have.
var scriptPackages = []string{"sed 4.9-1", perlPackages, "dpkg-dev 1.21", "libother-perl 1"}

// The machine itself gives scripts as the twin does, and so does a pack of it.
func TestScriptsOfHost(t *testing.T) {
	root := debian(t, "bookworm", "arm64", withPerl("arm64", nil), scriptPackages...)
	h := hostTools(t, debian(t, "bookworm", "amd64", withPerl("amd64", nil), scriptPackages...))
	m, err := h.Collect(t.Context(), arm64Subject(t, root), silent)
	if err != nil {
		t.Fatal(err)
	}
	if states(m)[buildflags] != Native || len(m.Interpreters) != 1 || m.Interpreters[0].Path != "/"+perlPath {
		t.Errorf("%+v", m)
	}
	farm, err := os.OpenRoot(filepath.Join(h.Dir, filepath.Base(filepath.Dir(m.Farm)), farmRoot))
	if err != nil {
		t.Fatal(err)
	}
	defer farm.Close()
	if text, err := farm.ReadFile(buildflags[1:]); err != nil || string(text) != "#!/"+libs+"nxb-bin/perl -w\nprint 1;\n" {
		t.Errorf("%q, %v", text, err)
	}
	if found := CheckLibraries(farm, subject(t, "arm64").Host, m); len(found) > 0 {
		t.Error(found)
	}
	wants, err := Wants(farm, m)
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for _, w := range wants {
		written[w.Path] = true
	}
	for _, name := range []string{buildflags[1:], libs + "nxb-bin/perl", libs + "nxb-bin/perl5", libs + "perl-base/Config.pm", libs + "perl-base/auto/re/re.so"} {
		if !written[name] {
			t.Errorf("%s is not written into a root", name)
		}
	}
}

// A perl of another version is no reason to do without the programs.
func TestScriptsOfAnotherPerl(t *testing.T) {
	for name, tt := range map[string]struct {
		packages []string
		more     map[string]string
		state    State
		why      string
	}{
		"another version":    {[]string{"sed 4.9-1", "perl-base 5.38.0-1", "dpkg-dev 1.21", "libother-perl 1"}, nil, Drifted, "perl-base is of version 5.36.0-7 in the root, and of 5.38.0-1"},
		"no module":          {[]string{"sed 4.9-1", perlPackages, "dpkg-dev 1.21"}, nil, Missing, "no package libother-perl"},
		"a directory is not": {scriptPackages, map[string]string{infoDir + "/perl-base.list": "/" + perlPath + "\n/" + libs + "perl-base/Config.pm\n"}, Excluded, "no module of perl for /usr/lib/aarch64-linux-gnu/perl-base/auto/re/re.so"},
		"another script":     {scriptPackages, map[string]string{"usr/bin/dpkg-buildflags": perlHead + "\nprint 2;\n"}, Excluded, "the twin has another script"},
	} {
		root := debian(t, "bookworm", "arm64", withPerl("arm64", nil), scriptPackages...)
		h := hostTools(t, debian(t, "bookworm", "amd64", withPerl("amd64", tt.more), tt.packages...))
		m, err := h.Collect(t.Context(), arm64Subject(t, root), silent)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := states(m)
		if got[buildflags] != tt.state || got["/usr/bin/sed"] != Native || len(m.Interpreters) > 0 {
			t.Errorf("%s: %v", name, got)
		}
		for _, l := range m.Left {
			if l.Path == buildflags && !strings.Contains(l.Why, tt.why) {
				t.Errorf("%s: %q", name, l.Why)
			}
		}
	}
}

// scriptPack makes a pack with scripts.
func scriptPack(t *testing.T) []byte {
	t.Helper()
	root := debian(t, "bookworm", "arm64", withPerl("arm64", nil), scriptPackages...)
	h := hostTools(t, debian(t, "bookworm", "amd64", withPerl("amd64", nil), scriptPackages...))
	m, err := h.Collect(t.Context(), arm64Subject(t, root), silent)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WritePack(t.Context(), filepath.Join(h.Dir, filepath.Base(filepath.Dir(m.Farm))), m, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPackOfScripts(t *testing.T) {
	text := scriptPack(t)
	for name, tt := range map[string]struct {
		packages []string
		more     map[string]string
		state    State
		why      string
	}{
		"the same":           {scriptPackages, nil, Native, ""},
		"another perl":       {[]string{"sed 4.9-1", "perl-base 5.36.0-9", "dpkg-dev 1.21", "libother-perl 1"}, nil, Drifted, "perl-base is of version 5.36.0-9 in the root, and the pack for 5.36.0-7"},
		"a module less":      {[]string{"sed 4.9-1", perlPackages, "dpkg-dev 1.21"}, map[string]string{infoDir + "/libother-perl.list": "none", "usr/lib/aarch64-linux-gnu/perl5/5.36/X.pm": "none"}, Drifted, "the pack has modules of perl of package libother-perl, which the root has not"},
		"a module's package": {[]string{"sed 4.9-1", perlPackages, "dpkg-dev 1.21", "libmore-perl 1", "libother-perl 1"}, map[string]string{infoDir + "/libmore-perl.list": "/usr/lib/aarch64-linux-gnu/perl5/5.36/Y.pm\n", "usr/lib/aarch64-linux-gnu/perl5/5.36/Y.pm": "1;"}, Missing, "the pack has no modules of perl of package libmore-perl"},
		"another script":     {scriptPackages, map[string]string{"usr/bin/dpkg-buildflags": perlHead + "\nprint 3;\n"}, Excluded, "another script among the tools"},
	} {
		t.Run(name, func(t *testing.T) {
			root := debian(t, "bookworm", "arm64", withPerl("arm64", tt.more), tt.packages...)
			m, _, err := usePack(t, text, arm64Subject(t, root))
			if err != nil {
				t.Fatal(err)
			}
			got := states(m)
			if got[buildflags] != tt.state || got["/usr/bin/sed"] != Native || len(m.Interpreters) != map[bool]int{true: 1}[tt.state == Native] {
				t.Errorf("%v, %+v", got, m.Interpreters)
			}
			for _, l := range m.Left {
				if l.Path == buildflags && !strings.Contains(l.Why, tt.why) {
					t.Errorf("%q", l.Why)
				}
			}
		})
	}
}

func TestPackOfScriptsRefuses(t *testing.T) {
	text := scriptPack(t)
	// other has another script in the pack, with a digest that is right.
	other := func(script string) []byte {
		change := func(p *packed) {
			f, c := p.Farm.Files[buildflags[1:]], p.Contents[buildflags[1:]]
			f.SHA256, f.Size = sumOf([]byte(script)), int64(len(script))
			c.SHA256, c.Size = f.SHA256, f.Size
			p.Farm.Files[buildflags[1:]], p.Contents[buildflags[1:]] = f, c
		}
		return repack(t, text, change, func(h *tar.Header, b []byte) []byte {
			if h.Name == path.Join(FarmRoot, buildflags[1:]) {
				return []byte(script)
			}
			return b
		})
	}
	root := debian(t, "bookworm", "arm64", withPerl("arm64", nil), scriptPackages...)
	for name, tt := range map[string]struct {
		text []byte
		kind fault.Kind
	}{
		"run by something else":      {other("#!/bin/sh\n"), fault.Unsafe},
		"no script":                  {other("text"), fault.Unsafe},
		"a script that is no script": {repack(t, text, func(p *packed) { f := p.Farm.Files[buildflags[1:]]; f.Script = false; p.Farm.Files[buildflags[1:]] = f }, nil), fault.Damaged},
		"a package that draws":       {repack(t, text, func(p *packed) { p.Farm.Perl = []string{"\x1b[2J"} }, nil), fault.Unsafe},
	} {
		_, _, err := usePack(t, tt.text, arm64Subject(t, root))
		if fault.KindOf(err) != tt.kind {
			t.Errorf("%s: %v: %v", name, fault.KindOf(err), err)
		}
	}
	// One that does something else is not used, whatever the pack says.
	m, _, err := usePack(t, other("#!/"+libs+"nxb-bin/perl -w\nprint 'evil';\n"), arm64Subject(t, root))
	if err != nil || states(m)[buildflags] != Excluded || len(m.Interpreters) > 0 {
		t.Errorf("%v: %v", err, states(m)[buildflags])
	}
	noPerl := repack(t, text, func(p *packed) { p.Farm.Perl = nil }, nil)
	if m, _, err = usePack(t, noPerl, arm64Subject(t, root)); err != nil || states(m)[buildflags] != Missing {
		t.Errorf("%v: %v", err, states(m)[buildflags])
	}
}

// A pack that has another program choose between the perls is refused.
func TestPackOfAnotherChooser(t *testing.T) {
	const evil = "#!/bin/sh\nrm -r /\n"
	name := libs + "nxb-bin/perl"
	text := repack(t, scriptPack(t), func(p *packed) {
		p.Contents[name] = packedFile{SHA256: sumOf([]byte(evil)), Size: int64(len(evil)), Executable: true}
	}, func(h *tar.Header, b []byte) []byte {
		if h.Name == path.Join(FarmRoot, name) {
			return []byte(evil)
		}
		return b
	})
	root := debian(t, "bookworm", "arm64", withPerl("arm64", nil), scriptPackages...)
	if _, _, err := usePack(t, text, arm64Subject(t, root)); fault.KindOf(err) != fault.Unsafe {
		t.Error(err)
	}
}

// The root's own perl runs a script when variables lead to other modules.
func TestPerlChooser(t *testing.T) {
	dir := t.TempDir()
	text := strings.NewReplacer("/"+perlProgram("L"), filepath.Join(dir, "native"), "/"+perlPath, filepath.Join(dir, "own")).Replace(string(perlChooser("L")))
	for name, script := range map[string]string{"choose": text, "native": "#!/bin/sh\necho native \"$@\"\n", "own": "#!/bin/sh\necho own \"$@\"\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil { //nolint:gosec // it is run
			t.Fatal(err)
		}
	}
	for env, want := range map[string]string{
		"": "native", "PERL5LIB=": "native", "PERL5LIB=/x": "own", "PERLLIB=/x": "own", "PERL5OPT=-Mlib=/x": "own", "PERL_UNICODE=S": "native",
	} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "choose"), "-w", "a b", "")
		cmd.Env = []string{env}
		if env == "" {
			cmd.Env = []string{}
		}
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want+" -w a b \n" {
			t.Errorf("%s: %q, %v", env, out, err)
		}
	}
}
