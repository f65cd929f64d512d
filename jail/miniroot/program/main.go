// Command miniroot is the userland of a mini root: a shell and the usual
// commands in one static program, so that one Go build for an architecture
// makes a root of it. The name that it is called by says which command it is;
// "miniroot NAME ARGS" runs one by name.
//
// The shell is mvdan.cc/sh. Commands are those of u-root's core packages where
// they behave as POSIX says, and the package's own elsewhere: see
// docs/miniroot.md. A command takes everything that it knows from a proc, so
// that the shell can run it without starting a process: under an emulator the
// start of a Go program is most of what a small command costs.
package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// programName is the name of the file that the commands are links to.
const programName = "xjail-miniroot"

func main() {
	os.Exit(run(os.Args))
}

// run is main with its exit status.
func run(args []string) int {
	name := ""
	if len(args) > 0 {
		name = strings.TrimPrefix(path.Base(args[0]), "-") // -sh is a login shell
	}
	a, ok := lookup(name)
	if !ok && len(args) > 1 && name != args[1] {
		if args[1] == "--list" {
			return list()
		}
		args = args[1:]
		name = path.Base(args[0])
		a, ok = lookup(name)
	}
	if !ok {
		fmt.Fprintf(os.Stderr, "%s: no such command; %s --list names them\n", name, programName)
		return 127
	}
	p := &proc{
		ctx: context.Background(), name: name, argv0: args[0], args: args[1:],
		env:   os.Environ(),
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		own: true,
	}
	return p.start(a)
}

// list prints the names of the commands, one a line.
func list() int {
	var names []string
	for _, a := range applets() {
		names = append(names, a.name)
	}
	slices.Sort(names)
	if _, err := fmt.Println(strings.Join(names, "\n")); err != nil {
		return 1
	}
	return 0
}
