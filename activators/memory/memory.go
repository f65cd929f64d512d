// Package memory is a model of both kernels' tables of activators, with their
// order, their limits and their errors: for dry runs and for tests.
//
// Sources: Linux fs/binfmt_misc.c as of 6.18, FreeBSD sys/kern/imgact_binmisc.c
// as of 15.1, and what these kernels did when they were tried.
package memory

import (
	"fmt"
	"slices"
	"sync"
	"syscall"

	"github.com/xjail/xjail/activators"
)

// Kernel says whose table is modelled.
type Kernel int

// The kernels.
const (
	Linux   Kernel = iota // binfmt_misc, 6.7 or newer
	FreeBSD               // imgact_binmisc of 13.2 or newer; see Older
)

func (k Kernel) String() string {
	if k == FreeBSD {
		return "freebsd"
	}
	return "linux"
}

// Option changes the model.
type Option func(*Table)

// Older makes FreeBSD that of before 13.2, which does not check offsets.
func Older() Option { return func(t *Table) { t.older = true } }

// Unprivileged makes every change fail, as for another user than root.
func Unprivileged() Option { return func(t *Table) { t.unprivileged = true } }

// Interpreters is asked whether the kernel could open an interpreter when an
// entry with flag F is registered; its error is the open's. By default all can.
func Interpreters(open func(path string) error) Option { return func(t *Table) { t.open = open } }

// Table is a table in memory. It may be used concurrently.
type Table struct {
	kernel       Kernel
	older        bool
	unprivileged bool
	open         func(string) error

	mu       sync.Mutex
	entries  []activators.Entry // the newest first
	switched bool               // off as a whole
}

// New is an empty table of kernel k.
func New(k Kernel, options ...Option) *Table {
	t := &Table{kernel: k, open: func(string) error { return nil }}
	for _, o := range options {
		o(t)
	}
	return t
}

var _ activators.Table = (*Table)(nil)

func clone(e activators.Entry) activators.Entry {
	e.Args, e.Magic, e.Mask = slices.Clone(e.Args), slices.Clone(e.Magic), slices.Clone(e.Mask)
	return e
}

// List returns the entries, the newest first.
func (t *Table) List() ([]activators.Entry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]activators.Entry, 0, len(t.entries))
	for _, e := range t.entries {
		list = append(list, clone(e))
	}
	return list, nil
}

// find is the place of an entry, or -1.
func (t *Table) find(name string) int {
	if t.kernel == FreeBSD {
		name = cString(name)
	}
	return slices.IndexFunc(t.entries, func(e activators.Entry) bool { return e.Name == name })
}

func failure(sentinel error, what, name string, why error) error {
	return activators.Fail(sentinel, fmt.Sprintf("%s activator %q", what, name), why, "")
}

// Lookup returns one entry. Everybody may.
func (t *Table) Lookup(name string) (activators.Entry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.named("look up", name); err != nil {
		return activators.Entry{}, err
	}
	i := t.find(name)
	if i < 0 {
		return activators.Entry{}, failure(activators.ErrNotFound, "look up", name, syscall.ENOENT)
	}
	return clone(t.entries[i]), nil
}

// named refuses the names that binfmt_misc's directory uses itself.
func (t *Table) named(what, name string) error {
	if t.kernel == Linux && slices.Contains([]string{"", ".", "..", "register", "status"}, name) {
		return failure(activators.ErrInvalid, what, name, syscall.EINVAL)
	}
	return nil
}

// Add registers e as the kernel would. Linux's takes the line that
// binfmt.EncodeLine makes of it, with its checks. FreeBSD's takes more than
// Entry.Validate does: an empty magic, a relative interpreter.
func (t *Table) Add(e activators.Entry) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kernel == FreeBSD {
		return t.addFreeBSD(e)
	}
	return t.addLinux(e)
}

// insert puts e in front, unless its name is taken: both kernels look at that
// last.
func (t *Table) insert(e activators.Entry) error {
	if t.find(e.Name) >= 0 {
		return failure(activators.ErrExists, "register", e.Name, syscall.EEXIST)
	}
	t.entries = slices.Insert(t.entries, 0, clone(e))
	return nil
}

// change is what Remove, Enable and Disable have in common. FreeBSD asks for
// the privilege first (sysctl), Linux for the file.
func (t *Table) change(what, name string, do func(i int)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.named(what, name); err != nil {
		return err
	}
	i := t.find(name)
	switch {
	case t.unprivileged && t.kernel == FreeBSD:
		return failure(activators.ErrPermission, what, name, syscall.EPERM)
	case i < 0:
		return failure(activators.ErrNotFound, what, name, syscall.ENOENT)
	case t.unprivileged:
		return failure(activators.ErrPermission, what, name, syscall.EACCES)
	}
	do(i)
	return nil
}

// Remove removes an entry.
func (t *Table) Remove(name string) error {
	return t.change("remove", name, func(i int) { t.entries = slices.Delete(t.entries, i, i+1) })
}

// Enable switches an entry on; it keeps its place.
func (t *Table) Enable(name string) error {
	return t.change("enable", name, func(i int) { t.entries[i].Enabled = true })
}

// Disable switches an entry off; it keeps its place.
func (t *Table) Disable(name string) error {
	return t.change("disable", name, func(i int) { t.entries[i].Enabled = false })
}

// SetEnabled switches the table as a whole, as binfmt_misc's file status does.
// The entries keep their own state. FreeBSD has no such switch.
func (t *Table) SetEnabled(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.switched = !on
}

// Clear drops all entries: Linux when the last mount of an instance goes,
// FreeBSD when the module is unloaded, both at a reboot.
func (t *Table) Clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries = nil
}

// Status describes the table.
func (t *Table) Status() (activators.Status, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := activators.Status{Kernel: t.kernel.String(), Where: "memory", Available: true, Enabled: !t.switched, Entries: len(t.entries)}
	if t.kernel == FreeBSD {
		s.Capacity = freebsdEntries
	}
	return s, nil
}

// Match is the entry that the kernel takes for a file that begins with header,
// which should hold activators.HeaderMax bytes of a longer file. Entries with
// an extension are for MatchFile.
func (t *Table) Match(header []byte) (activators.Entry, bool) { return t.MatchFile("", header) }

// MatchFile is Match for a file of that name.
func (t *Table) MatchFile(name string, header []byte) (activators.Entry, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	matches := t.matchesLinux
	if t.kernel == FreeBSD {
		matches = t.matchesFreeBSD
	}
	for _, e := range t.entries {
		if e.Enabled && !t.switched && matches(e, name, header) {
			return clone(e), true
		}
	}
	return activators.Entry{}, false
}
