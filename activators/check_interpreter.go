package activators

import (
	"fmt"
	"slices"
	"strings"
)

// interpreter is about the file that the rule starts. safe says that the rule
// takes none of the machine's own programs.
func (c *checker) interpreter(safe bool) {
	r := c.rule()
	if safe {
		c.loops()
	}
	if !r.known || r.file.Why != "" && !r.file.Missing {
		return
	}
	if r.file.Missing {
		c.missingFile()
		return
	}
	for _, find := range []func(){c.cannotRun, c.foreign, c.lacking, c.rights, c.replaced} {
		find()
	}
}

func (c *checker) file(code Code, severity Severity, remedy, format string, args ...any) {
	c.find(Finding{Code: code, Severity: severity, Message: fmt.Sprintf(format, args...), Remedy: remedy})
}

// missingFile: the kernel goes on with the file that it holds open.
func (c *checker) missingFile() {
	r := c.rule()
	severity, more := Severe, ""
	switch {
	case !opens(r.Entry):
	case c.host.Planned:
		more = ", and the kernel does not take the entry without"
		if c.host.OS == "freebsd" {
			more = ", and the kernel takes the entry without, which then starts nothing"
		}
	default:
		severity, more = Warning, "; programs run as long as the kernel has it open, until the entry is registered again"
	}
	c.file(Missing, severity, "install "+r.Interpreter+", or remove the entry", "its interpreter %s is not there%s", r.Interpreter, more)
	c.replaced()
}

// replaced is about the file that the kernel holds open.
func (c *checker) replaced() {
	if why := c.rule().file.Stale[c.rule().Name]; why != "" {
		c.file(Replaced, Warning, c.again(), "%s", why)
	}
}

// again is the command that registers the rule again.
func (c *checker) again() string {
	if name, ok := strings.CutPrefix(c.rule().Name, "xjail-"); ok {
		return "as root: xjail activator register " + strings.TrimSuffix(name, "-freebsd") + " --global"
	}
	return "remove the entry and register it again"
}

// held tells whether the kernel runs another file than the one that was looked
// at, so that what is wrong with this one comes when the entry is registered
// again.
func (c *checker) held() bool {
	r := c.rule()
	return opens(r.Entry) && !c.host.Planned && r.file.Stale[r.Name] != ""
}

// cannotRun is a file that no kernel starts.
func (c *checker) cannotRun() {
	r := c.rule()
	f, name := r.file, r.Interpreter
	severe := Severe
	if c.held() {
		severe = Warning
	}
	if f.NotExecutable {
		c.file(NotExecutable, severe, "chmod 755 "+name, "its interpreter %s is not executable", name)
	}
	if f.NoExec != "" {
		c.file(NoExec, severe, "mount "+f.NoExec+" without noexec, or install the interpreter elsewhere",
			"its interpreter %s is on %s, which is mounted noexec", name, f.NoExec)
	}
	if f.NotProgram {
		c.file(NotProgram, severe, "install it again", "its interpreter %s is no program, or is cut off", name)
	}
	if f.Script == "" {
		return
	}
	switch {
	case c.host.OS == "freebsd":
		c.file(Script, Severe, "register a program", "its interpreter %s is a script, to which FreeBSD's kernel hands wrong arguments", name)
	case r.elf:
		c.file(Script, Warning, "register a program", "its interpreter %s is a script: roots of other architectures do not have %s for this machine", name, f.Script)
	}
}

// foreign is an interpreter for another machine.
func (c *checker) foreign() {
	r := c.rule()
	if r.file.HostArch == "" || c.isNative(r.file.HostArch) || len(c.host.Natives) == 0 {
		return
	}
	severity := Severe
	if c.held() {
		severity = Warning
	}
	c.file(WrongHost, severity, "install the one for "+c.host.Natives[0].Arch,
		"its interpreter %s is a program of %s, and this machine is %s", r.Interpreter, r.file.HostArch, c.host.Natives[0].Arch)
}

// lacking is an interpreter that roots do not have, or not all of it. Only
// emulators are for other roots than the machine's.
func (c *checker) lacking() {
	r := c.rule()
	if !r.elf {
		return
	}
	if r.file.Dynamic != "" {
		c.file(Dynamic, Warning, "install the static emulator (qemu-user-static), and register that",
			"its interpreter %s needs %s, which roots of other architectures do not have: there programs fail with \"No such file or directory\"", r.Interpreter, r.file.Dynamic)
	}
}

// rights is an interpreter that gives away the rights of its owner.
func (c *checker) rights() {
	r := c.rule()
	if !r.file.SetID || r.Flags.Credentials {
		return
	}
	c.file(SetID, Severe, "chmod ug-s "+r.Interpreter,
		"its interpreter %s is set-id: every program that it runs, of every user, gets the rights of its owner", r.Interpreter)
}

// loops finds interpreters that the rule takes itself: its own, for ever, and
// those of other entries.
func (c *checker) loops() {
	r := c.rule()
	if !r.Enabled || r.dead {
		return
	}
	if w := r.file.Header; c.captured(r.file) && r.takes(w) {
		c.find(Finding{Code: CapturesItself, Severity: Unsafe, Other: r.Interpreter, Witness: start(w, r.Entry),
			Message: "it takes its own interpreter: the kernel would start it for itself, and gives up with \"Too many levels of symbolic links\"",
			Remedy:  "give it an interpreter that this machine runs by itself"})
	}
	var done []string
	for j := range c.rules {
		o := &c.rules[j]
		w := o.file.Header
		if !o.known || o.Interpreter == r.Interpreter || slices.Contains(done, o.Interpreter) || !c.captured(o.file) || !r.takes(w) {
			continue
		}
		done = append(done, o.Interpreter)
		c.find(Finding{Code: CapturesItself, Severity: Severe, Other: o.Name, Witness: start(w, r.Entry),
			Message: fmt.Sprintf("it takes the interpreter of the entry %q, %s", o.Name, o.Interpreter),
			Remedy:  "give that entry an interpreter that this machine runs by itself"})
	}
}

// captured tells whether a table could take an interpreter: not where the
// kernel runs it by itself before it asks.
func (c *checker) captured(f Interpreter) bool {
	return len(f.Header) > 0 && !f.Missing && (c.host.AsksFirst || f.HostArch != "" && !c.isNative(f.HostArch))
}
