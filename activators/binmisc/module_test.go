package binmisc

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

func TestLoad(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fake)
		want   error
		kind   fault.Kind
		hint   string
	}{
		"root":        {func(*fake) {}, nil, 0, ""},
		"faster":      {func(f *fake) { f.loadErr = syscall.EEXIST }, nil, 0, ""},
		"user":        {func(f *fake) { f.uid = 1001 }, activators.ErrPermission, fault.Permission, "as root"},
		"jail":        {func(f *fake) { f.jailed = 1 }, activators.ErrPermission, fault.Permission, "on the host, as root: kldload"},
		"securelevel": {func(f *fake) { f.level = 1 }, activators.ErrPermission, fault.Permission, "/boot/loader.conf"},
		"policy":      {func(f *fake) { f.loadErr = syscall.EPERM }, activators.ErrPermission, fault.Permission, "security.mac"},
		"no file":     {func(f *fake) { f.loadErr = syscall.ENOENT }, activators.ErrUnsupported, fault.Unsupported, "options IMGACT_BINMISC"},
		"update":      {func(f *fake) { f.loadErr = syscall.ENOEXEC }, activators.ErrUnsupported, fault.Unsupported, "start the machine anew"},
		"other":       {func(f *fake) { f.loadErr = syscall.ENOMEM }, activators.ErrUnsupported, fault.Unsupported, "dmesg"},
	} {
		f := newFake()
		f.unload()
		c.change(f)
		err := tableOn(f).Load()
		if !errors.Is(err, c.want) || fault.KindOf(err) != c.kind || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%s: kind %v, %v, hint %q", name, fault.KindOf(err), err, fault.HintOf(err))
		}
		if c.want != nil && !errors.Is(tableOn(f).Add(valid()), c.want) {
			t.Errorf("%s: add: %v", name, tableOn(f).Add(valid()))
		}
	}
}

// Add loads the module, and only where it is needed; who is refused loads none.
func TestAddLoads(t *testing.T) {
	f := newFake()
	f.unload()
	table := tableOn(f)
	bad := valid()
	bad.Magic = nil
	if err := table.Add(bad); fault.KindOf(err) != fault.Unsafe || f.loads != 1 {
		t.Errorf("%v, %d loads", err, f.loads)
	}
	for range 2 {
		if err := table.Add(valid()); err != nil || f.loads != 2 {
			t.Errorf("%v, %d loads", err, f.loads)
		}
		if err := table.Remove("a"); err != nil {
			t.Error(err)
		}
	}
}

func TestCompiled(t *testing.T) {
	f := newFake()
	table := tableOn(f)
	if c, err := table.Compiled(); err != nil || c {
		t.Error("a module", c, err)
	}
	f.compiled = true
	if c, err := table.Compiled(); err != nil || !c {
		t.Error("compiled in", c, err)
	}
	f.unload()
	if _, err := table.Compiled(); !errors.Is(err, activators.ErrUnsupported) {
		t.Error(err)
	}
}

func TestPreOpen(t *testing.T) {
	f := newFake()
	table := tableOn(f)
	pre := valid()
	pre.Flags.PreOpen = true
	for release, want := range map[int32]bool{1501000: true, 1302000: true, 1301000: false, 1201000: false} {
		f.release = release
		if n, err := table.OSRelDate(); err != nil || n != int(release) || table.PreOpen() != want {
			t.Errorf("%d: %d, %v, %v", release, n, err, table.PreOpen())
		}
		err := table.Add(pre)
		if want {
			if err == nil {
				err = table.Remove("a")
			}
			if err != nil {
				t.Errorf("%d: %v", release, err)
			}
			continue
		}
		if !errors.Is(err, activators.ErrUnsupported) || !strings.Contains(fault.HintOf(err), "leave PRE_OPEN out") || len(f.entries) != 0 {
			t.Errorf("%d: %v", release, err)
		}
		if err := table.Add(valid()); err != nil || table.Remove("a") != nil {
			t.Errorf("%d without PRE_OPEN: %v", release, err)
		}
	}
}

func TestSupportedArchs(t *testing.T) {
	f := newFake()
	if got, err := tableOn(f).SupportedArchs(); err != nil || !slices.Equal(got, []string{"amd64", "i386"}) {
		t.Errorf("%q, %v", got, err)
	}
}

// An instance is a boot and a load of the module.
func TestInstance(t *testing.T) {
	f := newFake()
	table := tableOn(f)
	seen := map[string]bool{}
	instance := func() string {
		t.Helper()
		s, err := table.Instance()
		if again, aerr := table.Instance(); err != nil || aerr != nil || again != s {
			t.Errorf("%q, %v, again %q, %v", s, err, again, aerr)
		}
		if seen[s] {
			t.Errorf("%q was there before", s)
		}
		seen[s] = true
		return s
	}
	if s := instance(); s != "imgact_binmisc boot 30313233343536373839616263646566 module 401" {
		t.Error(s)
	}
	f.unload()
	f.load()
	instance()
	f.boot = []byte("another boot 000")
	instance()
	f.boot = nil // a kernel without kern.boot_id
	instance()
}
