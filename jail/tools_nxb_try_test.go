package jail

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools/nxb"
	"github.com/xjail/xjail/jail/xtools/selftest"
)

// installTried installs native tools with a trial of the test's.
func installTried(t *testing.T, s Store, dir string, try nxbTrial) error {
	t.Helper()
	r, l, err := s.take("f")
	if err != nil {
		t.Fatal(err)
	}
	defer l.release()
	_, err = s.installNxb(t.Context(), &Config{}, r, "nxb:"+dir, try, silentWatch{})
	return err
}

func TestNxbTrial(t *testing.T) {
	s, root := freebsdJail(t)
	before := listRoot(t, root)
	dir := nativeXTools(t, 1501000, "aarch64-unknown-freebsd15.1")
	refuse := func(n *nxb.Manifest) error {
		if _, err := root.Lstat("nxb-bin/usr/bin/cc"); err != nil || n.Lookup("usr/bin/cc") == nil {
			t.Errorf("tried before it is there: %v", err)
		}
		return notUsed("f", fault.New(fault.WrongArch, "", "it does not do"))
	}
	err := installTried(t, s, dir, refuse)
	if fault.KindOf(err) != fault.WrongArch || !strings.Contains(err.Error(), "are not used: it does not do") || !strings.Contains(fault.HintOf(err), "--no-verify") {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	if after := listRoot(t, root); !slices.Equal(before, after) {
		t.Errorf("left in the root: %q", after)
	}
	if _, err := os.Stat(s.toolsDir("f")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left in the state: %v", err)
	}
	untried := false
	err = installTried(t, s, dir, func(*nxb.Manifest) error {
		m, err := s.LoadTools("f")
		untried = err == nil && m != nil && m.Untried
		return err
	})
	if m, lerr := s.LoadTools("f"); err != nil || lerr != nil || !untried || m.Untried {
		t.Errorf("%v, %v: untried while they were tried %v, then %+v", err, lerr, untried, m)
	}
	if st, _ := root.Stat("."); st.ModTime().Unix() != 1600000000 {
		t.Errorf("the root is of %v", st.ModTime())
	}
}

// What does not pass does not replace what is there.
func TestNxbTrialOfOther(t *testing.T) {
	s, root := freebsdJail(t)
	if err := installTried(t, s, nativeXTools(t, 1501000, "aarch64-unknown-freebsd15.1"), nil); err != nil {
		t.Fatal(err)
	}
	before := listRoot(t, root)
	_, dir := nxbPlan(t, root)
	err := installTried(t, s, dir, func(*nxb.Manifest) error {
		if text, err := root.ReadFile("nxb-bin/usr/bin/tr"); err != nil || !strings.Contains(string(text), "tr") {
			t.Errorf("the other is not there when it is tried: %v", err)
		}
		return errors.New("no")
	})
	if err == nil {
		t.Fatal("no error")
	}
	if after := listRoot(t, root); !slices.Equal(before, after) {
		t.Errorf("the root has %q, had %q", after, before)
	}
	if s.unfinishedNxb("f") {
		t.Error("it is not finished")
	}
	_, list, err := s.Tools("f")
	if err != nil || slices.ContainsFunc(list, func(p Tool) bool { return p.State == "drifted" || p.Path == "/nxb-bin/usr/bin/tr" }) {
		t.Errorf("%v: %+v", err, list)
	}
	if err := installTried(t, s, dir, func(*nxb.Manifest) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := root.Lstat("nxb-bin/usr/bin/tr"); err != nil {
		t.Error(err)
	}
}

// A machine that cannot run them says so.
func TestNxbNotTried(t *testing.T) {
	if runtime.GOOS == "freebsd" {
		t.Skip("they can be tried here")
	}
	s, _ := freebsdJail(t)
	if _, err := s.InstallTools(t.Context(), &Config{}, "f", ToolsRequest{Source: "nxb:" + nativeXTools(t, 1501000, "aarch64-unknown-freebsd15.1"), Try: true}, silentWatch{}); err != nil {
		t.Fatal(err)
	}
	if m, err := s.LoadTools("f"); err != nil || m.Untried {
		t.Errorf("%v: %+v", err, m)
	}
	_, err := s.VerifyTools(t.Context(), &Config{}, "f", selftest.Options{})
	if fault.KindOf(err) != fault.Unsupported || !strings.Contains(fault.HintOf(err), "xjail verify f") || !strings.Contains(err.Error(), "programs of FreeBSD") {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
}

func TestNxbUntriable(t *testing.T) {
	r := &Record{Name: "f", Arch: "aarch64", NotRun: "no emulator"}
	for system, want := range map[string]fault.Kind{"freebsd": fault.NotFound, "linux": fault.Unsupported} {
		err := nxbUntriable(system, r)
		if fault.KindOf(err) != want || !strings.Contains(fault.HintOf(err), "xjail verify f") || strings.Contains(err.Error(), "no emulator") != (system == "freebsd") {
			t.Errorf("%s: %v; hint %q", system, err, fault.HintOf(err))
		}
	}
}

// tryInRoot has the self-test work in a directory of the root, as on FreeBSD.
func tryInRoot(t *testing.T) string {
	t.Helper()
	before := selftest.Dir
	t.Cleanup(func() { selftest.Dir = before })
	selftest.Dir = "/.xjail-selftest"
	return tryPoint()
}

// rootTime is when a root was last changed.
var rootTime = time.Unix(1600000000, 0)

// plantAt is a root of that time.
func plantAt(t *testing.T, list string) *os.Root {
	t.Helper()
	root := plant(t, list)
	if err := root.Chtimes(".", rootTime, rootTime); err != nil {
		t.Fatal(err)
	}
	return root
}

// The directory of a trial is gone after it, also one that a killed trial left, and
// the root's times stay.
func TestTryPoint(t *testing.T) {
	point := tryInRoot(t)
	for _, list := range []string{"etc/\n", "etc/\n" + point + "/\n", point + "/mine/\n"} {
		root := plantAt(t, list)
		want := errors.New("mine")
		err := withTryPoint(root, func() error {
			if st, err := root.Lstat(point); err != nil || !st.IsDir() {
				t.Errorf("no directory: %v", err)
			}
			return want
		})
		if !errors.Is(err, want) {
			t.Error(err)
		}
		if _, err := root.Lstat(point); errors.Is(err, fs.ErrNotExist) == strings.HasSuffix(list, "mine/\n") {
			t.Errorf("%q: afterwards: %v", list, err)
		}
		if st, err := root.Stat("."); err != nil || !st.ModTime().Equal(rootTime) {
			t.Errorf("the root is of %v", st.ModTime())
		}
	}
}

// What is somebody else's is neither used nor removed.
func TestTryPointOfOthers(t *testing.T) {
	point := tryInRoot(t)
	for _, link := range []bool{true, false} {
		root := plantAt(t, "etc/\n")
		err := root.WriteFile(point, nil, 0o644)
		if link {
			err = errors.Join(root.Remove(point), root.Symlink("etc", point))
		}
		if err != nil {
			t.Fatal(err)
		}
		err = withTryPoint(root, func() error { t.Error("done"); return nil })
		if fault.KindOf(err) != fault.Unsafe || !strings.Contains(err.Error(), "no directory") {
			t.Errorf("%v", err)
		}
		dropTryPoint(&Record{Root: root.Name(), Guest: "freebsd"})
		if _, err := root.Lstat(point); err != nil {
			t.Errorf("it is gone: %v", err)
		}
	}
}

// The next command that has the jail for itself removes what a killed trial left.
func TestTryPointLeft(t *testing.T) {
	point := tryInRoot(t)
	for _, tt := range []struct {
		guest, list string
		stays       bool
	}{{"freebsd", point + "/\n", false}, {"freebsd", point + "/mine/\n", true}, {"debian", point + "/\n", true}, {"freebsd", "etc/\n", false}} {
		root := plantAt(t, tt.list)
		dropTryPoint(&Record{Root: root.Name(), Guest: tt.guest})
		if _, err := root.Lstat(point); (err == nil) != tt.stays {
			t.Errorf("%+v: %v", tt, err)
		}
		if st, err := root.Stat("."); err != nil || !st.ModTime().Equal(rootTime) {
			t.Errorf("the root is of %v", st.ModTime())
		}
	}
	dropTryPoint(&Record{Root: "/nothing/here", Guest: "freebsd"})
}

// A command that is killed while it tries other tools leaves those that the jail has.
func TestNxbTrialKilled(t *testing.T) {
	point := tryInRoot(t)
	s, root := freebsdJail(t)
	if err := installTried(t, s, nativeXTools(t, 1501000, "aarch64-unknown-freebsd15.1"), nil); err != nil {
		t.Fatal(err)
	}
	before := listRoot(t, root)
	p, _ := nxbPlan(t, root)
	if err := s.writeNxb(s.nxbNext("f"), &p.Manifest); err != nil {
		t.Fatal(err)
	}
	if err := root.Rename("nxb-bin", ".nxb-bin.xjail-old"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(root.Mkdir(point, 0o755), root.Chtimes(".", rootTime, rootTime)); err != nil {
		t.Fatal(err)
	}
	_, list, err := s.Tools("f")
	if err != nil || slices.ContainsFunc(list, func(p Tool) bool { return p.State == "drifted" || p.Path == "/nxb-bin/usr/bin/tr" }) {
		t.Errorf("%v: %+v", err, list)
	}
	if after := listRoot(t, root); !slices.Equal(before, after) {
		t.Errorf("the root has %q, had %q", after, before)
	}
	if m, err := s.LoadTools("f"); err != nil || m.Untried || s.unfinishedNxb("f") {
		t.Errorf("%v: %+v", err, m)
	}
}
