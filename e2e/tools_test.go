package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// toolsArch is the architecture of jails with native tools, one for all tests.
const toolsArch = "arm64"

// toolsRoot makes a jail of Debian with a compiler, and native tools.
func toolsRoot(t *testing.T, w *world, jail string) {
	t.Helper()
	compilerRoot(t, w, jail, "twin")
}

// compilerRoot makes a jail of Debian with a compiler, and tools of that source.
// Such a root takes minutes to make, so it is made once.
func compilerRoot(t *testing.T, w *world, jail, tools string) {
	t.Helper()
	if os.Getenv(rootsVariable) == "" {
		t.Skip(rootsVariable + " names no directory: a root with a compiler takes minutes to make, and is kept there")
	}
	needDebian(t)
	needEmulator(t, w, toolsArch)
	file := filepath.Join(os.Getenv(rootsVariable), "bookworm-"+toolsArch+".tar.zst")
	if _, err := os.Stat(file); err == nil {
		w.ok("create", jail, "--arch", toolsArch, "--from", "archive:"+file, "--tools", tools)
		return
	}
	w.ok("create", jail, "--arch", toolsArch, "--from", "debian:bookworm", "--tools", "none")
	w.ok("exec", jail, "--env", "DEBIAN_FRONTEND=noninteractive", "--", "sh", "-c",
		"apt-get update -q && apt-get install -q -y --no-install-recommends build-essential fakeroot")
	if w.as == caller && os.Geteuid() == 0 { // others cannot read its directory
		w.ok("pack", jail, file)
		if err := os.Chmod(file, 0o644); err != nil {
			t.Error(err)
		}
	}
	if tools != "none" {
		w.ok("tools", "install", jail, tools)
	}
}

// rootsVariable names a directory in which a root with a compiler is kept for the
// next run. Other accounts must be able to read it.
const rootsVariable = "XJAIL_E2E_ROOTS"

// tool is a line of xjail tools list.
type tool struct{ Path, State, Why string }

func (w *world) tools(jail string) map[string]tool {
	w.t.Helper()
	var list struct{ Programs []tool }
	if err := json.Unmarshal([]byte(w.ok("tools", "list", jail, "--json")), &list); err != nil {
		w.t.Fatal(err)
	}
	found := map[string]tool{}
	for _, p := range list.Programs {
		found[p.Path] = p
	}
	return found
}

// sources are small programs that a compiler must get right on both sides.
var sources = map[string]string{
	"t.c": `#include <stdio.h>
#include <pthread.h>
static __thread int mine = 1;
static void *run(void *p) { mine = 7; *(int *)p = mine; return 0; }
int twice(int);
int main(void) { pthread_t t; int n = 0; pthread_create(&t, 0, run, &n); pthread_join(t, 0); printf("%d %d %d\n", n, mine, twice(21)); return 0; }
`,
	"twice.c": "int twice(int n) { return 2 * n; }\n",
	"x.cc": `#include <iostream>
#include <stdexcept>
int main() { try { throw std::runtime_error("caught"); } catch (const std::exception &e) { std::cout << e.what() << std::endl; } }
`,
}

// buildAll compiles all of them in each way, and runs them.
const buildAll = `set -e
rm -rf /tmp/$1; mkdir /tmp/$1; cd /tmp/$1; cp /src/* .
gcc -g -O2 -c t.c twice.c; g++ -g -O2 -c x.cc
ar rc libtwice.a twice.o; gcc -o static -static t.o libtwice.a; ./static
gcc -fPIC -shared -o libtwice.so twice.c; gcc -o shared t.o -L. -ltwice -Wl,-rpath,/tmp/$1; ./shared
gcc -flto -O2 -c -o ltwice.o twice.c; gcc-ar rc liblto.a ltwice.o; ar rc liblto2.a ltwice.o; ranlib liblto2.a
gcc -flto -O2 -o lto t.c liblto.a; ./lto; gcc -flto -O2 -o lto t.c liblto2.a; ./lto
g++ -o cxx x.o; ./cxx
gcc -print-search-dirs; gcc -print-sysroot; gcc -dumpmachine; gcc -dumpspecs; ld --verbose
echo | g++ -E -x c++ -v - 2>&1 | sed -n '/search starts/,/End of/p'
echo "$HOSTTYPE $MACHTYPE" >/dev/null; bash -c 'echo $HOSTTYPE $MACHTYPE'; uname -m; make -f - <<X
all: ; @echo \$(MAKE_HOST)
X
printf 'all: -lm ; @echo $<\n' >lm.mk; make -s -f lm.mk; ls -d /lib64 2>&1 || :
dpkg-architecture; dpkg-buildflags --status; dpkg-buildflags --export=configure; dpkg-vendor --query Vendor
for f in t.o twice.o x.o; do objcopy --remove-section .comment $f; sha256sum $f; done
`

