package buildlog

import (
	"debug/elf"
	"path"
	"strconv"
	"strings"
)

// details fills in what the chosen message and the lines around it say: signal,
// program, target, system call and limit; and it corrects cause and blame by what
// is known of the build.
func (c *choice) details(v *Verdict) {
	if c.main == nil {
		return
	}
	found := c.main.found
	v.Seconds, _ = strconv.ParseInt(found["secs"], 10, 64)
	v.Syscall = found["syscall"]
	switch v.Rule {
	case "syscall/large-inodes":
		v.Syscall = "getdents"
	case "syscall/futex":
		v.Syscall = "futex"
	}
	c.target(v)
	switch v.Cause {
	case EmulatorCrash:
		v.Signal = c.signal()
		v.Program = c.program()
	case OutOfMemory, MissingSyscall, WrongABI:
		v.Program = c.program()
	case WrongMachine:
		if p := found["path"]; p != "" {
			v.Program = path.Base(p)
		}
	case Hang:
		c.limit(v)
	}
	c.correct(v)
	c.prove(v)
}

// correct settles whether emulation is to blame.
func (c *choice) correct(v *Verdict) {
	native := c.native || strings.HasPrefix(c.arguments(), "/nxb-bin/")
	switch {
	case v.Cause == EmulatorCrash && native && !strings.HasPrefix(v.Rule, "emulator/"):
		// A native program that dies is a bug like any other.
		v.Cause, v.Emulation = BuildFailure, No
	case v.Rule == "machine/assembler" && c.native:
		v.Cause, v.Emulation = BuildFailure, No
	case c.native:
		v.Emulation = No
	case v.Cause == EmulatorCrash && v.Rule == "emulator/signal" && v.Signal == "SIGABRT":
		// abort(3) is the program's own decision.
		v.Emulation = Perhaps
	case v.Cause == EmulatorCrash && v.Emulation == Perhaps && v.Signal != "SIGABRT" && c.confirmed():
		v.Emulation = Yes
	case v.Cause == WrongMachine && c.main.found["em"] != "":
		em, _ := strconv.ParseUint(c.main.found["em"], 10, 16)
		if m := elf.Machine(em); (m == elf.EM_X86_64 || m == elf.EM_386) && c.arch != "" {
			v.Emulation = Yes
		}
	}
	if v.Cause != Misconfigured && (v.Rule != "build/failed" && v.Rule != "build/error") || c.guessed < 0 {
		return
	}
	v.Cause, v.Emulation = Misconfigured, Yes
	v.Evidence = append(v.Evidence, c.lines[c.guessed])
}

// confirmed tells whether the emulator reports the death that a program reported
// first: a handler of signals of ruby's or Java's ends in abort(3).
func (c *choice) confirmed() bool {
	for i := range c.events {
		e := &c.events[i]
		if e.rule.name == "emulator/signal" && e.at > c.main.at && e.at <= c.main.at+reach {
			return true
		}
	}
	return false
}

// prove adds what else the reader should see: the sign of failure.
func (c *choice) prove(v *Verdict) {
	if v.Cause == BuildFailure && v.Rule != "crash/shell" || c.main.at >= len(c.lines) {
		return
	}
	for i := c.main.at + 1; i < min(c.main.at+reach, c.end) && len(v.Evidence) < 3; i++ {
		if !c.skip[i] && isMark(c.lines[i].Text) {
			v.Evidence = append(v.Evidence, c.lines[i])
			return
		}
	}
}

// makeTarget are the forms in which make and ninja name what they were making.
var makeTarget = []*form{
	newForm(`make(?:\[\d+\])?: \*\*\* \[(?:[^\]]*:\d+: )?([^\]]+)\]`),
	newForm(`^\*\*\* \[([^\]]+)\] (?:Error|Signal)`),
	newForm(`^FAILED: (?:\[code=\d+\] )?(\S+)`),
	newForm(`recipe for target '([^']+)' failed`),
}

