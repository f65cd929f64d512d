package activators

import (
	"path"
	"slices"
	"strings"
)

// archIndex is what makes looking through an architecture's programs cheap: the
// pattern that all of them match.
type archIndex struct{ common Entry }

func indexArch(a Architecture) archIndex {
	if len(a.Programs) == 0 {
		return archIndex{}
	}
	magic := slices.Clone(a.Programs[0].Header)
	mask := slices.Repeat([]byte{0xff}, len(magic))
	for _, s := range a.Programs {
		for i := range magic {
			if i >= len(s.Header) {
				mask[i] = 0
				continue
			}
			mask[i] &^= magic[i] ^ s.Header[i]
		}
	}
	return archIndex{Entry{Magic: magic, Mask: mask}}
}

var elfStart = Entry{Magic: Hex("\x7fELF")}

// understand finds out which architectures a rule is for: what its interpreter
// runs, as the file says or its name does, and among these the one that the
// entry's name means. Where neither is known it is for those whose programs it
// matches.
func (c *checker) understand(r *rule) {
	if r.Extension != "" {
		return
	}
	r.matched = make([]bool, len(c.host.Archs))
	for a := range c.host.Archs {
		r.matched[a] = c.matchesAny(r, a)
	}
	named := c.named(r.Name)
	r.runs = c.targets(r)
	r.elf = Covers(elfStart, r.Entry) || len(r.runs) > 0
	switch both := intersection(named, r.runs); {
	case !r.elf:
	case len(both) > 0:
		r.meant = both
	case r.runs != nil:
		r.meant = r.runs
	case len(named) > 0:
		r.meant, r.runs = named, named
	default:
		for a, matched := range r.matched {
			if matched {
				r.meant = append(r.meant, a)
			}
		}
	}
	// What is for no architecture is no emulator's: AppImage's entries.
	r.elf = r.elf && len(r.meant) > 0
}

func intersection(a, b []int) []int {
	var both []int
	for _, x := range a {
		if slices.Contains(b, x) {
			both = append(both, x)
		}
	}
	return both
}

func (c *checker) matchesAny(r *rule, a int) bool {
	if r.dead || len(c.host.Archs[a].Programs) == 0 || !Overlaps(r.Entry, c.archs[a].common) {
		return false
	}
	_, ok := c.sample(a, r.takes)
	return ok
}

// targets are the architectures that the interpreter of r runs, nil when that
// is not known.
func (c *checker) targets(r *rule) []int {
	if r.known && r.file.Targets != nil {
		var list []int
		for _, name := range r.file.Targets {
			list = append(list, c.withSame(c.archNamed(name))...)
		}
		return unique(list)
	}
	target := EmulatorTarget(r.Interpreter)
	if target == "" {
		return nil
	}
	var list []int
	for a := range c.host.Archs {
		if slices.Contains(c.host.Archs[a].Emulators, target) {
			list = append(list, c.withSame(a)...)
		}
	}
	return unique(list)
}

// EmulatorTarget is what QEMU's emulator at a path emulates, as its file name
// says: "mips64" of qemu-mips64, qemu-mips64-static, and of mips64-binfmt-P,
// which Debian's entries name. It is "" for other names.
func EmulatorTarget(file string) string {
	base := path.Base(file)
	if name, ok := strings.CutSuffix(base, "-binfmt-P"); ok {
		return strings.TrimPrefix(name, "qemu-")
	}
	_, name, ok := strings.Cut(base, "qemu-")
	if !ok {
		return ""
	}
	for _, suffix := range []string{".exe", "-static", "-binfmt", "-bsd-user", "-linux-user"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return name
}

// named are the architectures that the name of an entry means.
func (c *checker) named(name string) []int {
	name = strings.TrimSuffix(strings.ToLower(name), tempSuffix)
	for _, prefix := range []string{"xjail-", "qemu-", "buildkit-qemu-", "freebsd_", "freebsd-"} {
		name = strings.TrimPrefix(name, prefix)
	}
	for _, suffix := range []string{"-freebsd", "-linux", "-static"} {
		name = strings.TrimSuffix(name, suffix)
	}
	for _, word := range []string{name, strings.TrimSuffix(name, "elf")} {
		if a := c.archNamed(word); a >= 0 {
			return c.withSame(a)
		}
	}
	return nil
}

// archNamed is the place of an architecture, or -1. Names of their own come
// before those that others have for them.
func (c *checker) archNamed(name string) int {
	name = strings.ToLower(name)
	if name == "" {
		return -1
	}
	if a := slices.IndexFunc(c.host.Archs, func(a Architecture) bool { return a.Name == name }); a >= 0 {
		return a
	}
	return slices.IndexFunc(c.host.Archs, func(a Architecture) bool { return slices.Contains(a.Names, name) })
}

// withSame are an architecture and those that look the same.
func (c *checker) withSame(a int) []int {
	if a < 0 {
		return nil
	}
	list := []int{a}
	for _, name := range c.host.Archs[a].Same {
		if b := c.archNamed(name); b >= 0 {
			list = append(list, b)
		}
	}
	return list
}

// unique keeps the first of each, and gives nil for none: what runs nothing that
// is known is not known.
func unique(list []int) []int {
	var kept []int
	for _, a := range list {
		if !slices.Contains(kept, a) {
			kept = append(kept, a)
		}
	}
	return kept
}
