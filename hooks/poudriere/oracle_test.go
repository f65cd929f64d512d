package poudriere

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binmiscctl"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/hooks/poudriere/poudrieretest"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/qemu"
)

// Poudriere's own code is the judge here: functions of a checkout are run on what
// xjail wrote, in each shell of this machine.

// inShells runs a script with functions of the checkout in each shell.
func inShells(t *testing.T, functions []string, script string, env []string, check func(*testing.T, poudrieretest.Result)) {
	t.Helper()
	src := poudrieretest.Checkout(t)
	text := src.Functions(t, functions...)
	for _, sh := range poudrieretest.Shells(t) {
		t.Run(poudrieretest.Name(sh), func(t *testing.T) {
			check(t, poudrieretest.Run(t, sh, poudrieretest.Stubs+text+script, env...))
		})
	}
}

var attributes = []string{"attr_set", "jset", "attr_get", "_attr_get", "jget", "_jget", "jail_exists"}

// What xjail writes is what poudriere reads, and what poudriere writes in its
// place is the same bytes.
func TestOracleMetadata(t *testing.T) {
	w := newWorld(t)
	if _, err := w.register(t, Request{}); err != nil {
		t.Fatal(err)
	}
	script := `
jail_exists 13mips64 && echo there
jail_exists other || echo none
for p in version arch mnt method timestamp pkgbase; do echo "$p=$(jget 13mips64 $p)"; done
_jget v 13mips64 fs; echo "fs $?"
_jget v 13mips64 version && echo "_jget $v"
POUDRIERED=$OTHER
jset 13mips64 version 13.2-RELEASE
jset 13mips64 timestamp 1700000000
jset 13mips64 arch mips.mips64
jset 13mips64 mnt $MNT
jset 13mips64 method null
jset 13mips64 pkgbase 0
`
	src := poudrieretest.Checkout(t)
	for _, sh := range poudrieretest.Shells(t) {
		other := t.TempDir()
		out := poudrieretest.Run(t, sh, poudrieretest.Stubs+src.Functions(t, attributes...)+script,
			"POUDRIERED="+w.Dir(), "OTHER="+other, "MNT="+w.subject.Root)
		want := "there\nnone\nversion=13.2-RELEASE\narch=mips.mips64\nmnt=" + w.subject.Root +
			"\nmethod=null\ntimestamp=1700000000\npkgbase=0\nfs 66\n_jget 13.2-RELEASE\n"
		if out.Stdout != want {
			t.Errorf("%s:\ngot  %q\nwant %q\n%s", poudrieretest.Name(sh), out.Stdout, want, out.Stderr)
		}
		mine, theirs := snapshotOf(t, filepath.Join(w.jails(), "13mips64")), snapshotOf(t, filepath.Join(other, "jails", "13mips64"))
		if len(mine) != len(theirs) {
			t.Errorf("%d files, poudriere writes %d", len(mine), len(theirs))
		}
		for name, text := range mine {
			if rel := filepath.Join(other, "jails", "13mips64", filepath.Base(name)); text != "directory" && theirs[rel] != text {
				t.Errorf("%s: %q, poudriere writes %q", name, text, theirs[rel])
			}
		}
	}
}

