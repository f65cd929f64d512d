package xtools

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"regexp"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// Programs of gcc have the revision of their package as a string of its own:
// --with-pkgversion of its configure, in parentheses and with a blank behind. It
// is in gcc -v, and in .comment of every object, which the linker's build id is
// a digest of. So objects of two revisions are not equal even where their code is.
var revision = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\x00(\([A-Z][A-Za-z]+ [0-9][-+.~0-9A-Za-z]{1,60}\) )\x00`)
})

// compilerMax bounds what is read of a program of the root, bytes.
const compilerMax = 256 << 20

// revisionIn is the revision in a program of the root; "" when there is none, or
// more than one.
func revisionIn(root *os.Root, name string) string {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return ""
	}
	text, err := io.ReadAll(io.LimitReader(f, compilerMax))
	if err != nil {
		return ""
	}
	_, found := findRevision(text)
	return found
}

// readRevisions finds out the revision of each package of the root of whose
// compiler the twin has another one.
func (c *chooser) readRevisions(found []candidate) {
	c.revisions = map[string]string{}
	found = slices.Clone(found)
	// Drivers are smaller than compilers, and have it too.
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(a.original.Size, b.original.Size) })
	for _, f := range found {
		pair, ok := c.pairs[f.original.Package]
		if !ok || SameVersion(pair.Version, pair.TwinVer) || c.revisions[pair.Twin] != "" {
			continue
		}
		if _, compiler := c.counterpart(f.original.Package); compiler {
			c.revisions[pair.Twin] = revisionIn(c.subject.Root, f.name)
		}
	}
}

// findRevision is where the revision begins, and what it is.
func findRevision(text []byte) (at int, found string) {
	all := revision().FindAllSubmatchIndex(text, 2)
	if len(all) != 1 {
		return 0, ""
	}
	return all[0][2], string(text[all[0][2]:all[0][3]])
}

// setRevision gives a compiler another revision. That has no room where the old
// one is, between other strings, of which one may be the old one's end: linkers
// merge those. It goes behind the last of them, into what is left of the
// segment's last page, and the instructions that have the old one's address get
// the new one's.
//
// Only programs of amd64 that are linked to fixed addresses, as those of gcc are,
// have such instructions: mov $address, %register. Where anything is otherwise than
// that, nothing is changed, and changed is false.
func setRevision(text []byte, fresh string) (changed bool) {
	at, old := findRevision(text)
	if old == "" || fresh == "" || old == fresh {
		return false
	}
	file, err := elf.NewFile(bytes.NewReader(text))
	if err != nil || file.Type != elf.ET_EXEC || file.Machine != elf.EM_X86_64 || file.Class != elf.ELFCLASS64 {
		return false
	}
	home := segmentAt(file, at)
	if home < 0 {
		return false
	}
	p := file.Progs[home]
	to, ok := roomBehind(text, file, home, len(fresh)+1)
	refs := references(text, file, p.Vaddr+uint64(at)-p.Off)
	if !ok || len(refs) == 0 {
		return false
	}
	address := p.Vaddr + uint64(to) - p.Off
	for _, ref := range refs {
		binary.LittleEndian.PutUint32(text[ref:], uint32(address))
	}
	copy(text[to:], fresh)
	growSegment(text, home, uint64(to+len(fresh)+1)-p.Off)
	return true
}

// segmentAt is the index of the segment that loads a part of the file, which
// must have that part only; -1 for none.
func segmentAt(file *elf.File, at int) int {
	for i, p := range file.Progs {
		if p.Type == elf.PT_LOAD && uint64(at) >= p.Off && uint64(at) < p.Off+p.Filesz {
			if p.Flags != elf.PF_R || p.Filesz != p.Memsz {
				return -1
			}
			return i
		}
	}
	return -1
}

// pageSize is the least size of a page, bytes: more than that is not mapped of a
// segment's last page.
const pageSize = 4096

// roomBehind is where size bytes are free behind a segment: zeros in its last
// page, of which no other segment has anything, in the file or in memory.
func roomBehind(text []byte, file *elf.File, home, size int) (to int, ok bool) {
	p := file.Progs[home]
	end := p.Off + p.Filesz
	start := (end + 15) &^ 15
	stop := start + uint64(size)
	if stop > (end+pageSize-1)&^(pageSize-1) || stop > uint64(len(text)) {
		return 0, false
	}
	for i, other := range file.Progs {
		if other.Type == elf.PT_LOAD && i != home && other.Off < stop && other.Off+other.Filesz > end {
			return 0, false
		}
	}
	for _, s := range file.Sections {
		if s.Type != elf.SHT_NOBITS && s.Type != elf.SHT_NULL && s.Offset < stop && s.Offset+s.FileSize > end {
			return 0, false
		}
	}
	if len(bytes.Trim(text[end:stop], "\x00")) > 0 {
		return 0, false
	}
	return int(start), true
}

// references are where instructions have an address: all of the file's places
// with these four bytes. It is nil when one of them is no such instruction.
func references(text []byte, file *elf.File, address uint64) (refs []int) {
	if address != uint64(uint32(address)) {
		return nil
	}
	pattern := binary.LittleEndian.AppendUint32(nil, uint32(address))
	for from := 0; ; {
		i := bytes.Index(text[from:], pattern)
		if i < 0 {
			return refs
		}
		at := from + i
		from = at + 1
		// mov $imm32, %r32 is b8 to bf, with 41 before it for r8d and the others.
		if at == 0 || text[at-1]&0xf8 != 0xb8 || !inCode(file, at) {
			return nil
		}
		refs = append(refs, at)
	}
}

func inCode(file *elf.File, at int) bool {
	for _, p := range file.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && uint64(at) > p.Off && uint64(at)+4 <= p.Off+p.Filesz {
			return true
		}
	}
	return false
}

// growSegment writes p_filesz and p_memsz of a program header, elf(5).
func growSegment(text []byte, index int, size uint64) {
	const phoff, filesz, memsz, header = 32, 32, 40, 56
	at := binary.LittleEndian.Uint64(text[phoff:]) + uint64(index)*header
	binary.LittleEndian.PutUint64(text[at+filesz:], size)
	binary.LittleEndian.PutUint64(text[at+memsz:], size)
}
