package binmisc

import (
	"fmt"
	"strings"

	"github.com/xjail/xjail/activators"
)

// Check refuses what this kernel should not get, although it takes much of it:
// an entry that matches every file, an offset outside of the page (at the next
// exec that makes the kernel panic), a name or an interpreter that it would cut,
// change or not find, and an interpreter that is a script, to which it hands
// wrong arguments. What only binfmt_misc has is activators.ErrUnsupported, an
// interpreter that cannot be run activators.ErrInterpreter, everything else
// activators.ErrInvalid.
func (t *Table) Check(e activators.Entry) error {
	if err := t.check(e); err != nil {
		return err
	}
	return t.checkInterpreter(e, false)
}

// check is Check without a look at the interpreter.
func (t *Table) check(e activators.Entry) error { return Valid(e) }

// Valid is Check of what e itself says, without a look at its interpreter: it
// holds for every FreeBSD machine.
func Valid(e activators.Entry) error {
	for _, check := range []func(activators.Entry) error{linuxOnly, activators.Entry.Validate, checkName, checkCommand, checkMacros} {
		if err := check(e); err != nil {
			return err
		}
	}
	return nil
}

func checkName(e activators.Entry) error {
	switch {
	case len(e.Name) > NameMax:
		return invalid(e, "", "its name has %d bytes, and FreeBSD takes %d at most", len(e.Name), NameMax)
	case !isASCII(e.Name):
		return invalid(e, "", "its name has characters outside of ASCII, which FreeBSD does not take")
	}
	return nil
}

// checkCommand is about the interpreter's path and arguments as one string, of
// which the kernel makes words at blanks. Validate has looked at the arguments.
func checkCommand(e activators.Entry) error {
	full := command(e)
	switch {
	case strings.ContainsAny(e.Interpreter, " \t"):
		return invalid(e, "link it under a path without a blank", "its interpreter %q has a blank: the kernel would take what follows as an argument", e.Interpreter)
	case len(full) > InterpreterMax:
		return invalid(e, "", "its interpreter with arguments has %d bytes, %d at most", len(full), InterpreterMax)
	case !isASCII(full):
		return invalid(e, "link it under a path of ASCII characters", "its interpreter or an argument has characters outside of ASCII, which FreeBSD does not take")
	}
	return nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7f }) < 0
}

// checkMacros wants every # to begin a macro: ## is one #, #a the path of the
// program. PRE_OPEN opens the path as it is written, without expanding it.
func checkMacros(e activators.Entry) error {
	if !macros(command(e)) {
		return invalid(e, "write ## for one #", "its interpreter or an argument has a # that is followed by neither # nor a")
	}
	path := strings.ReplaceAll(e.Interpreter, "##", "")
	switch {
	case strings.Contains(path, "#a"):
		return invalid(e, "use #a in an argument", "the path of its interpreter has #a: every program would have an interpreter of its own")
	case e.Flags.PreOpen && strings.Contains(e.Interpreter, "#"):
		return invalid(e, "link it under a path without #, or leave PRE_OPEN out", "the path of its interpreter has ##, which PRE_OPEN does not expand")
	}
	return nil
}

// macros tells whether every # of s is followed by another one or an a.
func macros(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '#' {
			continue
		}
		i++
		if i == len(s) || s[i] != '#' && s[i] != 'a' {
			return false
		}
	}
	return true
}

// hasPathMacro tells whether s, of which every # begins a macro, has #a.
func hasPathMacro(s string) bool {
	return strings.Contains(strings.ReplaceAll(s, "##", ""), "#a")
}

// Warnings says what the kernel will make of e that nobody expects, although it
// is not wrong.
func (t *Table) Warnings(e activators.Entry) []string {
	var list []string
	if hasPathMacro(command(e)) {
		list = append(list, "scripts whose #! interpreter it runs get a wrong path in place of #a: this kernel writes over it")
	}
	if p, err := t.look(interpreterPath(e)); err == nil && p.SetID {
		list = append(list, fmt.Sprintf("%s is set-id: every program that it runs, of every user, gets the rights of its owner", e.Interpreter))
	}
	return list
}