// target finds what was being made when it failed.
func (c *choice) target(v *Verdict) {
	v.Target = strings.TrimSpace(c.main.found["target"])
	for i := c.main.at; v.Target == "" && i < min(c.main.at+reach, c.end); i++ {
		v.Target = targetOf(c.lines[i].Text)
	}
	for i := c.main.at - 1; v.Target == "" && i >= max(c.main.at-8, c.begin); i-- {
		if strings.HasPrefix(c.lines[i].Text, "FAILED: ") {
			v.Target = targetOf(c.lines[i].Text)
		}
	}
}

func targetOf(text string) string {
	for _, re := range makeTarget {
		if m := re.FindStringSubmatch(text); m != nil {
			return m[1]
		}
	}
	return ""
}

// limit names the variable of poudriere whose time was over. The first two are
// replaced in an emulated jail (common.sh, jail_start); the phases' are not.
func (c *choice) limit(v *Verdict) {
	prefix := ""
	if c.emulated || !c.native {
		prefix = "QEMU_"
	}
	phase, _, _ := strings.Cut(v.Phase, "/")
	switch {
	case v.Rule == "hang/no-output":
		v.Limit = prefix + "NOHANG_TIME"
	case v.Rule != "hang/too-long":
	case phase == "extract" || phase == "install" || phase == "package" || phase == "deinstall":
		v.Limit = "MAX_EXECUTION_TIME_" + strings.ToUpper(phase)
	default:
		v.Limit = prefix + "MAX_EXECUTION_TIME"
	}
	// The message stands behind a question that is open.
	for i := min(c.main.at, len(c.lines)-1); i >= max(c.main.at-3, c.begin); i-- {
		if t := c.lines[i].Text; strings.HasPrefix(t, "checking ") {
			v.Program = "conftest"
		}
	}
}

// signalNames are those that kill programs. The numbers of SIGBUS and SIGSYS
// differ between FreeBSD and Linux; QEMU prints the guest's, with its text.
var signalNames = map[string]string{
	"4": "SIGILL", "5": "SIGTRAP", "6": "SIGABRT", "7": "SIGBUS", "8": "SIGFPE", "9": "SIGKILL", "10": "SIGBUS", "11": "SIGSEGV", "12": "SIGSYS", "31": "SIGSYS",
	"segmentation fault": "SIGSEGV", "bus error": "SIGBUS", "illegal instruction": "SIGILL", "aborted": "SIGABRT", "abort trap": "SIGABRT", "abort": "SIGABRT",
	"floating point exception": "SIGFPE", "trace/bpt trap": "SIGTRAP", "trace/breakpoint trap": "SIGTRAP", "bad system call": "SIGSYS", "killed": "SIGKILL",
	"132": "SIGILL", "133": "SIGTRAP", "134": "SIGABRT", "135": "SIGBUS", "136": "SIGFPE", "138": "SIGBUS", "139": "SIGSEGV",
}

// javaSignal is the line of a Java virtual machine's report.
var javaSignal = newForm(`^#\s+(SIG[A-Z]+) \(0x`)

// signal is that of the chosen message, or of the next that has one.
func (c *choice) signal() string {
	if s := signalOf(c.main.found); s != "" {
		return s
	}
	// A Java virtual machine ends itself by abort(3) when it has said this.
	for i := c.main.at; i < min(c.main.at+8, c.end); i++ {
		if m := javaSignal.FindStringSubmatch(c.lines[i].Text); m != nil {
			return m[1]
		}
	}
	for i := range c.events {
		if e := &c.events[i]; e.at >= c.main.at && e.at <= c.main.at+reach && e.rule.cause == EmulatorCrash {
			if s := signalOf(e.found); s != "" {
				return s
			}
		}
	}
	return ""
}

func signalOf(found map[string]string) string {
	for _, key := range []string{"sig", "signame", "num", "status"} {
		s := strings.ToLower(found[key])
		if strings.HasPrefix(s, "sig") {
			return strings.ToUpper(s)
		}
		if name := signalNames[strings.TrimSuffix(s, " ")]; name != "" {
			return name
		}
	}
	return ""
}
