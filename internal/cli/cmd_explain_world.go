package cli

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/explain"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/jail/xtools"
	"github.com/xjail/xjail/qemu"
)

// world is what explain looks at, with what has to be closed.
type world struct {
	*explain.World
	Close func()
	store jail.Store
}

// explainWorld gathers all that decides whether a file runs: of this machine, of
// a jail, or of a directory.
func (g *globals) explainWorld(ctx context.Context, o *explainOptions) (*world, error) {
	w := &world{}
	dir := o.root
	var r *jail.Record
	if o.jail != "" {
		var err error
		if w.store, err = g.store(); err != nil {
			return nil, err
		}
		if r, err = w.store.Load(o.jail); err != nil {
			return nil, err
		}
		dir = r.Root
	}
	files, root, cwd, closer, err := explainRoot(dir)
	if err != nil {
		return nil, err
	}
	w.Close = closer
	table := machineTable(o.dir)
	w.World = &explain.World{
		OS: hostOf(o.dir), Files: files, Root: root, Dir: cwd, Path: g.Getenv("PATH"),
		UID: uint32(os.Geteuid()), Groups: groups(), NoNewPrivs: noNewPrivs(),
		Natives: explain.Natives(sureNatives(table)), Kernel: kernelVersion(),
		LibraryPath: g.Getenv("LD_LIBRARY_PATH"), Prefix: g.Getenv("QEMU_LD_PREFIX"),
		Install: qemu.InstallHint,
		Find: func(a *arch.Arch) bool {
			e, _, err := qemu.Find(ctx, a, qemu.FindOptions{SkipDigest: true})
			return err == nil && e != nil
		},
	}
	if root != "/" {
		w.Host = explain.Machine()
	}
	if r == nil {
		w.Table = g.explainTable(table)
		return w, nil
	}
	g.intoJail(w.World, r, table)
	return w, nil
}

// coveredBy tells over which files of a jail native tools are laid; nil when it
// has none, or they cannot be read, which xjail verify tells.
func (g *globals) coveredBy(name string) func(string) bool {
	store, err := g.store()
	if err != nil {
		return nil
	}
	m, err := store.LoadTools(name)
	if err != nil || m == nil || m.Layout != "" {
		return nil
	}
	return func(path string) bool {
		return slices.ContainsFunc(m.Files, func(f xtools.File) bool { return f.Path == path && f.Original != nil })
	}
}

// intoJail changes a world to that of a jail: its own activators, its
// environment, its root's user.
func (g *globals) intoJail(w *explain.World, r *jail.Record, table activators.Machine) {
	w.UID, w.Groups = 0, []uint32{0}
	w.Path = envOf(r.Env, "PATH", defaultJailPath)
	w.LibraryPath, w.Prefix = envOf(r.Env, "LD_LIBRARY_PATH", ""), envOf(r.Env, "QEMU_LD_PREFIX", "")
	w.Jail = &explain.Jail{Name: r.Name, Arch: r.Arch, Private: !r.Global}
	w.Jail.Covered = g.coveredBy(r.Name)
	if r.NotRun != "" {
		w.Jail.Refused, w.Jail.Cause, w.Jail.Remedy = r.NotRun, explain.JailUnusable, r.EmulatorHint()
	}
	if r.Emulator != nil {
		lookAtPlaced(w.Jail, r)
		w.Jail.Emulator = r.Emulator.Path
		w.Jail.Origin = func() string {
			if sum, err := qemu.Digest(r.Emulator.Origin); err != nil || sum != r.Emulator.SHA256 {
				return ""
			}
			return r.Emulator.Origin
		}
	}
	if r.Global {
		w.Table = g.explainTable(table)
		lookAtGlobal(w.Jail, r, table, w.OS)
		return
	}
	w.Table = explain.Table{Where: "/proc/sys/fs/binfmt_misc", Namespace: true}
	if len(r.Activators) == 0 {
		w.Table = g.explainTable(table) // it is entered with the machine's
	}
	for _, e := range r.Activators {
		w.Table.Entries = slices.Insert(w.Table.Entries, 0, explain.Entry{Entry: e, Owned: true})
	}
}

