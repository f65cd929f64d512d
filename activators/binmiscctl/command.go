// Package binmiscctl is the command line of FreeBSD's binmiscctl(8): the same
// grammar, the same output, the same exit status, over any activators.Table.
// docs/binmiscctl.md lists where it differs, and why.
//
// Sources: FreeBSD usr.sbin/binmiscctl/binmiscctl.c and lib/libc/stdlib/
// getopt_long.c as of 15.1, and what that program did when it was tried.
package binmiscctl

import (
	"fmt"
	"io"
	"strings"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// Name is what the program is called, in its messages too.
const Name = "binmiscctl"

// exitFailure is the status of every failure: exit(-1).
const exitFailure = 255

// Options are what comes from elsewhere than the command line.
type Options struct {
	// Posix is getopt_long(3)'s POSIXLY_CORRECT: options end at the first
	// argument that is none.
	Posix bool
	// Safe refuses what could harm the machine, with kind fault.Unsafe; other
	// errors of it are only said. The bytes are the start of the interpreter. By
	// default it is activators.Native.
	Safe func(t activators.Table, e activators.Entry, interpreter ...[]byte) error
}

// verbatimAdder is a Table whose Add wants more of an entry than the kernel does:
// a mask, and an interpreter that is there.
type verbatimAdder interface {
	AddVerbatim(e activators.Entry) error
}

// command is one of the program's commands.
type command struct {
	name string
	desc string
	args string
	// parse makes of the arguments after the command's name what is to be done.
	parse func(c *call, args []string) (func() error, error)
}

// commands are in the order of the usage text.
var commands = []command{
	{"add", "Add a new binary image activator (requires 'root' privilege)", addUsage, (*call).parseAdd},
	{"remove", "Remove a binary image activator (requires 'root' privilege)", "<name>", named((*call).remove)},
	{"disable", "Disable a binary image activator (requires 'root' privilege)", "<name>", named((*call).disable)},
	{"enable", "Enable a binary image activator (requires 'root' privilege)", "<name>", named((*call).enable)},
	{"lookup", "Lookup a binary image activator", "<name>", named((*call).lookup)},
	{"list", "List all the binary image activators", "", func(c *call, _ []string) (func() error, error) { return c.list, nil }},
}

// call is one run of the program.
type call struct {
	table   activators.Table
	kernel  string // linux or freebsd
	command string
	options Options
	stdout  io.Writer
	stderr  io.Writer
}

// Run runs binmiscctl with args, which do not include the program's name, and
// returns its exit status: 0, or 255 for every failure. Nothing is changed by a
// command line that is wrong, and no kernel module is loaded for it.
//
// remove, enable and disable act on the entry of that name whoever made it.
func Run(t activators.Table, args []string, stdout, stderr io.Writer, o Options) int {
	c := &call{table: t, options: o, stdout: stdout, stderr: stderr}
	if err := c.run(args); err != nil {
		c.report(err)
		return exitFailure
	}
	return 0
}

func (c *call) run(args []string) error {
	if len(args) == 0 {
		return usagef("Error: requires at least one argument")
	}
	i := find(args[0])
	if i < 0 {
		return usagef("Error: Unknown command \"%s\"", args[0])
	}
	c.command = commands[i].name
	status, err := c.table.Status()
	if err != nil {
		return c.failure(err, "")
	}
	c.kernel = status.Kernel
	do, err := commands[i].parse(c, args[1:])
	if err != nil {
		return err
	}
	if err := c.load(); err != nil {
		return err
	}
	return do()
}

// find is the place of a command, in whatever case its name is written, or -1.
func find(name string) int {
	for i, c := range commands {
		if equalASCII(c.name, name) {
			return i
		}
	}
	return -1
}

// equalASCII is strcasecmp(3): unlike strings.EqualFold it takes no other
// letters for those of ASCII.
func equalASCII(a, b string) bool {
	return len(a) == len(b) && strings.EqualFold(a, b)
}

// load loads the kernel module, as binmiscctl does for every command. Unlike
// it, it does so after the command line was found to be right.
func (c *call) load() error {
	m, ok := c.table.(activators.Machine)
	if !ok {
		return nil
	}
	if err := activators.Load(m); err != nil {
		return fatalf("Can't load imgact_binmisc kernel module: %s", strerror(err)).with(hintOf(err))
	}
	return nil
}

// named makes the parser of a command that takes a name. Arguments after it are
// ignored, as binmiscctl does.
func named(do func(c *call, name string) error) func(*call, []string) (func() error, error) {
	return func(c *call, args []string) (func() error, error) {
		name, err := c.name(args)
		return func() error { return do(c, name) }, err
	}
}

// name is the first argument after the command.
func (c *call) name(args []string) (string, error) {
	if len(args) == 0 {
		return "", usagef("Required argument missing\n")
	}
	if c.kernel != linux && len(args[0]) > nameMax {
		return "", usagef("'%s' string length longer than IBE_NAME_MAX - 1 (%d)", args[0], nameMax)
	}
	return args[0], nil
}

func (c *call) remove(name string) error { return c.failure(c.table.Remove(name), name) }

func (c *call) disable(name string) error { return c.failure(c.table.Disable(name), name) }

// enable refuses an entry that would take this machine's own programs, whoever
// made it.
func (c *call) enable(name string) error {
	e, err := c.table.Lookup(name)
	if err == nil {
		err = c.safe(e)
	}
	if err == nil {
		err = c.table.Enable(name)
	}
	return c.failure(err, name)
}

// safe refuses an entry that could harm the machine, and says what else is odd
// about it.
func (c *call) safe(e activators.Entry) error {
	check := c.options.Safe
	if check == nil {
		check = func(_ activators.Table, e activators.Entry, interpreter ...[]byte) error {
			return activators.Native(e, interpreter...)
		}
	}
	err := check(c.table, e, interpreterHeaders(e)...)
	if err != nil && fault.KindOf(err) != fault.Unsafe {
		c.note("%s", err)
		return nil
	}
	return err
}

func (c *call) lookup(name string) error {
	e, err := c.table.Lookup(name)
	if err != nil {
		return c.failure(err, name)
	}
	if e.Extension != "" {
		return fatalf("Error: '%s' is for files named *.%s: binmiscctl has no form for it", name, e.Extension).with("xjail activator status shows it")
	}
	return c.print(e)
}

func (c *call) list() error {
	list, err := c.table.List()
	if err != nil {
		return c.failure(err, "")
	}
	for _, e := range list {
		if e.Extension != "" {
			c.note("'%s' is for files named *.%s and is left out: binmiscctl has no form for it", e.Name, e.Extension)
			continue
		}
		if err := c.print(e); err != nil {
			return err
		}
	}
	return nil
}

// print writes an entry to stdout.
func (c *call) print(e activators.Entry) error {
	if _, err := io.WriteString(c.stdout, Format(e)); err != nil {
		return fatalf("Fatal: %s", strerror(err))
	}
	return nil
}

// note says something that is not a failure.
func (c *call) note(format string, args ...any) {
	fmt.Fprintf(c.stderr, "%s: note: %s\n", Name, fmt.Sprintf(format, args...))
}
