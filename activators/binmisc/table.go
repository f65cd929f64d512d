package binmisc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// Node is the sysctl node of the table. Its children are add, remove, enable,
// disable, lookup and list.
const Node = "kern.binmisc"

// module is the name of the module, which it has too when it is compiled into
// the kernel.
const module = "imgact_binmisc"

// errAbsent is why there is no table.
var errAbsent = errors.New(module + " is not in the kernel")

// Table is the table of the kernel that this program runs on. There is one for
// the whole machine: a jail sees the host's, and cannot change it. Everybody may
// read it, root changes it.
type Table struct {
	kernel kernel
	look   func(path string) (Interpreter, error)
}

// New is the kernel's table. It looks at nothing yet.
func New(options ...Option) *Table { return newTable(system{}, options...) }

func newTable(k kernel, options ...Option) *Table {
	t := &Table{kernel: k, look: lookAt}
	for _, o := range options {
		o(t)
	}
	return t
}

var _ activators.Machine = (*Table)(nil)

// oid is the node of the table of that name, errAbsent when there is no table.
func (t *Table) oid(child string) ([]int32, error) {
	mib, err := oid(t.kernel, Node+"."+child)
	if errors.Is(err, syscall.ENOENT) {
		return nil, errAbsent
	}
	return mib, err
}

// call gives a record to a node and fetches what comes. The kernel's functions
// are never called without a record: they would look at one that was there
// before.
func (t *Table) call(child string, out []byte, r *Record) (int, error) {
	mib, err := t.oid(child)
	if err != nil {
		return 0, err
	}
	return t.kernel.sysctl(mib, out, r.Bytes(binary.NativeEndian))
}

// List returns all entries, the newest first, which is the order in which the
// kernel tries them. activators.ErrUnsupported: the kernel has no such table, or
// has not loaded it.
func (t *Table) List() ([]activators.Entry, error) {
	const what = "list activators"
	mib, err := t.oid("list")
	if err != nil {
		return nil, t.failure(what, err)
	}
	b, err := read(t.kernel, mib)
	if err != nil {
		return nil, t.failure(what, err)
	}
	records, err := ParseRecords(b, binary.NativeEndian)
	if err != nil {
		return nil, err
	}
	list := make([]activators.Entry, 0, len(records))
	for _, r := range records {
		list = append(list, r.Entry())
	}
	return list, nil
}

// Lookup returns one entry.
func (t *Table) Lookup(name string) (activators.Entry, error) {
	r, err := NamedRecord(name)
	if err != nil {
		return activators.Entry{}, err
	}
	out := make([]byte, RecordSize)
	n, err := t.call("lookup", out, r)
	if err != nil {
		return activators.Entry{}, t.failure(fmt.Sprintf("look up activator %q", name), err)
	}
	if r, err = ParseRecord(out[:n], binary.NativeEndian); err != nil {
		return activators.Entry{}, err
	}
	return r.Entry(), nil
}

// Add registers e, with a mask of ones where it has none: without a mask the
// kernel matches no byte of 0x80 or more. The module is loaded where that is
// needed. See Check for what the kernel does not get to see.
func (t *Table) Add(e activators.Entry) error {
	if err := t.Check(e); err != nil {
		return err
	}
	return t.AddVerbatim(e.Normal())
}

// AddVerbatim is Add as binmiscctl(8) does it: it sends no mask where e has none,
// and the interpreter may come later. What would harm the machine is refused all
// the same.
func (t *Table) AddVerbatim(e activators.Entry) error {
	if err := t.check(e); err != nil {
		return err
	}
	if err := t.checkInterpreter(e, true); err != nil {
		return err
	}
	r, err := NewRecord(e)
	if err != nil {
		return err
	}
	if err := t.knowsPreOpen(e); err != nil {
		return err
	}
	if err := t.Load(); err != nil {
		return err
	}
	if _, err := t.call("add", nil, r); err != nil {
		return t.failure(fmt.Sprintf("register activator %q", e.Name), err)
	}
	return nil
}

// Remove removes an entry. Programs that run go on; an interpreter that was
// opened with PRE_OPEN is closed.
func (t *Table) Remove(name string) error { return t.change("remove", name) }

// Enable switches an entry on; it keeps its place.
func (t *Table) Enable(name string) error { return t.change("enable", name) }

// Disable switches an entry off; it keeps its place.
func (t *Table) Disable(name string) error { return t.change("disable", name) }

func (t *Table) change(child, name string) error {
	r, err := NamedRecord(name)
	if err != nil {
		return err
	}
	if _, err := t.call(child, nil, r); err != nil {
		return t.failure(fmt.Sprintf("%s activator %q", child, name), err)
	}
	return nil
}

// Status counts the entries. It loads nothing.
func (t *Table) Status() (activators.Status, error) {
	s := activators.Status{Kernel: "freebsd", Where: Node, Capacity: EntriesMax}
	n := 0
	mib, err := t.oid("list")
	if err == nil {
		n, err = t.kernel.sysctl(mib, nil, nil)
	}
	switch {
	case errors.Is(err, errAbsent), errors.Is(err, activators.ErrUnsupported):
		return s, nil
	case err != nil:
		return s, t.failure("read the status of "+module, err)
	}
	s.Available, s.Enabled, s.Entries = true, true, n/RecordSize
	return s, nil
}

// failure explains an errno of the table.
func (t *Table) failure(what string, err error) error {
	switch {
	case errors.Is(err, activators.ErrUnsupported):
		return activators.Fail(activators.ErrUnsupported, what, errors.New(module+" is FreeBSD's"), "")
	case errors.Is(err, errAbsent), errors.Is(err, syscall.ENOENT) && !t.present():
		return t.absent(what)
	case errors.Is(err, syscall.ENOENT):
		return activators.Fail(activators.ErrNotFound, what, nil, "xjail activator status lists what there is")
	case errors.Is(err, syscall.EEXIST):
		return activators.Fail(activators.ErrExists, what, nil, "xjail activator status shows the one that is there")
	case errors.Is(err, syscall.ENOSPC):
		return activators.Fail(activators.ErrFull, what, fmt.Errorf("%w: it takes %d entries", activators.ErrFull, EntriesMax), "remove one that is not needed; xjail activator status lists them")
	case errors.Is(err, syscall.EINVAL):
		return activators.Fail(activators.ErrInvalid, what, fmt.Errorf("the kernel does not take it: %w", err), "")
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return t.denied(what, err)
	case errors.Is(err, syscall.ENOMEM):
		return activators.Fail(activators.ErrUnsupported, what, fmt.Errorf("the kernel's records are not of %d bytes: %w", RecordSize, err), "use an xjail that is made for this kernel")
	}
	return fault.Wrap(fault.Failed, err, what, "")
}

// denied explains an EPERM. The kernel asks for the privilege before it looks at
// anything else.
func (t *Table) denied(what string, err error) error {
	why, hint := err, "run it as root"
	switch {
	case t.jailed():
		why, hint = fmt.Errorf("this is a jail, whose root can look at the host's activators and not change them: %w", err), "run it on the host, outside of the jail"
	case t.kernel.euid() == 0:
		why, hint = fmt.Errorf("a policy of this system forbids it to root: %w", err), "look for security policies in sysctl security.mac, and for capability mode"
	}
	return activators.Fail(activators.ErrPermission, what, why, hint)
}
