package explain

import (
	"path"
	"strings"
)

// Tags of the dynamic section, from the System V ABI and the GNU extensions.
const (
	dtNull       = 0
	dtNeeded     = 1
	dtStrTab     = 5
	dtStrSize    = 10
	dtSoname     = 14
	dtRpath      = 15
	dtRunpath    = 29
	dtFlags1     = 0x6ffffffb
	dtVerdef     = 0x6ffffffc
	dtVerdefNum  = 0x6ffffffd
	dtVerneed    = 0x6ffffffe
	dtVerneedNum = 0x6fffffff

	df1NoDefaultLib = 0x800
	verWeak         = 2 // VER_FLG_WEAK
)

// Limits on what a hostile file can make the linker's model read.
const (
	dynamicMax  = 1 << 16 // bytes of a dynamic section
	neededMax   = 512     // libraries of one object
	versionsMax = 4096    // versions of one object
	nameBytes   = 4096    // of a name in the string table
)

// object is a program or a library as a dynamic linker sees it.
type object struct {
	path      string // seen from the root
	file      *elfFile
	parent    *object // what needs it, nil for the program
	soname    string
	needed    []string
	rpath     []string // DT_RPATH, which counts only without runpath
	runpath   []string
	noDefault bool // -z nodefaultlib
	wants     []version
	has       map[string]bool // versions that it defines; nil when it defines none
}

// version is one that a library must define.
type version struct {
	library string
	name    string
	weak    bool
}

// readObject reads the dynamic section of a file; one without it needs nothing.
func readObject(f *elfFile, at string, parent *object) *object {
	o := &object{path: at, file: f, parent: parent}
	dyn, ok := f.find(ptDynamic)
	if !ok {
		return o
	}
	values := map[uint64]uint64{}
	var needed []uint64
	f.eachTag(dyn, func(tag, value uint64) {
		if tag == dtNeeded {
			needed = append(needed, value)
			return
		}
		values[tag] = value
	})
	text := f.strings(values[dtStrTab])
	for _, n := range needed[:min(len(needed), neededMax)] {
		o.needed = append(o.needed, text(n))
	}
	if v, ok := values[dtSoname]; ok {
		o.soname = text(v)
	}
	if v, ok := values[dtRunpath]; ok {
		o.runpath = o.expand(text(v))
	} else if v, ok := values[dtRpath]; ok {
		o.rpath = o.expand(text(v))
	}
	o.noDefault = values[dtFlags1]&df1NoDefaultLib != 0
	o.wants = f.versionNeeds(values[dtVerneed], values[dtVerneedNum], text)
	if values[dtVerdef] != 0 {
		o.has = f.versionDefs(values[dtVerdef], values[dtVerdefNum], text)
	}
	return o
}

func (f *elfFile) word(b []byte) uint64 {
	if f.class == 64 {
		return f.bo.Uint64(b)
	}
	return uint64(f.bo.Uint32(b))
}

// eachTag calls do with the entries of the dynamic section, up to DT_NULL.
func (f *elfFile) eachTag(s segment, do func(tag, value uint64)) {
	half := f.class / 8
	for b := f.at(s.off, min(s.fileSize, dynamicMax)); len(b) >= 2*half; b = b[2*half:] {
		if f.word(b) == dtNull {
			return
		}
		do(f.word(b), f.word(b[half:]))
	}
}

// strings reads the string table at an address.
func (f *elfFile) strings(addr uint64) func(uint64) string {
	base, ok := f.offset(addr)
	return func(n uint64) string {
		if !ok || base+n < base {
			return ""
		}
		return cString(f.at(base+n, nameBytes))
	}
}

// expand splits a run path and puts in the directory of the object. Empty ones
// stay, but for a path that is empty as a whole.
func (o *object) expand(list string) []string {
	if list == "" {
		return nil
	}
	var dirs []string
	origin := path.Dir(o.path)
	for dir := range strings.SplitSeq(list, ":") {
		dir = strings.NewReplacer("${ORIGIN}", origin, "$ORIGIN", origin).Replace(dir)
		dirs = append(dirs, dir)
	}
	return dirs
}

// versionNeeds reads DT_VERNEED: libraries, and the versions wanted of each.
// Offsets are relative to their own record; 0 ends a list.
func (f *elfFile) versionNeeds(addr, num uint64, text func(uint64) string) []version {
	at, ok := f.offset(addr)
	var wants []version
	for ; ok && num > 0 && len(wants) < versionsMax; num-- {
		b := f.at(at, 16)
		if len(b) < 16 {
			break
		}
		count, library := int(f.bo.Uint16(b[2:])), text(uint64(f.bo.Uint32(b[4:])))
		aux := at + uint64(f.bo.Uint32(b[8:]))
		for ; count > 0 && len(wants) < versionsMax; count-- {
			a := f.at(aux, 16)
			if len(a) < 16 {
				break
			}
			wants = append(wants, version{library, text(uint64(f.bo.Uint32(a[8:]))), f.bo.Uint16(a[4:])&verWeak != 0})
			if f.bo.Uint32(a[12:]) == 0 {
				break
			}
			aux += uint64(f.bo.Uint32(a[12:]))
		}
		if f.bo.Uint32(b[12:]) == 0 {
			break
		}
		at += uint64(f.bo.Uint32(b[12:]))
	}
	return wants
}

// versionDefs reads DT_VERDEF: the versions that a library defines.
func (f *elfFile) versionDefs(addr, num uint64, text func(uint64) string) map[string]bool {
	has := map[string]bool{}
	at, ok := f.offset(addr)
	for ; ok && num > 0 && len(has) < versionsMax; num-- {
		b := f.at(at, 20)
		if len(b) < 20 {
			break
		}
		if a := f.at(at+uint64(f.bo.Uint32(b[12:])), 8); len(a) == 8 {
			has[text(uint64(f.bo.Uint32(a)))] = true
		}
		if f.bo.Uint32(b[16:]) == 0 {
			break
		}
		at += uint64(f.bo.Uint32(b[16:]))
	}
	return has
}
