package activators

import (
	"errors"
	"fmt"
	"slices"
)

// Limits of the kernels on what a table holds; packages binfmt and binmisc have
// all of them.
const (
	linuxHeaderMax = 256 // BINPRM_BUF_SIZE, bytes
	freebsdNameMax = 31  // IBE_NAME_MAX without the NUL, bytes
	freebsdMax     = 64  // IBE_MAX_ENTRIES
)

// neverApplies tells whether no file reaches an entry.
func (c *checker) neverApplies(e Entry) bool {
	return validity(e) != nil || c.unfit(e) != nil || c.signed(e)
}

// signed tells whether the kernel compares e in vain: without a mask FreeBSD's
// compares a signed char with an unsigned one, which differ from 0x80 on.
func (c *checker) signed(e Entry) bool {
	if c.host.OS != "freebsd" || len(e.Mask) > 0 {
		return false
	}
	for _, b := range e.Magic {
		if b >= 0x80 {
			return true
		}
	}
	return false
}

// validity is Entry.Validate but for entries that match everything, which is a
// finding of its own.
func validity(e Entry) error {
	if matchesAll(e) {
		return nil
	}
	return e.Validate()
}

// unfit says why the kernel of the host does not take e, although another does.
func (c *checker) unfit(e Entry) error {
	end := e.Offset + len(e.Magic)
	if c.host.OS != "freebsd" {
		switch {
		case end > linuxHeaderMax:
			return fmt.Errorf("its magic ends at byte %d, and Linux looks at the first %d of a file", end, linuxHeaderMax)
		case e.Flags.PreOpen || len(e.Args) > 0:
			return errors.New("it has PRE_OPEN or arguments of the interpreter, which only FreeBSD knows")
		}
		return nil
	}
	f := e.Flags
	switch {
	case e.Extension != "":
		return errors.New("FreeBSD knows no extensions")
	case f.PreserveArgv0 || f.OpenBinary || f.Credentials || f.FixBinary:
		return errors.New("FreeBSD has no flags " + f.letterString())
	case len(e.Name) > freebsdNameMax:
		return fmt.Errorf("its name has %d bytes, and FreeBSD takes %d at most", len(e.Name), freebsdNameMax)
	case c.host.Takes != nil && !matchesAll(e):
		return c.host.Takes(e)
	}
	return nil
}

func (f Flags) letterString() string {
	f.PreOpen = false
	return f.String()
}

// invalid finds what no kernel takes, or should; nothing else is said of it.
func (c *checker) invalid() bool {
	r := c.rule()
	err := validity(r.Entry)
	if err == nil {
		err = c.unfit(r.Entry)
	}
	if err == nil {
		for j := c.at + 1; j < len(c.rules); j++ {
			if c.rules[j].Name == r.Name {
				err = errors.New("an entry of the same name is registered before it")
			}
		}
	}
	if err == nil && c.host.OS == "freebsd" && len(c.rules)-c.at > freebsdMax {
		err = fmt.Errorf("FreeBSD's table holds %d entries, and this is one more", freebsdMax)
	}
	if err == nil {
		return false
	}
	r.dead = true
	c.find(Finding{Code: Invalid, Severity: Severe, Message: reason(err), Remedy: "write it as the kernel takes it, or leave it out"})
	return true
}

// reason is the cause of an error of this package, without what failed.
func reason(err error) string {
	if why := errors.Unwrap(err); why != nil {
		return why.Error()
	}
	return err.Error()
}

// captures finds what takes files that are not its own to take: everything, the
// machine's programs, scripts. It tells whether there is none.
func (c *checker) captures() bool {
	r := c.rule()
	if r.Extension != "" || r.dead {
		return true
	}
	if matchesAll(r.Entry) {
		c.find(Finding{Code: MatchesEverything, Severity: Unsafe, Witness: []byte{0},
			Message: "it matches every file", Remedy: "give a magic, and a mask that has bits set"})
		return false
	}
	safe := true
	var told []string // architectures, each once
	for _, p := range c.host.Natives {
		if w := like(r.Entry, p.Header); w != nil && !slices.Contains(told, p.Arch) {
			c.native(p, w)
			told = append(told, p.Arch)
			safe = safe && (!c.own(p) || !c.host.AsksFirst)
		}
	}
	return c.scripts() && safe
}

