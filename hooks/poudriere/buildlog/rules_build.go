package buildlog

// networkRules are about fetching, and what was fetched.
var networkRules = []rule{
	{
		name: "network/fetch", cause: Network, class: exact, blame: No,
		has: []string{"fetch", "truncated", "download", "spurious network"},
		re: re(`Couldn't fetch it - please try`, `(?:fetch|pkg(?:-static)?): (?:Error fetching )?(?:pkg\+)?(?:https?|ftp)://\S+: \S`,
			`fetch: .*(?:[Nn]ot [Ff]ound|No address record|unreachable|timed out|refused|does not resolve|resolver|Authentication|Forbidden|unavailable|Bad Gateway|truncated|Moved)`,
			`spurious network error`, `(?i)failed to (?:download|fetch)\b`, `(?i)(?:unable to|could not|cannot) (?:download|fetch)\b`, `(?i)download (?:of|from) .*failed`),
	},
	{
		name: "network/checksum", cause: Network, class: exact, blame: No, has: []string{"checksum", "size mismatch", "giving up on fetching", "hash mismatch", "sha256"},
		re: re(`[Cc]hecksum [Mm]ismatch`, `[Ss]ize mismatch`, `Giving up on fetching`, `failed checksum from repository`, `No checksum recorded for`, `(?i)(?:hash|sha256\w*) (?:mismatch|does not match)`),
	},
	{
		name: "network/connection", cause: Network, class: exact, blame: No,
		has: []string{"resolve", "resolution", "servname", "service not known", "enotfound", "eai_again", "dial tcp", "connection", "unreachable", "handshake timeout", "certificate", "unable to access", "no route to host", "etimedout", "econnre"},
		re: re(`[Cc]ould not resolve host`, `[Nn]ame resolution`, `nor servname`, `[Nn]ame or service not known`, `\bENOTFOUND\b`, `\bEAI_AGAIN\b`, `dial tcp\b`,
			`Failed to establish a new connection`, `[Nn]etwork is unreachable`, `TLS handshake timeout`, `[Cc]ertificate verif\w+ failed`, `unable to access '(?:https?|git|ftp)://`, `No route to host`,
			`\bETIMEDOUT\b`, `\bECONNRE(?:FUSED|SET)\b`, `[Cc]onnection (?:timed out|refused|reset by peer)`),
	},
}

