package explain

import (
	"strings"
	"testing"
)

// What FreeBSD does differently: which format is asked first, one script and one
// activator at most, and other errors.
func TestFreeBSD(t *testing.T) {
	lib := func(s sample) node { s.arch, s.osabi = "aarch64", 9; return file(elf(t, s)) }
	files := with(base(t, "freebsd"), fake{
		"/m/static": lib(sample{}), "/m/dynamic": lib(sample{interp: "/libexec/ld-elf-arm.so.1", needed: []string{"libc.so.7"}}),
		"/libexec/ld-elf-arm.so.1": lib(sample{kind: typeDyn, soname: "ld-elf.so.1"}), "/lib/libc.so.7": lib(sample{kind: typeDyn, soname: "libc.so.7"}),
		"/m/linux": file(elf(t, sample{arch: "aarch64", osabi: 3})), "/m/system-v": file(elf(t, sample{arch: "aarch64"})), "/m/object": lib(sample{kind: typeObj}), "/m/unbranded": file(elf(t, sample{arch: "amd64"})),
		"/m/empty": file(""), "/m/text": file("hello\n"), "/m/script": file("#!/m/static\n"), "/m/sh": file("#!/bin/sh -e"), "/m/of-script": file("#!/m/sh\n"),
		"/m/long": file("#!/" + strings.Repeat("./", 300) + "bin/sh\n"), "/m/longest": file("#!/" + strings.Repeat("x", 1100) + "\n"), "/m/nothing": file("#!"),
		"/m/cut": file(elf(t, sample{arch: "amd64", osabi: 9})[:60]), "/m/none": file(elf(t, sample{arch: "amd64", osabi: 9, interp: "/none"})),
		"/m/wrong-linker": file(elf(t, sample{arch: "amd64", osabi: 9, interp: "/libexec/ld-elf-arm.so.1"})), "/wrapper": file("#!/bin/sh\n"),
	})
	good := entry(t, "aarch64", "aarch64", "/usr/bin/qemu-aarch64")
	native := entry(t, "native", "amd64", "/usr/bin/qemu-aarch64")
	loop := entry(t, "loop", "aarch64", "/m/static")
	gone := entry(t, "gone", "aarch64", "/none")
	noMask := good
	noMask.Mask = nil
	script := entry(t, "script", "aarch64", "/wrapper")
	for _, tt := range []struct {
		name     string
		file     string
		entries  []Entry
		compiled bool
		want     want
	}{
		{"native", "/bin/sh", nil, false, runs}, {"static", "/m/static", []Entry{good}, false, runs}, {"dynamic", "/m/dynamic", []Entry{good}, false, runs},
		{"no entry", "/m/static", nil, false, exec(NoActivator, ENOEXEC)}, {"no mask", "/m/system-v", []Entry{noMask}, false, exec(ActivatorMisses, ENOEXEC)},
		{"linux", "/m/linux", []Entry{good}, false, later(WrongSystem, AtProgram)}, {"unbranded", "/m/unbranded", []Entry{good}, false, exec(WrongBrand, ENOEXEC)},
		{"empty", "/m/empty", nil, false, exec(Empty, ENOEXEC)}, {"text", "/m/text", nil, false, exec(Text, ENOEXEC)}, {"nothing", "/m/nothing", nil, false, exec(NoInterpreter, ENOEXEC)},
		{"foreign script", "/m/script", []Entry{good}, false, runs}, {"script without newline", "/m/sh", nil, false, runs}, {"script of a script", "/m/of-script", nil, false, exec(ChainTooDeep, ENOEXEC)},
		{"long line", "/m/long", nil, false, runs}, {"too long a name", "/m/longest", nil, false, exec(LineTooLong, ENAMETOOLONG)},
		{"nested", "/m/static", []Entry{loop}, false, exec(ActivatorLoop, ENOEXEC)}, {"gone", "/m/static", []Entry{gone}, false, exec("emulator-missing", ENOENT)},
		{"never asked", "/bin/sh", []Entry{native}, false, runs}, {"asked first", "/bin/sh", []Entry{native}, true, exec(CapturesNative, ENOEXEC)},
		{"interpreter is a script", "/m/static", []Entry{script}, false, want{runs: Unknown, cause: "emulator-unrecognised"}},
		{"cut", "/m/cut", nil, false, exec(BadHeaders, ENOEXEC)}, {"linker missing", "/m/none", nil, false, exec("loader-missing", ENOENT)},
		{"linker of another", "/m/wrong-linker", nil, false, exec("loader-wrong-arch", ENOEXEC)}, {"object", "/m/object", nil, false, exec(ObjectFile, ENOEXEC)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := freebsdWorld(t, files, tt.entries...)
			w.Table.CompiledIn = tt.compiled
			check(t, w, tt.file, tt.want)
		})
	}
	w := freebsdWorld(t, files)
	w.Table.Absent = true
	if x := check(t, w, "/m/static", exec(NoActivator, ENOEXEC)); x.Verdict.Remedy != "xjail activator register aarch64" {
		t.Error(x.Verdict.Remedy)
	}
	// With PRE_OPEN the kernel looks at the mount each time.
	held := good
	held.Flags.PreOpen = true
	w = freebsdWorld(t, with(files, fake{"/usr/bin/qemu-aarch64": on(files["/usr/bin/qemu-aarch64"], Mount{Point: "/usr", NoExec: true})}), held)
	check(t, w, "/m/static", exec("emulator-noexec", EACCES))
}