// own tells whether programs are the machine's own, not those of another ABI.
func (c *checker) own(p Program) bool { return p.Arch == c.host.Natives[0].Arch }

// native is about programs that the kernel runs by itself.
func (c *checker) native(p Program, witness []byte) {
	f := Finding{Other: p.Arch, Witness: witness, Remedy: "remove the entry, or have its magic and mask leave out programs of " + p.Arch}
	kernel := "the kernel runs"
	if p.Unsure {
		kernel = "the kernel may run"
	}
	switch {
	case !c.host.AsksFirst:
		f.Code, f.Severity = NeverAsked, Severe
		if p.Unsure || c.takesOthers(p.Arch) {
			f.Severity = Note
		}
		f.Message = fmt.Sprintf("it is not asked about programs of %s: %s them by itself before it looks into the table", p.Arch, kernel)
		f.Remedy = "register nothing for " + p.Arch
	case c.own(p):
		f.Code, f.Severity = CapturesNative, Unsafe
		f.Message = "it takes this machine's own programs (" + p.Arch + "): every command would fail, also the one that removes it"
	default:
		f.Code, f.Severity = CapturesCompat, Severe
		switch {
		case p.Unsure:
			f.Severity = Warning
		case c.host.OS == "freebsd":
			f.Severity = Unsafe
		}
		f.Message = fmt.Sprintf("it takes programs of %s, which %s by itself: they run in the emulator, and slower", p.Arch, thatKernel(p.Unsure))
	}
	c.find(f)
}

func thatKernel(unsure bool) string {
	if unsure {
		return "this kernel may run"
	}
	return "this kernel runs"
}

// takesOthers tells whether the rule is for programs of another architecture as
// well.
func (c *checker) takesOthers(name string) bool {
	for a, matched := range c.rule().matched {
		if matched && c.host.Archs[a].Name != name && !c.isNative(c.host.Archs[a].Name) {
			return true
		}
	}
	return false
}

// isNative tells whether the kernel runs programs of an architecture by itself,
// or those of one that looks the same.
func (c *checker) isNative(name string) bool {
	a := c.archNamed(name)
	for _, p := range c.host.Natives {
		if p.Arch == name || a >= 0 && slices.Contains(c.host.Archs[a].Same, p.Arch) {
			return true
		}
	}
	return false
}

// Scripts: what every one begins with, and what most do.
var (
	scriptStart = Entry{Magic: Hex("#!")}
	shellScript = []byte("#!/bin/sh\n")
)

// scripts finds entries that take what begins with #!.
func (c *checker) scripts() bool {
	r := c.rule()
	shell := Captures(r.Entry, shellScript)
	if !shell && !Covers(scriptStart, r.Entry) {
		return true
	}
	f := Finding{Witness: shellScript, Remedy: "remove the entry: scripts name their interpreter themselves"}
	if !shell {
		f.Witness = overlay(nil, r.Entry)
	}
	switch {
	case !c.host.AsksFirst && !shell:
		f.Code, f.Severity, f.Message = NeverAsked, Severe, "it is not asked about scripts: the kernel runs them by itself before it looks into the table"
	case !c.host.AsksFirst:
		f.Code, f.Severity, f.Message = NeverAsked, Note, "it matches scripts, which the kernel runs by itself before it looks into the table"
	case shell || c.host.OS == "freebsd":
		f.Code, f.Severity, f.Message = CapturesScripts, Unsafe, "it takes shell scripts"
	default:
		f.Code, f.Severity, f.Message = CapturesScripts, Warning, "it takes some scripts from the interpreter that they name"
	}
	c.find(f)
	return f.Severity != Unsafe
}
