package explain

import (
	"encoding/binary"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
)

// want is a verdict in short.
type want struct {
	runs  Answer
	cause Cause
	errno Errno
	stage Stage
}

var runs = want{runs: Yes}

func exec(c Cause, e Errno) want  { return want{No, c, e, AtExec} }
func later(c Cause, s Stage) want { return want{No, c, "", s} }
func but(c Cause) want            { return want{runs: Yes, cause: c} }

func check(t *testing.T, w *World, file string, want want) *Explanation {
	t.Helper()
	x := Explain(w, file)
	v := x.Verdict
	if v.Runs != want.runs || v.Cause != want.cause || v.Errno != want.errno || v.Stage != want.stage {
		t.Errorf("%s: %+v, want %+v\n%+v", file, v, want, x.Steps)
	}
	if v.Message == "" || v.Runs == Yes && v.Cause == "" && v.Remedy != "" || len(x.Steps) == 0 {
		t.Errorf("%s: %+v", file, x)
	}
	return x
}

func TestLinuxFiles(t *testing.T) {
	noexec, long := Mount{Point: "/m", NoExec: true}, strings.Repeat("n", 256)
	files := with(base(t, "linux"), fake{
		"/home/ok": mode(0o755), "/home/mode": mode(0o644), "/home/mine": {mode: 0o744, uid: 1000, text: "#!/bin/sh\n"},
		"/home/others": mode(0o745), "/home/root": {mode: 0o700, text: "#!/bin/sh\n"}, "/home/group": {mode: 0o705, gid: 1000, text: "#!/bin/sh\n"}, "/home/of-group": {mode: 0o710, gid: 1000, text: "#!/bin/sh\n"}, "/home/mounted": on(mode(0o755), noexec),
		"/home/fifo": {mode: fs.ModeNamedPipe | 0o755}, "/home/device": {mode: fs.ModeDevice | 0o755},
		"/closed": {mode: fs.ModeDir | 0o700}, "/closed/prog": mode(0o755),
		"/home/link": link("/home/ok"), "/home/climb": link("../../../../home/ok"), "/home/dangling": link("none"),
		"/home/loop": link("loop"), "/dir": link("home"), "/home/empty-link": link("/"),
		"/home/sh-in-script": file("#!/bin/sh\n"), "/usr/bin/only-mode": mode(0o644), "/bin/later": mode(0o755), "/usr/bin/later": mode(0o644),
	})
	chain := "/home/ok"
	for i := range 41 {
		name := "/chain" + strings.Repeat("x", i)
		files[name], chain = link(chain), name
	}
	w := linuxWorld(t, files)
	for name, want := range map[string]want{
		"/home/ok": runs, "./ok": runs, "ok": exec(Missing, ENOENT), "sh": runs, "later": runs, "only-mode": exec(NotExecutable, EACCES),
		"./none": exec(Missing, ENOENT), "./mode": exec(NotExecutable, EACCES), "./mine": runs, "./others": runs, "./root": exec(NotExecutable, EACCES),
		"./group": exec(NotExecutable, EACCES), "./of-group": runs, "./mounted": exec(NoExec, EACCES), "./fifo": exec(NotRegular, EACCES), "./device": exec(NotRegular, EACCES), "/home": exec(IsDirectory, EACCES),
		"./link": runs, "./climb": runs, "./dangling": exec(DanglingLink, ENOENT), "./loop": exec(LinkLoop, ELOOP), "./empty-link": exec(IsDirectory, EACCES),
		"/dir/ok": runs, "/dir/none": exec(Missing, ENOENT), "/home/ok/": exec(NotADirectory, ENOTDIR), "/home/ok/x": exec(NotADirectory, ENOTDIR),
		"/closed/prog": exec(NotSearchable, EACCES), "./" + long: exec(NameTooLong, ENAMETOOLONG), "/" + strings.Repeat("./", 2050): exec(NameTooLong, ENAMETOOLONG),
		"/../../home/ok": runs, chain: exec(LinkLoop, ELOOP), "/chain" + strings.Repeat("x", 39): runs,
	} {
		check(t, w, name, want)
	}
	w.UID = 0
	for name, want := range map[string]want{"./root": runs, "/closed/prog": runs, "./mode": exec(NotExecutable, EACCES)} {
		check(t, w, name, want)
	}
}

