package binmisc

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/xjail/xjail/activators"
)

// Interpreter is what Check wants to know about the file of an interpreter.
type Interpreter struct {
	Regular    bool
	Executable bool // by somebody
	SetID      bool // set-user-id or set-group-id
	Script     bool // it begins with #!
}

// Option changes a Table.
type Option func(*Table)

// Interpreters replaces how a Table looks at interpreters: by default at the
// files of this machine. An error says that there is none.
func Interpreters(look func(path string) (Interpreter, error)) Option {
	return func(t *Table) { t.look = look }
}

// lookAt looks at a file. One that cannot be read counts as no script: to run
// it, the kernel need not read it either.
func lookAt(path string) (Interpreter, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Interpreter{}, err
	}
	mode := info.Mode()
	p := Interpreter{
		Regular: mode.IsRegular(), Executable: mode&0o111 != 0,
		SetID: mode&(fs.ModeSetuid|fs.ModeSetgid) != 0,
	}
	if !p.Regular {
		return p, nil // opening a FIFO would wait
	}
	f, err := os.Open(path)
	if err != nil {
		return p, nil
	}
	defer f.Close()
	head := make([]byte, 2)
	_, err = io.ReadFull(f, head)
	p.Script = err == nil && string(head) == "#!"
	return p, nil
}

// interpreterPath is the path that the kernel looks up: ## is one # in it.
func interpreterPath(e activators.Entry) string {
	return strings.ReplaceAll(e.Interpreter, "##", "#")
}

// checkInterpreter wants a program that the kernel can run. It would take the
// entry without, also with PRE_OPEN, and then every exec of a foreign program
// fails as if that program were missing. later allows one that is not there yet.
func (t *Table) checkInterpreter(e activators.Entry, later bool) error {
	path := interpreterPath(e)
	what := fmt.Sprintf("activator %q", e.Name)
	p, err := t.look(path)
	switch {
	case later && errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return activators.Fail(activators.ErrInterpreter, what, fmt.Errorf("interpreter %s: %w", path, errnoOf(err)), "install the interpreter first")
	case !p.Regular:
		return activators.Fail(activators.ErrInterpreter, what, fmt.Errorf("interpreter %s is not a file: %w", path, syscall.EACCES), "give the path of the emulator itself")
	case !p.Executable:
		return activators.Fail(activators.ErrInterpreter, what, fmt.Errorf("interpreter %s is not executable: %w", path, syscall.EACCES), "chmod 755 "+path)
	case p.Script:
		return invalid(e, "register a program", "its interpreter %s is a script, to which this kernel hands wrong arguments", path)
	}
	return nil
}

// errnoOf is err without the path that it names.
func errnoOf(err error) error {
	var perr *fs.PathError
	if errors.As(err, &perr) {
		return perr.Err
	}
	return err
}
