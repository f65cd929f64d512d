package freebsd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binmisc"
	"github.com/xjail/xjail/activators/tabletest"
)

// gate skips a test where there is no kernel to try, and says why.
func gate(t *testing.T) {
	t.Helper()
	switch {
	case os.Getenv("XJAIL_TEST_KERNEL") != "1":
		t.Skip("it changes the kernel's table: XJAIL_TEST_KERNEL=1 turns it on")
	case runtime.GOOS != "freebsd":
		t.Skip("it needs a FreeBSD kernel")
	case os.Geteuid() != 0:
		t.Skip("it needs root")
	case readInt("security.jail.jailed") != 0:
		t.Skip("this is a jail, whose root cannot change the host's table: run it on the host")
	}
}

// loaded says that the module was not there before the first test.
var loaded bool

// atStart is why the table cannot be used, as it was before the first test.
var atStart = sync.OnceValue(func() error {
	table := binmisc.New()
	s, err := table.Status()
	if err != nil {
		return err
	}
	if err := table.Load(); err != nil {
		return err
	}
	loaded = !s.Available
	list, err := table.List()
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("the table has %d entries, the first is %q: run this where nobody has registered any", len(list), list[0].Name)
	}
	return err
})

// emptyTable is the kernel's table, which is empty, and will be again.
func emptyTable(t *testing.T) *binmisc.Table {
	t.Helper()
	gate(t)
	if err := atStart(); err != nil {
		t.Fatal(err)
	}
	table := binmisc.New()
	t.Cleanup(func() { removeAll(t, table) })
	list, err := table.List()
	if err != nil || len(list) != 0 {
		t.Fatalf("the table has %+v, %v", list, err)
	}
	return table
}

func removeAll(t *testing.T, table *binmisc.Table) {
	list, err := table.List()
	if err != nil {
		t.Errorf("entries may be left behind: %v", err)
	}
	for _, e := range list {
		if err := table.Remove(e.Name); err != nil && !errors.Is(err, activators.ErrNotFound) {
			t.Errorf("left behind: %q: %v", e.Name, err)
		}
	}
}

