package buildlog

import (
	"fmt"
	"strings"
	"sync"
)

// sentence is the verdict in words.
func (v *Verdict) sentence() string {
	who := v.Program
	if who == "" {
		who = "a program"
	}
	switch v.Cause {
	case EmulatorCrash:
		if strings.HasPrefix(v.Rule, "emulator/") && v.Rule != "emulator/signal" {
			return v.emulatorFailed(who)
		}
		return who + " died" + with(" of ", v.Signal)
	case Hang:
		return v.hangSentence()
	case OutOfMemory:
		return "no memory" + with(" for ", v.Program)
	case OutOfLimit:
		return "no more processes, threads or open files"
	case DiskFull:
		return "no space in a file system of the build"
	case MissingSyscall:
		return "the emulator does not do a system call" + with(": ", v.Syscall)
	case WrongABI:
		return who + " cannot be run here, or is for another release"
	case WrongMachine:
		if v.Rule == "machine/baked" {
			return "a package has a path of /nxb-bin in it" + with(": ", v.Program)
		}
		return "objects of another machine among those of the target"
	case Misconfigured:
		return "the build took the machine for another one"
	case Network:
		return "a file could not be fetched, or is not what was expected"
	case BuildFailure:
		return v.buildSentence(who)
	}
	if v.Rule == "poudriere/crashed" {
		return "poudriere's own builder ended: what poudriere printed says why"
	}
	return "the log does not say why"
}

