package nxb

import (
	"debug/elf"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// interpreter is the run-time linker that every dynamic program of FreeBSD
// names, and relocated what is put in its place: the same length, so that
// nothing moves.
const (
	interpreter = "/libexec/ld-elf.so.1"
	relocated   = prefix + "/" + linkerName
)

// relocate is the edit that gives a dynamic program its interpreter below
// /nxb-bin.
func (f *image) relocate() ([]Edit, error) {
	s, err := f.only(elf.PT_INTERP)
	if err != nil {
		return nil, err
	}
	if s == nil || s.size > maxName {
		return nil, damaged("no interpreter to replace")
	}
	b, err := f.bytes(s.off, s.size)
	if err != nil {
		return nil, err
	}
	name, rest, ok := strings.Cut(string(b), "\x00")
	if !ok || strings.Trim(rest, "\x00") != "" {
		return nil, damaged("the interpreter's path has no end")
	}
	if name != interpreter {
		return nil, damaged("its interpreter is %q, not %s", name, interpreter)
	}
	e, err := overwrite(int64(s.off), name, relocated)
	return []Edit{e}, err
}

// runnable says how a program of the host runs in the jail: as it is, or
// relocated by edits. It refuses what is not a program, and what rtld(1) would
// look for in places of its own.
func (f *image) runnable() (Kind, []Edit, error) {
	libraries, err := f.libraries()
	if err != nil {
		return "", nil, err
	}
	switch {
	case f.Static && len(libraries) == 0:
		return Static, nil, nil
	case f.Interp == "":
		return "", nil, damaged("it is no program: %s without an interpreter", f.Type)
	case f.textRelocations():
		return "", nil, fault.New(fault.Unsupported, "", "it has text relocations")
	}
	if err := f.noSearchPath(); err != nil {
		return "", nil, err
	}
	edits, err := f.relocate()
	return Relocated, edits, err
}

// shared tells whether the file is a shared object that is no program. Whether a
// static program is one as well cannot be told.
func (f *image) shared() bool { return f.ELFType == uint16(elf.ET_DYN) && f.Interp == "" }

// noSearchPath refuses a file with a search path of its own: that comes before
// the directory of the native libraries, and leads to the jail's.
func (f *image) noSearchPath() error {
	path, err := f.searchPath()
	if err == nil && path != "" {
		err = refuse("it has %s, which leads to the jail's own libraries", path)
	}
	return err
}

// pam and iconv are libraries that load others by an absolute path, which leads
// to the jail's own.
var byPath = map[string]string{"libpam.so": "modules of PAM"}

// needs are the libraries that the file names. Absolute names are refused: they
// lead to the jail's own.
func (f *image) needs() ([]string, error) {
	names, err := f.libraries()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.Contains(name, "/") {
			return nil, refuse("it needs %s by its path, which is the jail's own", name)
		}
		stem, _, _ := strings.Cut(name, ".so")
		if what := byPath[stem+".so"]; what != "" {
			return nil, refuse("it loads %s by path, which are the jail's own (%s)", what, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