func TestLinuxScripts(t *testing.T) {
	pad := strings.Repeat("/", 247) // "#!" + pad + "bin/sh" is 255 bytes
	files := with(base(t, "linux"), fake{
		"/home/blanks": file("#! \t/bin/sh \t -e \t\n"), "/home/no-end": file("#!/bin/sh"), "/home/fits": file("#!" + pad + "bin/sh\n"),
		"/home/too-long": file("#!" + pad + "/bin/sh\n"), "/home/fits-cut": file("#!" + pad + "bin/sh -e and more"), "/home/too-long-cut": file("#!" + pad + "/bin/sh -e and more"), "/home/cut-argument": file("#!/bin/sh " + strings.Repeat("a", 300) + "\n"),
		"/home/cr": file("#!/bin/sh\r\n"), "/home/bom": file("\xef\xbb\xbf#!/bin/sh\n"), "/home/none": file("#!/opt/none\n"), "/home/nothing": file("#!\n"),
		"/home/blank": file("#! \t \n"), "/home/all-blank": file("#!" + strings.Repeat(" ", 400)), "/home/relative": file("#!bin/sh\n"), "/home/rel-ok": file("#!./blanks\n"),
		"/home/empty": file(""), "/home/text": file("echo hello\n"), "/home/binary": file("\x00\x01"), "/home/one": file("#"),
		"/home/dir": file("#!/bin\n"), "/home/mode": file("#!/home/mode-644\n"), "/home/mode-644": mode(0o644), "/home/nul": file("#!\x00/bin/sh\n"),
		"/home/s1": file("#!/bin/sh\n"), "/home/s2": file("#!s1\n"), "/home/s3": file("#!s2\n"), "/home/s4": file("#!s3\n"), "/home/s5": file("#!s4\n"), "/home/s6": file("#!s5\n"),
		"/home/self": file("#!/home/self\n"), "/home/of-text": file("#!/home/text\n"), "/usr/bin/python9": file("#!/bin/sh\n"), "/home/moved": file("#!/usr/local/bin/python9 -E\n"),
	})
	w := linuxWorld(t, files)
	for name, want := range map[string]want{
		"./blanks": runs, "./no-end": runs, "./fits": runs, "./too-long": exec(LineTooLong, ENOEXEC), "./cut-argument": runs, "./fits-cut": runs, "./too-long-cut": exec(LineTooLong, ENOEXEC),
		"./cr": exec(CarriageReturn, ENOENT), "./bom": exec(ByteOrderMark, ENOEXEC), "./none": exec("script-interpreter-missing", ENOENT),
		"./nothing": exec(NoInterpreter, ENOEXEC), "./blank": exec(NoInterpreter, ENOEXEC), "./all-blank": exec(NoInterpreter, ENOEXEC),
		"./relative": exec(RelativeInterpreter, ENOENT), "./rel-ok": runs, "./empty": exec(Empty, ENOEXEC), "./text": exec(Text, ENOEXEC), "./binary": exec(UnknownFormat, ENOEXEC),
		"./one": exec(Text, ENOEXEC), "./dir": exec("script-interpreter-directory", EACCES), "./mode": exec("script-interpreter-not-executable", EACCES),
		"./nul": exec("script-interpreter-missing", ENOENT), "./s5": runs, "./s6": exec(ChainTooDeep, ELOOP), "./self": exec(ChainTooDeep, ELOOP),
		"./of-text": exec("script-interpreter-text", ENOEXEC),
	} {
		check(t, w, name, want)
	}
	env := func(line string, want want) {
		t.Helper()
		files["/home/env"] = file("#!/usr/bin/env " + line + "\n")
		check(t, w, "./env", want)
	}
	files["/usr/bin/env"], files["/usr/bin/broken"] = files["/bin/sh"], file("text")
	env("sh", runs)
	env("-S sh -e", runs)
	env("-S A=b sh -e", runs)
	env("sh\r", later(CarriageReturn, AtProgram))
	env("sh -e", later(EnvArguments, AtProgram))
	env("python", later(EnvMissing, AtProgram))
	env("broken", later(Text, AtProgram))
	env("-S -u X -i sh", runs)
	env("-ivS A=b none", later(EnvMissing, AtProgram))
	env("--split-string=none -e", later(EnvMissing, AtProgram))
	env("-i sh", later(EnvArguments, AtProgram))
	env("A=b sh", later(EnvArguments, AtProgram))
	env("A=b", later(EnvMissing, AtProgram))
	env("", later(EnvMissing, AtProgram))
	env("-i", later(EnvMissing, AtProgram))
	env("-u X", runs)
	if x := check(t, w, "./moved", exec("script-interpreter-missing", ENOENT)); !strings.Contains(x.Verdict.Remedy, `#!/usr/bin/python9|' /home/moved`) {
		t.Error(x.Verdict.Remedy)
	}
	if x := check(t, w, "./s6", exec(ChainTooDeep, ELOOP)); x.Verdict.Remedy != "sed -i '1s|^#!.*|#!/bin/sh|' /home/s6" {
		t.Error(x.Verdict.Remedy)
	}
}

