package jail

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
)

func toolsManifest() *xtools.Manifest {
	return &xtools.Manifest{
		Version: xtools.ManifestVersion, Source: "twin", Farm: "cache/twins/x/root",
		Trees: []xtools.Tree{{Path: "/usr/lib/x86_64-linux-gnu", Source: "usr/lib/x86_64-linux-gnu"}},
		Files: []xtools.File{{Path: "/lib64/ld-linux-x86-64.so.2", Source: "lib64/ld-linux-x86-64.so.2", Kind: xtools.Loader}},
	}
}

// A loader beside the libraries is laid over with them where /lib is a link to that
// of /usr, and by itself where it is not.
func TestLoaderBesideLibraries(t *testing.T) {
	for name, tt := range map[string]struct {
		root   string
		points []string
		laid   int
	}{
		"merged":     {"usr/lib/\nlib -> usr/lib\n", []string{"/usr/lib/x86_64-linux-gnu"}, 0},
		"not merged": {"usr/lib/\nlib/\n", []string{"/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu/ld.so"}, 1},
	} {
		root := plant(t, tt.root)
		s := Store{Dir: t.TempDir()}
		m := toolsManifest()
		m.Files[0] = xtools.File{Path: "/lib/x86_64-linux-gnu/ld.so", Source: "usr/lib/x86_64-linux-gnu/ld.so", Kind: xtools.Loader}
		before := listRoot(t, root)
		if err := s.useTools(&Record{Name: "j"}, root, m); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(m.Points, tt.points) {
			t.Errorf("%s: points %q", name, m.Points)
		}
		if o := s.newOverlay(m); len(o.Files) != tt.laid {
			t.Errorf("%s: laid over by itself: %+v", name, o.Files)
		}
		if err := s.dropTools("j", root, m); err != nil {
			t.Fatal(err)
		}
		if after := listRoot(t, root); !slices.Equal(before, after) {
			t.Errorf("%s: left in the root: %q, was %q", name, after, before)
		}
	}
}

// Mount points are made where the root has nothing, and go with the tools.
func TestToolPoints(t *testing.T) {
	for name, tt := range map[string]struct {
		root   string
		points []string
	}{
		"with /lib64":    {"usr/lib/\nusr/lib64/\nlib64 -> usr/lib64\n", []string{"/usr/lib/x86_64-linux-gnu", "/usr/lib64/ld-linux-x86-64.so.2"}},
		"without /lib64": {"usr/lib/\n", []string{"/usr/lib/x86_64-linux-gnu", "/lib64", "/lib64/ld-linux-x86-64.so.2"}},
		"nothing at all": {"etc/\n", []string{"/usr", "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/lib64", "/lib64/ld-linux-x86-64.so.2"}},
	} {
		t.Run(name, func(t *testing.T) {
			root := plant(t, tt.root)
			s := Store{Dir: t.TempDir()}
			if err := os.MkdirAll(s.dir("j"), 0o700); err != nil {
				t.Fatal(err)
			}
			before := listRoot(t, root)
			for range 2 { // the second time they are there, and still known
				if err := s.useTools(&Record{Name: "j"}, root, toolsManifest()); err != nil {
					t.Fatal(err)
				}
			}
			m, err := s.LoadTools("j")
			if err != nil || !slices.Equal(m.Points, tt.points) {
				t.Fatalf("%v, points %q", err, m.Points)
			}
			for _, p := range m.Points {
				if _, err := root.Lstat(p[1:]); err != nil {
					t.Error(err)
				}
			}
			if err := s.dropTools("j", root, m); err != nil {
				t.Fatal(err)
			}
			if after := listRoot(t, root); !slices.Equal(before, after) {
				t.Errorf("left in the root: %q, was %q", after, before)
			}
			if _, err := os.Stat(s.toolsDir("j")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("left: %v", err)
			}
		})
	}
}

