package buildlog

// baseLibraries are of FreeBSD's base system: when one is missing the jail, the
// linker or a package is of another release or architecture.
const baseLibraries = `lib(?:c|thr|m|md|util|edit|ncursesw?|tinfow?|crypto|ssl|z|lzma|bz2|archive|elf|cxxrt|c\+\+|gcc_s|sys|bsdxml|fetch|kvm|jail|pam|geom|nv|sbuf|xo|casper|procstat|rt|dl|crypt)\.so\.\d+`

// machineRules are about objects of the host in a build for another machine, and
// about native tools that got into a package.
var machineRules = []rule{
	{
		// freebsd/poudriere 929: libtool keeps the compiler that it was built with.
		name: "machine/baked", cause: WrongMachine, class: decisive, blame: Yes, has: []string{"/nxb-bin/"},
		re: re(`(?P<path>/nxb-bin/[^\s:'"]+)['"]?: (?:(?:command )?not found|No such file or directory)`, `[Nn]o such file or directory:? ['"]?(?P<path>/nxb-bin/[^\s:'"]+)`,
			`(?:cannot|could not|unable to) (?:find|execute|run|exec) ['"]?(?P<path>/nxb-bin/[^\s:'"]+)`, `exec\((?P<path>/nxb-bin/[^\s)]+)\) failed`),
	},
	{
		// freebsd/poudriere 991: a native compiler that was none for the target.
		name: "machine/objects", cause: WrongMachine, class: decisive, blame: Perhaps,
		has: []string{"generic elf", "wrong format", "incompatible with", "format not recogni", "recognise the format", "wrong machine", "emulation mode", "unknown file type"},
		re: re(`Relocations in generic ELF \(EM: (?P<em>\d+)\)`, `\b[Ff]ile in wrong format`, `(?:ld\S*|lld): error: \S+ is incompatible with \S+`,
			`input file .* is incompatible with \S+`, `\b[Ff]ile format not recogni[sz]ed`, `[Uu]nable to recogni[sz]e the format of`, `wrong (?:ELF )?machine`,
			`unrecogni[sz]ed emulation mode: `, `(?:ld\S*|lld): error: \S+: unknown file type`),
	},
}

// assemblerRules are about an assembler for another machine than the compiler's:
// only that for x86 has these words.
var assemblerRules = []rule{{
	name: "machine/assembler", cause: WrongMachine, class: exact, blame: Perhaps, has: []string{"no such instruction: "},
	re: re(`Error: no such instruction: `),
}}

