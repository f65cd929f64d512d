package hook

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/activators/tabletest"
	"github.com/xjail/xjail/hooks/poudriere/poudrieretest"
	"github.com/xjail/xjail/qemu"
)

// mounted has a small file system on a directory, read-only or full.
func mounted(t *testing.T, dir string, full bool) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=755"); err != nil {
		t.Skip("this user cannot mount: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	if !full {
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		return
	}
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

// The state directory is on a disk that is full, or cannot be written.
func TestStateDisk(t *testing.T) {
	for name, full := range map[string]bool{"full": true, "read-only": false} {
		t.Run(name, func(t *testing.T) {
			for _, shell := range poudrieretest.Shells(t) {
				r := newRunner(t, shell)
				mounted(t, r.Store.Dir, full)
				r.tools(r.root)
				for _, file := range []string{"bin/sh", "usr/bin/grep", "tmp/x"} {
					r.write(filepath.Join(r.ref, file), file)
				}
				r.write(filepath.Join(r.dir, "b-1.log"), "error\n")
				for _, event := range poudriereEvents(r.machine) {
					if got := r.run(strings.Fields(event)...); got.status != 0 {
						t.Errorf("%s: status %d, says %q", event, got.status, got.output)
					}
				}
				table, err := loadTable(filepath.Join(r.dir, "table.json"))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := table.Lookup("mips64"); err != nil {
					t.Error("the activator was not registered:", err)
				}
			}
		})
	}
}

// The reference is on a disk that is full: it stays as it was.
func TestReferenceDisk(t *testing.T) {
	m := newMachine(t)
	m.tools(m.root)
	mounted(t, m.ref, true)
	for _, words := range [][]string{{"jail", "mount", m.ref}, {"jail", "start"}} {
		if stopped, err := m.call(words...); stopped != "" {
			t.Errorf("%q: stop %q, error %v", words, stopped, err)
		}
	}
	if list := names(t, m.ref); len(list) != 1 {
		t.Errorf("left in the reference: %q", list)
	}
}

// A real table of a kernel, with a real emulator: what bulk start registers runs
// programs, what was replaced is registered again, what was removed comes back.
func TestKernel(t *testing.T) {
	i := tabletest.Private(t)
	m := newMachine(t)
	real, err := os.ReadFile("/usr/bin/qemu-mips64-static")
	if err != nil {
		t.Skip(err)
	}
	put := func() {
		m.write(m.emulator+".new", string(real))
		if err := os.Rename(m.emulator+".new", m.emulator); err != nil {
			t.Fatal(err)
		}
	}
	put()
	m.Table, m.guest, m.inspect = binfmt.New(i.Dir), "linux", qemu.Inspect
	m.goesOn("bulk", "start")
	m.says("registered the activator mips64")
	entry := func() activators.Entry {
		t.Helper()
		e, err := m.Table.Lookup("mips64")
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	if e := entry(); !e.Flags.FixBinary || e.Interpreter != m.emulator {
		t.Errorf("%+v", e)
	}
	m.goesOn("bulk", "start")
	m.says("")
	put()
	m.goesOn("bulk", "start")
	m.says("registered the activator mips64")
	if err := m.Table.Remove("mips64"); err != nil {
		t.Fatal(err)
	}
	m.goesOn("builder", "start", "01", "x")
	m.says("it went away")
	entry()
	if err := m.Table.Disable("mips64"); err != nil {
		t.Fatal(err)
	}
	m.stops("switched off: xjail activator enable mips64 --global")
}

// Several builds that begin at the same time, when nothing is registered: all go
// on, and the entry is xjail's and in its record.
func TestKernelTogether(t *testing.T) {
	i := tabletest.Private(t)
	m := newMachine(t)
	real, err := os.ReadFile("/usr/bin/qemu-mips64-static")
	if err != nil {
		t.Skip(err)
	}
	m.write(m.emulator, string(real))
	m.Table, m.guest, m.inspect = binfmt.New(i.Dir), "linux", qemu.Inspect
	for range 8 {
		errs := make([]error, 4)
		var said sync.Map
		var all sync.WaitGroup
		for k := range errs {
			all.Go(func() {
				w := *m.World
				w.Table, w.Say = binfmt.New(i.Dir), func(line string) { said.Store(line, true) }
				errs[k] = w.Run(t.Context(), &Call{Hook: "bulk", Event: "start", Getenv: func(name string) string { return m.env[name] }})
			})
		}
		all.Wait()
		said.Range(func(line, _ any) bool {
			if strings.Contains(line.(string), "cannot") {
				t.Errorf("said %q", line)
			}
			return true
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		own := (&job{World: m.World}).ledger()
		if e := m.entry(); !own.Owns(e) {
			t.Errorf("not xjail's: %+v", e)
		}
		if err := m.Table.Remove("mips64"); err != nil {
			t.Fatal(err)
		}
	}
}
