package binmiscctl

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// Command is a command line as it is read.
type Command struct {
	Name string // add, remove, disable, enable, lookup or list
	// Entry is what add registers; of the others it has the name alone. It is not
	// validated: it may be one that no kernel should get. Without --mask it has
	// no mask.
	Entry activators.Entry
}

// Parse reads a command line without the program's name, and does nothing. The
// grammar is that of FreeBSD. Errors are of kind fault.Usage.
func Parse(args []string) (Command, error) {
	if len(args) == 0 {
		return Command{}, fault.New(fault.Usage, "", "a command is missing")
	}
	i := find(args[0])
	if i < 0 {
		return Command{}, fault.New(fault.Usage, "", "unknown command %q", args[0])
	}
	cmd := Command{Name: commands[i].name}
	var said strings.Builder
	c := &call{kernel: freebsd, command: cmd.Name, stderr: &said}
	var err error
	switch cmd.Name {
	case "list":
	case "add":
		cmd.Entry, err = c.parsedEntry(args[1:])
	default:
		cmd.Entry.Name, err = c.name(args[1:])
	}
	if err != nil {
		return Command{}, fault.New(fault.Usage, "", "%s: %s", cmd.Name, sayings(&said, err))
	}
	return cmd, nil
}

func (c *call) parsedEntry(args []string) (activators.Entry, error) {
	a, err := c.addition(args)
	if err != nil {
		return activators.Entry{}, err
	}
	if a.offset < 0 || a.offset > math.MaxInt32 {
		return a.entry, fmt.Errorf("the offset %d is not within a file's first %d bytes", a.offset, activators.HeaderMax)
	}
	a.entry.Offset = int(a.offset)
	return a.entry, nil
}

// sayings are what was said and what failed on one line.
func sayings(said *strings.Builder, err error) string {
	var parts []string
	for line := range strings.Lines(said.String()) {
		parts = append(parts, strings.TrimPrefix(strings.TrimSpace(line), Name+": "))
	}
	var f *failed
	parts = append(parts, strings.TrimSpace(err.Error()))
	if errors.As(err, &f) {
		parts = append(parts, f.details...)
	}
	return strings.Join(parts, ": ")
}
