package buildlog

import (
	"strings"
	"testing"
)

// header is what poudriere writes before the first phase of an emulated build.
const header = `port directory: /usr/ports/devel/foo
package name: foo-1.0
---Begin Environment---
UNAME_p=aarch64
UNAME_m=arm64
ABI_FILE=/usr/lib/crt1.o
PATH=/bin:/usr/bin
NOTE=qemu: uncaught target signal 11 (Segmentation fault) - core dumped
---End Environment---
--CONFIGURE_ENV--
CC="/nxb-bin/usr/bin/cc" X="virtual memory exhausted: Cannot allocate memory"
--End CONFIGURE_ENV--
---Begin make.nxb.conf---
CC=/nxb-bin/usr/bin/cc
---End make.nxb.conf---
`

// native is the same of a build for the host's own machine.
const native = `package name: foo-1.0
---Begin Environment---
OSVERSION=1403000
PATH=/bin:/usr/bin
---End Environment---
`

func inPhase(phase string) string {
	return "=======================<phase: " + phase + "          >============================\n===== env: NOTE=No space left on device\n"
}

// TestChoice is about what comes first and what is not meant.
func TestChoice(t *testing.T) {
	const crash = "qemu: uncaught target signal 11 (Segmentation fault) - core dumped\n"
	const compiler = "foo.c:1:2: error: unknown type name 'x'\n*** [foo.o] Error code 1\n"
	for _, test := range []struct {
		name, log, phase string
		want             map[string]string
	}{
		{
			"the environment is no evidence", header + inPhase("build") + compiler, "",
			map[string]string{"cause": "build failure", "rule": "build/compiler", "emulation": "no", "target": "foo.o"},
		},
		{
			"a probe that crashes and is answered", header + inPhase("configure") + "checking whether foo works... " + crash + "no\nchecking for bar... yes\nconfig.status: creating Makefile\n" + inPhase("build") + compiler, "build",
			map[string]string{"cause": "build failure"},
		},
		{
			"a probe that crashes in the failing phase", header + inPhase("configure") + "checking whether foo works... \n" + crash + "Segmentation fault (core dumped)\nno\nchecking for bar... no\nchecking for baz... no\nchecking for x... no\nchecking for y... no\nconfigure: error: bar is needed\n", "configure",
			map[string]string{"cause": "build failure", "rule": "build/configure"},
		},
		{
			"a probe after which configure gives up", header + inPhase("configure") + "checking whether the compiler works... " + crash + "no\nconfigure: error: C compiler cannot create executables\n", "",
			map[string]string{"cause": "emulator crash", "signal": "SIGSEGV"},
		},
		{
			"cmake's probes", header + inPhase("configure") + "-- Performing Test HAVE_X\n" + crash + "-- Performing Test HAVE_X - Failed\n-- Looking for y\n-- Looking for y - found\n-- Looking for z\n-- Looking for z - found\nCMake Error at CMakeLists.txt:3 (message):\n  y is too old\n", "",
			map[string]string{"cause": "build failure"},
		},
		{
			"a failure that make ignores", header + inPhase("build") + "./gen\n" + crash + "gmake: [Makefile:3: gen] Error 139 (ignored)\n" + strings.Repeat("cc -c x.c\n", 5) + compiler, "",
			map[string]string{"cause": "build failure"},
		},
		{
			"a crash in a phase that was done", header + inPhase("extract") + crash + inPhase("build") + compiler, "",
			map[string]string{"cause": "build failure", "phase": "build"},
		},
		{
			"a crash and its consequences", header + inPhase("build") + "cc -O2 -c foo.c\n" + crash + "cc: error: unable to execute command: Segmentation fault (core dumped)\nfoo.c:1:1: error: x\n*** [foo.o] Error code 254\n", "",
			map[string]string{"cause": "emulator crash", "rule": "emulator/signal", "emulation": "yes", "program": "cc", "target": "foo.o"},
		},
		{
			"what a killed compiler leaves to the assembler", header + inPhase("build") + "{standard input}: Assembler messages:\nfoo.s:99: Error: open CFI at the end of file; missing .cfi_endproc directive\nc++: fatal error: Killed signal terminated program cc1plus\ncompilation terminated.\n*** [foo.o] Error code 1\n", "",
			map[string]string{"cause": "out of memory", "program": "cc1plus"},
		},
		{
			"a compiler's error long before a crash", header + inPhase("build") + compiler + strings.Repeat("cc -c x.c\n", 200) + crash + "*** [bar.o] Error code 1\n", "",
			map[string]string{"cause": "build failure"},
		},
		{
			"memory before abort", header + inPhase("build") + "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\nqemu: uncaught target signal 6 (Abort trap) - core dumped\n*** [x] Error code 134\n", "",
			map[string]string{"cause": "out of memory"},
		},
		{
			"killed in the emulator", header + inPhase("build") + "/usr/local/bin/rustc -O x.rs\nqemu: uncaught target signal 9 (Killed) - core dumped\n*** [x] Error code 137\n", "",
			map[string]string{"cause": "out of memory", "program": "rustc"},
		},
		{
			"a hang after a crash", header + inPhase("build") + "/usr/local/bin/npm ci\n" + crash + "=>> Killing runaway build after 21600 seconds with no output\n", "build/runaway",
			map[string]string{"cause": "emulator crash", "program": "npm"},
		},
		{
			"a hang long after a crash", header + inPhase("build") + crash + strings.Repeat("cc -c x.c\n", 10) + "=>> Killing runaway build after 21600 seconds with no output\n", "build/runaway",
			map[string]string{"cause": "hang", "limit": "QEMU_NOHANG_TIME", "seconds": "21600"},
		},
		{
			"a hang by the status alone", header + inPhase("build") + "cc -c x.c\n", "build/timeout",
			map[string]string{"cause": "hang", "rule": "hang/too-long", "limit": "QEMU_MAX_EXECUTION_TIME"},
		},
		{
			"a native build's hang", native + inPhase("build") + "cc -c x.c\n=>> Killing runaway build after 7200 seconds with no output\n", "",
			map[string]string{"cause": "hang", "limit": "NOHANG_TIME", "emulation": "no"},
		},
		{
			"a native build's crash", native + inPhase("build") + "./gen x.h\nSegmentation fault (core dumped)\n*** [x.h] Error code 139\n", "",
			map[string]string{"cause": "build failure", "emulation": "no", "program": "gen", "signal": "SIGSEGV"},
		},
		{
			"a native tool's crash", header + inPhase("build") + "PLEASE submit a bug report to https://github.com/llvm/llvm-project/issues/ and include the crash backtrace\nStack dump:\n0.\tProgram arguments: /nxb-bin/usr/bin/cc -c foo.c\n*** [foo.o] Error code 139\n", "",
			map[string]string{"cause": "build failure", "emulation": "no"},
		},
		{
			"objects of the host", header + inPhase("build") + "/usr/bin/ld: foo.o: Relocations in generic ELF (EM: 62)\nfoo.o: error adding symbols: file in wrong format\n*** [foo] Error code 1\n", "",
			map[string]string{"cause": "wrong machine", "emulation": "yes"},
		},
		{
			"source, warnings and commands that quote messages", header + inPhase("build") +
				"foo.c:3:5: warning: unused result of \"No space left on device\" [-Wx]\n    3 |   die(\"No space left on device\");\n      |   ^~~\ncc -DMSG='\"virtual memory exhausted: Cannot allocate memory\"' -c foo.c\necho 'Exec format error'\nchecking whether printf survives out-of-memory conditions... yes\n" + compiler, "",
			map[string]string{"cause": "build failure", "rule": "build/compiler"},
		},
		{
			"a port of the emulator itself", header + inPhase("build") + "[1/9] Compiling C object qemu-aarch64.p/linux-user_main.c.o\n../linux-user/main.c:77:3: error: implicit declaration of function 'x'\nFAILED: qemu-aarch64.p/linux-user_main.c.o\nninja: build stopped: subcommand failed.\n", "",
			map[string]string{"cause": "build failure", "rule": "build/compiler"},
		},
		{
			"noise of system calls", header + inPhase("build") + strings.Repeat("qemu: Unsupported syscall cap_enter()\n", 20) + compiler, "",
			map[string]string{"cause": "build failure"},
		},
		{
			"a missing system call and nothing else", header + inPhase("build") + "./gen\nqemu: unsupported syscall: 575\n*** [x] Error code 1\n", "",
			map[string]string{"cause": "missing syscall", "syscall": "575", "emulation": "yes"},
		},
		{
			"a signal for a system call", header + inPhase("build") + "./gen -x\nqemu: uncaught target signal 12 (Bad system call) - core dumped\n*** [x] Error code 140\n", "",
			map[string]string{"cause": "missing syscall", "emulation": "yes", "program": "gen"},
		},
		{
			"a mirror that has not got it, and one that has", header + inPhase("fetch") + "fetch: http://a/x.tar.gz: Not Found\n=> Attempting to fetch http://b/x.tar.gz\nx.tar.gz  12 MB\n" + inPhase("build") + compiler, "",
			map[string]string{"cause": "build failure"},
		},
		{
			"colours, stamps and line ends", "[00:00:01] " + strings.ReplaceAll(inPhase("build"), "\n", "\r\n") + "[00:00:02] \x1b[1mc++: \x1b[31mfatal error: \x1b[0mKilled signal terminated program cc1plus\r\n[00:00:02] *** [x.o] Error code 1\r\n", "",
			map[string]string{"cause": "out of memory", "program": "cc1plus", "phase": "build"},
		},
		{
			"after the failure", header + inPhase("build") + compiler + "=>> Cleaning up wrkdir\n===>  Cleaning for foo-1.0\n" + crash + "rm: No space left on device\n", "",
			map[string]string{"cause": "build failure"},
		},
		{
			"a log that was cut off", header + inPhase("build") + "./gen -x\n" + crash[:60], "",
			map[string]string{"cause": "emulator crash", "program": "gen"},
		},
		{"nothing at all", "", "build", map[string]string{"cause": "unknown"}},
		{"nothing that says why", header + inPhase("build") + "x\ny\n", "", map[string]string{"cause": "unknown", "phase": "build"}},
		{"only that it failed", header + inPhase("build") + "x\n*** [foo] Error code 1\n", "", map[string]string{"cause": "build failure", "target": "foo", "rule": "build/failed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := Classify(strings.NewReader(test.log), test.phase)
			got := fields(&v)
			for key, want := range test.want {
				if got[key] != want {
					t.Errorf("%s %q, want %q (rule %s, %v)", key, got[key], want, v.Rule, v.Evidence)
				}
			}
		})
	}
}

