package doctor

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/qemu"
)

// World is what is looked at, and by which means. New makes that of this
// machine; tests make their own.
type World struct {
	Store jail.Store
	// StateError is why there is no state directory.
	StateError error
	Config     *jail.Config
	// ConfigPath is the file that was read, "" when there is none; ConfigError
	// is what is wrong with it.
	ConfigPath  string
	ConfigError error
	// Jails are those that are looked at; nil for all.
	Jails []string
	// Patience is how long a program of a jail may run; 0 runs none.
	Patience time.Duration
	// Ledgers are the records of xjail's entries. Only those of Store are changed.
	Ledgers []string
	// AsRoot runs xjail with these arguments as root of a user namespace, where
	// files of subordinate ids can be removed; nil when there is no need.
	AsRoot func(args ...string) error
	Getenv func(string) string

	goos    string // linux or freebsd
	euid    int
	root    bool   // the machine's root
	sys     string // directory below which /proc, /etc and such are, "" for the machine's
	program string // this xjail
	table   activators.Machine
	// The rest are calls of the system.
	release       func() string
	sysctl        func(name string) (int, error)
	tryNamespaces func(context.Context) error
	tryPrivate    func(context.Context) error
	ids           func() (have, debian int, err error)
	volume        func(path string) (volume, error)
	mounts        func() ([]mount, error)
	find          func(context.Context, *arch.Arch, qemu.FindOptions) (*qemu.Emulator, []qemu.Candidate, error)

	once    sync.Once
	private error // of tryPrivate
}

// New is this machine with a state directory.
func New(store jail.Store) *World {
	w := &World{
		Store: store, Config: &jail.Config{}, Patience: 10 * time.Second, Getenv: os.Getenv,
		goos: runtime.GOOS, euid: os.Geteuid(), root: os.Geteuid() == 0 && !jail.InUserNamespace(),
		table: jail.MachineTable(), release: kernelRelease, sysctl: readSysctl,
		tryNamespaces: jail.TryNamespaces, tryPrivate: jail.TryPrivate, ids: jail.SubordinateIDs,
		volume: statVolume, mounts: listMounts, find: qemu.Find,
	}
	w.program, _ = os.Executable()
	return w
}

// readRecords are the records that can be read, by name.
func (w *World) readRecords() map[string]*jail.Record {
	all := map[string]*jail.Record{}
	if w.StateError != nil {
		return all
	}
	names, _ := w.Store.Names()
	for _, name := range names {
		if r, err := w.Store.Load(name); err == nil {
			all[name] = r
		}
	}
	return all
}

// globals are the records of the jails that use the machine's table, by name.
func (w *World) globals() []*jail.Record {
	var list []*jail.Record
	for _, r := range w.readRecords() {
		if r.Global && len(r.Activators) > 0 {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *jail.Record) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// tried is the outcome of tryPrivate, which is asked once.
func (w *World) tried(ctx context.Context) error {
	w.once.Do(func() { w.private = w.tryPrivate(ctx) })
	return w.private
}

// read is a file of the system, without the blanks around it; "" when it cannot
// be read.
func (w *World) read(name string) string {
	text, err := os.ReadFile(filepath.Join(w.sys, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func (w *World) exists(name string) bool {
	_, err := os.Stat(filepath.Join(w.sys, name))
	return err == nil
}

// stateThere tells whether the state directory can be looked at; if not, why,
// as the answer of a check.
func (w *World) stateThere() (bool, []Finding) {
	if w.StateError != nil {
		return false, one(Skipped, "there is no state directory", "")
	}
	_, err := os.ReadDir(w.Store.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, one(OK, "nothing was made in "+w.Store.Dir+" so far", "")
	case errors.Is(err, fs.ErrPermission):
		return false, one(Skipped, "this user may not look into "+w.Store.Dir, "")
	case err != nil:
		return false, one(Skipped, err.Error(), "")
	}
	return true, nil
}

// sudo is a command as this user has to give it.
func (w *World) sudo(command string) string {
	if w.root {
		return command
	}
	return "sudo " + command
}

// xjail is a command of xjail for the state directory that is looked at.
func (w *World) xjail(words ...string) string {
	command := []string{"xjail"}
	if w.Store.Dir != w.usualState() {
		command = append(command, "--state", quote(w.Store.Dir))
	}
	return strings.Join(append(command, words...), " ")
}

// usualState is the state directory of a command without --state; with
// XJAIL_STATE in the environment it need not be said either.
func (w *World) usualState() string {
	if dir := w.Getenv("XJAIL_STATE"); dir != "" {
		abs, _ := filepath.Abs(dir)
		return abs
	}
	switch {
	case w.root && w.goos == "freebsd":
		return "/var/db/xjail"
	case w.root:
		return "/var/lib/xjail"
	case filepath.IsAbs(w.Getenv("XDG_STATE_HOME")):
		return filepath.Join(w.Getenv("XDG_STATE_HOME"), "xjail")
	}
	return filepath.Join(w.Getenv("HOME"), ".local", "state", "xjail")
}

// quote is a word of a shell's command line.
func quote(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%"
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// plural is a number with what it counts.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if strings.HasSuffix(what, "y") {
		what = strings.TrimSuffix(what, "y") + "ie"
	}
	return itoa(n) + " " + what + "s"
}
