package explain

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/qemu"
)

// emulator is what a file says of itself that is QEMU's user-mode emulator.
type emulator struct {
	target string // QEMU's name
	family string // qemu.LinuxUser or qemu.BSDUser
}

// Help texts of QEMU's emulators, since 2.x (linux-user/main.c and
// bsd-user/main.c, usage): "Linux CPU emulator (compiled for mips64 emulation)".
// The text is found in the file; nothing is run.
const (
	emulatorText  = " CPU emulator (compiled for "
	emulatorStep  = 1 << 20   // bytes read at once
	emulatorBytes = 128 << 20 // bytes read in all: a static emulator has 5 to 20 MB
)

// emulatorOf looks for that text.
func emulatorOf(f *elfFile) (emulator, bool) {
	const overlap = 128
	size := min(uint64(f.img.size()), emulatorBytes)
	for off := uint64(0); off < size; off += emulatorStep {
		b := f.at(off, emulatorStep+overlap)
		i := bytes.Index(b, []byte(emulatorText))
		if i < 0 {
			continue
		}
		target, _, ok := bytes.Cut(b[i+len(emulatorText):], []byte(" emulation)"))
		if !ok || len(target) > 32 {
			continue
		}
		family := qemu.LinuxUser
		if bytes.HasSuffix(b[:i], []byte("BSD")) {
			family = qemu.BSDUser
		}
		return emulator{string(target), family}, true
	}
	return emulator{}, false
}

// runs tells whether an emulator of this target takes a program.
func (m emulator) runs(f *elfFile) bool {
	return slices.ContainsFunc(arch.All(), func(a *arch.Arch) bool { return a.QEMU == m.target && f.fits(a) })
}

// system is whose programs it runs.
func (m emulator) system() string {
	if m.family == qemu.BSDUser {
		return "freebsd"
	}
	return "linux"
}

// emulated is what an emulator does with the program that an activator took. f
// is the emulator, nil when it is a file that cannot be looked at.
func (e *explainer) emulated(f *elfFile) *Verdict {
	t := e.taken[len(e.taken)-1]
	p := parseELF(t.program)
	if p == nil {
		return e.runs(fmt.Sprintf("the activator %s hands it to %s", unquoted(t.entry.Name), t.entry.Interpreter))
	}
	m, v := e.recognise(t, f, p)
	if v != nil {
		return v
	}
	if v := e.takesELF(p, m); v != nil {
		return v
	}
	if v := e.emulatedSystem(p, m); v != nil {
		return v
	}
	prefix := e.prefix(m)
	if v := e.emulatedLoader(p, m, prefix); v != nil {
		return v
	}
	if v := e.loads(p, prefix, false); v != nil {
		return v
	}
	if v := e.whole(p); v != nil {
		return v
	}
	if v := e.kernelVersion(p); v != nil {
		return v
	}
	return e.runs(fmt.Sprintf("%s runs it, a program of %s", e.emulatorName(t), p.archText()))
}

func (e *explainer) emulatorName(t taken) string { return path.Base(t.entry.Interpreter) }

// recognise finds out which emulator it is, and whether it takes programs such
// as p. Of one that cannot be looked at the activator is believed.
func (e *explainer) recognise(t taken, f, p *elfFile) (emulator, *Verdict) {
	if f == nil {
		m := emulator{family: qemu.LinuxUser}
		if e.w.freebsd() {
			m.family = qemu.BSDUser
		}
		if a := p.archOf(); a != nil {
			m.target = a.QEMU
		}
		return m, nil
	}
	m, ok := emulatorOf(f)
	if !ok {
		v := &Verdict{Runs: Unknown, Cause: asEmulator.cause(Unrecognised), Remedy: e.emulatorRemedy(t.entry, Unrecognised)}
		v.Message = fmt.Sprintf("%s starts with the program as its argument, and is no user-mode emulator of QEMU: what it does with it is not known", f.img.shown())
		e.step(Note, v.Message)
		return m, v
	}
	if m.runs(p) {
		e.step(OK, fmt.Sprintf("%s is QEMU's emulator of %s for programs of %s", f.img.shown(), m.target, m.system()))
		return m, nil
	}
	v := Verdict{Stage: AtEmulator, Cause: asEmulator.cause(WrongTarget), Remedy: e.emulatorRemedy(t.entry, WrongTarget)}
	v.Message = fmt.Sprintf("%s emulates %s, and the program is of %s: it says \"Invalid ELF image for this architecture\"", f.img.shown(), m.target, p.archText())
	return m, e.bad(v, fmt.Sprintf("%s is QEMU's emulator of %s", f.img.shown(), m.target), p.describe()...)
}

