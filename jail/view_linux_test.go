package jail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/vfsopt"
)

// fakeHost is a FreeBSD kernel's table of mounts and jails. Nothing is really
// mounted, so a mount point stays the directory that it was.
type fakeHost struct {
	mounts   []mountPoint
	prisons  map[int]string
	busy     map[string]int // mount point: how often EBUSY yet
	forced   []string
	confined []string
	fail     string // a target whose mount fails with ENODEV
	astray   string // a target whose mount ends up elsewhere
	pauses   int
	next     int32
}

func (k *fakeHost) path(dir int, name string) string {
	p, _ := os.Readlink(fdPath(dir))
	return filepath.Join(p, name)
}

func (k *fakeHost) Mount(dir int, name string, o vfsopt.Options) error {
	on := k.path(dir, name)
	if k.fail != "" && strings.HasSuffix(on, k.fail) {
		return unix.ENODEV
	}
	if k.astray != "" && strings.HasSuffix(on, k.astray) {
		on = "/elsewhere"
	}
	if got := o.Text("fspath"); got != name {
		return fmt.Errorf("fspath is %q, mounting on %q", got, name)
	}
	k.next++
	k.mounts = append(k.mounts, mountPoint{[2]int32{k.next, -7}, o.Text("fstype"), o.Text("from"), on})
	return nil
}

func (k *fakeHost) Covering(fd int) (mountPoint, error) {
	on := k.path(fd, ".")
	for _, m := range slices.Backward(k.mounts) {
		if below(on, m.On) {
			return m, nil
		}
	}
	return mountPoint{Type: "ufs", On: "/"}, nil
}

func (k *fakeHost) Mounts() ([]mountPoint, error) { return slices.Clone(k.mounts), nil }

func (k *fakeHost) Unmount(id string, force bool) error {
	i := slices.IndexFunc(k.mounts, func(m mountPoint) bool { return m.byID() == id })
	if i < 0 {
		return unix.ENOENT
	}
	on := k.mounts[i].On
	if k.busy[on] > 0 && !force {
		k.busy[on]--
		return unix.EBUSY
	}
	for _, m := range k.mounts[i+1:] {
		if below(m.On, on) {
			return unix.EBUSY
		}
	}
	if force {
		k.forced = append(k.forced, on)
	}
	k.mounts = slices.Delete(k.mounts, i, i+1)
	return nil
}

func (k *fakeHost) Confine(dev int) error {
	k.confined = append(k.confined, k.path(dev, "."))
	return nil
}

func (k *fakeHost) Prisons() (map[int]string, error) { return k.prisons, nil }

func (k *fakeHost) RemovePrison(jid int) error {
	delete(k.prisons, jid)
	return nil
}

func (k *fakeHost) Pause() { k.pauses++ }

