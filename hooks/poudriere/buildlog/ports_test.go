package buildlog

import (
	"strings"
	"testing"
)

// stopped is what make(1) and bsd.port.mk say when a build has failed.
const stopped = `
make[1]: stopped making "do-build" in /usr/ports/devel/foo
===> Compilation failed unexpectedly.
Try to set MAKE_JOBS_UNSAFE=yes and rebuild before reporting the failure to
the maintainer.
*** Error code 1

Stop.
make: stopped making "build" in /usr/ports/devel/foo
=>> Cleaning up wrkdir
===>  Cleaning for foo-1.0
build of devel/foo | foo-1.0 ended at Sat Nov 28 10:00:00 UTC 2026
build time: 00:10:00
!!! build failure encountered !!!
`

// Logs as FreeBSD's make, clang, sh and ports tree write them, below an emulator
// with native tools.
func TestPorts(t *testing.T) {
	for _, test := range []struct {
		name, phase, log string
		want             map[string]string
	}{
		{
			"a native compiler that dies", "build", `cc -O2 -pipe -c foo.c -o foo.o
PLEASE submit a bug report to https://bugs.freebsd.org/submit/ and include the crash backtrace, preprocessed source, and associated run script.
Stack dump:
0.	Program arguments: /nxb-bin/usr/bin/cc -O2 -pipe -c foo.c -o foo.o
1.	<eof> parser at end of file
2.	Code generation
cc: error: clang frontend command failed with exit code 139 (use -v to see invocation)
FreeBSD clang version 19.1.7 (https://github.com/llvm/llvm-project.git llvmorg-19.1.7-0-gcd708029e0b2)
Target: aarch64-unknown-freebsd15.1
Thread model: posix
InstalledDir: /nxb-bin/usr/bin
cc: note: diagnostic msg: Error generating preprocessed source(s).
*** [foo.o] Error code 1
` + stopped,
			map[string]string{"cause": "build failure", "emulation": "no", "program": "cc", "target": "foo.o"},
		},
		{
			"an emulated compiler that dies", "build", `cc -O2 -pipe -c foo.c -o foo.o
PLEASE submit a bug report to https://bugs.freebsd.org/submit/ and include the crash backtrace, preprocessed source, and associated run script.
Stack dump:
0.	Program arguments: /usr/bin/cc -O2 -pipe -c foo.c -o foo.o
1.	<eof> parser at end of file
cc: error: unable to execute command: Segmentation fault (core dumped)
cc: error: clang frontend command failed due to signal (use -v to see invocation)
InstalledDir: /usr/bin
*** [foo.o] Error code 1
` + stopped,
			map[string]string{"cause": "emulator crash", "emulation": "perhaps", "program": "cc"},
		},
		{
			"the linker of the base system dies", "build", `cc -o foo foo.o
PLEASE submit a bug report to https://bugs.freebsd.org/submit/ and include the crash backtrace.
Stack dump:
0.	Program arguments: /nxb-bin/usr/bin/ld -o foo foo.o
cc: error: unable to execute command: Bus error (core dumped)
cc: error: linker command failed due to signal (use -v to see invocation)
*** [foo] Error code 1
` + stopped,
			map[string]string{"cause": "build failure", "emulation": "no", "program": "ld"},
		},
		{
			"a program that the build runs", "build", `./mkfoo > foo.h
Segmentation fault (core dumped)
*** [foo.h] Error code 139
` + stopped,
			map[string]string{"cause": "emulator crash", "emulation": "perhaps", "program": "mkfoo", "signal": "SIGSEGV", "target": "foo.h"},
		},
		{
			"make's own word of a signal", "build", `./mkfoo foo.h
*** [foo.h] Signal 11
` + stopped,
			map[string]string{"cause": "emulator crash", "emulation": "perhaps", "program": "mkfoo", "signal": "SIGSEGV"},
		},
		{
			"the kernel takes the compiler", "build", `c++ -O2 -pipe -c big.cc -o big.o
c++: error: unable to execute command: Killed
c++: error: clang frontend command failed due to signal (use -v to see invocation)
*** [big.o] Error code 1
` + stopped,
			map[string]string{"cause": "out of memory", "emulation": "no", "program": "c++"},
		},
		{
			"the limit of memory", "build", `ld: error: failed to allocate memory: Cannot allocate memory
cc: error: linker command failed with exit code 1 (use -v to see invocation)
*** [foo] Error code 1
` + stopped,
			map[string]string{"cause": "out of memory"},
		},
		{
			"tmpfs is full", "stage", `install  -m 0644 /wrkdirs/usr/ports/devel/foo/work/foo-1.0/big.dat /wrkdirs/usr/ports/devel/foo/work/stage/usr/local/share/foo
install: /wrkdirs/usr/ports/devel/foo/work/stage/usr/local/share/foo/big.dat: No space left on device
*** Error code 71

Stop.
make: stopped making "stage" in /usr/ports/devel/foo
`,
			map[string]string{"cause": "disk full"},
		},
		{
			"a compiler's error, with the source below", "build", `cc -O2 -pipe -c foo.c -o foo.o
foo.c:10:5: error: call to undeclared function 'Killed'; ISO C99 and later do not support implicit function declarations [-Wimplicit-function-declaration]
   10 |     Killed(1, "Segmentation fault (core dumped)");
      |     ^
1 error generated.
*** [foo.o] Error code 1
` + stopped,
			map[string]string{"cause": "build failure", "rule": "build/compiler", "emulation": "no"},
		},
		{
			"undefined symbols", "build", `ld: error: undefined symbol: __atomic_load_8
>>> referenced by foo.c:10
>>>               foo.o:(main)
cc: error: linker command failed with exit code 1 (use -v to see invocation)
*** [foo] Error code 1
` + stopped,
			map[string]string{"cause": "build failure", "rule": "build/linker", "emulation": "no"},
		},
		{
			"objects of the host", "build", `ld: error: foo.o is incompatible with aarch64linux
cc: error: linker command failed with exit code 1 (use -v to see invocation)
*** [foo] Error code 1
` + stopped,
			map[string]string{"cause": "wrong machine"},
		},
		{
			"configure that cannot run what it has made", "configure", `===>  Configuring for foo-1.0
configure: loading site script /usr/ports/Templates/config.site
checking build system type... aarch64-portbld-freebsd15.1
checking for aarch64-portbld-freebsd15.1-gcc... cc
checking whether the C compiler works... yes
checking for C compiler default output file name... a.out
checking whether we are cross compiling... configure: error: in '/wrkdirs/usr/ports/devel/foo/work/foo-1.0':
configure: error: cannot run C compiled programs.
If you meant to cross compile, use '--host'.
See 'config.log' for more details
===>  Script "configure" failed unexpectedly.
Please report the problem to ports@FreeBSD.org [maintainer] and attach the
"/wrkdirs/usr/ports/devel/foo/work/foo-1.0/config.log" including the output of the failure of your make command.
*** Error code 1

Stop.
make: stopped making "configure" in /usr/ports/devel/foo
`,
			map[string]string{"cause": "emulator crash", "emulation": "perhaps", "program": "conftest"},
		},
		{
			"configure that misses a library", "configure", `checking for libxml-2.0 >= 2.9... no
configure: error: Package requirements (libxml-2.0 >= 2.9) were not met:

Package 'libxml-2.0' not found

===>  Script "configure" failed unexpectedly.
*** Error code 1

Stop.
make: stopped making "configure" in /usr/ports/devel/foo
`,
			map[string]string{"cause": "build failure", "rule": "build/configure"},
		},
		{
			"a distfile that is gone", "fetch", `=> foo-1.0.tar.gz doesn't seem to exist in /portdistfiles/.
=> Attempting to fetch https://example.org/foo-1.0.tar.gz
fetch: https://example.org/foo-1.0.tar.gz: Not Found
=> Attempting to fetch http://distcache.FreeBSD.org/ports-distfiles/foo-1.0.tar.gz
fetch: http://distcache.FreeBSD.org/ports-distfiles/foo-1.0.tar.gz: Not Found
=> Couldn't fetch it - please try to retrieve this
=> port manually into /portdistfiles/ and try again.
*** Error code 1

Stop.
make: stopped making "fetch" in /usr/ports/devel/foo
`,
			map[string]string{"cause": "network", "rule": "network/fetch"},
		},
		{
			"a distfile with another checksum", "checksum", `=> SHA256 Checksum mismatch for foo-1.0.tar.gz.
===>  Giving up on fetching files: foo-1.0.tar.gz
Make sure the Makefile and distinfo file (/usr/ports/devel/foo/distinfo)
are up to date.  If you are absolutely sure you want to override this
check, type "make NO_CHECKSUM=yes [other args]".
*** Error code 1

Stop.
make: stopped making "checksum" in /usr/ports/devel/foo
`,
			map[string]string{"cause": "network", "rule": "network/checksum"},
		},
		{
			"a patch that does not apply", "patch", `===>  Applying FreeBSD patches for foo-1.0 from /usr/ports/devel/foo/files
1 out of 2 hunks failed--saving rejects to src/foo.c.rej
===>  FAILED Applying FreeBSD patch-src_foo.c
===> FAILED to apply cleanly FreeBSD patch(es)  patch-src_foo.c
*** Error code 1

Stop.
make: stopped making "patch" in /usr/ports/devel/foo
`,
			map[string]string{"cause": "build failure", "rule": "build/patch"},
		},
		{
			"the packing list", "check-plist", `====> Checking for items in STAGEDIR missing from pkg-plist
Error: Orphaned: lib/libfoo.so.1
====> Checking for items in pkg-plist which are not in STAGEDIR
Error: Missing: lib/libfoo.so.0
===> Error: Plist issues found.
*** Error code 1

Stop.
make: stopped making "check-plist" in /usr/ports/devel/foo
=>> Error: check-plist failures detected
`,
			map[string]string{"cause": "build failure", "rule": "build/plist"},
		},
		{
			"a file that is not staged", "package", `===>  Building packages for foo-1.0
===>   Building foo-1.0
pkg-static: Unable to access file /wrkdirs/usr/ports/devel/foo/work/stage/usr/local/lib/libfoo.so:No such file or directory
*** Error code 1

Stop.
make: stopped making "package" in /usr/ports/devel/foo
`,
			map[string]string{"cause": "build failure", "rule": "build/plist"},
		},
		{
			"a dependency of another release", "lib-depends", `===>   foo-1.0 depends on shared library: libbar.so - not found
===>   Installing existing package /packages/All/bar-2.0.pkg
[arm64-default-job-01] Installing bar-2.0...
pkg-static: wrong architecture: FreeBSD:14:amd64 instead of FreeBSD:15:aarch64

Failed to install the following 1 package(s): /packages/All/bar-2.0.pkg
*** Error code 1

Stop.
make: stopped making "lib-depends" in /usr/ports/devel/foo
`,
			map[string]string{"cause": "wrong ABI", "rule": "abi/package"},
		},
		{
			"a script of a package that dies", "build-depends", `[arm64-default-job-01] Installing glib-2.84...
[arm64-default-job-01] Extracting glib-2.84: .......... done
qemu: uncaught target signal 11 (Segmentation fault) - core dumped
Segmentation fault (core dumped)
pkg-static: POST-INSTALL script failed
===>   foo-1.0 depends on package: glib>=2.84 - found
` + "=======================<phase: build          >============================\n" + `foo.c:1:1: error: unknown type name 'x'
*** [foo.o] Error code 1
` + stopped,
			map[string]string{"cause": "build failure", "rule": "build/compiler"},
		},
		{
			"a hang of configure", "configure/runaway", `checking for working mmap... =>> Killing runaway build after 21600 seconds with no output
`,
			map[string]string{"cause": "hang", "limit": "QEMU_NOHANG_TIME", "seconds": "21600"},
		},
		{
			"a package that is too large", "package/timeout", `===>  Building packages for texlive-texmf-20250308
===>   Building texlive-texmf-20250308
=>> Killing timed out build after 7200 seconds
`,
			map[string]string{"cause": "hang", "limit": "MAX_EXECUTION_TIME_PACKAGE", "seconds": "7200"},
		},
		{
			"cargo, in a crate's build script", "build", `   Compiling libc v0.2.170
error: failed to run custom build command for ` + "`libc v0.2.170`" + `

Caused by:
  process didn't exit successfully: ` + "`/wrkdirs/usr/ports/textproc/bat/work/target/release/build/libc-1/build-script-build` (signal: 11, SIGSEGV: invalid memory reference)" + `
warning: build failed, waiting for other jobs to finish...
*** Error code 101
` + stopped,
			map[string]string{"cause": "emulator crash", "emulation": "perhaps", "program": "build-script-build", "signal": "SIGSEGV"},
		},
		{
			"a module of go that is not there", "build", `===>  Building for foo-1.0
(cd /wrkdirs/usr/ports/net/foo/work/foo-1.0; for t in ./cmd/foo; do out=foo; /usr/local/bin/go build -o $out $t; done)
go: golang.org/x/net@v0.35.0: Get "https://proxy.golang.org/golang.org/x/net/@v/v0.35.0.mod": dial tcp: lookup proxy.golang.org on 192.0.2.1:53: no such host
*** Error code 1
` + stopped,
			map[string]string{"cause": "network", "emulation": "no"},
		},
		{
			"tests", "test", `Running tests...
    Start 1: basic
1/2 Test #1: basic ............................   Passed    0.10 sec
    Start 2: signals
2/2 Test #2: signals ..........................***Failed    0.10 sec

50% tests passed, 1 tests failed out of 2

The following tests FAILED:
	  2 - signals (Failed)
Errors while running CTest
*** [test] Error code 8
` + stopped,
			map[string]string{"cause": "build failure", "rule": "build/test"},
		},
		{
			"an option of x86", "build", `cc: error: unsupported option '-msse2' for target 'aarch64-unknown-freebsd15.1'
*** [foo.o] Error code 1
` + stopped,
			map[string]string{"cause": "misconfigured"},
		},
		{
			"a python that is not there", "configure", `Traceback (most recent call last):
  File "/wrkdirs/usr/ports/devel/foo/work/foo-1.0/setup.py", line 3, in <module>
    import setuptools
ModuleNotFoundError: No module named 'setuptools'
*** Error code 1

Stop.
make: stopped making "configure" in /usr/ports/devel/foo
`,
			map[string]string{"cause": "build failure", "rule": "build/dependency"},
		},
		{
			"a native tool that got into a package", "build", `/bin/sh ./libtool --tag=CC --mode=compile cc -c foo.c
./libtool: /nxb-bin/usr/bin/cc: not found
*** [foo.lo] Error code 1
` + stopped,
			map[string]string{"cause": "wrong machine", "rule": "machine/baked", "program": "cc"},
		},
		{
			"a shell that cannot start another", "build", `sh: Cannot fork: Resource temporarily unavailable
*** [foo.o] Error code 2
` + stopped,
			map[string]string{"cause": "limit reached"},
		},
		{
			"a system call that is missing", "build", `./gen: getrandom: Function not implemented
*** [gen.h] Error code 1
` + stopped,
			map[string]string{"cause": "missing syscall", "program": "gen"},
		},
		{
			"a program that is killed for a system call", "build", `./gen -o gen.h
Bad system call (core dumped)
*** [gen.h] Error code 140
` + stopped,
			map[string]string{"cause": "missing syscall", "program": "gen"},
		},
		{
			"what poudriere itself did not survive", "starting", `build crashed: starting
`,
			map[string]string{"cause": "unknown", "rule": "poudriere/crashed", "emulation": "no"},
		},
		{
			"what poudriere 3.4 did not survive", "starting", `Build crashed: starting
`,
			map[string]string{"cause": "unknown", "rule": "poudriere/crashed", "emulation": "no"},
		},
		{
			"an emulator that is not there", "configure", `===>  Configuring for foo-1.0
env: ./configure: Exec format error
===>  Script "configure" failed unexpectedly.
*** Error code 1
`,
			map[string]string{"cause": "wrong ABI"},
		},
		{
			"the run-time linker of an older jail", "build", `/usr/local/bin/git describe
ld-elf.so.1: /lib/libc.so.7: version FBSD_1.8 required by /usr/local/bin/git not defined
*** [version.h] Error code 1
` + stopped,
			map[string]string{"cause": "wrong ABI", "rule": "abi/library"},
		},
		{
			"a native program that finds the jail's libraries", "build", `msgfmt -o de.mo de.po
ld-elf.so.1: /usr/local/lib/libintl.so.8: unsupported file layout
*** [de.mo] Error code 1
` + stopped,
			map[string]string{"cause": "wrong ABI", "rule": "abi/layout", "emulation": "yes"},
		},
		{
			"a library of a port that is gone", "build", `/usr/local/bin/git describe
ld-elf.so.1: Shared object "libpcre2-8.so.0" not found, required by "git"
*** [version.h] Error code 1
` + stopped,
			map[string]string{"cause": "build failure", "rule": "build/dependency"},
		},
		{
			"a compiler of gcc that the kernel takes", "build", `g++14 -O2 -c big.cc
g++14: fatal error: Killed signal terminated program cc1plus
compilation terminated.
*** [big.o] Error code 1
` + stopped,
			map[string]string{"cause": "out of memory", "program": "cc1plus"},
		},
		{
			"gcc's own compiler dies", "build", `g++14 -O2 -c big.cc
g++14: internal compiler error: Segmentation fault signal terminated program cc1plus
Please submit a full bug report, with preprocessed source (by using -freport-bug).
See <https://gcc.gnu.org/bugs/> for instructions.
*** [big.o] Error code 4
` + stopped,
			map[string]string{"cause": "emulator crash", "program": "cc1plus", "signal": "SIGSEGV"},
		},
		{
			"a script of pkg's that dies", "build-depends", `[arm64-default-job-01] Installing glib-2.84...
[arm64-default-job-01] Extracting glib-2.84: .......... done
pkg-static: Child process pid=4711 terminated abnormally: Segmentation fault

Failed to install the following 1 package(s): /packages/All/glib-2.84.pkg
*** Error code 1

Stop.
make: stopped making "build-depends" in /usr/ports/devel/foo
`,
			map[string]string{"cause": "emulator crash", "signal": "SIGSEGV"},
		},
		{
			"java", "build", `/usr/local/openjdk21/bin/javac -d classes Foo.java
#
# A fatal error has been detected by the Java Runtime Environment:
#
#  SIGSEGV (0xb) at pc=0x0000000081234567, pid=4711, tid=100123
#
# JRE version: OpenJDK Runtime Environment (21.0.6+7) (build 21.0.6+7-1)
# Problematic frame:
# V  [libjvm.so+0x123456]
#
Abort trap (core dumped)
*** [classes] Error code 134
` + stopped,
			map[string]string{"cause": "emulator crash", "program": "java", "signal": "SIGSEGV"},
		},
		{
			"node's heap", "build", `/usr/local/bin/npm run build
<--- Last few GCs --->
FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory
Abort trap (core dumped)
*** [do-build] Error code 134
` + stopped,
			map[string]string{"cause": "out of memory"},
		},
		{
			"an assertion of the program itself", "build", `./gen -o tables.c
Assertion failed: (n > 0), function main, file gen.c, line 42.
Abort trap (core dumped)
*** [tables.c] Error code 134
` + stopped,
			map[string]string{"emulation": "perhaps", "program": "gen", "signal": "SIGABRT"},
		},
		{
			"a command that is not there", "build", `/bin/sh: xmlto: not found
*** [man] Error code 127
` + stopped,
			map[string]string{"cause": "build failure", "rule": "build/command"},
		},
		{
			"a python test that mentions a timeout", "build", `test_timeout (tests.test_net.NetTest.test_timeout) ... ok
test_killed (tests.test_net.NetTest.test_killed) ... ok
foo.c:3:1: error: expected identifier
1 error generated.
*** [foo.o] Error code 1
` + stopped,
			map[string]string{"cause": "build failure", "rule": "build/compiler"},
		},
		{
			"an operation that qemu does not know, in a build that goes on", "build", `qemu: unsupported syscall: 580
qemu: Unsupported syscall: 563
cc -c foo.c
cc -c bar.c
bar.c:1:1: error: unknown type name 'x'
1 error generated.
*** [bar.o] Error code 1
` + stopped,
			map[string]string{"cause": "build failure", "rule": "build/compiler"},
		},
		{
			"perl's complaint about locales before a failure", "build", `perl: warning: Setting locale failed.
perl: warning: Please check that your locale settings:
	LC_ALL = "C.UTF-8",
	LANG = (unset)
    are supported and installed on your system.
cp: foo.pod: No such file or directory
*** [pod] Error code 1
` + stopped,
			map[string]string{"cause": "build failure"},
		},
		{
			"rust's compiler dies", "build", `   Compiling regex v1.11.1
error: rustc interrupted by SIGSEGV, printing backtrace

error: could not compile ` + "`regex`" + ` (lib)

Caused by:
  process didn't exit successfully: ` + "`/usr/local/bin/rustc --crate-name regex --edition=2021 src/lib.rs`" + ` (signal: 11, SIGSEGV: invalid memory reference)
*** Error code 101
` + stopped,
			map[string]string{"cause": "emulator crash", "program": "rustc", "signal": "SIGSEGV"},
		},
		{
			"a limit of make's own jobs", "build", `make[2]: cannot fork: Resource temporarily unavailable
*** Error code 2
` + stopped,
			map[string]string{"cause": "limit reached"},
		},
		{
			"lld without memory for its output", "build", `ld: error: cannot open output file foo: Cannot allocate memory
cc: error: linker command failed with exit code 1 (use -v to see invocation)
*** [foo] Error code 1
` + stopped,
			map[string]string{"cause": "out of memory"},
		},
		{
			"the address space of an emulated program", "build", `./gen
qemu-arm-static: Unable to reserve 0xffff0000 bytes of virtual address space at 0x1000 (Cannot allocate memory) for use as guest address space
*** [gen.h] Error code 1
` + stopped,
			map[string]string{"cause": "emulator crash", "rule": "emulator/start", "emulation": "yes", "program": "gen"},
		},
		{
			"the stage directory", "stage", `===>  Staging for foo-1.0
install -s -m 555 foo /wrkdirs/usr/ports/devel/foo/work/stage/usr/local/bin
strip: error: 'foo': The file was not recognized as a valid object file
install: wait: No such file or directory
*** Error code 70
` + stopped,
			map[string]string{"cause": "build failure"}, // mostly it is a script
		},
		{
			"leftovers", "leftovers", `=>> Checking for extra files and directories
=>> Error: Files or directories left over:
@dir etc/foo
`,
			map[string]string{"cause": "build failure", "rule": "build/plist"},
		},
		{
			"an error of C++ with many notes, after a crash that did no harm", "build", `./probe
qemu: uncaught target signal 11 (Segmentation fault) - core dumped
` + strings.Repeat("c++ -O2 -c other.cc\n", 60) + `c++ -O2 -c foo.cc
In file included from foo.cc:3:
/usr/local/include/foo.hpp:10:5: error: no matching constructor for initialization of 'std::vector<int>'
` + strings.Repeat(`/usr/include/c++/v1/vector:300:5: note: candidate template ignored: requirement 'is_input' was not satisfied
  300 |     explicit vector(size_type n);
      |              ^
/usr/include/c++/v1/vector:310:5: note: candidate constructor not viable: requires 2 arguments
    vector(const vector& x);
    ^
`, 20) + `1 error generated.
*** [foo.o] Error code 1
` + stopped,
			map[string]string{"cause": "build failure", "rule": "build/compiler", "emulation": "no"},
		},
		{
			"ghc has no memory", "build", `/usr/local/bin/ghc --make Foo.hs
ghc: internal error: Unable to commit 1048576 bytes of memory
    (GHC version 9.8.4 for aarch64_unknown_freebsd)
Abort trap (core dumped)
*** [Foo] Error code 134
` + stopped,
			map[string]string{"cause": "out of memory"},
		},
		{
			"go has no threads", "build", `runtime: failed to create new OS thread (have 5 already; errno=35)
fatal error: newosproc
*** Error code 2
` + stopped,
			map[string]string{"cause": "limit reached"},
		},
		{
			"make's own word of a native tool that is not there", "build", `make: exec(/nxb-bin/usr/bin/cc) failed (No such file or directory)
*** [foo.o] Error code 1
` + stopped,
			map[string]string{"cause": "wrong machine", "rule": "machine/baked", "program": "cc"},
		},
		{
			"make's own word of a missing system call", "build", `./gen gen.h
*** [gen.h] Signal 12
` + stopped,
			map[string]string{"cause": "missing syscall", "program": "gen", "target": "gen.h"},
		},
		{
			"an assembler's option of x86", "build", `as: unrecognized option '--64'
*** [foo.o] Error code 1
` + stopped,
			map[string]string{"cause": "misconfigured"},
		},
		{
			"a mention of signals in what goes well", "build", `cc -DMSG="Segmentation fault" -c sig.c
sh gen.sh sig.list
  SIGSEGV  Segmentation fault
  SIGBUS   Bus error
  SIGKILL  Killed
cc -c foo.c
foo.c:1:10: fatal error: 'bar.h' file not found
    1 | #include <bar.h>
      |          ^~~~~~~
1 error generated.
*** [foo.o] Error code 1
` + stopped,
			map[string]string{"cause": "build failure", "rule": "build/header"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			first, _, _ := strings.Cut(test.phase, "/")
			v := Classify(strings.NewReader(header+"=======================<phase: "+first+"          >============================\n===== env: USER=nobody UID=65534 GID=65534\n"+test.log), test.phase)
			got := fields(&v)
			for key, want := range test.want {
				if got[key] != want {
					t.Errorf("%s %q, want %q (rule %s, %v)", key, got[key], want, v.Rule, v.Evidence)
				}
			}
		})
	}
}