// takesELF is what QEMU refuses of an ELF file for its architecture.
func (e *explainer) takesELF(p *elfFile, m emulator) *Verdict {
	v := Verdict{Stage: AtEmulator, Remedy: e.wholeCopy(p.img)}
	at := p.img.shown()
	switch {
	case p.headerCut():
		v.Cause, v.Message = Truncated, fmt.Sprintf("%s ends at byte %d, within its ELF header; the activator looks at the first bytes only", at, p.img.size())
	case p.kind != typeExec && p.kind != typeDyn:
		v.Cause, v.Message = BadHeaders, fmt.Sprintf("%s is ELF of type %s, and the emulator wants a program", at, typeText(p.kind))
		switch p.kind {
		case typeObj:
			v.Cause = ObjectFile
		case typeCore:
			v.Cause = CoreFile
		}
	case int(p.ehsize) != p.headerSize():
		v.Cause, v.Message = BadHeaders, fmt.Sprintf("%s: it says that its ELF header has %d bytes; it has %d", at, p.ehsize, p.headerSize())
	case p.tableErr != "":
		v.Cause, v.Message = BadHeaders, at+": "+p.tableErr
		if p.phoff+uint64(p.phnum)*uint64(p.phsize) > uint64(p.img.size()) {
			v.Cause = Truncated
		}
	default:
		if library(p) {
			v.Stage, v.Cause, v.Message, v.Remedy = AtProgram, SharedLibrary, at+" is a shared library: it has no place to start at", "run the program that uses it"
			return e.bad(v, v.Message, p.describe()...)
		}
		return nil
	}
	return e.bad(v, "the emulator reads the headers of "+at, v.Message)
}

// library tells whether an ELF file is a shared library without an entry point,
// which kernels and emulators start all the same: at address 0 of it.
func library(f *elfFile) bool {
	_, interp := f.find(ptInterp)
	return f.kind == typeDyn && !interp && f.entry == 0
}

// emulatedSystem is the verdict on a program of another system than the one
// whose system calls the emulator translates.
func (e *explainer) emulatedSystem(p *elfFile, m emulator) *Verdict {
	os := p.identity().OS
	if os == "" || os == m.system() {
		return nil
	}
	v := Verdict{Stage: AtProgram, Cause: WrongSystem}
	v.Message = fmt.Sprintf("%s is a program of %s, and the emulator that gets it translates the system calls of %s", p.img.shown(), os, m.system())
	v.Remedy = e.systemRemedy(p, os)
	return e.otherSystem(v, p)
}

// otherSystem is the verdict on a program that bears the mark of another system.
// An OSABI alone proves little, but for those of FreeBSD and of GNU.
func (e *explainer) otherSystem(v Verdict, f *elfFile) *Verdict {
	id := f.identity()
	what := fmt.Sprintf("%s is a program of %s", f.img.shown(), id.OS)
	evidence := []string{"by its " + id.OSFrom, fmt.Sprintf("OSABI %d", f.ident[7])}
	if id.OSFrom == "osabi" && id.OS != "freebsd" && id.OS != "linux" {
		v.Runs, v.Stage = Unknown, ""
		e.step(Note, what, evidence...)
		return &v
	}
	return e.bad(v, what, evidence...)
}

// prefix is the directory in which QEMU looks first for absolute names:
// QEMU_LD_PREFIX, or the one that is compiled in, of the project or of Debian;
// "" when it is not there.
func (e *explainer) prefix(m emulator) string {
	for _, dir := range []string{e.w.Prefix, "/etc/qemu-binfmt/" + m.target, "/usr/gnemul/qemu-" + m.target} {
		if dir == "" || !path.IsAbs(dir) {
			continue
		}
		if p, d := e.w.lookup(dir); d == nil && p.info.Mode.IsDir() {
			e.step(Note, "the emulator looks for libraries below "+dir+" first")
			return dir
		}
	}
	return ""
}