// newFakeView is a view whose mount point has the directories of a root, since
// the fake does not mount one.
func newFakeView(t *testing.T, k *fakeHost, tree ...string) *view {
	t.Helper()
	v, err := openView(k, filepath.Join(t.TempDir(), "enter"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tree {
		if err := os.MkdirAll(filepath.Join(v.root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

func planOf(t *testing.T, e *entrance) []mountStep {
	t.Helper()
	steps, err := e.mountPlan(1501000, os.Stat)
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

func (k *fakeHost) list(v *view) string {
	var list []string
	for _, m := range k.mounts {
		list = append(list, m.Type+" "+strings.Replace(m.On, v.root, "V", 1))
	}
	return strings.Join(list, ", ")
}

func TestViewBuild(t *testing.T) {
	src := t.TempDir()
	file := filepath.Join(src, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	k := &fakeHost{}
	v := newFakeView(t, k)
	e := &entrance{Root: "/r", Binds: []Bind{{src, "/usr/src", true}, {file, "/opt/x", false}}}
	for _, s := range planOf(t, e) {
		if err := v.mount(s); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := k.list(v), "nullfs V, devfs V/dev, fdescfs V/dev/fd, nullfs V/usr/src, nullfs V/opt/x"; got != want {
		t.Errorf("mounted %s, want %s", got, want)
	}
	if want := []string{v.root + "/dev"}; !slices.Equal(k.confined, want) {
		t.Errorf("confined %q", k.confined)
	}
	if err := takeOff(k, v.root); err != nil || len(k.mounts) > 0 {
		t.Errorf("left %s, %v", k.list(v), err)
	}
}

func TestViewRefuses(t *testing.T) {
	tests := []struct {
		name string
		k    *fakeHost
		link string // planted at this place, to the directory above the root
		want fault.Kind
	}{
		{"dev is a link", &fakeHost{}, "dev", fault.Unsafe},
		{"a parent of a bind is a link", &fakeHost{}, "usr", fault.Unsafe},
		{"a bind's target is a link", &fakeHost{}, "usr/src", fault.Unsafe},
		{"no such file system", &fakeHost{fail: "/dev/fd"}, "", fault.Unsupported},
		{"mounted elsewhere", &fakeHost{astray: "/usr/src"}, "", fault.Unsafe},
	}
	for _, tt := range tests {
		v := newFakeView(t, tt.k)
		if tt.link != "" {
			link := filepath.Join(v.root, tt.link)
			if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("..", link); err != nil {
				t.Fatal(err)
			}
		}
		err := v.build(planOf(t, &entrance{Root: "/r", Binds: []Bind{{t.TempDir(), "/usr/src", false}}}), 1501000)
		if fault.KindOf(err) != tt.want {
			t.Errorf("%s: %v, want kind %d", tt.name, err, tt.want)
		}
		// What ended up elsewhere is gone as well.
		if err := takeOff(tt.k, v.root); err != nil || len(tt.k.mounts) > 0 {
			t.Errorf("%s: left %s, %v", tt.name, tt.k.list(v), err)
		}
	}
}

func TestTakeOff(t *testing.T) {
	stack := func() []mountPoint {
		return []mountPoint{{[2]int32{1, 1}, "ufs", "/dev/da0", "/"}, {[2]int32{2, 1}, "nullfs", "/r", "/v/1-1"}, {[2]int32{3, 1}, "devfs", "devfs", "/v/1-1/dev"},
			{[2]int32{4, 1}, "nullfs", "/r", "/v/1-10"}, {[2]int32{5, -1}, "fdescfs", "fdescfs", "/v/1-1/dev/fd"}}
	}
	tests := []struct {
		name   string
		busy   map[string]int
		forced []string
		pauses int
	}{
		{"idle", nil, nil, 0},
		{"busy for a moment", map[string]int{"/v/1-1/dev": 3}, nil, 3},
		{"busy for ever", map[string]int{"/v/1-1": 1000000}, []string{"/v/1-1"}, patience},
	}
	for _, tt := range tests {
		k := &fakeHost{mounts: stack(), busy: tt.busy}
		if err := takeOff(k, "/v/1-1"); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if len(k.mounts) != 2 || k.mounts[0].On != "/" || k.mounts[1].On != "/v/1-10" {
			t.Errorf("%s: left %v", tt.name, k.mounts)
		}
		if !slices.Equal(k.forced, tt.forced) || k.pauses != tt.pauses {
			t.Errorf("%s: forced %q, %d pauses", tt.name, k.forced, k.pauses)
		}
	}
	if got := (mountPoint{ID: [2]int32{-5, 7}}).byID(); got != "FSID:-5:7" {
		t.Error(got)
	}
}

// Two commands have two views; what a killed one left goes with the next, and
// what is in use stays.
func TestViewsSideBySide(t *testing.T) {
	k := &fakeHost{prisons: map[int]string{1: "/other"}}
	dir := filepath.Join(t.TempDir(), "enter")
	one, err := openView(k, dir)
	if err != nil {
		t.Fatal(err)
	}
	killed, err := openView(k, dir)
	if err != nil || killed.root == one.root {
		t.Fatalf("the second view is %v, %v", killed, err)
	}
	k.mounts = []mountPoint{{[2]int32{1, 1}, "nullfs", "/r", one.root}, {[2]int32{2, 1}, "nullfs", "/r", killed.root}}
	k.prisons[2], k.prisons[3] = one.root, killed.root
	killed.lock.release() // as its process's end does
	if err := sweepViews(k, dir); err != nil {
		t.Fatal(err)
	}
	if len(k.mounts) != 1 || k.mounts[0].On != one.root || k.prisons[2] == "" || k.prisons[3] != "" || k.prisons[1] == "" {
		t.Errorf("left %v, %v", k.mounts, k.prisons)
	}
	if _, err := os.Lstat(killed.root); !os.IsNotExist(err) {
		t.Errorf("the directory of the killed: %v", err)
	}
	if err := one.close(); err != nil || len(k.mounts) > 0 || len(k.prisons) != 1 {
		t.Errorf("after the last: %v, %v, %v", err, k.mounts, k.prisons)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if err := sweepViews(k, filepath.Join(dir, "none")); err != nil {
		t.Errorf("no views: %v", err)
	}
}

// A view that cannot be taken off is not forgotten.
func TestViewThatStays(t *testing.T) {
	v := newFakeView(t, &fakeHost{}, "file-of-somebody")
	if err := v.close(); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Fatalf("close: %v", err)
	}
	if _, err := os.Lstat(v.root + viewLock); err != nil {
		t.Errorf("the lock: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(v.root, "file-of-somebody")); err != nil {
		t.Fatal(err)
	}
	if err := sweepViews(v.k, filepath.Dir(v.root)); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(v.root)); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestPrepare(t *testing.T) {
	k := &fakeHost{}
	v := newFakeView(t, k, "bin")
	if err := os.WriteFile(filepath.Join(v.root, "bin/sh"), noted(1302001), 0o755); err != nil {
		t.Fatal(err)
	}
	l, g, err := prepare(v, &entrance{Root: "/r", Argv: []string{"sh"}}, 1302001)
	if err != nil || l.name != "/bin/sh" || g.OSReldate != 1302001 {
		t.Errorf("%+v, %+v, %v", l, g, err)
	}
	if st, err := v.stat("/bin/sh"); err != nil || !st.Mode().IsRegular() {
		t.Errorf("stat: %v, %v", st, err)
	}
	if _, _, err := prepare(v, &entrance{Root: "/r", Binds: []Bind{{"/none", "/x", false}}}, 1501000); fault.KindOf(err) != fault.NotFound {
		t.Errorf("no source of a bind: %v", err)
	}
}
