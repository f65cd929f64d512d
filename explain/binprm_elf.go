package explain

import (
	"bytes"
	"fmt"
)

// linuxELF is what Linux's load_elf_binary refuses, in its order; f is nil for
// what is not ELF.
func (e *explainer) linuxELF(img *image, f *elfFile) *Verdict {
	if f == nil || e.w.native(f) == nil || f.kind != typeExec && f.kind != typeDyn {
		return e.noFormat(img, f)
	}
	e.step(OK, fmt.Sprintf("%s is a program of %s, which this kernel runs by itself", img.shown(), e.w.native(f).Name), f.describe()...)
	if f.tableErr != "" {
		c := BadHeaders
		if f.headerCut() || f.phoff+uint64(f.phnum)*uint64(f.phsize) > uint64(img.size()) {
			c = Truncated
		}
		return e.bad(Verdict{Stage: AtExec, Errno: ENOEXEC, Cause: img.role.cause(c), Message: img.shown() + ": " + f.tableErr, Remedy: e.wholeCopy(img)},
			"the kernel reads the program headers", f.tableErr)
	}
	s, ok := f.find(ptInterp)
	if !ok {
		e.step(OK, img.shown()+" needs no dynamic linker")
		return nil
	}
	name, v := e.linuxInterp(f, s)
	if v != nil {
		return v
	}
	return e.linuxLoader(f, name)
}

// linuxInterp reads PT_INTERP as the kernel does.
func (e *explainer) linuxInterp(f *elfFile, s segment) (string, *Verdict) {
	bad := func(errno Errno, why string) (string, *Verdict) {
		return "", e.bad(Verdict{Stage: AtExec, Errno: errno, Cause: f.img.role.cause(BadInterp), Message: f.img.shown() + ": " + why, Remedy: e.wholeCopy(f.img)},
			"the kernel reads the name of the dynamic linker (PT_INTERP)", why)
	}
	if s.fileSize < 2 || s.fileSize > pathMax {
		return bad(ENOEXEC, fmt.Sprintf("the name of its dynamic linker has %d bytes, 2 to %d are allowed", s.fileSize, pathMax))
	}
	b := f.at(s.off, s.fileSize)
	switch {
	case uint64(len(b)) < s.fileSize:
		return bad(EIO, fmt.Sprintf("the name of its dynamic linker is at byte %d, beyond the end of the file", s.off))
	case b[len(b)-1] != 0:
		return bad(ENOEXEC, "the name of its dynamic linker does not end in a NUL")
	}
	return cString(b), nil
}

// linuxLoader opens the dynamic linker and checks its header.
func (e *explainer) linuxLoader(f *elfFile, name string) *Verdict {
	as := asLoader
	img, v := e.open(name, as)
	if v != nil {
		if v.Runs == No {
			e.loaderRemedy(f, name, v)
		}
		return v
	}
	g := parseELF(img)
	if len(img.header) < f.headerSize() && img.size() < int64(f.headerSize()) {
		return e.bad(Verdict{Stage: AtExec, Errno: EIO, Cause: as.cause(Truncated), Message: fmt.Sprintf("%s, the dynamic linker of %s, has %d bytes only", name, f.img.shown(), img.size()), Remedy: e.loaderPackage(f, name)},
			"the kernel reads the header of the dynamic linker")
	}
	if v := e.wrongLoader(f, g, name, AtExec, ELIBBAD); v != nil {
		return v
	}
	if g.tableErr != "" {
		return e.bad(Verdict{Stage: AtExec, Errno: ELIBBAD, Cause: as.cause(BadHeaders), Message: name + ": " + g.tableErr, Remedy: e.loaderPackage(f, name)},
			"the kernel reads the program headers of the dynamic linker", g.tableErr)
	}
	return nil
}

// wrongLoader is the verdict on a dynamic linker that is no ELF file, or of
// another architecture than its program.
func (e *explainer) wrongLoader(f, g *elfFile, name string, at Stage, errno Errno) *Verdict {
	v := Verdict{Stage: at, Errno: errno, Remedy: e.loaderPackage(f, name)}
	switch {
	case g == nil:
		v.Cause = asLoader.cause(NotELF)
		v.Message = fmt.Sprintf("%s, the dynamic linker of %s, is no ELF file", name, f.img.shown())
		return e.bad(v, "look at the header of the dynamic linker", "it is no ELF file")
	case g.machine != f.machine || g.order != f.order || g.class != f.class:
		v.Cause = asLoader.cause(WrongArch)
		v.Message = fmt.Sprintf("%s, the dynamic linker of %s, is of %s and not of %s", name, f.img.shown(), g.archText(), f.archText())
		return e.bad(v, "look at the header of the dynamic linker", g.describe()...)
	}
	e.step(OK, fmt.Sprintf("the dynamic linker %s is of %s as well", name, f.archText()))
	return nil
}

