package xtools

import (
	"bytes"
	"debug/elf"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// object is what matters of an ELF file: whose it is, and what it needs.
type object struct {
	id *arch.Identity
	// Interp is the loader that it asks for; "" of a static one and of libraries.
	Interp string
	Soname string
	// Needed are DT_NEEDED, and Aux DT_AUXILIARY and DT_FILTER.
	Needed, Aux []string
	// RunPath is DT_RUNPATH, or DT_RPATH.
	RunPath []string
	// asks: it calls uname(2) by itself.
	asks bool
	exec bool
}

// isELF looks at the first bytes only.
func isELF(r io.ReaderAt) bool {
	var magic [4]byte
	_, err := r.ReadAt(magic[:], 0)
	return err == nil && bytes.Equal(magic[:], []byte(elf.ELFMAG))
}

// readObject reads an ELF file. A file whose tables lie outside of it is
// damaged: one that was cut short.
func readObject(name string, f *os.File) (o *object, err error) {
	// debug/elf is made for files of compilers, not for hostile ones.
	defer func() {
		if r := recover(); r != nil {
			o, err = nil, fault.New(fault.Damaged, "", "%s: damaged ELF file: %v", name, r)
		}
	}()
	id, err := arch.Identify(f)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, name, "")
	}
	file, err := elf.NewFile(f)
	if err != nil {
		return nil, fault.Wrap(fault.Damaged, err, name, "")
	}
	if err := checkLength(file, f); err != nil {
		return nil, fault.Wrap(fault.Damaged, err, name, "fetch it again")
	}
	o = &object{id: id, Interp: id.Interp, exec: file.Type == elf.ET_EXEC}
	o.Needed, _ = file.DynString(elf.DT_NEEDED) // nil of a static program
	if names, _ := file.DynString(elf.DT_SONAME); len(names) > 0 {
		o.Soname = names[0]
	}
	symbols, _ := file.ImportedSymbols() // none of a static program
	o.asks = slices.ContainsFunc(symbols, func(s elf.ImportedSymbol) bool { return s.Name == "uname" })
	for _, tag := range []elf.DynTag{elf.DT_AUXILIARY, elf.DT_FILTER} {
		names, _ := file.DynString(tag)
		o.Aux = append(o.Aux, names...)
	}
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		paths, _ := file.DynString(tag)
		for _, p := range paths {
			o.RunPath = append(o.RunPath, strings.Split(p, ":")...)
		}
	}
	return o, nil
}

// checkLength looks that all that is loaded is there. The kernel would map what
// is missing as well, and the program end with SIGBUS.
func checkLength(file *elf.File, f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_LOAD && (p.Off > uint64(st.Size()) || p.Filesz > uint64(st.Size())-p.Off) {
			return fault.New(fault.Damaged, "", "cut short: it has %d bytes, and a segment ends at %d", st.Size(), p.Off+p.Filesz)
		}
	}
	return nil
}

// isProgram tells a program from a library: it has an entry and a loader, or
// is static.
func (o *object) isProgram() bool {
	return o.Interp != "" || o.exec || o.Soname == "" && len(o.Needed) == 0
}