// A compiler of the twin's makes what the jail's own makes, to the byte, and says
// of itself what that says.
func TestToolsOfDebian(t *testing.T) {
	w := newWorld(t, caller)
	toolsRoot(t, w, "hybrid")
	src := sharedDir(t)
	for name, text := range sources {
		if err := os.WriteFile(filepath.Join(src, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	native := w.ok("exec", "hybrid", "--bind", src+":/src:ro", "--", "sh", "-c", buildAll, "sh", "b")
	w.ok("exec", "hybrid", "--", "rm", "-r", "/tmp/b")
	if own := w.ok("exec", "hybrid", "--no-tools", "--bind", src+":/src:ro", "--", "sh", "-c", buildAll, "sh", "b"); own != native {
		t.Errorf("without native tools:\n%s\nwith them:\n%s", own, native)
	}
	if !strings.HasPrefix(native, "7 1 42\n7 1 42\n7 1 42\n7 1 42\ncaught\n") {
		t.Errorf("the programs say %q", native)
	}
	w.fails(64, "it would hide /dev/nxb", "exec", "hybrid", "--bind", "/dev:/dev", "--", "true")
	w.ok("exec", "hybrid", "--no-tools", "--bind", "/dev:/dev", "--", "true")
	w.toolsRunNatively("hybrid")
	w.toolsOfFakeroot("hybrid")
	w.toolsAreReplaced("hybrid")
	w.toolsAreRemoved("hybrid")
}

func (w *world) toolsRunNatively(jail string) {
	w.t.Helper()
	list := w.tools(jail)
	for name, state := range map[string]string{
		"/usr/bin/sed": "native", "/usr/bin/dash": "native", "/usr/bin/make": "native", "/usr/bin/aarch64-linux-gnu-gcc-12": "native",
		"/usr/lib/gcc/aarch64-linux-gnu/12/cc1plus": "native", "/usr/lib/gcc/aarch64-linux-gnu/12/lto1": "excluded", "/usr/lib/gcc/aarch64-linux-gnu/12/collect2": "native", "/usr/bin/uname": "excluded", "/usr/bin/dpkg": "excluded", "/usr/bin/su": "excluded",
		"/usr/bin/dpkg-buildflags": "native", "/usr/bin/pod2man": "native", "/usr/bin/perl": "excluded",
	} {
		if list[name].State != state || state == "excluded" && list[name].Why == "" {
			w.t.Errorf("%s: %+v, want %s", name, list[name], state)
		}
	}
	// 62 is e_machine of amd64, 183 that of AArch64.
	if got := w.sh(jail, "for f in sed dpkg; do od -An -tu1 -j18 -N1 /usr/bin/$f; done"); strings.Join(strings.Fields(got), " ") != "62 183" {
		w.t.Errorf("sed and dpkg are of machine %q", got)
	}
	if got := w.sh(jail, "head -n1 /usr/bin/dpkg-buildflags; readlink -f $(sed -n '1s/^#! *//p' /usr/bin/dpkg-buildflags)"); !strings.Contains(got, "/nxb-bin/perl\n/usr/lib/") {
		w.t.Errorf("dpkg-buildflags is run by %q", got)
	}
	if r := w.run("exec", jail, "--", "sh", "-c", "echo x >>/usr/bin/sed"); r.status == 0 || !strings.Contains(r.stderr, "Read-only") {
		w.t.Errorf("a native tool can be written to: %v", r)
	}
}

// What LD_PRELOAD has for one side says nothing on the other, and fakeroot works
// for programs of both.
func (w *world) toolsOfFakeroot(jail string) {
	w.t.Helper()
	r := w.run("exec", jail, "--", "env", "LD_PRELOAD=/nowhere/x.so", "sed", "--version")
	if r.status != 0 || r.stderr != "" {
		w.t.Errorf("a library that is not there: %v", r)
	}
	r = w.run("exec", jail, "--user", "nobody", "--", "fakeroot", "sh", "-c",
		"cd /tmp && echo >own && chown 12:34 own && stat -c %u:%g own && ls -n own | cut -d' ' -f3,4 && perl -e 'print((stat \"own\")[4], \"\\n\")' && rm own")
	if r.status != 0 || r.stdout != "12:34\n12 34\n12\n" || r.stderr != "" {
		w.t.Errorf("fakeroot: %v", r)
	}
}

// A package whose programs are covered can be installed again, in the jail, and
// what it brings is kept.
func (w *world) toolsAreReplaced(jail string) {
	w.t.Helper()
	w.ok("exec", jail, "--", "apt-get", "install", "-q", "-y", "--reinstall", "sed", "coreutils", "perl-base", "dpkg-dev")
	for _, name := range []string{"/usr/bin/sed", "/usr/bin/dpkg-buildflags"} {
		if got := w.tools(jail)[name]; got.State != "native" {
			w.t.Errorf("the same version again: %+v", got)
		}
	}
	w.scriptsDependOnPerl(jail)
	r := w.run("exec", jail, "--", "sh", "-c", "cp /usr/bin/sed /tmp/new; rm /usr/bin/sed; sleep 1.1; cat /tmp/new >/tmp/sed; chmod 755 /tmp/sed; mv /tmp/sed /usr/bin/; echo a | sed s/a/b/")
	if r.status != 0 || r.stdout != "b\n" || !strings.Contains(r.stderr, "/usr/bin/sed") {
		w.t.Errorf("replaced by hand: %v", r)
	}
	if got := w.tools(jail)["/usr/bin/sed"]; got.State != "drifted" {
		w.t.Errorf("after that: %+v", got)
	}
	if r := w.run("exec", jail, "--", "true"); r.status != 0 || !strings.Contains(r.stderr, "/usr/bin/sed") {
		w.t.Errorf("it is not told: %v", r)
	}
	if got := w.run("verify", jail); got.status != 0 || !strings.Contains(got.stdout, "warning") {
		w.t.Errorf("%v", got)
	}
}

// Scripts are emulated as soon as the root's perl is another, or has other modules.
func (w *world) scriptsDependOnPerl(jail string) {
	w.t.Helper()
	const module = "/usr/local/lib/aarch64-linux-gnu/perl/5.36.0/New.pm"
	w.ok("exec", jail, "--", "sh", "-c", "mkdir -p ${0%/*}; touch $0", module)
	got := w.tools(jail)["/usr/bin/dpkg-buildflags"]
	if got.State != "drifted" || !strings.Contains(got.Why, "/usr/local/lib/") {
		w.t.Errorf("with a new module: %+v", got)
	}
	if got := w.sh(jail, "head -n1 /usr/bin/dpkg-buildflags"); got != "#!/usr/bin/perl" {
		w.t.Errorf("with a new module it begins with %q", got)
	}
	w.ok("exec", jail, "--", "rm", module)
	w.ok("tools", "install", jail)
	r := w.run("exec", jail, "--", "sh", "-c", "cp -a /usr/bin/perl /usr/bin/new; touch /usr/bin/new; mv /usr/bin/new /usr/bin/perl; head -n1 /usr/bin/dpkg-buildflags; dpkg-buildflags --get CFLAGS")
	if r.status != 0 || !strings.HasPrefix(r.stdout, "#!/usr/bin/perl\n-g") {
		w.t.Errorf("perl replaced: %v", r)
	}
	if got := w.tools(jail)["/usr/bin/dpkg-buildflags"]; got.State != "drifted" || !strings.HasPrefix(got.Why, "/usr/bin/perl ") {
		w.t.Errorf("perl replaced: %+v", got)
	}
	w.ok("tools", "install", jail)
}

// Removed, they leave nothing in the root.
func (w *world) toolsAreRemoved(jail string) {
	w.t.Helper()
	root := filepath.Join(w.state, "jails", jail, "root")
	if _, err := os.Stat(filepath.Join(root, "usr/lib/x86_64-linux-gnu")); err != nil {
		w.t.Error(err)
	}
	w.ok("tools", "remove", jail)
	if _, err := os.Stat(filepath.Join(root, "usr/lib/x86_64-linux-gnu")); err == nil {
		w.t.Error("a mount point is left in the root")
	}
	w.fails(10, "no native tools", "tools", "list", jail)
	if got := w.sh(jail, "od -An -tu1 -j18 -N1 /usr/bin/dash"); strings.TrimSpace(got) != "183" {
		w.t.Errorf("dash is of machine %q", got)
	}
	if got := names(filepath.Join(w.state, "jails", jail)); slices.Contains(got, "tools") {
		w.t.Errorf("left: %q", got)
	}
}

// Users without rights have them as well, and upgrades work for them too.
func TestToolsOfAnOrdinaryUser(t *testing.T) {
	needDebian(t)
	w := newWorld(t, ordinaryUser(t, true))
	toolsRoot(t, w, "mine")
	if got := w.sh("mine", "od -An -tu1 -j18 -N1 /usr/bin/sed; uname -m"); strings.Join(strings.Fields(got), " ") != "62 aarch64" {
		t.Errorf("the jail says %q", got)
	}
	w.ok("exec", "mine", "--", "apt-get", "update", "-q")
	w.ok("exec", "mine", "--", "apt-get", "install", "-q", "-y", "--reinstall", "sed")
	w.ok("verify", "mine")
}

// A root of another release than the archive has keeps its own programs.
func TestToolsOfWhatHasNoTwin(t *testing.T) {
	w := newWorld(t, caller)
	needEmulator(t, w, "arm64")
	w.ok("create", "mini", "--arch", "arm64", "--from", "miniroot")
	w.fails(13, "Debian", "tools", "install", "mini")
	w.fails(64, "twin", "tools", "install", "mini", "sauce")
	w.fails(13, "mini root", "create", "other", "--arch", "arm64", "--from", "miniroot", "--tools", "twin")
	w.fails(10, "no native tools", "tools", "remove", "mini")
}