// lookAtGlobal finds out whether xjail exec would refuse a jail for what the
// machine's table has of its activators.
func lookAtGlobal(j *explain.Jail, r *jail.Record, table activators.Machine, host string) {
	disabled, err := jail.RefusedGlobal(table, host, r)
	if err == nil || j.Refused != "" {
		return
	}
	j.Refused, j.Cause = err.Error(), explain.NoActivator
	if disabled {
		j.Cause = explain.ActivatorDisabled
	}
	j.Remedy = strings.TrimPrefix(fault.HintOf(err), "as root: ")
}

// lookAtPlaced finds out whether xjail exec would refuse the emulator in the root
// of a jail: one of another size. Of the same size it is started, whatever it
// is.
func lookAtPlaced(j *explain.Jail, r *jail.Record) {
	if r.Global {
		return
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return
	}
	defer root.Close()
	st, err := root.Lstat(strings.TrimPrefix(r.Emulator.Path, "/"))
	switch {
	case err != nil:
		j.Refused, j.Cause = "its emulator "+r.Emulator.Path+" is not there", "emulator-missing"
	case !st.Mode().IsRegular() || st.Size() != r.Emulator.Size:
		j.Refused, j.Cause = "its emulator "+r.Emulator.Path+" is not the file that was put there", "emulator-replaced"
	}
}

// explainTable reads the machine's table, and what xjail remembers of its
// entries.
func (g *globals) explainTable(table activators.Machine) explain.Table {
	t := explain.Table{Namespace: jail.InUserNamespace()}
	s, err := table.Status()
	if err != nil {
		t.Unseen = err.Error()
		return t
	}
	t.Where = s.Where
	switch {
	case !s.Available && s.Kernel == "freebsd":
		t.Absent = true
		return t
	case !s.Available:
		t.Unseen = "binfmt_misc is not mounted on " + s.Where
		return t
	}
	t.Off = !s.Enabled
	if c, ok := table.(interface{ Compiled() (bool, error) }); ok {
		t.CompiledIn, _ = c.Compiled()
	}
	list, err := table.List()
	if err != nil {
		t.Unseen = err.Error()
		return t
	}
	ledgers := g.ledgers(table)
	for _, e := range list {
		entry := explain.Entry{Entry: e}
		if st, err := os.Stat(filepath.Join(s.Where, e.Name)); err == nil && s.Kernel == "linux" {
			entry.Registered = st.ModTime() // it is never written to
		}
		for _, l := range ledgers {
			if l.Owns(e) {
				entry.Owned, entry.Stale = true, l.Stale(e)
			}
		}
		t.Entries = append(t.Entries, entry)
	}
	return t
}

// sureNatives are the architectures that the kernel of a table is known to run
// by itself. One that it may run or not is not taken for native: an activator
// for its programs is no mistake.
func sureNatives(table activators.Machine) []string {
	var names []string
	host := jail.CheckHost(table)
	for _, p := range host.Natives {
		if !p.Unsure {
			names = append(names, p.Arch)
		}
	}
	if host.OS == "linux" && slices.Contains(names, "i386") {
		names = append(names, "i486") // elf_check_arch_ia32 takes EM_486 too
	}
	return names
}

func groups() []uint32 {
	list := []uint32{uint32(os.Getegid())}
	more, err := os.Getgroups()
	if err != nil {
		return list
	}
	for _, n := range more {
		list = append(list, uint32(n))
	}
	return list
}

// noNewPrivs tells whether set-id bits have no effect for what this process
// starts (proc(5), NoNewPrivs; Linux 4.10).
func noNewPrivs() bool {
	if runtime.GOOS != "linux" {
		return false
	}
	text, err := os.ReadFile("/proc/self/status")
	return err == nil && strings.Contains(string(text), "\nNoNewPrivs:\t1\n")
}

func kernelVersion() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// absolute is a name as it is seen from a root other than the machine's.
func absolute(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return path.Join("/", name)
}