// foreign is what a root has beside the machine's: programs of mips64.
func foreign(t testing.TB) fake {
	lib := func(s sample) node { s.arch, s.kind = "mips64", typeDyn; return file(elf(t, s)) }
	const interp = "/lib64/ld.so.1"
	return fake{
		"/m/static": file(elf(t, sample{arch: "mips64"})), "/m/pie": file(elf(t, sample{arch: "mips64", kind: typeDyn})),
		"/m/freebsd": file(elf(t, sample{arch: "mips64", osabi: 9})), "/m/object": file(elf(t, sample{arch: "mips64", kind: typeObj})),
		"/m/core": file(elf(t, sample{arch: "mips64", kind: typeCore})), "/m/library": file(elf(t, sample{arch: "mips64", kind: typeDyn, noEntry: true})),
		"/m/dynamic": file(elf(t, sample{arch: "mips64", interp: interp, needed: []string{"libc.so.6", "libfoo.so.1"}, wants: map[string]string{"libfoo.so.1": "FOO_2"}})),
		"/m/script":  file("#!/m/static -x\n"), interp: lib(sample{soname: "ld.so.1", text: "/lib/multi/\x00/usr/lib/"}),
		"/lib/multi/libc.so.6": lib(sample{soname: "libc.so.6", needed: []string{"ld.so.1"}}), "/usr/lib/libfoo.so.1": lib(sample{soname: "libfoo.so.1", has: []string{"FOO_1", "FOO_2", "FOO_10"}}),
	}
}

func TestLinuxActivators(t *testing.T) {
	files := with(with(base(t, "linux"), foreign(t)), fake{"/m/cut": file(elf(t, sample{arch: "mips64"})[:30]), "/m/arm": file(elf(t, sample{arch: "aarch64"})), "/m/x.jar": file("PK"), "/m/netbsd": file(elf(t, sample{arch: "mips64", osabi: 2}))})
	header := []byte(files["/m/static"].text)
	header[52] = 1
	files["/m/header"] = file(string(header))
	good := entry(t, "mips64", "mips64", "/usr/bin/qemu-mips64")
	wrong := entry(t, "wrong", "mips64", "/usr/bin/qemu-aarch64")
	gone := entry(t, "gone", "mips64", "/none")
	off := entry(t, "off", "mips64", "/usr/bin/qemu-mips64")
	off.Enabled = false
	narrow := entry(t, "narrow", "mips64", "/usr/bin/qemu-mips64")
	narrow.Magic[7], narrow.Mask[7] = 9, 0xff
	loop := entry(t, "loop", "mips64", "/m/static")
	native := entry(t, "native", "amd64", "/usr/bin/qemu-mips64")
	shell := entry(t, "shell", "amd64", "/usr/bin/qemu-mips64")
	shell.Magic[16], shell.Mask[16] = 3, 0xff // PIEs only
	jar := Entry{Entry: activators.Entry{Name: "jar", Extension: "jar", Interpreter: "/bin/sh", Enabled: true}}
	foreignEmulator := entry(t, "other", "mips64", "/m/arm")
	unknown := entry(t, "unknown", "mips64", "/bin/sh")
	for _, tt := range []struct {
		name    string
		file    string
		entries []Entry
		want    want
	}{
		{"static", "/m/static", []Entry{good}, runs}, {"PIE", "/m/pie", []Entry{good}, runs}, {"dynamic", "/m/dynamic", []Entry{good}, runs}, {"script", "/m/script", []Entry{good}, runs},
		{"none", "/m/static", nil, exec(NoActivator, ENOEXEC)}, {"of another", "/m/arm", []Entry{good}, exec(NoActivator, ENOEXEC)},
		{"disabled", "/m/static", []Entry{off}, exec(ActivatorDisabled, ENOEXEC)}, {"disabled before", "/m/static", []Entry{off, good}, runs},
		{"mask", "/m/static", []Entry{narrow}, exec(ActivatorMisses, ENOEXEC)}, {"system", "/m/freebsd", []Entry{good}, later(WrongSystem, AtProgram)},
		{"wrong", "/m/static", []Entry{wrong}, later("emulator-wrong-target", AtEmulator)}, {"shadowed", "/m/static", []Entry{wrong, good}, later(ActivatorShadowed, AtEmulator)},
		{"shadowed by nothing", "/m/static", []Entry{gone, good}, exec(ActivatorShadowed, ENOENT)}, {"later one is wrong", "/m/static", []Entry{good, wrong}, runs},
		{"gone", "/m/static", []Entry{gone}, exec("emulator-missing", ENOENT)}, {"loop", "/m/static", []Entry{loop}, exec(ActivatorLoop, ELOOP)},
		{"foreign emulator", "/m/static", []Entry{foreignEmulator}, exec("emulator-wrong-arch", ENOEXEC)},
		{"captures all", "/usr/bin/native-static", []Entry{native}, exec(CapturesNative, ELOOP)}, {"captures some", "/bin/sh", []Entry{shell}, later(CapturesNative, AtEmulator)},
		{"extension", "/m/x.jar", []Entry{jar}, runs}, {"object", "/m/object", []Entry{good}, exec(ObjectFile, ENOEXEC)}, {"core", "/m/core", []Entry{good}, exec(CoreFile, ENOEXEC)},
		{"netbsd perhaps", "/m/netbsd", []Entry{good}, want{runs: Unknown, cause: WrongSystem}}, {"header of another size", "/m/header", []Entry{good}, later(BadHeaders, AtEmulator)},
		{"library", "/m/library", []Entry{good}, later(SharedLibrary, AtProgram)}, {"cut", "/m/cut", []Entry{good}, later(Truncated, AtEmulator)},
		{"unrecognised", "/m/static", []Entry{unknown}, want{runs: Unknown, cause: "emulator-unrecognised"}},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, linuxWorld(t, files, tt.entries...), tt.file, tt.want) })
	}
	w := linuxWorld(t, files, good)
	w.Table.Off = true
	check(t, w, "/m/static", exec(TableOff, ENOEXEC))
	w = linuxWorld(t, files)
	w.Table.Namespace = true
	check(t, w, "/m/static", exec(InstanceEmpty, ENOEXEC))
	w.Table.Unseen = "not mounted"
	check(t, w, "/m/static", want{runs: Unknown, cause: TableUnseen})
}