// compiledIn tells whether the kernel asks the table first.
func compiledIn(t *testing.T, table *binmisc.Table) bool {
	t.Helper()
	compiled, err := table.Compiled()
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// entry is one that works: an interpreter that reports, and a magic.
func entry(t *testing.T, name, magic string) activators.Entry {
	return activators.Entry{Name: name, Interpreter: interpreter(t, name), Magic: activators.Hex(magic), Enabled: true}
}

func mustAdd(t *testing.T, table *binmisc.Table, e activators.Entry) {
	t.Helper()
	if err := table.Add(e); err != nil {
		t.Fatal(err)
	}
}

// The conformance suite of every table, through xjail's own calls.
func TestConformance(t *testing.T) {
	gate(t)
	traits := tabletest.Traits{
		Kernel: "freebsd", NameMax: 31, HeaderMax: 4096, Capacity: 64, Args: true, PreOpen: binmisc.New().PreOpen(), Strict: true, MaskAdded: true,
		Interpreter: interpreter,
		Match:       func(t *testing.T, _ activators.Table, content []byte) string { return takenBy(t, string(content)) },
	}
	t.Run("add", func(t *testing.T) {
		tabletest.Run(t, func(t *testing.T) activators.Table { return emptyTable(t) }, traits)
	})
	traits.MaskAdded, traits.MaskNeeded = false, true
	t.Run("verbatim", func(t *testing.T) {
		tabletest.Run(t, func(t *testing.T) activators.Table { return verbatim{emptyTable(t)} }, traits)
	})
}

// verbatim is a Table whose Add sends no mask of its own.
type verbatim struct{ *binmisc.Table }

func (v verbatim) Add(e activators.Entry) error { return v.AddVerbatim(e) }

// What the models are held to, by raw system calls and without any check. The
// entry whose offset wraps is never enabled.
func TestObserved(t *testing.T) {
	gate(t)
	tabletest.RunFreeBSD(t, func(t *testing.T) tabletest.FreeBSDKernel {
		table := emptyTable(t)
		return tabletest.BySysctl(tabletest.FreeBSDKernel{
			Sysctl:      func(node string, out, in []byte) (int, error) { return rawSysctl(binmisc.Node+"."+node, out, in) },
			Interpreter: interpreter, Match: takenBy, First: compiledIn(t, table),
		})
	})
}

func TestStatus(t *testing.T) {
	table := emptyTable(t)
	for n := range 3 {
		s, err := table.Status()
		want := activators.Status{Kernel: "freebsd", Where: "kern.binmisc", Available: true, Enabled: true, Entries: n, Capacity: 64}
		if err != nil || s != want {
			t.Errorf("%+v, %v, want %+v", s, err, want)
		}
		mustAdd(t, table, entry(t, fmt.Sprint("e", n), "xjt1"))
	}
}

func TestKernelFacts(t *testing.T) {
	table := emptyTable(t)
	archs, err := table.SupportedArchs()
	if err != nil || len(archs) == 0 || runtime.GOARCH == "amd64" && archs[0] != "amd64" {
		t.Errorf("native architectures %q, %v", archs, err)
	}
	release, err := table.OSRelDate()
	if err != nil || release < 1000000 || table.PreOpen() != (release >= 1302000) {
		t.Errorf("release %d, PRE_OPEN %v, %v", release, table.PreOpen(), err)
	}
	t.Logf("release %d, native %q, compiled in: %v", release, archs, compiledIn(t, table))
}

// The instance is the same for each Table of one load of the module.
func TestInstance(t *testing.T) {
	emptyTable(t)
	one, err := binmisc.New().Instance()
	two, err2 := binmisc.New().Instance()
	if err != nil || err2 != nil || one != two {
		t.Errorf("%q, %v and %q, %v", one, err, two, err2)
	}
	if strings.Contains(one, "unknown") && readInt("kern.osreldate") >= 1400000 {
		t.Errorf("the boot is not known: %q", one)
	}
	t.Log(one)
}

// The module goes and comes back: what a Table says without it, and that the
// instance is another one. A module whose file is not on this machine stays.
func TestReload(t *testing.T) {
	table := emptyTable(t)
	if compiledIn(t, table) {
		t.Skip("it is compiled into the kernel")
	}
	if !moduleFileThere() {
		t.Skip("the module's file is not in kern.module_path, so that it could not be loaded again")
	}
	before, err := table.Instance()
	if err != nil {
		t.Fatal(err)
	}
	mustAdd(t, table, entry(t, "lost", "xjt1"))
	if err := unload("imgact_binmisc.ko"); err != nil {
		t.Skipf("it cannot be unloaded: %v", err)
	}
	t.Cleanup(func() {
		if err := table.Load(); err != nil {
			t.Errorf("the module is gone: %v", err)
		}
	})
	if s, err := table.Status(); err != nil || s.Available || s.Entries != 0 {
		t.Errorf("without the module: %+v, %v", s, err)
	}
	_, lerr := table.List()
	_, kerr := table.Lookup("lost")
	_, cerr := table.Compiled()
	for _, err := range []error{lerr, kerr, cerr, table.Remove("lost")} {
		if !errors.Is(err, activators.ErrUnsupported) {
			t.Errorf("without the module: %v", err)
		}
	}
	mustAdd(t, table, entry(t, "new", "xjt1"))
	if list, err := table.List(); err != nil || len(list) != 1 || list[0].Name != "new" {
		t.Errorf("after loading: %+v, %v", list, err)
	}
	if after, err := table.Instance(); err != nil || after == before {
		t.Errorf("the instance is %q, %v, before it was %q", after, err, before)
	}
	if err := table.Load(); err != nil {
		t.Errorf("loading what is loaded: %v", err)
	}
}

func moduleFileThere() bool {
	for dir := range strings.SplitSeq(readString("kern.module_path"), ";") {
		if _, err := os.Stat(filepath.Join(dir, "imgact_binmisc.ko")); err == nil {
			return true
		}
	}
	return false
}
