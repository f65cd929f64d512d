package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/qemu"
	"github.com/xjail/xjail/qemu/qemutest"
)

// fakeTable is a machine's table in memory.
type fakeTable struct {
	*memory.Table
	version  int // kern.osreldate
	compiled error
}

func (t *fakeTable) Instance() (string, error) { return "test", nil }
func (t *fakeTable) OSRelDate() (int, error)   { return t.version, nil }
func (t *fakeTable) Compiled() (bool, error)   { return t.compiled == nil, t.compiled }

// awry is a table of which the status is another one.
type awry struct {
	*fakeTable
	status activators.Status
	err    error
}

func (t awry) Status() (activators.Status, error) { return t.status, t.err }

// world is a healthy machine with a healthy jail, "home", of its own
// architecture, and with an emulator for every architecture.
func world(t *testing.T) *World {
	t.Helper()
	dir := t.TempDir()
	env := map[string]string{"PATH": filepath.Join(dir, "bin"), "HOME": dir, "TMPDIR": dir}
	w := &World{
		Store: jail.Store{Dir: filepath.Join(dir, "state")}, Config: &jail.Config{},
		Getenv: func(name string) string { return env[name] },
		goos:   "linux", euid: os.Geteuid(), root: true, sys: filepath.Join(dir, "sys"), program: filepath.Join(dir, "bin", "xjail"),
		table:         &fakeTable{Table: memory.New(memory.Linux), version: 1501000},
		release:       func() string { return "6.18.4" },
		sysctl:        func(string) (int, error) { return 0, nil },
		tryNamespaces: func(context.Context) error { return nil },
		tryPrivate:    func(context.Context) error { return nil },
		ids:           func() (int, int, error) { return 65537, 65535, nil },
		volume: func(string) (volume, error) {
			return volume{Free: 10 << 30, Size: 20 << 30, Files: 1e6, FilesFree: 1e6}, nil
		},
		mounts: func() ([]mount, error) { return nil, nil },
	}
	w.find = func(_ context.Context, a *arch.Arch, o qemu.FindOptions) (*qemu.Emulator, []qemu.Candidate, error) {
		e := &qemu.Emulator{Path: o.Explicit, Target: a.QEMU, Family: qemu.LinuxUser, Version: "9.2.0", Static: true}
		if e.Path == "" {
			e.Path = filepath.Join(dir, "qemu-"+a.QEMU+"-static")
		}
		if _, err := os.Stat(e.Path); o.Explicit != "" && err != nil {
			return nil, nil, err
		}
		return e, []qemu.Candidate{{Path: e.Path, Emulator: e, Chosen: true}}, nil
	}
	for name, text := range map[string]string{
		"sys/proc/filesystems": "nodev\tbinfmt_misc\n", "sys/lib/modules/6.18.4/modules.dep": "kernel/fs/other.ko.xz:\n",
		"sys/boot/kernel/imgact_binmisc.ko": "", "bin/xjail": "",
	} {
		write(t, filepath.Join(dir, name), text, 0o755)
	}
	setenv := func(name, value string) { env[name] = value }
	t.Cleanup(func() { variables.Delete(w) })
	variables.Store(w, setenv)
	w.thread("/usr/bin/xjail", t)
	w.home(t)
	return w
}

// variables set the environment of a world: func(name, value string) by *World.
// Tests that make worlds run at the same time.
var variables sync.Map

func (w *World) setenv(name, value string) {
	set, _ := variables.Load(w)
	set.(func(name, value string))(name, value)
}

// thread says what the kernel runs.
func (w *World) thread(exe string, t *testing.T) {
	t.Helper()
	for name, target := range map[string]string{"self": "/usr/bin/xjail", "thread-self": exe} {
		file := filepath.Join(w.sys, "proc", name, "exe")
		_ = os.Remove(file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, file); err != nil {
			t.Fatal(err)
		}
	}
}

// home makes the jail.
func (w *World) home(t *testing.T) {
	t.Helper()
	root := filepath.Join(w.Store.Dir, "jails/home/root")
	write(t, filepath.Join(root, "bin/sh"), string(qemutest.Program(t)), 0o755)
	for _, dir := range []string{"jails", "jails/home"} {
		if err := os.Chmod(filepath.Join(w.Store.Dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.record(t, func(*jail.Record) {})
}

// record writes the record of the jail anew.
func (w *World) record(t *testing.T, change func(*jail.Record)) {
	t.Helper()
	r := &jail.Record{Version: 1, Name: "home", Arch: arch.Host().Name, Guest: runtime.GOOS, Root: filepath.Join(w.Store.Dir, "jails/home/root")}
	change(r)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(w.Store.Dir, "jails/home/jail.json"), string(text), 0o600)
}

// global makes the jail one of mips64 that uses the machine's table.
func (w *World) global(t *testing.T) activators.Entry {
	t.Helper()
	e := mips64(t, w)
	w.record(t, func(r *jail.Record) { r.Global, r.Activators = true, []activators.Entry{e} })
	return e
}

// mips64 is an entry as xjail activator register makes it.
func mips64(t *testing.T, w *World) activators.Entry {
	t.Helper()
	a, err := arch.Lookup("mips64")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(w.sys), "qemu-mips64-static")
	write(t, path, string(qemutest.Linux("mips64", "9.2.0").Bytes(t)), 0o755)
	return jail.Activator(w.goos, arch.DefaultPolicy(w.goos), a, &qemu.Emulator{Path: path, Family: qemu.LinuxUser, Version: "9.2.0"}, path, false)
}

// register registers entries as xjail does, with its record.
func (w *World) register(t *testing.T, entries ...activators.Entry) {
	t.Helper()
	if err := w.registerAll(ledger{path: filepath.Join(w.Store.Dir, activators.LedgerName)}, entries...); err != nil {
		t.Fatal(err)
	}
}

// foreign registers an entry that xjail did not make.
func (w *World) foreign(t *testing.T, e activators.Entry) {
	t.Helper()
	if err := w.table.Add(e); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

// named are the findings of one check.
func (w *World) named(name string) []Finding {
	var found []Finding
	for _, f := range Examine(context.Background(), w) {
		if f.Check == name {
			found = append(found, f)
		}
	}
	return found
}

// worst is the worst result among findings, and what is said of it.
func worst(found []Finding) Finding {
	order := []Result{OK, Skipped, Note, Warning, Failed}
	bad := Finding{Result: OK}
	for _, r := range order {
		for _, f := range found {
			if f.Result == r {
				bad = f
				break
			}
		}
	}
	return bad
}

func lacks(f Finding, text string) bool {
	return !strings.Contains(f.Message+" "+f.Fix+" "+f.Subject, text)
}

var errTest = errors.New("for the test")