// The flag F: the kernel runs what it has opened.
func TestLinuxHeld(t *testing.T) {
	held := entry(t, "mips64", "mips64", "/usr/bin/qemu-mips64")
	held.Flags.FixBinary = true
	files := with(base(t, "linux"), foreign(t))
	check(t, linuxWorld(t, files, held), "/m/static", runs)

	root := linuxWorld(t, foreign(t), held) // a root without the emulator
	root.Root, root.Host = "/srv/root", files
	check(t, root, "/m/dynamic", runs)
	held.Flags.FixBinary = false
	root.Table.Entries = []Entry{held}
	check(t, root, "/m/dynamic", exec("emulator-missing", ENOENT))
	held.Flags.FixBinary = true

	gone := with(files, nil)
	delete(gone, "/usr/bin/qemu-mips64")
	check(t, linuxWorld(t, gone, held), "/m/static", but("emulator-missing"))
	noexec := with(files, fake{"/usr/bin/qemu-mips64": on(files["/usr/bin/qemu-mips64"], Mount{Point: "/usr", NoExec: true})})
	check(t, linuxWorld(t, noexec, held), "/m/static", later("emulator-noexec", AtEmulator))
	stale := held
	stale.Stale, stale.Owned = "replaced", true
	x := check(t, linuxWorld(t, files, stale), "/m/static", but("emulator-replaced"))
	if x.Verdict.Remedy != "xjail activator register mips64 --global" {
		t.Error(x.Verdict.Remedy)
	}
	// What came after the entry was registered is not what the kernel holds.
	held.Registered = time.Unix(1000, 0)
	other := with(files, fake{"/usr/bin/qemu-mips64": files["/bin/sh"]})
	newer := changedFiles{other, time.Unix(2000, 0)}
	w := linuxWorld(t, files, held)
	w.Files = newer
	check(t, w, "/m/static", but("emulator-replaced"))
	w.Files = changedFiles{other, time.Unix(500, 0)}
	check(t, w, "/m/static", want{runs: Unknown, cause: "emulator-unrecognised"})
}