func TestToolPointsOfHostileRoots(t *testing.T) {
	for name, text := range map[string]string{
		"out of the root": "usr/lib/\nlib64 -> ../../../../tmp/nowhere\n",
		"to itself":       "usr/lib/\nlib64 -> lib64\n",
		"a dead link":     "usr/\nusr/lib -> gone\n",
	} {
		root := plant(t, text)
		before := listRoot(t, root)
		s := Store{Dir: t.TempDir()}
		if err := os.MkdirAll(s.dir("j"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := s.useTools(&Record{Name: "j"}, root, toolsManifest()); fault.KindOf(err) != fault.Unsafe {
			t.Errorf("%s: %v", name, err)
		}
		if after := listRoot(t, root); !slices.Equal(before, after) {
			t.Errorf("%s: the root has %q now", name, after)
		}
		if _, err := os.Stat(s.toolsManifest("j")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: it has a manifest", name)
		}
	}
}

// Tools that a killed command has left untried are told of, until they have passed.
func TestUntriedTools(t *testing.T) {
	root := plant(t, "usr/lib/\n")
	s := Store{Dir: t.TempDir()}
	m := toolsManifest()
	m.Files, m.Interpreters, m.Untried = nil, nil, true
	if err := os.MkdirAll(filepath.Join(s.Dir, m.Farm), 0o700); err != nil {
		t.Fatal(err)
	}
	r := &Record{Name: "j"}
	if err := s.useTools(r, root, m); err != nil {
		t.Fatal(err)
	}
	if c := s.verifyTools(root, r); len(c) != 1 || c[0].Result != Warning || c[0].Fix != "xjail tools install j" {
		t.Errorf("untried: %+v", c)
	}
	if err := s.tried("j", m); err != nil {
		t.Fatal(err)
	}
	if c := s.verifyTools(root, r); len(c) != 1 || c[0].Result != OK {
		t.Errorf("tried: %+v", c)
	}
}

// What is not empty any more when the tools go is somebody's.
func TestToolPointsInUse(t *testing.T) {
	root := plant(t, "usr/lib/\n")
	s := Store{Dir: t.TempDir()}
	if err := os.MkdirAll(s.dir("j"), 0o700); err != nil {
		t.Fatal(err)
	}
	m := toolsManifest()
	if err := s.useTools(&Record{Name: "j"}, root, m); err != nil {
		t.Fatal(err)
	}
	if err := root.WriteFile("lib64/ld-linux-x86-64.so.2", []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.dropTools("j", root, m); err != nil {
		t.Fatal(err)
	}
	if text, err := root.ReadFile("lib64/ld-linux-x86-64.so.2"); err != nil || string(text) != "x" {
		t.Errorf("%q, %v", text, err)
	}
}

func listRoot(t *testing.T, root *os.Root) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		names = append(names, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestMachineWords(t *testing.T) {
	got := machineWords("HOSTTYPE=mips64el\nMACHTYPE=a b\nOSTYPE=$(reboot)\nx\nE=\nMAKE_HOST=mips64el-unknown-linux-gnuabi64\n")
	if !slices.Equal(got, []string{"HOSTTYPE=mips64el", "MAKE_HOST=mips64el-unknown-linux-gnuabi64"}) {
		t.Errorf("%q", got)
	}
}

func TestOverlay(t *testing.T) {
	m := toolsManifest()
	at := time.Unix(1700000000, 5)
	m.Files = append(m.Files, xtools.File{Path: "/usr/bin/sed", Source: "usr/bin/sed", Original: &xtools.Original{Size: 7, MTime: at}})
	o := Store{Dir: "/s"}.newOverlay(m)
	if o.Farm != "/s/cache/twins/x/root" || len(o.Trees) != 1 || !o.Files[0].MTime.IsZero() || o.Files[1].Size != 7 || !o.Files[1].MTime.Equal(at) {
		t.Errorf("%+v", o)
	}
}

func TestPlanTools(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	for name, tt := range map[string]struct {
		req  Request
		kind fault.Kind
	}{
		"unknown":     {Request{Tools: "sauce"}, fault.Usage},
		"of a native": {Request{Tools: "twin"}, fault.Unsupported},
		"none":        {Request{Tools: "none"}, 0},
		"default":     {Request{}, 0},
	} {
		p := &Plan{cfg: &Config{}, Guest: "linux"}
		p.host.OS = "linux"
		if err := s.planTools(p, tt.req); fault.KindOf(err) != tt.kind || p.Tools != nil {
			t.Errorf("%s: %v, %v", name, err, p.Tools)
		}
	}
	if _, err := s.toolSource(&Config{Tools: &xtools.Policy{Never: map[string]string{"x": ""}}}, "twin"); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "reason") {
		t.Errorf("a configuration without a reason: %v", err)
	}
}

// Scripts depend on the root's perl and on the directories of its modules.
func TestChangedInterpreter(t *testing.T) {
	root := plant(t, "usr/bin/\nusr/bin/perl\nusr/lib/perl5/x/\n")
	mtime := func(name string) *time.Time {
		st, err := root.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		when := st.ModTime()
		return &when
	}
	st, err := root.Lstat("usr/bin/perl")
	if err != nil {
		t.Fatal(err)
	}
	m := &xtools.Manifest{
		Interpreters: []xtools.File{{Path: "/usr/bin/perl", Original: &xtools.Original{Size: st.Size(), MTime: st.ModTime()}}},
		Modules:      []xtools.Directory{{Path: "/usr/lib/perl5/x", MTime: mtime("usr/lib/perl5/x")}, {Path: "/usr/local/lib/perl"}},
	}
	if got := m.ChangedInterpreter(root); got != "" {
		t.Errorf("%s is not what it was", got)
	}
	for _, step := range []struct {
		change func() error
		want   string
	}{
		{func() error { return root.MkdirAll("usr/local/lib/perl", 0o755) }, "/usr/local/lib/perl"},
		{func() error { return root.RemoveAll("usr/lib/perl5") }, "/usr/lib/perl5/x"},
		{func() error { return root.WriteFile("usr/bin/perl", []byte("another one"), 0o755) }, "/usr/bin/perl"},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		if got := m.ChangedInterpreter(root); got != step.want {
			t.Errorf("changed is %q, want %q", got, step.want)
		}
	}
}

func TestToolsUnderBinds(t *testing.T) {
	m := toolsManifest()
	o := Store{Dir: t.TempDir()}.newOverlay(m)
	for target, ok := range map[string]bool{
		"/dev": false, "/dev/nxb": false, "/usr": false, "/usr/lib": false, "/usr/lib/x86_64-linux-gnu": false,
		"/dev/kvm": true, "/usr/lib/x86": true, "/usr/share": true, "/src": true, "/usr/lib/x86_64-linux-gnu/x": true, "/dev/nxb2": true,
	} {
		err := o.checkBinds([]Bind{{Source: "/tmp", Target: "/tmp"}, {Source: "/tmp", Target: target}})
		if (err == nil) != ok || err != nil && fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v", target, err)
		}
	}
	if err := (*overlay)(nil).checkBinds([]Bind{{Target: "/dev"}}); err != nil {
		t.Errorf("without tools: %v", err)
	}
}
