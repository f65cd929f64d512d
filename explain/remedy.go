package explain

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
)

// Remedies are commands of the host's shell wherever there is one; what is to be
// chosen by the reader is in capitals.

// onHost is a path in the root as a word for the host's shell.
func (e *explainer) onHost(p string) string {
	if e.w.Root != "" && e.w.Root != "/" {
		p = path.Join(e.w.Root, p)
	}
	return quote(p)
}

// quote makes a word of the shell.
func quote(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-:@%,="
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// inJail is a command that is to be run in the root.
func (e *explainer) inJail(command string) string {
	switch {
	case e.w.Jail != nil:
		return "xjail exec " + e.w.Jail.Name + " -- " + command
	case e.w.Root != "" && e.w.Root != "/":
		return "chroot " + quote(e.w.Root) + " " + command
	}
	return command
}

// withLibraries is the command that runs the file with a directory of libraries.
func (e *explainer) withLibraries(dir string) string {
	list := dir
	if e.w.LibraryPath != "" {
		list += ":" + e.w.LibraryPath
	}
	set, file := quote("LD_LIBRARY_PATH="+list), quote(e.x.Name)
	switch {
	case e.w.Jail != nil:
		return "xjail exec " + e.w.Jail.Name + " --env " + set + " -- " + file
	case e.w.Root != "" && e.w.Root != "/":
		return "chroot " + quote(e.w.Root) + " env " + set + " " + file
	}
	return "env " + set + " " + file
}

// inRoot is what xjail explain has to be told of the root.
func (e *explainer) inRoot() string {
	if e.w.Root == "" || e.w.Root == "/" {
		return ""
	}
	return "--root " + quote(e.w.Root) + " "
}

func (e *explainer) remount(m Mount, option string) string {
	point := m.Point
	if point == "" {
		point = "DIRECTORY"
	}
	if e.w.freebsd() {
		return "mount -u -o " + option + " " + quote(point)
	}
	return "mount -o remount," + option + " " + quote(point)
}

// lostRemedy is for names that lead nowhere.
func (e *explainer) lostRemedy(d *dead, name string, as role) string {
	switch d.cause {
	case NotSearchable:
		return "chmod a+x " + e.onHost(d.at)
	case DanglingLink:
		return "put a file at " + e.onHost(d.at) + ", or change the link: ln -sfn TARGET LINK"
	case LinkLoop:
		return "let one of the links lead to a file: ln -sfn TARGET " + e.onHost(d.at)
	case NotADirectory:
		return "name the file itself: " + e.onHost(d.at)
	}
	return ""
}

// slashRemedy is for names that are not in PATH: of a file that is in the working
// directory, where execvp(3) does not look.
func (e *explainer) slashRemedy(name string) string {
	p, d := e.w.lookup(name)
	if name == "" || d != nil || !p.info.Mode.IsRegular() {
		return ""
	}
	dir := "."
	if e.w.Root != "" && e.w.Root != "/" {
		dir = strings.TrimSuffix(e.w.Dir, "/")
	}
	return "name it with its directory: " + quote(dir+"/"+name)
}

// lineRemedy is for first lines that no kernel takes.
func (e *explainer) lineRemedy(c Cause, img *image) string {
	if c == LineTooLong {
		return "give the interpreter a shorter name: ln -s INTERPRETER /usr/local/bin/NAME, and name that in the first line"
	}
	return e.editFirst(img.shown(), ".*", "#!/bin/sh")
}

// interpreterRemedy is for scripts whose interpreter is not there: it may be at
// another place of the root.
func (e *explainer) interpreterRemedy(img *image, interpreter string) string {
	base := path.Base(interpreter)
	for _, dir := range []string{"/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin"} {
		at := path.Join(dir, base)
		if p, d := e.w.lookup(at); d == nil && p.info.Mode.IsRegular() && e.w.may(p.info) {
			return e.editFirst(img.shown(), "^#![[:blank:]]*[^[:blank:]]*", "#!"+at)
		}
	}
	if text := e.install(base); text != "" {
		return text
	}
	return "put " + base + " at " + e.onHost(interpreter) + ", or name another interpreter in the first line"
}

// chainRemedy names the program at the end of a chain of scripts in the first
// line of the first one.
func (e *explainer) chainRemedy(img *image) string {
	first := e.scripts[0]
	for range 2 * rewritesMax {
		if !isScript(img.header) {
			break
		}
		s := parseScript(img.header)
		sub := &explainer{w: e.w, x: &Explanation{}}
		next, v := sub.open(s.interpreter, asInterpreter)
		e.opened = append(e.opened, sub.opened...)
		if v != nil {
			return "let the first line of " + e.onHost(first.shown()) + " name a program and no script"
		}
		img = next
	}
	return e.editFirst(first.shown(), "^#!.*", "#!"+img.name)
}

// wholeCopy is for files that are not what they should be.
func (e *explainer) wholeCopy(img *image) string {
	switch img.role {
	case asEmulator:
		return e.brokenRemedy(img)
	case asLoader:
		return "put a whole copy of it to " + e.onHost(img.shown())
	}
	return "copy or build it again: cp GOOD " + e.onHost(img.shown())
}

// brokenRemedy is for interpreters that are no programs.
func (e *explainer) brokenRemedy(img *image) string {
	if img.role == asEmulator && len(e.taken) > 0 {
		return e.emulatorRemedy(e.taken[len(e.taken)-1].entry, img.role.cause(UnknownFormat))
	}
	if img.role == asInterpreter {
		return "put a whole copy of the interpreter to " + e.onHost(img.shown())
	}
	return e.wholeCopy(img)
}

// removeEntry, disableEntry and enableEntry are for single entries, whoever made
// them.
func (e *explainer) removeEntry(t Entry) string  { return e.change(t, "-1", "remove") }
func (e *explainer) disableEntry(t Entry) string { return e.change(t, "0", "disable") }
func (e *explainer) enableEntry(t Entry) string  { return e.change(t, "1", "enable") }

func (e *explainer) change(t Entry, value, verb string) string {
	if e.w.Jail != nil && e.w.Jail.Private {
		return e.remake()
	}
	if e.w.freebsd() {
		return "xjail binmiscctl " + verb + " " + quote(t.Name)
	}
	return "echo " + value + " > " + quote(path.Join(e.w.Table.Where, t.Name))
}

// remake is for jails that are beyond repair.
func (e *explainer) remake() string {
	j := e.w.Jail
	return fmt.Sprintf("xjail destroy %s && xjail create %s --arch %s", j.Name, j.Name, j.Arch)
}

// emulatorRemedy gets an activator a whole emulator.
func (e *explainer) emulatorRemedy(t Entry, c Cause) string {
	if j := e.w.Jail; j != nil && j.Private {
		if j.Origin == nil || j.Origin() == "" {
			return e.remake()
		}
		return "install -m 755 " + quote(j.Origin()) + " " + e.onHost(j.Emulator)
	}
	switch {
	case c == asEmulator.cause(NotExecutable):
		return "chmod +x " + e.onHost(t.Interpreter)
	case c == asEmulator.cause(NoExec):
		if p, d := e.w.lookup(t.Interpreter); d == nil {
			return e.remount(e.w.Files.Mount(p.path), "exec")
		}
	}
	return e.registerAgain(t)
}

// registerAgain replaces an entry: with the emulator that xjail finds, opened
// when it is registered. One that xjail did not make has to be removed first.
func (e *explainer) registerAgain(t Entry) string {
	a := e.archOfEntry(t)
	if a == nil {
		return "put the right program to " + quote(t.Interpreter) + ", and register the activator again"
	}
	command := e.register(a)
	if !t.Owned {
		command = e.removeEntry(t) + " && " + command
	}
	return command
}

// register is the command that registers the activator of an architecture, with
// the one that gets the emulator where there is none.
func (e *explainer) register(a *arch.Arch) string {
	command := "xjail activator register " + a.Name
	if !e.w.freebsd() {
		command += " --global"
	}
	if e.w.Find != nil && !e.w.Find(a) && e.w.Install != nil {
		command = e.w.Install(a) + " && " + command
	}
	return command
}

// archOfEntry is the architecture whose programs an entry is for: of the
// program that it took, else by its magic.
func (e *explainer) archOfEntry(t Entry) *arch.Arch {
	for _, k := range e.taken {
		if k.entry.Name == t.Name {
			if f := parseELF(k.program); f != nil {
				return f.archOf()
			}
		}
	}
	for _, a := range arch.All() {
		if p := a.Pattern(arch.Any); len(t.Magic) >= 20 && p.Match(append([]byte(t.Magic), make([]byte, 52)...)) {
			return a
		}
	}
	return nil
}

// newActivator gets the kernel an activator for a program.
func (e *explainer) newActivator(f *elfFile) string {
	a := f.archOf()
	switch {
	case a == nil || a.QEMU == "":
		return ""
	case e.w.Jail != nil && e.w.Jail.Private:
		return "programs of " + a.Name + " need a jail of their own: xjail create " + a.Name
	case e.w.Table.Unseen != "":
		return "xjail create " + a.Name + " makes a jail that has its own; try this one: xjail explain " + e.inRoot() + "--run " + quote(f.img.shown())
	}
	return e.register(a)
}

// missesRemedy replaces an entry whose mask leaves out a program of its own
// architecture.
func (e *explainer) missesRemedy(t Entry, f *elfFile) string {
	command := e.newActivator(f)
	if command == "" || t.Owned || e.w.Jail != nil && e.w.Jail.Private {
		return command
	}
	return e.removeEntry(t) + " && " + command
}

func (e *explainer) credentialRemedy(t taken) string {
	f := parseELF(t.program)
	if f == nil || f.archOf() == nil {
		return "register the activator with the flag C"
	}
	command := "xjail activator register " + f.archOf().Name + " --global --credential"
	if !t.entry.Owned {
		return e.removeEntry(t.entry) + " && " + command
	}
	return command
}

// loaderRemedy completes the verdict on a dynamic linker that cannot be opened.
func (e *explainer) loaderRemedy(f *elfFile, name string, v *Verdict) {
	if v.Cause == asLoader.cause(Missing) || v.Cause == asLoader.cause(DanglingLink) {
		v.Message = fmt.Sprintf("%s needs the dynamic linker %s, which is not there%s%s: the error is of the linker, not of the program", f.img.shown(), unquoted(name), e.where(), e.otherLoaders(f, name))
		v.Remedy = e.loaderPackage(f, name)
		if f.img.role == asEmulator {
			v.Cause = "emulator-dynamic"
			v.Message = fmt.Sprintf("the activator's interpreter %s is dynamically linked, and its dynamic linker %s is not there%s: it has to be a static one", f.img.shown(), unquoted(name), e.where())
			v.Remedy = e.emulatorRemedy(e.taken[len(e.taken)-1].entry, v.Cause)
		}
	}
}

// otherLoaders tells of dynamic linkers for the same kind of machine that are
// there: of soft float where hard float is wanted, or of another C library.
func (e *explainer) otherLoaders(f *elfFile, name string) string {
	var found []string
	for _, a := range arch.All() {
		if a.Machine != f.machine || a.Class != f.class || a.Order != f.order {
			continue
		}
		for _, linker := range a.Linkers["linux"] {
			if _, d := e.w.lookup(linker); d == nil && linker != name && !slices.Contains(found, linker) {
				found = append(found, linker)
			}
		}
	}
	if len(found) == 0 {
		return ""
	}
	return ", while " + strings.Join(found, " and ") + " is: the root is of another ABI or C library"
}

// loaderPackage gets the dynamic linker of a program into the root.
func (e *explainer) loaderPackage(f *elfFile, name string) string {
	if f.img.role == asEmulator && len(e.taken) > 0 {
		return e.emulatorRemedy(e.taken[len(e.taken)-1].entry, asEmulator.cause(LibraryAbsent))
	}
	a := f.archOf()
	switch {
	case a == nil:
		return "put the dynamic linker to " + e.onHost(name)
	case libcOf(name) == freebsdRTL && !e.w.freebsd() && f.identity().OS == "freebsd":
		return e.systemRemedy(f, "freebsd")
	case e.w.Jail != nil && e.w.Jail.Arch != a.Name:
		return "programs of " + a.Name + " need a jail of their own: xjail create " + a.Name
	case e.w.Jail != nil:
		return "put the dynamic linker of " + a.Name + " to " + e.onHost(name) + ", or make the jail again: " + e.remake()
	case e.rootIs("debian", "ubuntu") && libcOf(name) == musl:
		return e.inJail("apt-get install musl" + e.suffix(a))
	case e.rootIs("debian", "ubuntu") && libcOf(name) == glibc && a.Debian != "":
		if e.suffix(a) != "" {
			return fmt.Sprintf("dpkg --add-architecture %s && apt-get update && apt-get install libc6:%s", a.Debian, a.Debian)
		}
		return e.inJail("apt-get install --reinstall libc6")
	}
	return "run it in a root of its architecture: xjail create " + a.Name
}

// systemRemedy is for programs of another operating system.
func (e *explainer) systemRemedy(f *elfFile, os string) string {
	a := f.archOf()
	if a == nil {
		return ""
	}
	return fmt.Sprintf("get a build of it for %s; programs of %s run in jails on a host of %s: xjail create %s there", e.w.OS, os, os, a.Name)
}