// A file of a jail over which a native program is laid is explained as the jail's
// own, and that is said; other files are not spoken of.
func TestCovered(t *testing.T) {
	w := linuxWorld(t, with(base(t, "linux"), foreign(t)), entry(t, "mips64", "mips64", "/usr/bin/qemu-mips64"))
	w.Jail = &Jail{Name: "m", Arch: "mips64", Covered: func(path string) bool { return path == "/m/static" }}
	for file, said := range map[string]bool{"/m/static": true, "/m/dynamic": false} {
		x := Explain(w, file)
		got := slices.ContainsFunc(x.Steps, func(s Step) bool {
			return s.Result == Note && strings.Contains(s.What, "native program is laid over "+file)
		})
		if got != said {
			t.Errorf("%s: %v: %+v", file, got, x.Steps)
		}
	}
}

// changedFiles is a file system whose files all changed at one time.
type changedFiles struct {
	fake
	at time.Time
}

func (c changedFiles) Lstat(name string) (Info, error) {
	info, err := c.fake.Lstat(name)
	info.Changed = c.at
	return info, err
}

func TestLibraries(t *testing.T) {
	good := entry(t, "mips64", "mips64", "/usr/bin/qemu-mips64")
	whole := with(base(t, "linux"), foreign(t))
	foo := func(s sample) fake {
		s.arch, s.kind, s.soname = "mips64", typeDyn, "libfoo.so.1"
		return fake{"/usr/lib/libfoo.so.1": file(elf(t, s))}
	}
	without := func(names ...string) fake {
		f := with(whole, nil)
		for _, n := range names {
			delete(f, n)
		}
		return f
	}
	elsewhere := without("/usr/lib/libfoo.so.1")
	for _, tt := range []struct {
		name  string
		files fake
		want  want
	}{
		{"no linker", without("/lib64/ld.so.1"), later("loader-missing", AtEmulator)},
		{"linker of the machine", with(whole, fake{"/lib64/ld.so.1": whole["/bin/sh"]}), later("loader-wrong-arch", AtEmulator)},
		{"linker is text", with(whole, fake{"/lib64/ld.so.1": file("text")}), later("loader-not-elf", AtEmulator)},
		{"missing", elsewhere, later(LibraryAbsent, AtLoader)}, {"damaged", with(whole, fake{"/usr/lib/libfoo.so.1": file("")}), later(LibraryWrong, AtLoader)},
		{"of the machine", with(whole, fake{"/usr/lib/libfoo.so.1": whole["/bin/sh"]}), later(LibraryOther, AtLoader)},
		{"old", with(whole, foo(sample{has: []string{"FOO_1"}})), later(LibraryOld, AtLoader)}, {"without versions", with(whole, foo(sample{})), runs},
		{"needs more", with(whole, foo(sample{needed: []string{"libbar.so"}, has: []string{"FOO_2"}})), later(LibraryAbsent, AtLoader)},
		{"circle", with(whole, foo(sample{needed: []string{"libfoo.so.1", "libc.so.6"}, has: []string{"FOO_2"}})), runs},
		{"run path", with(elsewhere, fake{"/m/dynamic": file(elf(t, sample{arch: "mips64", interp: "/lib64/ld.so.1", runpath: "/x:$ORIGIN/../opt", needed: []string{"libfoo.so.1"}})), "/opt/libfoo.so.1": whole["/usr/lib/libfoo.so.1"]}), runs},
		{"cache", with(elsewhere, fake{"/opt/libfoo.so.1": whole["/usr/lib/libfoo.so.1"], "/etc/ld.so.cache": file(cacheFile(t, "libfoo.so.1", "/opt/libfoo.so.1"))}), runs},
		{"not in the cache", with(elsewhere, fake{"/opt/libfoo.so.1": whole["/usr/lib/libfoo.so.1"], "/etc/ld.so.conf": file("include ld.so.conf.d/*.conf\n"), "/etc/ld.so.conf.d/opt.conf": file("# opt\n/opt\n")}), later(LibraryCache, AtLoader)},
		{"prefix of QEMU", with(without("/lib64/ld.so.1"), fake{"/etc/qemu-binfmt/mips64/lib64/ld.so.1": whole["/lib64/ld.so.1"]}), runs},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, linuxWorld(t, tt.files, good), "/m/dynamic", tt.want) })
	}
	soft := with(base(t, "linux"), fake{"/m/hf": file(elf(t, sample{arch: "armv7", interp: "/lib/ld-linux-armhf.so.3"})), "/lib/ld-linux.so.3": file(elf(t, sample{arch: "arm", kind: typeDyn}))})
	held := entry(t, "arm", "arm", "/none")
	held.Flags.FixBinary = true
	x := check(t, linuxWorld(t, soft, held), "/m/hf", later("loader-missing", AtEmulator))
	if !strings.Contains(x.Verdict.Message, "while /lib/ld-linux.so.3 is: ") {
		t.Error(x.Verdict.Message)
	}
	w := linuxWorld(t, elsewhere, good)
	w.LibraryPath = "/else"
	elsewhere["/else/libfoo.so.1"] = whole["/usr/lib/libfoo.so.1"]
	check(t, w, "/m/dynamic", runs)
}