// emulatedLoader opens the dynamic linker as QEMU does: for reading, so that its
// x bits do not matter.
func (e *explainer) emulatedLoader(p *elfFile, m emulator, prefix string) *Verdict {
	s, ok := p.find(ptInterp)
	if !ok {
		e.step(OK, p.img.shown()+" needs no dynamic linker")
		return nil
	}
	b := p.at(s.off, min(s.fileSize, pathMax))
	if uint64(len(b)) < s.fileSize || len(b) == 0 || b[len(b)-1] != 0 {
		why := fmt.Sprintf("the name of its dynamic linker, %d bytes at byte %d, is beyond the end of the file or does not end in a NUL", s.fileSize, s.off)
		return e.bad(Verdict{Stage: AtEmulator, Cause: BadInterp, Message: p.img.shown() + ": " + why, Remedy: e.wholeCopy(p.img)},
			"the emulator reads the name of the dynamic linker (PT_INTERP)", why)
	}
	name := cString(b)
	l := &linker{e: e, prefix: prefix}
	at, ok := l.guest(name)
	if !ok {
		v := Verdict{Stage: AtEmulator, Cause: asLoader.cause(Missing)}
		e.loaderRemedy(p, name, &v)
		return e.bad(v, "the emulator opens the dynamic linker "+unquoted(name), "it is not there")
	}
	e.step(OK, "the dynamic linker is "+describe(at))
	g := l.openELF(name)
	if v := e.wrongLoader(p, g, name, AtEmulator, ""); v != nil {
		return v
	}
	return nil
}

// whole is the verdict on a program whose tail is cut off.
func (e *explainer) whole(f *elfFile) *Verdict {
	end, cut := f.cut()
	if !cut {
		return nil
	}
	v := Verdict{Stage: AtProgram, Cause: f.img.role.cause(Truncated), Remedy: e.wholeCopy(f.img)}
	v.Message = fmt.Sprintf("%s is cut off: what it loads ends at byte %d, and the file has %d; it starts, and is killed when it touches what is not there", f.img.shown(), end, f.img.size())
	return e.bad(v, "look whether the file is whole", v.Message)
}

// system is the verdict on a native program of another system, which kernels
// start without looking: Linux does not look at the OSABI.
func (e *explainer) system(f *elfFile) *Verdict {
	if library(f) {
		v := Verdict{Stage: AtProgram, Cause: f.img.role.cause(SharedLibrary), Message: f.img.shown() + " is a shared library: it has no place to start at", Remedy: "run the program that uses it"}
		return e.bad(v, v.Message, f.describe()...)
	}
	if v := e.whole(f); v != nil {
		return v
	}
	os := f.identity().OS
	if os == "" || os == e.w.OS || e.w.freebsd() {
		return e.kernelVersion(f)
	}
	v := Verdict{Stage: AtProgram, Cause: WrongSystem, Remedy: e.systemRemedy(f, os)}
	v.Message = fmt.Sprintf("%s is a program of %s, and the kernel starts it as one of %s", f.img.shown(), os, e.w.OS)
	return e.otherSystem(v, f)
}

// kernelVersion is the verdict on a program whose ABI note wants a newer Linux
// than the one that runs. Its C library gives up with "FATAL: kernel too old";
// an emulator tells it the version of the host's kernel.
func (e *explainer) kernelVersion(f *elfFile) *Verdict {
	have, _, _ := strings.Cut(e.w.Kernel, "-")
	have = strings.TrimRight(have, "+")
	id := f.identity()
	if e.w.freebsd() || id.OS != "linux" || id.OSVersion == "" || have == "" || !laterVersion(id.OSVersion, have) {
		return nil
	}
	v := Verdict{Stage: AtLoader, Cause: KernelTooOld, Remedy: "start a kernel of that version or a newer one, or take a build for this one"}
	v.Message = fmt.Sprintf("%s wants Linux %s or newer (its ABI note), and this is %s", f.img.shown(), id.OSVersion, e.w.Kernel)
	return e.bad(v, "compare the kernel with the ABI note of "+f.img.shown(), v.Message)
}