// create_jail of poudriere, as its jail -c -m null runs it with the arguments that
// register gives it, writes the same files as xjail does without poudriere.
func TestOracleCreate(t *testing.T) {
	src := poudrieretest.Checkout(t)
	functions := append([]string{"create_jail", "update_version", "cleanup_confs", "validate_b_and_B_flags"}, attributes...)
	script := `
dirempty() { [ -z "$(ls -A "$1")" ]; }
usage() { echo "usage $*"; exit 64; }
_gsub() { setvar "$4" "$1"; }
markfs() { :; }
unlink() { command rm -f "$@"; }
clock() { echo 1700000000; }
NO_ZFS=yes METHOD=null BUILD_PKGBASE=0 BUILD=0 BASEFS=/nonexistent
create_jail
`
	for _, version := range []string{"13.2-RELEASE", "13.2-RELEASE-p11", "15.0-STABLE 1500501"} {
		w := newWorld(t)
		r, err := w.register(t, Request{Version: version, Direct: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, sh := range poudrieretest.Shells(t) {
			other := t.TempDir()
			out := poudrieretest.Run(t, sh, poudrieretest.Stubs+src.Functions(t, functions...)+script, "POUDRIERED="+other,
				"JAILNAME="+r.Jail.Name, "JAILMNT="+r.Jail.Mnt, "VERSION="+version, "ARCH="+r.Jail.Arch)
			if out.Status != 0 {
				t.Fatalf("%s: %+v", poudrieretest.Name(sh), out)
			}
			mine, theirs := snapshotOf(t, filepath.Join(w.jails(), r.Jail.Name)), snapshotOf(t, filepath.Join(other, "jails", r.Jail.Name))
			if len(mine) != len(theirs) {
				t.Errorf("%s: %v, poudriere writes %v", poudrieretest.Name(sh), mine, theirs)
			}
			for name, text := range mine {
				if rel := filepath.Join(other, "jails", r.Jail.Name, filepath.Base(name)); text != "directory" && theirs[rel] != text {
					t.Errorf("%s: %s: %q, poudriere writes %q", poudrieretest.Name(sh), name, text, theirs[rel])
				}
			}
		}
	}
}

// What poudriere's own commands make of a registration: the list, another name,
// and that it forgets the jail and keeps its root.
func TestOracleCommands(t *testing.T) {
	w := newWorld(t)
	writeFile(t, filepath.Join(w.subject.Root, "bin/freebsd-version"), "USERLAND_VERSION=\"13.2-RELEASE-p11\"\n")
	script := `
display_setup() { :; }; display_add() { echo "$*"; }; display_output() { :; }
date() { echo "$3"; }
jail_runs() { return 1; }; clean_jail_data() { :; }; destroyfs() { echo "DESTROYED $*"; }
NAMEONLY=0 QUIET=0
list_jail
_jget version 13mips64 version; _jget arch 13mips64 arch; _jget mnt 13mips64 mnt
awk '/\#define __FreeBSD_version/ { print $3 }' "$mnt/usr/include/sys/param.h" 2>/dev/null
JAILNAME=13mips64 NEWJAILNAME=renamed
rename_jail >/dev/null
jail_exists renamed && echo renamed
JAILNAME=renamed JAILMNT=$mnt
rm() { command rm -rf "${2}"; }; find() { :; }
delete_jail >/dev/null
jail_exists renamed || echo forgotten
`
	src := poudrieretest.Checkout(t)
	functions := append([]string{"list_jail", "rename_jail", "delete_jail"}, attributes...)
	for _, sh := range poudrieretest.Shells(t) {
		r, err := w.register(t, Request{})
		if err != nil {
			t.Fatal(err)
		}
		out := poudrieretest.Run(t, sh, poudrieretest.Stubs+src.Functions(t, functions...)+script, "POUDRIERED="+w.Dir(), "POUDRIERE_DATA="+t.TempDir())
		line := "13mips64 13.2-RELEASE-p11 1302001 mips.mips64 null 1700000000 " + r.Jail.Mnt + "\n"
		release := strings.Replace(line, " 1302001", "", 1) // 3.4 does not list it
		if !strings.Contains(out.Stdout, line) && !strings.Contains(out.Stdout, release) || !strings.HasSuffix(out.Stdout, "1302001\nrenamed\nforgotten\n") || strings.Contains(out.Stdout, "DESTROYED") {
			t.Errorf("%s: %+v", poudrieretest.Name(sh), out)
		}
		if _, err := os.Stat(filepath.Join(w.subject.Root, "bin/sh")); err != nil {
			t.Error(err)
		}
		if c := w.Check(t.Context(), w.subject); c[0].Result != jail.Failed {
			t.Errorf("%+v", c)
		}
		if _, err := w.Unregister(t.Context(), w.subject.Dir); err != nil {
			t.Error(err)
		}
		w.wantNothing(t)
	}
}

// check_emulation finds the emulator by the activator that xjail makes on
// FreeBSD, printed by xjail binmiscctl; and not by others.
func TestOracleCheckEmulation(t *testing.T) {
	emulator := filepath.Join(t.TempDir(), "qemu")
	writeFile(t, emulator, "")
	for _, name := range []string{"mips64", "aarch64", "armv7", "riscv64", "powerpc64le"} {
		a := mustArch(t, name)
		archName, err := ArchName(a)
		if err != nil {
			t.Fatal(err)
		}
		e := jail.Activator("freebsd", arch.Binmisc, a, &qemu.Emulator{Path: emulator}, emulator, true)
		binmisc := binmiscctlFor(t, e)
		script := "check_emulation amd64 " + archName + "\necho \"EMULATOR=$EMULATOR QEMU_EMULATING=$QEMU_EMULATING\"\n"
		inShells(t, []string{"check_emulation", "need_emulation"}, script,
			[]string{"BINMISC=" + binmisc, "SUPPORTED_ARCHS=amd64 i386"}, func(t *testing.T, r poudrieretest.Result) {
				if !strings.Contains(r.Stdout, "EMULATOR="+emulator+" QEMU_EMULATING=1\n") {
					t.Errorf("%s: %+v", name, r)
				}
			})
	}
	// The names in binmiscctl(8)'s own examples are none that poudriere asks for.
	e := jail.Activator("freebsd", arch.Binmisc, mustArch(t, "aarch64"), &qemu.Emulator{Path: emulator}, emulator, true)
	e.Name = "arm64"
	inShells(t, []string{"check_emulation", "need_emulation"}, "check_emulation amd64 arm64.aarch64\n",
		[]string{"BINMISC=" + binmiscctlFor(t, e), "SUPPORTED_ARCHS=amd64 i386"}, func(t *testing.T, r poudrieretest.Result) {
			if r.Status != 1 || !strings.Contains(r.Stderr, "qemu-user-static") {
				t.Errorf("arm64: %+v", r)
			}
		})
}

// binmiscctlFor is a program that answers lookup as xjail binmiscctl does, for a
// table with one entry: the answers are binmiscctl's own, printed by this test.
func binmiscctlFor(t *testing.T, e activators.Entry) string {
	t.Helper()
	table := memory.New(memory.FreeBSD)
	if err := table.Add(e); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("#!/bin/sh\n[ \"$1\" = lookup ] || exit 64\ncase \"$2\" in\n")
	for _, name := range []string{"aarch64", "arm64", "armv7", "mips64", "powerpc64le", "riscv64", "mips", "arm", "riscv", "powerpc"} {
		var out, errs strings.Builder
		status := binmiscctl.Run(table, []string{"lookup", name}, &out, &errs, binmiscctl.Options{})
		fmt.Fprintf(&b, "%s) cat <<'EOF'\n%sEOF\nexit %d ;;\n", name, out.String(), status)
	}
	b.WriteString("esac\nexit 255\n")
	file := filepath.Join(t.TempDir(), "binmiscctl")
	writeFile(t, file, b.String())
	return file
}

// Poudriere emulates what it should, and takes the names that xjail writes.
func TestOracleArch(t *testing.T) {
	script := `
for a in $ARCHS; do
	if need_emulation $a; then e=emulated; else e=native; fi
	if need_cross_build $HOST $a; then c=cross; else c=same; fi
	echo "$a $e $c"
done
get_host_arch h; echo "host $h"
`
	want := "mips.mips64 emulated cross\narm64.aarch64 emulated cross\narm.armv7 emulated cross\nriscv.riscv64 emulated cross\n" +
		"powerpc.powerpc64le emulated cross\npowerpc emulated cross\namd64 native same\ni386 native cross\nhost amd64\n"
	var archs []string
	for _, name := range []string{"mips64", "aarch64", "armv7", "riscv64", "powerpc64le", "powerpc", "amd64", "i386"} {
		n, err := ArchName(mustArch(t, name))
		if err != nil {
			t.Fatal(err)
		}
		archs = append(archs, n)
	}
	inShells(t, []string{"need_emulation", "need_cross_build", "get_host_arch"}, script,
		[]string{"ARCHS=" + strings.Join(archs, " "), "HOST=amd64", "HOST_M=amd64", "HOST_P=amd64", "SUPPORTED_ARCHS=amd64 i386"},
		func(t *testing.T, r poudrieretest.Result) {
			if r.Stdout != want {
				t.Errorf("got %q\nwant %q\n%s", r.Stdout, want, r.Stderr)
			}
		})
}

// update_version_env tells the programs of the jail what they run on, by the line
// of login.conf that register wants there; exec --like-poudriere says the same.
func TestOracleVersionEnv(t *testing.T) {
	src := poudrieretest.Checkout(t)
	text := src.Functions(t, "update_version_env", "need_cross_build", "need_emulation")
	for _, sh := range poudrieretest.Shells(t) {
		for _, name := range []string{"mips64", "aarch64", "riscv64"} {
			w := newWorld(t)
			w.subject.Arch, w.subject.Emulated = mustArch(t, name), true
			r, err := w.register(t, Request{})
			if err != nil {
				t.Fatal(err)
			}
			like, err := w.LikeBuild(w.subject, r)
			if err != nil {
				t.Fatal(err)
			}
			script := `QEMU_EMULATING=1; update_version_env "$MNT" amd64 "$ARCH" "$VERSION" 1302001`
			out := poudrieretest.Run(t, sh, poudrieretest.Stubs+text+script, "MNT="+w.subject.Root, "ARCH="+r.Jail.Arch, "VERSION="+r.Jail.Version, "SUPPORTED_ARCHS=amd64 i386")
			conf, err := os.ReadFile(filepath.Join(w.subject.Root, loginConf))
			if err != nil {
				t.Fatal(err)
			}
			want := ":setenv=BLOCKSIZE=K,UNAME_r=13.2-RELEASE,UNAME_v=FreeBSD 13.2-RELEASE,OSVERSION=1302001,ABI_FILE=/usr/lib/crt1.o,UNAME_m=" +
				w.subject.Arch.Target + ",UNAME_p=" + name + ":"
			if out.Status != 0 || !strings.Contains(string(conf), want) {
				t.Errorf("%s %s: %+v\n%s", poudrieretest.Name(sh), name, out, conf)
			}
			// What exec gives is the same list.
			given := strings.Split(strings.TrimSuffix(strings.TrimPrefix(want, ":setenv="), ":"), ",")
			for _, kv := range given {
				if !slices.Contains(like.Env, kv) {
					t.Errorf("%s: exec --like-poudriere lacks %s: %q", name, kv, like.Env)
				}
			}
		}
	}
}

// setup_makeconf puts the same lines at the end of make.conf as exec --like-poudriere
// has there; poudriere after 3.4 takes each file once, whatever names lead to it.
func TestOracleMakeConf(t *testing.T) {
	src := poudrieretest.Checkout(t)
	functions := append([]string{"setup_makeconf", "append_make", "export_cross_env", "need_cross_build", "need_emulation", "get_host_arch"}, attributes...)
	for _, name := range []string{"m", "default"} {
		w := newWorld(t)
		w.subject.Emulated = true
		for file, text := range map[string]string{
			"make.conf": "ALL=1\nDEVELOPER=yes\n", "default-make.conf": "TREE+=1\n", "m-make.conf": "JAIL=1\n", "m-default-make.conf": "BOTH=1\n", "other-make.conf": "NO=1\n",
			"hooks/plugins/a/make.conf": "PLUGIN=a\n", "hooks/plugins/b/make.conf": "PLUGIN=b\n", "hooks/plugins/c/bulk.sh": "",
		} {
			writeFile(t, filepath.Join(w.Dir(), file), text)
		}
		r, err := w.register(t, Request{As: name})
		if err != nil {
			t.Fatal(err)
		}
		like, err := w.LikeBuild(w.subject, r)
		if err != nil {
			t.Fatal(err)
		}
		for _, sh := range poudrieretest.Shells(t) {
			made := filepath.Join(t.TempDir(), "make.conf")
			script := `JAILNAME=$NAME; : >"$MADE"; setup_makeconf "$MADE" "$NAME" default ""`
			out := poudrieretest.Run(t, sh, poudrieretest.Stubs+src.Functions(t, functions...)+script, "POUDRIERED="+w.Dir(), "HOOKDIR="+filepath.Join(w.Dir(), "hooks"),
				"MADE="+made, "NAME="+name, "HOST_M=amd64", "HOST_P=amd64", "SUPPORTED_ARCHS=amd64 i386")
			text, err := os.ReadFile(made)
			if err != nil || out.Status != 0 {
				t.Fatalf("%+v, %v", out, err)
			}
			// Comments and empty lines are for readers; 3.4 takes a file twice.
			lines := func(text string) []string {
				return slices.Compact(slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return l == "" || strings.HasPrefix(l, "#") }))
			}
			want, got := lines(string(text)), lines(like.MakeConf)
			if len(want) < 6 || len(got) < len(want) || !slices.Equal(got[len(got)-len(want):], want) {
				t.Errorf("%s, jail %s: poudriere has %q, exec %q", poudrieretest.Name(sh), name, want, got)
			}
		}
	}
}