// cacheFile is an ld.so.cache of mips64 with one library.
func cacheFile(t testing.TB, name, at string) string {
	bo := row(t, "mips64").Order.Binary().(appender)
	b := append([]byte(cacheMagic), bo.AppendUint32(nil, 1)...)
	b = append(b, make([]byte, cacheHeader-len(b))...)
	first := cacheHeader + cacheEntry
	for _, v := range []int{0, first, first + len(name) + 1, 0, 0, 0} {
		b = bo.AppendUint32(b, uint32(v))
	}
	return string(b) + name + "\x00" + at + "\x00"
}

func TestNearby(t *testing.T) {
	lib := file(elf(t, sample{arch: "amd64", kind: typeDyn, soname: "libx.so", needed: []string{"ld-linux-x86-64.so.2"}}))
	files := with(base(t, "linux"), fake{
		"/opt/a b/bin/prog": file(elf(t, sample{arch: "amd64", interp: "/lib64/ld-linux-x86-64.so.2", needed: []string{"libx.so"}})), "/opt/a b/lib/libx.so": lib, "/home/prog": file("#!/bin/sh\n"),
	})
	w := linuxWorld(t, files)
	for _, tt := range []struct {
		root string
		jail *Jail
		want string
	}{
		{"/", nil, "env 'LD_LIBRARY_PATH=/opt/a b/lib' '/opt/a b/bin/prog'"},
		{"/srv", nil, "chroot /srv env 'LD_LIBRARY_PATH=/opt/a b/lib' '/opt/a b/bin/prog'"},
		{"/srv", &Jail{Name: "j", Arch: "amd64"}, "xjail exec j --env 'LD_LIBRARY_PATH=/opt/a b/lib' -- '/opt/a b/bin/prog'"},
	} {
		w.Root, w.Jail = tt.root, tt.jail
		if x := check(t, w, "/opt/a b/bin/prog", later(LibraryAbsent, AtLoader)); x.Verdict.Remedy != tt.want {
			t.Errorf("%s, want %s", x.Verdict.Remedy, tt.want)
		}
	}
	w.LibraryPath = "/opt/a b/lib"
	check(t, w, "/opt/a b/bin/prog", runs)
	w.Root, w.Jail = "/", nil
	for root, want := range map[string]string{"/": "./prog", "/srv": "/home/prog"} {
		w.Root = root
		if x := check(t, w, "prog", exec(Missing, ENOENT)); !strings.HasSuffix(x.Verdict.Remedy, ": "+want) {
			t.Errorf("in %s: %s", root, x.Verdict.Remedy)
		}
	}
	if x := check(t, w, "none", exec(Missing, ENOENT)); x.Verdict.Remedy != "" {
		t.Error(x.Verdict.Remedy)
	}
}

// Programs of FreeBSD on Linux want no other root of Linux.
func TestOtherSystemsRemedies(t *testing.T) {
	files := with(base(t, "linux"), fake{
		"/m/d": file(elf(t, sample{arch: "amd64", osabi: 9, interp: "/libexec/ld-elf.so.1"})), "/m/mips": file(elf(t, sample{arch: "mips64"})),
	})
	w := linuxWorld(t, files)
	if x := check(t, w, "/m/d", exec("loader-missing", ENOENT)); !strings.Contains(x.Verdict.Remedy, "jails on a host of freebsd") {
		t.Error(x.Verdict.Remedy)
	}
	w.Root, w.Table.Unseen = "/srv/a b", "it is not mounted"
	if x := check(t, w, "/m/mips", want{runs: Unknown, cause: TableUnseen}); !strings.HasSuffix(x.Verdict.Remedy, "xjail explain --root '/srv/a b' --run /m/mips") {
		t.Error(x.Verdict.Remedy)
	}
}

