package explain

import "fmt"

// imgact is FreeBSD's do_execve: each format is asked, in an order that depends
// on how imgact_binmisc came into the kernel, and may go on with another file.
// Scripts and activators may each do so once.
func (e *explainer) imgact(img *image) (*elfFile, *Verdict) {
	for {
		if img.size() == 0 {
			return nil, e.content(img, Verdict{Stage: AtExec, Errno: ENOEXEC, Cause: Empty, Message: img.shown() + " is empty", Remedy: e.wholeCopy(img)}, img.shown()+" is empty")
		}
		next, f, v := e.activate(img)
		if v != nil || next == nil {
			return f, v
		}
		img = next
	}
}

// activate asks the formats about one file: another file to go on with, a native
// program, or why there is none.
func (e *explainer) activate(img *image) (*image, *elfFile, *Verdict) {
	f := parseELF(img)
	native := f != nil && e.w.native(f) != nil && (f.kind == typeExec || f.kind == typeDyn)
	if e.w.Table.CompiledIn || !native && !isScript(img.header) {
		if entry, ok := e.choose(img); ok {
			if len(e.taken) > 0 {
				return nil, nil, e.nested(img, entry)
			}
			next, v := e.interpreter(img, entry)
			return next, nil, v
		}
	}
	switch {
	case native:
		return nil, f, e.freebsdELF(img, f)
	case isScript(img.header) && len(e.scripts) > 0:
		v := Verdict{Stage: AtExec, Errno: ENOEXEC, Cause: ChainTooDeep, Remedy: e.chainRemedy(img)}
		v.Message = fmt.Sprintf("%s is a script, and the interpreter of a script must be none", img.shown())
		return nil, nil, e.bad(v, v.Message, firstLine(img.header))
	case isScript(img.header):
		next, v := e.script(img)
		return next, nil, v
	}
	return nil, nil, e.noFormat(img, f)
}

// nested is the verdict on an interpreter that an activator takes again.
func (e *explainer) nested(img *image, t Entry) *Verdict {
	last := e.taken[len(e.taken)-1]
	v := Verdict{Stage: AtExec, Errno: ENOEXEC, Cause: ActivatorLoop, Remedy: e.removeEntry(last.entry)}
	v.Message = fmt.Sprintf("%s, the interpreter of the activator %s, is itself taken by %s: activators do not nest", img.shown(), unquoted(last.entry.Name), unquoted(t.Name))
	return e.bad(v, v.Message)
}

// freebsdELF is what exec_elf_imgact refuses of a program of an architecture that
// the kernel runs by itself, in its order.
func (e *explainer) freebsdELF(img *image, f *elfFile) *Verdict {
	at := img.shown()
	bad := func(c Cause, remedy, format string, args ...any) *Verdict {
		v := Verdict{Stage: AtExec, Errno: ENOEXEC, Cause: img.role.cause(c), Message: fmt.Sprintf(format, args...), Remedy: remedy}
		return e.bad(v, v.Message, f.describe()...)
	}
	if f.tableErr != "" {
		return bad(BadHeaders, e.wholeCopy(img), "%s: %s", at, f.tableErr)
	}
	if end := f.phoff + uint64(f.phnum)*uint64(f.phsize); end > headerSizeBSD {
		return bad(BadHeaders, e.wholeCopy(img), "%s: its program headers end at byte %d, beyond the first page", at, end)
	}
	if os := f.identity().OS; os != "freebsd" && f.ident[7] != 9 {
		return bad(WrongBrand, "for programs of Linux: kldload linux64", "%s is of %s, and no program that this kernel knows: it prints \"ELF binary type %d not known\"", at, named(os), f.ident[7])
	}
	e.step(OK, fmt.Sprintf("%s is a program of %s, which this kernel runs by itself", at, e.w.native(f).Name), f.describe()...)
	s, ok := f.find(ptInterp)
	if !ok {
		e.step(OK, at+" needs no dynamic linker")
		return nil
	}
	b := f.at(s.off, min(s.fileSize, pathMaxBSD))
	if s.fileSize > pathMaxBSD || len(b) == 0 || uint64(len(b)) < s.fileSize {
		return bad(BadInterp, e.wholeCopy(img), "%s: the name of its dynamic linker, %d bytes at byte %d, is not within the file or too long", at, s.fileSize, s.off)
	}
	return e.freebsdLoader(f, cString(b))
}

func named(os string) string {
	if os == "" {
		return "no system that it names"
	}
	return os
}

func (e *explainer) freebsdLoader(f *elfFile, name string) *Verdict {
	img, v := e.open(name, asLoader)
	if v != nil {
		if v.Runs == No {
			e.loaderRemedy(f, name, v)
		}
		return v
	}
	return e.wrongLoader(f, parseELF(img), name, AtExec, ENOEXEC)
}
