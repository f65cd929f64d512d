package buildlog

// syscallRules are about system calls. The texts are QEMU's (linux-user,
// bsd-user/syscall.c and its os-*.h), libc's of ENOSYS, and those by which
// programs report what an emulated call did wrong.
var syscallRules = []rule{
	{
		name: "syscall/killed", cause: MissingSyscall, class: decisive, blame: Yes, has: []string{"bad system call", "sigsys", "signal 12"},
		re: re(`Bad system call`, `\bSIGSYS\b`, `\*\*\* (?:\[(?P<target>[^\]]+)\] )?Signal 12\b`), // FreeBSD's number
	},
	{
		name: "syscall/unsupported", cause: MissingSyscall, class: soft, blame: Yes, has: []string{"qemu"},
		re: re(`[Qq]emu: [Uu]nsupported (?:\w+ )?syscall:? ?(?P<syscall>\w+)`, `qemu: bsd_type \(= \d+\) syscall`,
			`[Qq]emu:? (?:unsupported|unknown) ioctl`, `qemu: [Uu]nsupported (?P<syscall>[a-z]\w+)\b`),
	},
	{
		name: "syscall/unimplemented", cause: MissingSyscall, class: soft, blame: Perhaps,
		has: []string{"syscall", "system call", "not yet supported"},
		re: re(`(?i)(?:unimplemented|unknown|unsupported) (?:system call|syscall):?\s*(?P<syscall>\w+)?`,
			`(?i)(?:system call|syscall) (?P<syscall>\w+) (?:is )?(?:not|un)[ -]?(?:implemented|supported)`,
			`\w+sockopt level=\d+ optname=\d+ not yet supported`),
	},
	{
		name: "syscall/enosys", cause: MissingSyscall, class: decisive, blame: Perhaps, near: 15,
		has: []string{"function not implemented", "(os error 78)", "(os error 38)", "enosys", "error 38", "error 78"},
		re: re(`^(?P<prog>[./\w+-]+): (?P<syscall>[a-z_]\w*)(?:\([^)]*\))?(?: failed)?: Function not implemented`,
			`(?P<syscall>[a-z_]\w*)(?:\([^)]*\))?(?: failed)?: Function not implemented`, `Function not implemented`,
			`\(os error (?:78|38)\)`, `\bENOSYS\b`,
			// glibc's and musl's loaders have no text for it.
			`cannot open shared object file: Error (?:38|78)\b`),
	},
	{
		// glibc gives up when a futex call fails as none should: riscv32 and
		// m68k guests (rui314/mold 677, QEMU 1502).
		name: "syscall/futex", cause: MissingSyscall, class: decisive, blame: Perhaps, has: []string{"futex facility"},
		re: re(`The futex facility returned an unexpected error code`),
	},
	{
		// A 32-bit guest gets the host's 64-bit inode numbers and offsets of
		// directories (QEMU 263).
		name: "syscall/large-inodes", cause: MissingSyscall, class: decisive, blame: Perhaps,
		has: []string{"value too large", "eoverflow"},
		re:  re(`Value too large (?:for defined data type|to be stored in data type)`, `\bEOVERFLOW\b`),
	},
}

// emulatorRules are what QEMU says itself.
var emulatorRules = []rule{
	{
		name: "memory/guest", cause: OutOfMemory, class: decisive, blame: No, has: []string{"target signal 9"},
		re: re(`uncaught target signal 9\b`),
	},
	{
		name: "emulator/signal", cause: EmulatorCrash, class: decisive, blame: Yes, has: []string{"uncaught target signal"},
		re: re(`uncaught target signal (?P<num>\d+) ?\((?P<signame>[^)]*)\)`, `uncaught target signal (?P<num>\d+)`),
	},
	{
		name: "emulator/internal", cause: EmulatorCrash, class: decisive, blame: Yes, has: []string{"qemu internal sig"},
		re: re(`QEMU internal (?P<sig>SIG[A-Z]+)`),
	},
	{
		name: "emulator/assertion", cause: EmulatorCrash, class: decisive, blame: Yes, has: []string{"assertion", "should not be reached"},
		re: re(`(?:^|\W)(?:qemu[\w.-]*|\w+-binfmt-P): .*[Aa]ssertion .*failed`,
			`ERROR:\S*(?:tcg|qemu|linux-user|bsd-user|plugins/core|cpu-exec|hw/core)\S*?:\d+:\w+: (?:assertion failed|code should not be reached)`,
			`[Aa]ssertion failed: .*file \S*(?:qemu|bsd-user|linux-user|tcg)\S*, line \d+`),
	},
	{
		name: "emulator/fatal", cause: EmulatorCrash, class: decisive, blame: Yes,
		has: []string{"tcg fatal", "unhandled cpu exception", "qemu: fatal", "-static: fatal", "code outside ram"},
		re: re(`\btcg fatal error`, `unhandled CPU exception (?P<msg>\S+)`, `\bqemu[\w-]*: fatal: (?P<msg>.*)`,
			`Trying to execute code outside RAM`),
	},
	{
		// qemu-bsd-user 49; linux-user/elfload.c and main.c.
		name: "emulator/start", cause: EmulatorCrash, class: decisive, blame: Yes,
		has: []string{"red zone", "virtual address space", "guest commpage", "guest_base", "guest address space"},
		re: re(`Cannot allocate red zone`, `Unable to reserve \S+ bytes of virtual address space`, `guest commpage: `,
			`Unable to find a guest_base`, `not enough (?:virtual|guest) address space`),
	},
}