// TestAdvice holds advice to what can be done.
func TestAdvice(t *testing.T) {
	find := func(log, phase string, kind AdviceKind) (Advice, bool) {
		v := Classify(strings.NewReader(log), phase)
		for _, a := range v.Advice {
			if a.Kind == kind {
				return a, true
			}
		}
		return Advice{}, false
	}
	a, ok := find("+ cc -o jimsh0 jimsh0.c\ncc: error: unable to execute command: Bus error (core dumped)\ncc: error: linker command failed due to signal\n", "", MakeNative)
	if !ok || a.Subject != "ld" {
		t.Errorf("a crash of a program that /nxb-bin has: %+v", a)
	}
	if a, ok := find("/usr/local/bin/cargo build\nqemu: uncaught target signal 4 (Illegal instruction) - core dumped\n", "", MakeNative); ok {
		t.Errorf("a crash of a program that nothing stands in for: %+v", a)
	}
	a, ok = find("=>> Killing timed out build after 3600 seconds\n", "extract", RaiseLimit)
	if !ok || a.Subject != "MAX_EXECUTION_TIME_EXTRACT" || !strings.Contains(a.Text, "MAX_EXECUTION_TIME_EXTRACT=7200") {
		t.Errorf("a phase that took too long: %+v", a)
	}
	a, ok = find(header+inPhase("build")+"ld: error: foo.o is incompatible with /usr/lib/crt1.o\n*** [foo] Error code 1\n", "", KeepEmulated)
	if !ok || !strings.Contains(a.Text, "${.CURDIR:M*/devel/foo}") {
		t.Errorf("objects of the host: %+v", a)
	}
}

// TestRulesHaveWords holds the words that a rule is looked up by to its forms: a
// form without one of them would never be tried.
func TestRulesHaveWords(t *testing.T) {
	names := map[string]bool{}
	for _, r := range rules {
		if names[r.name] {
			t.Errorf("two rules are called %s", r.name)
		}
		names[r.name] = true
		for _, has := range r.has {
			if has != strings.ToLower(has) {
				t.Errorf("%s: %q is not in lower case", r.name, has)
			}
		}
		for _, f := range fixtures(t) {
			for line := range strings.Lines(f.log) {
				line = clean([]byte(strings.TrimSuffix(line, "\n")))
				for _, re := range r.re {
					if re.MatchString(line) && !r.maybe(strings.ToLower(line)) {
						t.Errorf("%s: none of %q is in %q", r.name, r.has, line)
					}
				}
			}
		}
	}
}