// Linkers under other names, and directories that are empty in lists.
func TestLinkerLists(t *testing.T) {
	lib := func(needed ...string) node {
		return file(elf(t, sample{arch: "amd64", kind: typeDyn, soname: "libx.so", needed: needed}))
	}
	prog := func(interp, runpath string) node {
		return file(elf(t, sample{arch: "amd64", interp: interp, runpath: runpath, needed: []string{"libx.so"}}))
	}
	files := with(base(t, "linux"), fake{
		"/lib/musl.so": file(elf(t, sample{arch: "amd64", kind: typeDyn, text: "/etc/ld-musl-x86_64.path"})), "/lib/odd.so": link("musl.so"), "/opt/m/lib/musl.so": link("/lib/musl.so"),
		"/lib/glibc.so": link("../lib64/ld-linux-x86-64.so.2"), "/etc/ld-musl-x86_64.path": file("/m1\n"), "/opt/m/etc/ld-musl-x86_64.path": file("/m2"),
		"/m/musl": prog("/lib/odd.so", ""), "/m/musl2": prog("/opt/m/lib/musl.so", ""), "/m/glibc": prog("/lib/glibc.so", ""),
		"/m/empty": prog("/lib/glibc.so", "/none:"), "/m/musl-empty": prog("/lib/odd.so", "/none:"),
	})
	for _, tt := range []struct {
		program, at, path string
		want              want
	}{
		{"/m/musl", "/m1", "", runs}, {"/m/musl", "/m2", "", later(LibraryAbsent, AtLoader)}, {"/m/musl2", "/m2", "", runs}, {"/m/musl2", "/m1", "", later(LibraryAbsent, AtLoader)},
		{"/m/empty", "/home", "", runs}, {"/m/musl-empty", "/home", "", later(LibraryAbsent, AtLoader)}, {"/m/glibc", "/home", "", later(LibraryAbsent, AtLoader)},
		{"/m/glibc", "/home", ":", runs}, {"/m/glibc", "/home", "/none;", runs}, {"/m/musl", "/home", ":", later(LibraryAbsent, AtLoader)}, {"/m/musl", "/home", ".", runs},
		{"/m/glibc", "/m/l", "$ORIGIN/l", runs}, {"/m/musl", "/m/l", "$ORIGIN/l", later(LibraryAbsent, AtLoader)},
	} {
		needed := map[bool]string{true: "libc.so.6", false: "ld-linux-x86-64.so.2"}[strings.HasPrefix(tt.program, "/m/musl")]
		w := linuxWorld(t, with(files, fake{tt.at + "/libx.so": lib(needed)}))
		w.LibraryPath = tt.path
		check(t, w, tt.program, tt.want)
	}
}

func TestNativeELF(t *testing.T) {
	text := elf(t, sample{arch: "amd64"})
	bad := func(interp string, at int, value uint64) node {
		b := []byte(elf(t, sample{arch: "amd64", interp: interp, text: strings.Repeat("x", 9000)}))
		binary.LittleEndian.PutUint64(b[64+at:], value)
		return file(string(b))
	}
	const size, place = 56 + 32, 56 + 8 // of PT_INTERP, the second program header
	files := with(base(t, "linux"), fake{
		"/home/magic": file(text[:3]), "/home/header": file(text[:40]), "/home/behind": file(text[:64]), "/home/code": file(text[:64+3*56] + "x"),
		"/home/none": file(elf(t, sample{arch: "amd64", interp: "/none"})), "/home/text": file(elf(t, sample{arch: "amd64", interp: "/ld-text"})),
		"/home/no-nul": bad("/lib64/ld-linux-x86-64.so.2", size, 5), "/home/one": bad("/x", size, 1), "/home/much": bad("/x", size, 5000), "/home/beyond": bad("/x", place, 1<<40),
		"/home/tail": bad("", 32, 50000),
		"/ld-text":   file(strings.Repeat("text", 20)), "/ld-short": file("x"), "/home/short": file(elf(t, sample{arch: "amd64", interp: "/ld-short"})),
		"/home/other": file(elf(t, sample{arch: "amd64", interp: "/ld-mips"})), "/ld-mips": file(elf(t, sample{arch: "mips64", kind: typeDyn})),
		"/home/32": file(elf(t, sample{arch: "i386"})), "/home/freebsd": file(elf(t, sample{arch: "amd64", osabi: 9})),
		"/home/library": file(elf(t, sample{arch: "amd64", kind: typeDyn, noEntry: true})), "/home/lost": file(elf(t, sample{arch: "amd64", interp: "/lib64/ld-linux-x86-64.so.2", needed: []string{"libx.so"}})),
		"/home/old": file(elf(t, sample{arch: "amd64", linux: [3]uint32{6, 18, 0}})), "/home/new": file(elf(t, sample{arch: "amd64", linux: [3]uint32{6, 19, 0}})), "/home/suid": {mode: fs.ModeSetuid | 0o755, text: text}, "/home/nosuid": on(node{mode: fs.ModeSetuid | 0o755, text: text}, Mount{Point: "/m", NoSUID: true}),
	})
	w := linuxWorld(t, files)
	w.Kernel = "6.18.0-fc-1+"
	for name, want := range map[string]want{
		"./magic": exec(UnknownFormat, ENOEXEC), "./header": exec(Truncated, ENOEXEC), "./behind": exec(Truncated, ENOEXEC), "./code": runs, // it is within a page
		"./no-nul": exec(BadInterp, ENOEXEC), "./one": exec(BadInterp, ENOEXEC), "./much": exec(BadInterp, ENOEXEC), "./beyond": exec(BadInterp, EIO), "./tail": later(Truncated, AtProgram),
		"./none": exec("loader-missing", ENOENT), "./text": exec("loader-not-elf", ELIBBAD), "./short": exec("loader-truncated", EIO), "./other": exec("loader-wrong-arch", ELIBBAD),
		"./32": runs, "./freebsd": later(WrongSystem, AtProgram), "./library": later(SharedLibrary, AtProgram), "./lost": later(LibraryAbsent, AtLoader),
		"./old": runs, "./new": later(KernelTooOld, AtLoader), "./suid": runs, "./nosuid": but(SetIDDropped),
	} {
		check(t, w, name, want)
	}
	w.NoNewPrivs = true
	check(t, w, "./suid", but(SetIDDropped))
}