// The file of the times is a script as poudriere reads them, and what it sets is
// what poudriere takes.
func TestOracleLimits(t *testing.T) {
	w := newWorld(t)
	if _, err := w.register(t, Request{}); err != nil {
		t.Fatal(err)
	}
	s, err := w.Settings("")
	if err != nil {
		t.Fatal(err)
	}
	f, err := w.SetLimits(w.subject, 12, RaiseLimits(s.Limits, 12))
	if err != nil {
		t.Fatal(err)
	}
	src := poudrieretest.Checkout(t)
	common, err := os.ReadFile(src.File("common.sh"))
	if err != nil {
		t.Fatal(err)
	}
	defaults := ""
	for line := range strings.Lines(string(common)) {
		for _, name := range LimitNames() {
			if strings.HasPrefix(line, ": ${"+name+":=") {
				defaults += line
			}
		}
	}
	for _, sh := range poudrieretest.Shells(t) {
		script := defaults + `for n in ` + strings.Join(LimitNames(), " ") + `; do eval "echo $n=\$$n"; done`
		own := poudrieretest.Run(t, sh, script)
		want := ""
		for _, l := range limits {
			want += fmt.Sprintf("%s=%d\n", l.name, l.seconds)
		}
		if own.Stdout != want {
			t.Errorf("poudriere's own times are not those of limits: %s", own.Stdout)
		}
		ours := poudrieretest.Run(t, sh, ". "+f.Path+"\n"+script)
		if ours.Stdout != LimitLines(RaiseLimits(s.Limits, 12)) {
			t.Errorf("got %s", ours.Stdout)
		}
	}
}

// Where there is no checkout, at least the shells take the file of the times.
func TestLimitsIsShell(t *testing.T) {
	file := filepath.Join(t.TempDir(), "conf")
	writeFile(t, file, limitsText("a", 12, RaiseLimits(map[string]int{"NOHANG_TIME": 7200}, 12)))
	out, err := exec.Command("/bin/sh", "-euc", ". "+file+"; echo $NOHANG_TIME").Output()
	if err != nil || string(out) != "86400\n" {
		t.Errorf("%q, %v", out, err)
	}
}
