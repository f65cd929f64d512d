package arch

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/xjail/xjail/internal/fault"
)

// Lookup finds an architecture by any name that it has: the catalog's
// (FreeBSD's TARGET_ARCH), TARGET.TARGET_ARCH, QEMU's, uname -m, Debian's,
// Go's, an OCI platform, a GNU or LLVM triple. Case does not matter.
//
// One word can mean two things. The catalog's own names come first, then the
// aliases that it lists, then QEMU's, Linux's (uname -m), Debian's, Go's and
// OCI's names and the triples, in this order and the order of the rows: arm
// is FreeBSD's soft-float arm, and armhf is armv7.
//
// The error is of kind NotFound; its hint has the nearest names.
func Lookup(name string) (*Arch, error) {
	c := theCatalog()
	if a := c.lookup(name); a != nil {
		return a, nil
	}
	hint := "xjail arch list shows all"
	if near := c.nearest(name); len(near) > 0 {
		hint = fmt.Sprintf("did you mean %s? %s", strings.Join(near, " or "), hint)
	}
	return nil, fault.New(fault.NotFound, hint, "unknown architecture %q", name)
}

func (c *catalog) lookup(name string) *Arch {
	key := strings.ToLower(strings.TrimSpace(name))
	platform := strings.TrimPrefix(strings.TrimPrefix(key, "linux/"), "freebsd/")
	for _, k := range []string{key, normalTriple(key), "linux/" + platform, platform} {
		if a := c.names[k]; a != nil {
			return a
		}
	}
	return nil
}

// index fills names. A name of its own belongs to one row, and so does an
// alias; of the names elsewhere the first taker keeps them.
func (c *catalog) index() error {
	c.names = map[string]*Arch{}
	for i, a := range c.rows {
		if !c.claim(a, a.Name) {
			return &rowError{i, fmt.Sprintf("the name %s is taken by %s", a.Name, c.names[strings.ToLower(a.Name)].Name)}
		}
	}
	for i, a := range c.rows {
		for _, alias := range append(a.freebsdNames(), a.Aliases...) {
			if !c.claim(a, alias) {
				return &rowError{i, fmt.Sprintf("%s: alias %s is taken by %s", a.Name, alias, c.names[strings.ToLower(alias)].Name)}
			}
		}
	}
	for k := range len(c.namesElsewhere()) {
		for _, a := range c.rows {
			for _, name := range c.namesElsewhere()[k](a) {
				c.claim(a, name)
				c.claim(a, normalTriple(name))
			}
		}
	}
	return nil
}

// claim gives name to a unless another row has it already.
func (c *catalog) claim(a *Arch, name string) bool {
	key := strings.ToLower(name)
	if key == "" {
		return true
	}
	if owner := c.names[key]; owner != nil {
		return false
	}
	c.names[key] = a
	return true
}

// freebsdNames are the TARGET.TARGET_ARCH forms, as poudriere writes them.
func (a *Arch) freebsdNames() []string {
	var names []string
	for _, t := range append([]string{a.Target}, a.OtherTargets...) {
		if t != "" {
			names = append(names, t+"."+a.Name, t+"/"+a.Name)
		}
	}
	return names
}

// namesElsewhere are the sources of names in the order of Lookup.
func (c *catalog) namesElsewhere() []func(*Arch) []string {
	return []func(*Arch) []string{
		func(a *Arch) []string { return []string{a.QEMU} },
		func(a *Arch) []string { return []string{a.Uname} },
		func(a *Arch) []string { return []string{a.Debian} },
		func(a *Arch) []string { return []string{a.GoArch} },
		func(a *Arch) []string { return []string{a.OCI} },
		func(a *Arch) []string { return []string{a.GNU} },
		func(a *Arch) []string { return []string{a.Triples["linux"]} },
		func(a *Arch) []string { return []string{a.Triples["freebsd"]} },
	}
}

var freebsdVersion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^freebsd[0-9.]+$`) })

// normalTriple drops the vendor of a triple and FreeBSD's version from its OS:
// x86_64-pc-linux-gnu and x86_64-unknown-linux-gnu are x86_64-linux-gnu. The C library does not make
// another architecture: musl counts as gnu.
func normalTriple(s string) string {
	parts := strings.Split(s, "-")
	if len(parts) < 3 {
		return s
	}
	if slices.Contains([]string{"unknown", "pc", "none", "portbld", "gnu", "redhat", "suse", "alpine"}, parts[1]) {
		parts = slices.Delete(parts, 1, 2)
	}
	if freebsdVersion().MatchString(parts[1]) {
		parts[1] = "freebsd"
	}
	last := len(parts) - 1
	parts[last] = strings.Replace(parts[last], "musl", "gnu", 1)
	return strings.Join(parts, "-")
}

// nearest are up to three names of rows at the smallest edit distance from
// name, none when all are far. A near alias stands for its row.
func (c *catalog) nearest(name string) []string {
	key := strings.ToLower(strings.TrimSpace(name))
	if len(key) > 64 {
		return nil
	}
	best, near := max(2, len(key)/3)+1, []string(nil)
	for alias, a := range c.names {
		switch d := distance(key, alias); {
		case d > len(key)/2 || d > best:
		case d < best:
			best, near = d, []string{a.Name}
		case !slices.Contains(near, a.Name):
			near = append(near, a.Name)
		}
	}
	slices.Sort(near)
	return near[:min(len(near), 3)]
}

// distance is the Levenshtein distance of two short words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