func TestRemedies(t *testing.T) {
	files := with(with(base(t, "linux"), foreign(t)), fake{"/m/suid": {mode: fs.ModeSetuid | 0o755, text: elf(t, sample{arch: "mips64"})}})
	good := entry(t, "it's", "mips64", "/usr/bin/qemu-mips64")
	x := check(t, linuxWorld(t, files, good), "/m/suid", but(SetIDDropped))
	if want := `echo -1 > '/proc/sys/fs/binfmt_misc/it'\''s' && xjail activator register mips64 --global --credential`; x.Verdict.Remedy != want {
		t.Errorf("%s, want %s", x.Verdict.Remedy, want)
	}
	good.Flags.Credentials = true
	check(t, linuxWorld(t, files, good), "/m/suid", runs)
	w := linuxWorld(t, files)
	w.Find, w.Install = func(*arch.Arch) bool { return false }, func(a *arch.Arch) string { return "get " + a.Name }
	if x := Explain(w, "/m/static"); x.Verdict.Remedy != "get mips64 && xjail activator register mips64 --global" {
		t.Error(x.Verdict.Remedy)
	}
	debian := with(files, fake{"/etc/os-release": file("ID=debian\n"), "/usr/bin/apt-get": files["/m/dynamic"], "/m/lost": file(elf(t, sample{arch: "mips64", interp: "/lib64/ld.so.1", needed: []string{"libx.so.2"}})), "/var/lib/dpkg/arch": file("mips64\n")})
	w = linuxWorld(t, debian, good)
	w.Root, w.Jail = "/srv", &Jail{Name: "m", Arch: "mips64", Private: true}
	for _, want := range []string{"xjail exec m -- apt-get install libx2", "xjail exec m -- apt-get install --reinstall libx2:mips64", "xjail destroy m && xjail create m --arch mips64"} {
		if got := Explain(w, "/m/lost").Verdict.Remedy; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if debian["/var/lib/dpkg/info/libx2:mips64.list"].mode != 0 {
			delete(debian, "/usr/lib/libfoo.so.1") // apt-get needs it
		}
		debian["/var/lib/dpkg/info/libx2:mips64.list"] = file("/.\n/usr/lib/libx.so.2\n")
	}
	for soname, want := range map[string]string{"libfoo.so.1": "libfoo1", "libgcc_s.so.1": "libgcc-s1", "libz.so.1": "zlib1g", "libxml2.so.2": "libxml2-2", "libGL.so.1": "libgl1", "libnothing.so": "libnothing"} {
		if got := debianPackage(soname); got != want {
			t.Errorf("%s: %s, want %s", soname, got, want)
		}
	}
}