// abiRules are about programs and packages that this jail cannot run.
var abiRules = []rule{
	{
		name: "abi/exec-format", cause: WrongABI, class: decisive, blame: Yes,
		has: []string{"format error", "cannot execute binary", "enoexec", "(os error 8)", "bad cpu type"},
		re:  re(`[Ee]xec(?:v[pe]*)? format error`, `cannot execute binary file`, `\bENOEXEC\b`, `\(os error 8\)`),
	},
	{
		name: "abi/interpreter", cause: WrongABI, class: decisive, blame: Yes,
		has: []string{"elf interpreter", "/ld-", "could not open '/lib", "elf image", "elf class", "kernel too old", "isa level"},
		re: re(`ELF interpreter (?P<lib>\S+) not found`, `(?P<lib>/lib\w*/(?:\S+/)?ld[-\w]*\.so\.\d): (?:not found|[Nn]o such file)`, `Could not open '(?P<lib>/lib[^']*)'`,
			`Invalid ELF image for this architecture`, `wrong ELF class`, `FATAL: kernel too old`, `CPU ISA level is lower than required`),
	},
	{
		// The kernel and QEMU say that the file is not there when what is missing
		// is its interpreter or the emulator.
		name: "abi/loader", cause: WrongABI, class: decisive, blame: Yes,
		has: []string{"error while loading /", "failed to run command", "exec user process", "qemu-"},
		re: re(`Error while loading (?P<path>/[^\s:]+): `, `failed to run command .+: (?:No such file or directory|Exec format error)`,
			`exec user process caused:? "?(?:no such file or directory|exec format error)`, `\bqemu-[a-z][\w-]*: (?:command not found|not found|No such file or directory)`),
	},
	{
		// Pages of the host's that are larger than those of the target, or a file
		// system without permission to execute.
		name: "abi/segment", cause: WrongABI, class: decisive, blame: Perhaps, has: []string{"failed to map segment"},
		re: re(`failed to map segment from shared object(?:: Operation not permitted)?$`),
	},
	{
		// FreeBSD's run-time linker of a library of another machine: a native
		// program that was led to the jail's.
		name: "abi/layout", cause: WrongABI, class: decisive, blame: Yes, has: []string{"unsupported file layout", "elf binary type"},
		re: re(`(?P<lib>/\S+): unsupported file layout`, `ELF binary type "\d+" not known`),
	},
	{
		// bsd.port.mk of a jail that is told another release than it is.
		name: "abi/osversion", cause: WrongABI, class: decisive, blame: Perhaps, has: []string{"osversion"},
		re: re(`UNAME_r \([^)]*\) and OSVERSION \(\d*\) do not agree`),
	},
	{
		// What a newer jail asks of an older kernel.
		name: "abi/kernel", cause: WrongABI, class: decisive, blame: Perhaps, has: []string{"setrlimit"},
		re: re(`setrlimit \w+: Invalid argument`),
	},
	{
		name: "abi/library", cause: WrongABI, class: decisive, blame: Perhaps,
		has: []string{"shared object", "undefined symbol", "version ", "cannot open shared object file"},
		re: re(`Shared object "(?P<lib>`+baseLibraries+`)" not found, required by "(?P<prog>[^"]+)"`, `ld-elf\S*: \S+: Undefined symbol "(?P<msg>[^"]+)"`,
			`[Uu]ndefined symbol "(?P<msg>[^"]+@(?:FBSD|GLIBC)_[^"]+)"`, "version [`'](?P<msg>(?:FBSD|GLIBC)\\w*_[\\d.]+)' not found", `version (?P<msg>FBSD_[\d.]+) required by \S+ not (?:defined|found)`),
	},
	{
		name: "abi/package", cause: WrongABI, class: decisive, blame: Perhaps,
		has: []string{"architecture", "abi", "freebsd version", "note section", "id(1)"},
		re: re(`wrong architecture: \S+ instead of \S+`, `packages with wrong ABI`, `Unknown architecture '[^']*' in ABI`, `(?:Unable to|Cannot) (?:determine|detect|parse) (?:the )?ABI\b`,
			`failed to get the note section`, `Newer FreeBSD version for package`, `Unable to execute id\(1\) in jail`),
	},
}

// configureRules are about builds that took the machine for another one.
var configureRules = []rule{
	{
		name: "configure/guess", cause: Misconfigured, class: exact, blame: Perhaps,
		has: []string{"cannot guess", "unable to guess", "not recognized", "unrecognized", "unknown build"},
		re:  re(`cannot guess (?:build|host) type`, `config\.guess: unable to guess system type`, `[Ii]nvalid configuration [^:]+: (?:machine|system|CPU|OS) .*not recognized`, `config\.sub: .*unrecognized`),
	},
	{
		// Options and headers that only compilers for x86 know.
		name: "configure/x86", cause: Misconfigured, class: exact, blame: Perhaps,
		has: []string{"-m", "--64", "--32", "x86", "mmintrin", "immintrin", "cpuid.h"},
		re: re(`(?:unsupported option|unrecogni[sz]ed (?:command[- ]line )?option|unknown argument|unsupported argument|unknown option|invalid option|argument unused)\W+-m(?:no-)?(?:sse|ssse|avx|mmx|3dnow|fma|bmi|fpmath=|arch=(?:x86|i[3-6]86|core|native|amd|znver|skylake|haswell|pentium)|cx16|popcnt|pclmul|aes\b|lzcnt|rdrnd|red-zone|cmodel=|m?64\b|32\b|64\b)`,
			`unknown target CPU '(?:x86|i[3-6]86|core|pentium|haswell|skylake|znver)[^']*'`, `only meant to be used on x86`, `unrecogni[sz]ed option '--(?:32|64)'`, `'?(?:[a-z]mmintrin|immintrin|x86intrin|cpuid)\.h'?:? (?:file not found|No such file)`,
			`bad value [(‘'](?:x86-64|core2|native|generic64)\S* for [‘']?-m`),
	},
}