// buildRules are about the port itself.
var buildRules = []rule{
	{
		name: "build/plist", cause: BuildFailure, class: exact, blame: No,
		has: []string{"orphaned", "error: missing", "plist", "unable to access file", "left over", "filesystem touched", "failures detected", "checksum_", "child process pid="},
		re: re(`Error: (?:Orphaned|Missing): `, `[Pp]list (?:issues found|error)`, `pkg-static: Unable to access file`, `(?:Files|directories) left over`, `Filesystem touched during`,
			`(?:stage-qa|check-plist) failures detected`, `pkg-static: pkg_checksum_\w+`),
	},
	{
		name: "build/not-for-machine", cause: BuildFailure, class: exact, blame: No,
		has: []string{"is only for", "marked as broken", "is marked", "not supported on this", "unsupported architecture", "unsupported platform", "your architecture", "unknown architecture"},
		re:  re(`is only for .*(?:while|and) you are running`, `is marked (?:as )?(?:broken|BROKEN|forbidden)`, `(?i)unsupported (?:architecture|platform|cpu)\b`, `(?i)unknown architecture\b`, `(?i)(?:architecture|platform) .{0,40}is not supported`, `support for your architecture`),
	},
	{
		name: "build/patch", cause: BuildFailure, class: exact, blame: No, has: []string{"hunk", "patch", "apply cleanly"},
		re: re(`hunks? (?:failed|FAILED)\b`, `Hunk #\d+ FAILED`, `FAILED [Aa]pplying|FAILED to [Aa]pply`, `patch: \*\*\*\*`, `=> (?:\w+ )?[Pp]atch \S+ failed`),
	},
	{
		name: "build/linker", cause: BuildFailure, class: exact, blame: No,
		has: []string{"undefined reference", "undefined symbol", "cannot find -l", "unable to find library", "duplicate symbol", "multiple definition", "relocation ", "ld: error", "lld: error", "ld.bfd: ", "could not read symbols"},
		re: re(`undefined reference to`, `undefined (?:hidden )?symbol`, `cannot find -l\S+`, `unable to find library`, `duplicate symbol`, `multiple definition of`, `relocation R_\w+ .*(?:cannot|can not|out of range|overflow)`, `relocation truncated to fit`,
			`(?:^|[ /])(?:ld\S*|lld\S*): error: `, `could not read symbols`),
	},
	{
		name: "build/header", cause: BuildFailure, class: exact, blame: No, has: []string{"file not found", "no such file or directory"},
		re: re(`error: '(?P<msg>[\w./+-]+\.\w+)' file not found`, `error: (?P<msg>[\w./+-]+\.h\w*): No such file or directory`),
	},
	{
		name: "build/compiler", cause: BuildFailure, class: exact, blame: No, has: []string{"error", ".go:", ".ads:", ".adb:"},
		re: re(`^\s?(?:\.\.?/|/|[\w.+-])[^\s:]*:\d+(?::\d+)?:? (?:fatal |syntax )?[Ee]rror:? (?P<msg>.*)`, `^error\[E\d+\]: (?P<msg>.*)`, `^\S+\.go:\d+:\d+: (?P<msg>.*)`, `^\S+\.ad[bs]:\d+:\d+: (?:error: )?(?P<msg>.*)`,
			`^\S+\(\d+(?:,\d+)?\): (?:fatal )?[Ee]rror\b:? ?(?P<msg>.*)`, `^<\S+>:\d+:\d+: error: (?P<msg>.*)`, `^(?:cc1\w*|clang\S*|cc|c\+\+|g?gcc\d*|g\+\+\d*|f951|as): (?:fatal )?error: (?P<msg>.*)`, `internal compiler error: in `),
	},
	{
		name: "build/dependency", cause: BuildFailure, class: exact, blame: No,
		has: []string{"missing dependency", "failed to install the following", "error in dependency", "script failed", "does not exist", "not found, required by", "loading shared libraries", "can't locate", "no module named", "no package '", "not found in the pkg-config", "required by '", "conflicts with", "into the same place", "error: dependency", "error: dependency \"", "cannot find package", "no matching package", "no required module"},
		re: re(`Missing dependency '(?P<msg>[^']+)'`, `Failed to install the following \d+ package`, `error in dependency`, `(?:PRE|POST)-\w+ script failed`, `Error: shared library "(?P<lib>[^"]+)" does not exist`,
			`Shared object "(?P<lib>[^"]+)" not found, required by "(?P<prog>[^"]+)"`, `error while loading shared libraries: (?P<lib>[^:]+)`, `Can't locate (?P<msg>\S+) in @INC`, `No module named (?P<msg>\S+)`, `No package '(?P<msg>[^']+)' found`,
			`(?P<msg>\S+) was not found in the pkg-config`, `Package '?(?P<msg>[\w.+-]+)'?, required by`, `conflicts with installed package`, `installs files into the same place`, `ERROR: (?:Dependency|Program|C\+* \w+) .*not found`,
			`cannot find package`, `no matching package named`, `no required module provides`),
	},
	{
		// Printed before a dependency is installed too: only next to the failure.
		name: "build/depends", cause: BuildFailure, class: exact, blame: No, near: 2, has: []string{"depends on "},
		re: re(`depends on (?:file|package|shared library|executable|object): (?P<msg>.+) - not found`),
	},
	{
		name: "build/no-rule", cause: BuildFailure, class: exact, blame: No, has: []string{"no rule to make", "know how to make", "cannot open makefile"},
		re: re(`No rule to make target ['"\x60](?P<target>[^'"]+)`, `don't know how to make (?P<target>\S+)`, `cannot open [Mm]akefile`),
	},
	{
		name: "build/test", cause: BuildFailure, class: exact, blame: No,
		has: []string{"fail", "not ok", "errors while running ctest"},
		re: re(`^\s*FAIL: `, `^FAILED [\w./-]+::`, `^--- FAIL: `, `^FAIL\t`, `Errors while running CTest`, `test result: FAILED`, `(?:^|[^,] )[1-9]\d* tests? (?:failed|FAILED)`, `=+ .*\b[1-9]\d* failed\b`,
			`# FAIL:\s+[1-9]`, `^not ok \d+`, `[1-9]\d* (?:of \d+ tests? failed|failed tests?)`, `Failed \d+/\d+ (?:test|sub)`, `[Ff]ailures?: +[1-9]`, `FAILED \((?:failures|errors)=`, `\*\*\*(?:Failed|Exception)`, `^\s*\d+ - \S+ \((?:Failed|SEGFAULT|Subprocess aborted|ILLEGAL)\)`, `Failed Test Logs`),
	},
	{
		// ctest's, before it names the tests and says what became of them.
		name: "build/tests", cause: BuildFailure, class: soft, blame: No, has: []string{"tests passed, "},
		re: re(`\d+% tests passed, [1-9]\d* tests? failed out of \d+`),
	},
	{
		name: "build/configure", cause: BuildFailure, class: exact, blame: No, near: 12,
		has: []string{"configure: error", "error: ", "cmake error", "configuration failed"},
		re:  re(`^configure: error: (?P<msg>.*)`, `\.build:\d+:\d+: ERROR: (?P<msg>.*)`, `^\S*meson\S*: ERROR: (?P<msg>.*)`, `^CMake Error(?: at)? ?\S*`, `^(?:Could|Configur\w+) .*CMake.*failed`),
	},
	{
		name: "build/command", cause: BuildFailure, class: general, blame: No, has: []string{"not found", "no such file or directory", "permission denied", "read-only file system"},
		re: re(`(?P<msg>[\w./+-]+): (?:command )?not found$`, `(?P<msg>\S+): No such file or directory`, `\((?:No such file or directory|Permission denied)\)`, `Permission denied`, `Read-only file system`),
	},
	{
		// makepkg and abuild name the function of the recipe.
		name: "build/recipe", cause: BuildFailure, class: general, blame: No, has: []string{"a failure occurred in", ">>> error: "},
		re: re(`A failure occurred in (?P<msg>\w+)\(\)`, `^>>> ERROR: \S+: (?P<msg>\w+) failed`),
	},
	{
		// What poudriere appends when its own builder ended (crashed_build).
		name: "poudriere/crashed", cause: Unknown, class: general, blame: No, has: []string{" crashed: "},
		re: re(`^(?:[Bb]uild|run) crashed: [\w/-]+$`),
	},
	{
		name: "build/error", cause: BuildFailure, class: general, blame: No, has: []string{"error", "fatal", "exception", "panic", "failed", "traceback"},
		re: re(`^(?:\S+: )?(?:fatal )?(?:[Ee]rror|ERROR|FATAL|Fatal)\b.{0,3}: (?P<msg>.*)`, `^(?:\S+: )?(?:\*\*\* )?(?:ERROR|Error|FATAL|fatal|error): (?P<msg>.*)`, `^(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception)(?:: (?P<msg>.*))?$`, `^panic: (?P<msg>.*)`,
			`^thread '.*' (?:\(\d+\) )?panicked at`, `\bfailed(?:: |$)`),
	},
}