func with(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

func (v *Verdict) emulatorFailed(who string) string {
	if v.Rule == "emulator/start" {
		return "the emulator could not start " + who + ": no address space for it"
	}
	return "the emulator itself failed" + with(" running ", v.Program)
}

func (v *Verdict) hangSentence() string {
	switch {
	case v.Rule == "hang/too-long" && v.Seconds > 0:
		return fmt.Sprintf("the phase was not done after %d seconds", v.Seconds)
	case v.Rule == "hang/no-output" && v.Seconds > 0:
		return fmt.Sprintf("no output for %d seconds", v.Seconds)
	case v.Rule == "hang/deadlock":
		return "the emulator waits for itself"
	case v.Rule == "hang/test", v.Rule == "hang/something":
		return "a test took too long"
	}
	return "it took too long"
}

// buildSentences are by rule; what is not here is a failure without a name.
var buildSentences = map[string]string{
	"build/compiler": "the compiler found an error", "build/header": "a header file is missing", "build/linker": "linking failed", "build/plist": "the packing list or the stage directory is not right",
	"build/patch": "a patch does not apply", "build/dependency": "a dependency is missing or does not fit", "build/depends": "a dependency was installed and is still not found", "build/no-rule": "make has no rule for a target",
	"build/test": "tests failed", "build/configure": "configure refused", "build/not-for-machine": "the port is not for this machine", "build/command": "a command or a file is missing",
}

func (v *Verdict) buildSentence(who string) string {
	if strings.HasPrefix(v.Rule, "crash/") {
		return who + " died" + with(" of ", v.Signal) + ", and was not emulated"
	}
	if s := buildSentences[v.Rule]; s != "" {
		return s
	}
	return "it failed"
}

// advise is what to change. Nothing in it depends on the package but its origin.
func (v *Verdict) advise(f *facts) []Advice {
	switch v.Cause {
	case EmulatorCrash:
		return v.adviseCrash()
	case Hang:
		return v.adviseHang()
	case MissingSyscall:
		return v.adviseSyscall()
	case WrongMachine:
		return v.adviseMachine(f)
	case WrongABI:
		return []Advice{{CheckJail, "", "check that the jail runs what is in it: xjail doctor, and xjail verify NAME; a jail must not be newer than the host's kernel"}}
	case Misconfigured:
		return []Advice{{FixPort, "", "give configure the machine: CONFIGURE_TARGET, or GNU_CONFIGURE's --build; newer config.guess with USES=autoreconf; x86 options only where ARCH is an x86"}}
	case OutOfMemory:
		return []Advice{{AddMemory, "", "fewer builders (PARALLEL_JOBS) or make jobs (MAKE_JOBS_NUMBER), MAX_MEMORY higher, or USE_TMPFS less: what is in tmpfs is memory"}}
	case OutOfLimit:
		return []Advice{{RaiseLimit, "MAX_FILES", "more processes and open files: MAX_FILES in poudriere.conf, kern.maxproc, kern.maxfiles"}}
	case DiskFull:
		return []Advice{{AddDisk, "", "more space where the build works: TMPFS_LIMIT, or USE_TMPFS without wrkdir; df tells which file system is full"}}
	case Network:
		return []Advice{{FixNetwork, "", "fetch again (poudriere bulk, or make fetch); when the checksum is wrong remove the file of the distribution; what is fetched after the fetch phase has no network"}}
	case BuildFailure:
		if tool := nativeTools()[v.Program]; tool != "" && f.emulated && strings.HasPrefix(v.Rule, "crash/") {
			return []Advice{{KeepEmulated, tool, "the native " + tool + " died: build the port in a jail of its own after xjail poudriere hooks install --leave JAIL=" + tool}}
		}
		return []Advice{{FixPort, "", "the port fails by itself: look whether it builds on a machine of that architecture"}}
	}
	return []Advice{{ReadLog, "", "read the log"}}
}

func (v *Verdict) adviseCrash() []Advice {
	var list []Advice
	if tool := nativeTools()[v.Program]; tool != "" {
		list = append(list, Advice{MakeNative, tool, "run " + tool + " natively: it is among the native tools (xjail tools install), so it should not have been emulated"})
	}
	if v.Rule == "emulator/start" {
		return append(list, Advice{NewEmulator, "", "the emulator needs address space: no limit on virtual memory (ulimit -v, MAX_MEMORY), and an emulator that is static but not PIE"})
	}
	text := "try a newer emulator (qemu-user-static-devel), then report the crash with the command line in the log"
	if v.Signal == "SIGILL" || v.Signal == "SIGTRAP" {
		text = "the emulator does not know an instruction, or the program stopped itself: try a newer emulator (qemu-user-static-devel)"
	}
	list = append(list, Advice{NewEmulator, "", text})
	if v.Program == "" || len(list) == 1 {
		list = append(list, Advice{FixPort, "", "crashes that come and go with threads go with MAKE_JOBS_UNSAFE=yes for this port"})
	}
	return list
}

func (v *Verdict) adviseHang() []Advice {
	var list []Advice
	switch {
	case v.Limit != "" && v.Seconds > 0:
		list = append(list, Advice{RaiseLimit, v.Limit, fmt.Sprintf("%s=%d or more for the jail: xjail poudriere timeouts NAME, or poudriere.d/JAIL-poudriere.conf", v.Limit, 2*v.Seconds)})
	case v.Limit != "":
		list = append(list, Advice{RaiseLimit, v.Limit, v.Limit + " higher for the jail: xjail poudriere timeouts NAME, or poudriere.d/JAIL-poudriere.conf"})
	}
	if v.Program == "conftest" {
		list = append(list, Advice{FixPort, "conftest", "give configure the answer that it waits for: CONFIGURE_ENV with the probe's cache variable"})
	}
	if v.Rule == "hang/no-output" || v.Rule == "hang/deadlock" {
		list = append(list, Advice{NewEmulator, "", "a build that stops at the same place each time is a hang of the emulator: try a newer one, or MAKE_JOBS_UNSAFE=yes"})
	}
	if len(list) == 0 {
		list = append(list, Advice{ReadLog, "", "see in the log what it waited for"})
	}
	return list
}

func (v *Verdict) adviseSyscall() []Advice {
	list := []Advice{{NewEmulator, v.Syscall, "a newer emulator (qemu-user-static-devel)" + with(" that does ", v.Syscall) + ", or an older release in the jail"}}
	if v.Rule == "syscall/large-inodes" {
		list[0].Text = "keep the work of 32-bit jails in tmpfs (USE_TMPFS=wrkdir): its inode numbers are small"
	}
	if tool := nativeTools()[v.Program]; tool != "" {
		list = append(list, Advice{MakeNative, tool, "run " + tool + " natively: it needs no emulated system calls"})
	}
	return list
}

func (v *Verdict) adviseMachine(f *facts) []Advice {
	where := "CATEGORY/PORT"
	if f.origin != "" {
		where = f.origin
	}
	if v.Rule == "machine/baked" {
		return []Advice{{KeepEmulated, v.Program, "build the package that has the path again without native tools: in make.conf, .if ${.CURDIR:M*/CATEGORY/PORT}, CC=cc, .endif"}}
	}
	return []Advice{
		{KeepEmulated, "cc", "keep the compiler emulated for the port: in make.conf, .if ${.CURDIR:M*/" + where + "}, CC=/usr/bin/cc, .endif; where xjail's hooks lay native tools over the jail's that one is native too: then build the port in a jail of its own after xjail poudriere hooks install --leave JAIL=cc"},
		{CheckJail, "", "try the native tools: xjail tools verify NAME"},
	}
}

// nativeTools are the programs that /nxb-bin has, by the names that they have in
// logs: NXBDIRS of FreeBSD's Makefile.inc1, and the compiler's parts.
var nativeTools = sync.OnceValue(nativeNames)

func nativeNames() map[string]string {
	names := map[string]string{"clang": "cc", "clang++": "c++", "cc1": "cc", "cc1plus": "c++", "ld.lld": "ld", "lld": "ld", "bsdtar": "tar", "bmake": "make", "llvm-ar": "ar", "llvm-nm": "nm"}
	for _, tool := range strings.Fields("cc c++ cpp ld ar as nm ranlib strip objcopy readelf size strings addr2line " +
		"sh csh cat chmod cp echo expr hostname ln ls mkdir mv ps realpath rm rmdir sleep md5 sha1 sha256 sha512 " +
		"awk basename bzip2 cmp diff dirname env fetch find flex gencat grep egrep fgrep gzip head id install lex limits make mandoc mktemp mt patch sed sort tar touch tr true uniq unzip wc xargs xz yacc chown") {
		names[tool] = tool
	}
	return names
}
