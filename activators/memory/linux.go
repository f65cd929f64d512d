package memory

import (
	"slices"
	"strings"
	"syscall"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
)

func (t *Table) addLinux(e activators.Entry) error {
	line, err := binfmt.EncodeLine(e)
	if err != nil {
		return err
	}
	if err := t.register(e.Name, line); err != nil {
		return err
	}
	t.entries[0].Enabled = e.Enabled
	return nil
}

// Register is a write(2) of a line to Linux's file register. The line is
// looked at first, then the interpreter is opened (flag F), then comes the
// name.
func (t *Table) Register(line []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.register("", line)
}

func (t *Table) register(name string, line []byte) error {
	if t.unprivileged {
		return failure(activators.ErrPermission, "register", name, syscall.EACCES)
	}
	e, err := binfmt.ParseLine(line)
	if err != nil {
		return err
	}
	if e.Flags.FixBinary {
		if err := t.open(e.Interpreter); err != nil {
			return failure(activators.ErrInterpreter, "register", e.Name, err)
		}
	}
	if slices.Contains([]string{"register", "status"}, e.Name) {
		return failure(activators.ErrExists, "register", e.Name, syscall.EEXIST)
	}
	return t.insert(e)
}

// matchesLinux is search_binfmt_handler: the first 256 bytes, past which no
// entry reaches, zeros past the end, or what follows the last dot of the path.
func (t *Table) matchesLinux(e activators.Entry, name string, header []byte) bool {
	if e.Extension != "" {
		dot := strings.LastIndexByte(name, '.')
		return dot >= 0 && name[dot+1:] == e.Extension
	}
	return activators.Captures(e, header)
}
