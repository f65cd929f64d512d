package selftest

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"slices"
	"strings"
)

// hasDynamic tells whether a file has a dynamic section.
func hasDynamic(r io.ReaderAt) (dynamic bool) {
	defer func() { _ = recover() }() // debug/elf is not made for hostile files
	file, err := elf.NewFile(r)
	if err != nil {
		return false
	}
	for _, p := range file.Progs {
		dynamic = dynamic || p.Type == elf.PT_DYNAMIC
	}
	return dynamic
}

// difference is a part of two ELF files that is not the same.
type difference struct {
	name         string
	ours, theirs string
	// names: it is so since it names the package of the compiler.
	names bool
}

// idSection is a digest of the whole output, so it follows any other difference.
const idSection = ".note.gnu.build-id"

// differingSections compares two ELF files by their headers and sections. Files
// whose sections are all the same, and which still differ, differ in "layout".
func differingSections(a, b []byte) (list []difference, err error) {
	defer func() {
		if r := recover(); r != nil {
			list, err = nil, fmt.Errorf("damaged ELF file: %v", r)
		}
	}()
	x, err := elf.NewFile(bytes.NewReader(a))
	if err != nil {
		return nil, err
	}
	y, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	if x.FileHeader != y.FileHeader {
		list = append(list, difference{name: "header"})
	}
	list = append(list, compareSections(x, y)...)
	if len(list) == 0 {
		list = append(list, difference{name: "layout"})
	}
	markNames(list)
	return list, nil
}

func compareSections(x, y *elf.File) []difference {
	var list []difference
	theirs := map[string][]*elf.Section{}
	for _, s := range y.Sections {
		theirs[s.Name] = append(theirs[s.Name], s)
	}
	for _, s := range x.Sections {
		same := theirs[s.Name]
		if len(same) == 0 {
			list = append(list, difference{name: s.Name + " (only native)"})
			continue
		}
		theirs[s.Name] = same[1:]
		if d := compareSection(s, same[0]); d != nil {
			list = append(list, *d)
		}
	}
	for _, s := range y.Sections {
		if rest := theirs[s.Name]; len(rest) > 0 && rest[0] == s {
			theirs[s.Name] = rest[1:]
			list = append(list, difference{name: s.Name + " (only emulated)"})
		}
	}
	return list
}

// compareSection leaves out offsets, which any other section of another size
// shifts.
func compareSection(a, b *elf.Section) *difference {
	x, y := a.SectionHeader, b.SectionHeader
	x.Offset, y.Offset = 0, 0
	var p, q []byte
	if a.Type != elf.SHT_NOBITS && a.Type != elf.SHT_NULL {
		p, _ = io.ReadAll(a.Open())
	}
	if b.Type != elf.SHT_NOBITS && b.Type != elf.SHT_NULL {
		q, _ = io.ReadAll(b.Open())
	}
	if x == y && bytes.Equal(p, q) {
		return nil
	}
	return &difference{name: a.Name, ours: text(p), theirs: text(q)}
}

// text is the strings of a section such as .comment, a line each.
func text(b []byte) string {
	return strings.ReplaceAll(strings.Trim(string(b[:min(len(b), lineMax)]), "\x00"), "\x00", "\n")
}

// compilersOf are the compilers that .comment names, without their package. What
// is linked names each of them once, those of the root's start files too.
func compilersOf(text string) []string {
	var list []string
	for line := range strings.SplitSeq(text, "\n") {
		list = append(list, strings.Join(strings.Fields(ofPackage().ReplaceAllString(line, "")), " "))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// markNames marks .comment where only the name of the package differs in it, and
// the build-id where that is all besides.
func markNames(list []difference) {
	commented := false
	for i, d := range list {
		if d.name == ".comment" && slices.Equal(compilersOf(d.ours), compilersOf(d.theirs)) {
			list[i].names, commented = true, true
		}
	}
	for i, d := range list {
		if d.name == idSection && commented {
			list[i].names = true
		}
	}
}
