package buildlog

// limitRules are about what the machine or poudriere did not give.
var limitRules = []rule{
	{
		name: "hang/no-output", cause: Hang, class: decisive, blame: Perhaps, has: []string{"killing runaway build"},
		re: re(`Killing runaway build after (?P<secs>\d+) seconds with no output`, `Killing runaway build`),
	},
	{
		name: "hang/too-long", cause: Hang, class: decisive, blame: Perhaps, has: []string{"killing timed out build"},
		re: re(`Killing timed out build after (?P<secs>\d+) seconds`, `Killing timed out build`),
	},
	{
		name: "hang/killed", cause: Hang, class: decisive, blame: Perhaps,
		has: []string{"pnohang", "runaway", "build timed out", "maximum execution time", "no output has been received", "sending signal term", "operation was canceled", "exceeded the maximum time"},
		re: re(`pnohang: killing `, `runaway[_ ]process`, `Build timed out`, `exceeded the maximum (?:execution time|time limit)`,
			`No output has been received in the last`, `timeout: sending signal TERM`, `The operation was canceled`),
	},
	{
		name: "hang/deadlock", cause: Hang, class: soft, blame: Yes, has: []string{"qemu: deadlock"},
		re: re(`Qemu: Deadlock in (?P<syscall>\w+)`),
	},
	{
		// What a harness says of the test that it ended: ctest, meson, check.
		name: "hang/test", cause: Hang, class: exact, blame: Perhaps, has: []string{"timeout"},
		re: re(`\*\*\*Timeout`, `^\s*\d+ - \S+ \(Timeout\)`, `\bTIMEOUT\b +\d`, `Test timeout expired`),
	},
	{
		name: "hang/something", cause: Hang, class: soft, blame: Perhaps, has: []string{"timeout", "timed out"},
		re: re(`[Tt]est timed out after`, `[Tt]imed out after \d+ ?(?:s|sec|min|ms)`, `^\s*\S*[Tt]imeout(?:Error|Exception|Expired)\b`),
	},
	{
		name: "disk/full", cause: DiskFull, class: decisive, blame: No,
		has: []string{"no space left", "full", "quota exceeded", "enospc", "(os error 28)", "disk space", "out of inodes"},
		re: re(`[Nn]o space left on (?:the )?device`, `(?i)file ?system(?: is)? full`, `[Dd]isk quota exceeded`, `\bENOSPC\b`, `\(os error 28\)`,
			`(?i)(?:not enough|insufficient|out of) (?:free )?(?:disk space|space on)`, `[Dd]isk (?:is )?full`, `out of inodes`),
	},
	{
		name: "memory/killed", cause: OutOfMemory, class: decisive, blame: No,
		has: []string{"killed", "sigkill", "signal 9", "morto", "已杀死", "getötet", "убито", "tué", "signal: 9"},
		re: re(`(?:Killed|Morto|已杀死|Getötet|Tué|Убито) (?:signal terminated program |\(program )(?P<prog>[\w.+-]+)`,
			"`(?P<path>[^` ]+)[^`]*` \\(signal: 9, SIGKILL", `\(signal: 9, SIGKILL`, `(?P<prog>[\w.+/-]+): error: unable to execute command: Killed`,
			`(?P<prog>[\w.+-]+) terminated with signal 9`, `\*\*\* (?:\[(?P<target>[^\]]+)\] )?(?:Signal 9\b|Killed)`,
			`\*\*\* \[(?:[^\]]*: )?(?P<target>[^\]:]+)\] Killed`, `[Ss]ub-?process (?P<prog>\S+) received signal 9\b`, `(?:uncaught target )?signal 9 \(Killed`, `<Signals\.SIGKILL`, `Killed: 9`,
			`(?:^|: )Killed(?:\s+(?P<cmd>[./\w].*))?$`, `line \d+:\s+\d+ Killed\s+(?P<cmd>\S.*)`),
	},
	{
		// The kernels' own words; FreeBSD's since 13 are "failed to reclaim
		// memory" and "a thread waited too long to allocate a page".
		name: "memory/kernel", cause: OutOfMemory, class: decisive, blame: No,
		has: []string{"was killed: ", "swap_pager", "oom-kill", "oom_kill", "out of memory: kill", "out of swap"},
		re: re(`pid \d+ \((?P<prog>[^)]+)\).*was killed: `, `was killed: (?:failed to reclaim|out of swap|a thread waited)`,
			`swap_pager\w*(?:\(\d+\))?: (?:out of|failed)`, `(?P<prog>\S+) invoked oom-killer`, `Out of memory: Kill(?:ed)? process \d+ \((?P<prog>[^)]+)\)`, `oom[-_]kill`, `out of swap space`),
	},
	{
		// More than any machine has: a pointer or a length that came out wrong
		// (docker-erlang-otp 465, elixir 12724).
		name: "crash/absurd", cause: EmulatorCrash, class: decisive, blame: Perhaps, has: []string{"allocate ", "heap size found"},
		re: re(`[Aa]llocate \d{16,} bytes`, `no next heap size found: \d{16,}`),
	},
	{
		name: "memory/exhausted", cause: OutOfMemory, class: decisive, blame: No,
		has: []string{"memory", "unable to commit", "bad_alloc", "enomem", "(os error 12)", "allocat", "heap", "could not reserve"},
		re: re(`(?:virtual )?memory exhausted`, `(?P<prog>[\w.+-]+): out of memory allocating \d+`, `\b[Oo]ut [Oo]f [Mm]emory\b`, `\bOutOfMemoryError\b`, `\bbad_alloc\b`,
			`\bMemoryError\b`, `[Cc]annot allocate (?:memory|\d+ bytes)`, `\bENOMEM\b`, `\(os error 12\)`, `memory allocation of \d+ bytes failed`,
			`[Ff]ailed to allocate (?:memory|\d+)`, `[Hh]eap exhausted`, `[Cc]ould not reserve enough (?:space|memory)`, `[Nn]ot enough memory`,
			`[Ii]nsufficient memory`, `[Uu]nable to (?:allocate|commit) (?:memory|\d)`, `\bmmap\w*(?:\([^)]*\))? failed: .*memory`, `memory limit (?:reached|exceeded)`),
	},
	{
		name: "memory/status", cause: OutOfMemory, class: soft, blame: No, has: []string{" 137", " -9"},
		re: re(`(?:[Ee]xit(?:ed with)?(?: code| status)?|Error(?: code)?|non-zero code|error code|status|returned):? 137\b`, `(?:exit (?:code|status)|return(?:ed|code)|status):? -9\b`),
	},
	{
		name: "limit/processes", cause: OutOfLimit, class: decisive, blame: Perhaps,
		has: []string{"temporarily unavailable", "fork", "no more processes", "thread creation failed", "unable to create thread", "os thread", "can't start new thread", "pthread_create"},
		re: re(`(?i)\bv?fork\b.*(?:Resource temporarily unavailable|failed)`, `(?i)(?:cannot|can't|unable to|could not) v?fork`, `No more processes`,
			`[Tt]hread creation failed`, `(?i)(?:unable|failed|can't|cannot) (?:to )?(?:create|start) (?:a |new |native |os )*thread`, `pthread_create\S* (?:failed|returned|error)`, `: Resource temporarily unavailable$`),
	},
	{
		name: "limit/files", cause: OutOfLimit, class: decisive, blame: No, has: []string{"too many open files", "emfile", "(os error 24)"},
		re: re(`[Tt]oo many open files`, `\bEMFILE\b`, `\(os error 24\)`),
	},
}