// crashRules are about programs that died, by what shells, compilers and runtimes
// say of it: it can be the program's own fault.
var crashRules = []rule{
	{
		name: "crash/compiler", cause: EmulatorCrash, class: decisive, blame: Perhaps, has: []string{"internal compiler error", "signal terminated program"},
		re: re(`internal compiler error: (?P<signame>`+signals+`|Aborted|Abort trap)(?:,? signal terminated program (?P<prog>[\w.+-]+))?`,
			`internal compiler error: (?P<signame>`+signals+`|Aborted|Abort trap) \(program (?P<prog>[\w.+-]+)\)`,
			`(?P<signame>`+signals+`) signal terminated program (?P<prog>[\w.+-]+)`),
	},
	{
		name: "crash/driver", cause: EmulatorCrash, class: decisive, blame: Perhaps,
		has: []string{"unable to execute command", "frontend command failed", "command failed due to signal", "linker command failed due"},
		re: re(`(?P<prog>[\w.+/-]+): error: unable to execute command: (?P<signame>`+signals+`|Aborted|Abort trap)`,
			`(?P<prog>[\w.+/-]+): error: \w+ frontend command failed (?:due to signal|with exit code (?P<status>1[34]\d))`,
			`error: (?:linker|assembler) command failed due to signal`),
	},
	{
		// dpkg's and apt's words, make's of FreeBSD, and those of perl and of test
		// harnesses.
		name: "crash/child", cause: EmulatorCrash, class: decisive, blame: Perhaps,
		has: []string{" by signal", " from signal", " with signal", " received ", " exited on a signal"},
		re: re(`[Ss]ub-?process (?P<prog>\S+) received signal (?P<num>4|5|6|7|8|10|11)\b`, `[Ss]ub-?process (?P<prog>\S+) received a (?P<signame>segmentation fault)`,
			`"(?P<cmd>[^"]+)" exited on a signal`,
			`(?P<prog>[\w.+-]+) subprocess was killed by signal \((?P<signame>`+signals+`|Aborted|Abort trap)`,
			`(?:[Kk]illed by|[Tt]erminated by|[Tt]erminated with|[Dd]ied from|[Dd]ied with) signal:? (?P<num>4|5|6|7|8|10|11)\b`,
			`(?:[Kk]illed by|[Tt]erminated by|[Tt]erminated with|[Dd]ied from|[Dd]ied with) signal:? \(?(?P<signame>`+signals+`|Aborted|Abort trap)`),
	},
	{
		name: "crash/cargo", cause: EmulatorCrash, class: decisive, blame: Perhaps, has: []string{"(signal: "},
		re: re("`(?P<path>[^` ]+)[^`]*` \\(signal: (?P<num>\\d+), (?P<sig>SIG[A-Z]+)", `\(signal: (?P<num>\d+), (?P<sig>SIG[A-Z]+)`),
	},
	{
		name: "crash/runtime", cause: EmulatorCrash, class: decisive, blame: Perhaps,
		has: []string{"[bug]", "java runtime environment", "fatal python error", "<signals.sig", "sigill: illegal instruction", "sigsegv: segmentation", "sigbus: bus error", "ghc version"},
		re: re(`\[BUG\] (?P<signame>`+signals+`|Aborted)`, `A fatal error has been detected by the Java Runtime Environment`,
			`Fatal Python error: (?P<signame>`+signals+`|Aborted)`, `died with <Signals\.(?P<sig>SIG[A-Z]+)`,
			`^(?P<sig>SIG(?:ILL|SEGV|BUS|TRAP)): `, `internal error: .*\(GHC version`, `^\s*\(GHC version \S+ for `),
	},
	{
		name: "crash/mono", cause: EmulatorCrash, class: decisive, blame: Perhaps, has: []string{"* assertion", "while executing native code", "native crash reporting"},
		re: re(`Got a (?P<sig>SIG[A-Z]+) while executing native code`, `Native Crash Reporting`, `^\* Assertion(?:: should not be reached)? at \S+:\d+`),
	},
	{
		// Of virtual machines that do not come up, without a reason.
		name: "crash/virtual-machine", cause: EmulatorCrash, class: soft, blame: Perhaps, has: []string{"kernel pid terminated", "port library failed"},
		re: re(`^Kernel pid terminated \(`, `Port Library failed to initialize`),
	},
	{
		// The first program of the target that configure runs.
		name: "crash/conftest", cause: EmulatorCrash, class: exact, blame: Perhaps, has: []string{"cannot run c", "executables created by"},
		re: re(`cannot run C(?:\+\+)? compiled programs`, `Executables created by .* are not runnable`),
	},
	{
		// Go's runtime, which goes without most of what libc would hide of an
		// emulator (golang/go 24656, 67355, 69255).
		name: "crash/go", cause: EmulatorCrash, class: decisive, blame: Perhaps,
		has: []string{"fatal error: ", "lfstack.push", "morestack on g", "unexpected return pc", "unexpected fault address", "syscall frame is no longer valid"},
		re: re(`fatal error: (?:unexpected signal during runtime execution|lfstack\.push|malloc deadlock|rt_sigaction failure|found bad pointer|bad \w+ status|fault$)`,
			`runtime: lfstack\.push invalid packing`, `fatal: morestack on g`, `runtime: g?\w*:? ?unexpected return pc`,
			`^unexpected fault address`, `syscall frame is no longer valid`),
	},
	{
		name: "crash/make", cause: EmulatorCrash, class: decisive, blame: Perhaps, has: []string{"*** "},
		re: re(`\*\*\* \[(?:[^\]]*: )?(?P<target>[^\]:]+)\] (?P<signame>`+signals+`)`, `\*\*\* (?:\[(?P<target>[^\]]+)\] )?Signal (?P<num>4|5|6|7|8|10|11)\b`),
	},
	{
		name: "crash/kernel", cause: EmulatorCrash, class: decisive, blame: Perhaps, has: []string{"exited on signal"},
		re: re(`pid \d+ \((?P<prog>[^)]+)\).*exited on signal (?P<num>\d+)`, `exited on signal (?P<num>\d+)`),
	},
	{
		// LLVM's own address, or that of who has built it.
		name: "crash/llvm", cause: EmulatorCrash, class: decisive, blame: Perhaps, has: []string{"please submit a bug report to http"},
		re: re(`PLEASE submit a bug report to https?://`),
	},
	{
		name: "crash/shell", cause: EmulatorCrash, class: decisive, blame: Perhaps,
		has: []string{"segmentation fault", "bus error", "illegal instruction", "floating point exception", " trap"},
		re: re(`(?:^|: |\d +)(?P<signame>`+signals+`)(?: *\(core dumped\))?(?:\s+(?P<cmd>[./\w$"].*))?[.)]?$`,
			`(?P<signame>`+signals+`) *\(core dumped\)`),
	},
	{
		name: "crash/abort", cause: EmulatorCrash, class: soft, blame: Perhaps, has: []string{"abort", "core dumped", "fatal error in "},
		re: re(`(?:^|: |\d )(?P<signame>Aborted|Abort trap)(?: *\(core dumped\))?(?:\s+(?P<cmd>[./\w].*))?$`, `\*\*\* \[(?:[^\]]*: )?(?P<target>[^\]:]+)\] (?P<signame>Aborted|Abort trap)`,
			`\(core dumped\)`, `^#\s*Fatal error in `),
	},
	{
		// 128 and the number of a signal, or its negative.
		name: "crash/status", cause: EmulatorCrash, class: soft, blame: Perhaps,
		has: []string{" 132", " 133", " 134", " 135", " 136", " 138", " 139", " -4", " -5", " -6", " -7", " -8", " -10", " -11"},
		re: re(`"(?P<prog>[\w.+-]+)" exited with code (?P<status>13[2-689])\b`,
			`(?:[Ee]xit(?:ed with)?(?: code| status)?|Error(?: code)?|non-zero code|error code|status|returned):? (?P<status>13[2-689])\b`,
			`(?:exit (?:code|status)|return(?:ed|code)|failed with code|status):? -(?P<num>4|5|6|7|8|10|11)\b`),
	},
}