// noFormat is the verdict when no format of the kernel takes a file.
func (e *explainer) noFormat(img *image, f *elfFile) *Verdict {
	if v := e.switchedOff(img); v != nil {
		return v
	}
	if f != nil {
		return e.noELF(img, f)
	}
	v := Verdict{Stage: AtExec, Errno: ENOEXEC, Remedy: e.wholeCopy(img)}
	at := img.shown()
	switch {
	case img.size() == 0:
		v.Cause, v.Message = Empty, at+" is empty"
		return e.content(img, v, at+" is empty: shells take it for an empty script, the kernel does not run it")
	case bytes.HasPrefix(img.header, byteOrderMark) && isScript(img.header[len(byteOrderMark):]):
		v.Cause, v.Remedy = ByteOrderMark, e.dropMark(at)
		v.Message = at + " has a byte order mark before its #!, so the kernel does not see a script"
		return e.content(img, v, v.Message, firstLine(img.header))
	case isText(img.header):
		v.Cause, v.Remedy = Text, e.insertFirst(at, "#!/bin/sh")
		v.Message = at + " is text without a #! line: shells run it as a script of their own, the kernel and other programs do not"
		return e.content(img, v, v.Message, firstLine(img.header))
	}
	v.Cause, v.Message = UnknownFormat, at+" is neither ELF, nor a script, nor what an activator is for"
	return e.content(img, v, v.Message, fmt.Sprintf("it begins with %x", img.header[:min(len(img.header), 16)]), e.unseen())
}

// content is a failing step about what is in a file. Of another file than the
// program, the verdict says what it is to it.
func (e *explainer) content(img *image, v Verdict, what string, evidence ...string) *Verdict {
	v.Cause = img.role.cause(v.Cause)
	if img.role != asProgram {
		v.Message = fmt.Sprintf("%s cannot be started: %s", img.role.noun(), v.Message)
		v.Remedy = e.brokenRemedy(img)
	}
	return e.bad(v, what, evidence...)
}

// noELF is the verdict on an ELF file that the kernel does not run by itself and
// that no activator takes.
func (e *explainer) noELF(img *image, f *elfFile) *Verdict {
	at := img.shown()
	v := Verdict{Stage: AtExec, Errno: ENOEXEC, Remedy: e.wholeCopy(img)}
	switch {
	case img.size() < 20:
		v.Cause, v.Message = Truncated, fmt.Sprintf("%s is ELF and ends at byte %d, within its header", at, img.size())
		return e.content(img, v, v.Message)
	case f.kind == typeObj:
		v.Cause, v.Message = ObjectFile, at+" is an object file: it has to be linked first"
		v.Remedy = "link it: cc -o PROGRAM " + e.onHost(at)
		return e.content(img, v, v.Message, f.describe()...)
	case f.kind == typeCore:
		v.Cause, v.Message = CoreFile, at+" is a core file, the memory of a program that crashed"
		v.Remedy = "look into it with a debugger: gdb -c " + e.onHost(at)
		return e.content(img, v, v.Message, f.describe()...)
	case f.kind != typeExec && f.kind != typeDyn:
		v.Cause, v.Message = BadHeaders, fmt.Sprintf("%s is ELF of the type %d, which is no program", at, f.kind)
		return e.content(img, v, v.Message, f.describe()...)
	case f.headerCut():
		v.Cause, v.Message = Truncated, fmt.Sprintf("%s is ELF and ends at byte %d, within its header", at, img.size())
		return e.content(img, v, v.Message)
	}
	if img.role == asEmulator {
		v.Cause = WrongArch
		v.Message = fmt.Sprintf("%s is a program of %s, which this machine does not run by itself", at, f.archText())
		return e.content(img, v, v.Message, f.describe()...)
	}
	return e.noActivator(img, f)
}
