package binfmt

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/xjail/xjail/activators"
)

// DefaultDir is where a machine mounts its binfmt_misc.
const DefaultDir = "/proc/sys/fs/binfmt_misc"

// Table is the instance of binfmt_misc that is mounted on a directory: the
// machine's or a private one, which it cannot tell apart. It never mounts and
// never unmounts anything: with its last mount an instance loses its entries.
type Table struct{ dir string }

// New is the table of the instance mounted on dir. It looks at nothing yet.
func New(dir string) *Table { return &Table{dir} }

var _ activators.Table = (*Table)(nil)

// Dir is the directory of t.
func (t *Table) Dir() string { return t.dir }

func (t *Table) path(name string) string { return filepath.Join(t.dir, name) }

// names are the names of the entries, the last registered first: the directory
// lives in the dentry cache alone, which hands out children in that order
// (fs/libfs.c dcache_readdir). os.ReadDir would sort them.
func (t *Table) names() ([]string, error) {
	f, err := os.OpenFile(t.dir, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, t.failure("list activators", err)
	}
	defer f.Close()
	all, err := f.Readdirnames(-1)
	if err != nil {
		return nil, t.failure("list activators", err)
	}
	names := all[:0]
	mounted := false
	for _, name := range all {
		if name == "register" || name == "status" {
			mounted = true
			continue
		}
		names = append(names, name)
	}
	if !mounted {
		return nil, t.unmounted("list activators")
	}
	return names, nil
}

// List reads all entries. One that goes away meanwhile is left out.
func (t *Table) List() ([]activators.Entry, error) {
	names, err := t.names()
	if err != nil {
		return nil, err
	}
	list := make([]activators.Entry, 0, len(names))
	for _, name := range names {
		e, err := t.read(name)
		if errors.Is(err, activators.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// Lookup reads one entry.
func (t *Table) Lookup(name string) (activators.Entry, error) {
	if err := t.present(name); err != nil {
		return activators.Entry{}, err
	}
	return t.read(name)
}

func (t *Table) read(name string) (activators.Entry, error) {
	text, err := os.ReadFile(t.path(name))
	if err != nil {
		return activators.Entry{}, t.entryFailure("look up", name, err)
	}
	return ParseEntry(name, text)
}

// Add registers e with one write(2). An entry that shall be disabled is
// registered and then switched off, since a line cannot say so.
func (t *Table) Add(e activators.Entry) error {
	line, err := EncodeLine(e)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(t.path("register"), os.O_WRONLY, 0)
	if err != nil {
		return t.failure(fmt.Sprintf("register activator %q", e.Name), err)
	}
	_, err = f.Write(line)
	f.Close()
	if err != nil {
		return t.addFailure(e, err)
	}
	if e.Enabled {
		return nil
	}
	if err := t.Disable(e.Name); err != nil {
		return errors.Join(err, t.Remove(e.Name))
	}
	return nil
}

// Remove removes an entry.
func (t *Table) Remove(name string) error { return t.write("remove", name, "-1") }

// Enable switches an entry on.
func (t *Table) Enable(name string) error { return t.write("enable", name, "1") }

// Disable switches an entry off.
func (t *Table) Disable(name string) error { return t.write("disable", name, "0") }

func (t *Table) write(what, name, text string) error {
	if err := t.present(name); err != nil {
		return err
	}
	f, err := os.OpenFile(t.path(name), os.O_WRONLY, 0)
	if err != nil {
		return t.entryFailure(what, name, err)
	}
	_, err = f.WriteString(text)
	f.Close()
	if err != nil {
		return t.entryFailure(what, name, err)
	}
	return nil
}

// present refuses names that lead elsewhere: writing -1 to status would remove
// every entry of the machine.
func (t *Table) present(name string) error {
	if name == "" || strings.ContainsAny(name, "/\x00") || name == "." || name == ".." || name == "register" || name == "status" {
		return activators.CheckName(name)
	}
	return nil
}

// Status reads the file status and counts the entries.
func (t *Table) Status() (activators.Status, error) {
	s := activators.Status{Kernel: "linux", Where: t.dir}
	text, err := os.ReadFile(t.path("status"))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, t.failure("read the status of binfmt_misc", err)
	}
	names, err := t.names()
	if err != nil {
		return s, err
	}
	s.Available, s.Entries = true, len(names)
	s.Enabled = bytes.Equal(bytes.TrimSpace(text), []byte("enabled"))
	return s, nil
}

func (t *Table) unmounted(what string) error {
	return activators.Fail(activators.ErrUnsupported, what, fmt.Errorf("binfmt_misc is not mounted on %s", t.dir),
		"as root: mount -t binfmt_misc binfmt_misc "+t.dir)
}

// failure is of the instance as a whole.
func (t *Table) failure(what string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return t.unmounted(what)
	case isPermission(err):
		return activators.Fail(activators.ErrPermission, what, errnoOf(err), "run it as root; a jail of one's own needs no root")
	}
	return fmt.Errorf("%s: %w", what, errnoOf(err))
}

func isPermission(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// entryFailure is of an entry's file.
func (t *Table) entryFailure(what, name string, err error) error {
	what = fmt.Sprintf("%s activator %q in %s", what, name, t.dir)
	if errors.Is(err, fs.ErrNotExist) {
		if _, serr := os.Stat(t.path("status")); serr != nil {
			return t.unmounted(what)
		}
		return activators.Fail(activators.ErrNotFound, what, nil, "xjail activator status lists what there is")
	}
	return t.failure(what, err)
}

// addFailure explains the errno of the write to register.
func (t *Table) addFailure(e activators.Entry, err error) error {
	what := fmt.Sprintf("register activator %q in %s", e.Name, t.dir)
	interpreter := "interpreter " + e.Interpreter + ": "
	switch {
	case errors.Is(err, syscall.EEXIST):
		return activators.Fail(activators.ErrExists, what, nil, "xjail activator status shows the one that is there")
	case errors.Is(err, syscall.EINVAL):
		return activators.Fail(activators.ErrInvalid, what, errnoOf(err), "the kernel does not take it; the flag F needs Linux 4.8")
	case e.Flags.FixBinary && errors.Is(err, fs.ErrNotExist):
		return activators.Fail(activators.ErrInterpreter, what, fmt.Errorf("%s%w", interpreter, errnoOf(err)), "install the interpreter first: with F the kernel opens it now")
	case e.Flags.FixBinary && errors.Is(err, syscall.EACCES):
		return activators.Fail(activators.ErrInterpreter, what, fmt.Errorf("%s%w", interpreter, errnoOf(err)), "make it an executable file: chmod 755 "+e.Interpreter)
	case isPermission(err):
		return t.failure(what, err)
	}
	return fmt.Errorf("%s: %w", what, errnoOf(err))
}

// errnoOf is err without the path of the register file, which is not what
// could not be found.
func errnoOf(err error) error {
	var perr *fs.PathError
	if errors.As(err, &perr) {
		return perr.Err
	}
	return err
}
