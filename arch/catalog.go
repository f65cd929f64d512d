package arch

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"github.com/xjail/xjail/internal/fault"
)

//go:embed catalog.yaml
var catalogText []byte

// theCatalog parses the embedded catalog at the first call: commands that need
// no architecture do not pay for it. The tests parse the same bytes, so a
// failure here is a broken build.
var theCatalog = sync.OnceValue(func() *catalog {
	c, err := parseCatalog(catalogText)
	if err != nil {
		panic(err)
	}
	return c
})

// catalog is the parsed file and its index of names.
type catalog struct {
	rows  []*Arch
	names map[string]*Arch // lower case; see index

	debian *debianSuites

	linkersOnce sync.Once
	byLinker    map[string][]linker // see linkers
}

// debianSuites are the suites that the catalog knows, oldest first.
type debianSuites struct {
	names  []string
	stable string
}

// file, row and the types below are the YAML form of the catalog.
type file struct {
	DebianStable string   `yaml:"debian_stable"`
	DebianSuites []string `yaml:"debian_suites"`
	Rows         []row    `yaml:"rows"`
}

type row struct {
	Name    string      `yaml:"name"`
	Target  string      `yaml:"target"`
	Targets []string    `yaml:"targets"`
	ELF     elfRow      `yaml:"elf"`
	Same    []string    `yaml:"same"`
	Over    string      `yaml:"over"`
	When    []condition `yaml:"when"`
	QEMU    struct {
		Name  string `yaml:"name"`
		Linux bool   `yaml:"linux"`
		BSD   string `yaml:"bsd"`
		CPU   string `yaml:"cpu"`
		Last  string `yaml:"last"`
	} `yaml:"qemu"`
	Debian struct {
		Name  string `yaml:"name"`
		First string `yaml:"first"`
		Last  string `yaml:"last"`
		Ports bool   `yaml:"ports"`
	} `yaml:"debian"`
	Go struct {
		Arch string   `yaml:"arch"`
		Env  []string `yaml:"env"`
		OS   []string `yaml:"os"`
	} `yaml:"go"`
	OCI     string              `yaml:"oci"`
	GNU     string              `yaml:"gnu"`
	LLVM    map[string]string   `yaml:"llvm"`
	Uname   string              `yaml:"uname"`
	Linkers map[string][]string `yaml:"linkers"`
	FreeBSD freebsdRow          `yaml:"freebsd"`
	Aliases []string            `yaml:"aliases"`
	Notes   string              `yaml:"notes"`
}

type freebsdRow struct {
	First string `yaml:"first"`
	Last  string `yaml:"last"`
	Sets  struct {
		First string `yaml:"first"`
		Last  string `yaml:"last"`
	} `yaml:"sets"`
}

type elfRow struct {
	Class      int    `yaml:"class"`
	Order      Order  `yaml:"order"`
	Machine    uint16 `yaml:"machine"`
	Flags      Flags  `yaml:"flags"`
	ABIVersion string `yaml:"abiversion"`
}

// condition tells a row from its Same rows; an empty field is not looked at.
type condition struct {
	CPU   string `yaml:"cpu"`
	Float string `yaml:"float"`
	OS    string `yaml:"os"`
}

// rowError is a fault in the row at an index of the file.
type rowError struct {
	row  int
	text string
}

func (e *rowError) Error() string { return e.text }

// parseCatalog reads a catalog and checks it. Errors are of kind Damaged and
// name the line.
func parseCatalog(text []byte) (*catalog, error) {
	var f file
	if err := decodeStrict(text, &f); err != nil {
		return nil, fault.Wrap(fault.Damaged, err, "catalog", "")
	}
	c, err := f.build()
	if err == nil {
		return c, nil
	}
	var bad *rowError
	if errors.As(err, &bad) {
		err = fmt.Errorf("line %d: %w", rowLine(text, bad.row), err)
	}
	return nil, fault.Wrap(fault.Damaged, err, "catalog", "")
}

// decodeStrict refuses unknown and repeated keys, and a second document. The
// library panics on some malformed input, which is an error here like another.
func decodeStrict(text []byte, f *file) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("not YAML: %v", p)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(f); err != nil {
		return err
	}
	if err := dec.Decode(&file{}); !errors.Is(err, io.EOF) {
		return errors.New("more than one document")
	}
	return nil
}

// rowLine finds the line of a row. Positions cost a second parse, which only
// a broken catalog pays for.
func rowLine(text []byte, i int) int {
	var doc struct {
		Rows []yaml.Node `yaml:"rows"`
	}
	if yaml.Unmarshal(text, &doc) != nil || i >= len(doc.Rows) {
		return 0
	}
	return doc.Rows[i].Line
}

// build turns the rows into the catalog, or says which row is wrong and why.
func (f *file) build() (*catalog, error) {
	c := &catalog{debian: &debianSuites{names: f.DebianSuites, stable: f.DebianStable}}
	if len(f.DebianSuites) > 0 && !slices.Contains(f.DebianSuites, f.DebianStable) {
		return nil, fmt.Errorf("debian_stable %q is not in debian_suites", f.DebianStable)
	}
	for i := range f.Rows {
		a := f.Rows[i].arch()
		a.debian = c.debian
		if why := f.Rows[i].check(f, a); why != "" {
			return nil, &rowError{i, fmt.Sprintf("%s: %s", a.Name, why)}
		}
		c.rows = append(c.rows, a)
	}
	if err := c.index(); err != nil {
		return nil, err
	}
	return c, c.checkRelations()
}

// freebsdLinker is the run-time linker of every FreeBSD architecture (each
// sys/<arch>/<arch>/elf_machdep.c, interp_path).
const freebsdLinker = "/libexec/ld-elf.so.1"

func (r *row) arch() *Arch {
	a := &Arch{
		Name: r.Name, Target: r.Target, OtherTargets: r.Targets,
		Class: r.ELF.Class, Order: r.ELF.Order, Machine: r.ELF.Machine, Flags: r.ELF.Flags,
		AnyABIVersion: r.ELF.ABIVersion == "any", Same: r.Same, Over: r.Over, when: r.When,
		QEMU: r.QEMU.Name, LinuxUser: r.QEMU.Linux, BSDUser: r.QEMU.BSD, CPU: r.QEMU.CPU, QEMULast: r.QEMU.Last,
		Debian: r.Debian.Name, DebianFirst: r.Debian.First, DebianLast: r.Debian.Last, DebianPorts: r.Debian.Ports,
		GoArch: r.Go.Arch, GoEnv: r.Go.Env, GoOS: r.Go.OS, OCI: r.OCI, GNU: r.GNU, Triples: r.LLVM, Uname: r.Uname,
		Linkers: r.Linkers, FirstRelease: r.FreeBSD.First, LastRelease: r.FreeBSD.Last,
		FirstSets: r.FreeBSD.Sets.First, LastSets: r.FreeBSD.Sets.Last,
		Aliases: r.Aliases, Notes: r.Notes,
	}
	if r.Target != "" && len(a.Linkers["freebsd"]) == 0 {
		if a.Linkers == nil {
			a.Linkers = map[string][]string{}
		}
		a.Linkers["freebsd"] = []string{freebsdLinker}
	}
	return a
}

// check returns what contradicts itself in one row, "" for nothing.
func (r *row) check(f *file, a *Arch) string {
	switch {
	case a.Name == "":
		return "a row without a name"
	case a.Class != 32 && a.Class != 64:
		return fmt.Sprintf("class %d is neither 32 nor 64", a.Class)
	case a.Order != Little && a.Order != Big:
		return fmt.Sprintf("order %q is neither little nor big", a.Order)
	case a.Machine == 0:
		return "no machine"
	case a.Flags.Value&^a.Flags.Mask != 0:
		return fmt.Sprintf("flags: value 0x%x has bits outside of mask 0x%x", a.Flags.Value, a.Flags.Mask)
	case r.ELF.ABIVersion != "" && r.ELF.ABIVersion != "any":
		return fmt.Sprintf("abiversion %q: only \"any\" is known", r.ELF.ABIVersion)
	}
	return r.checkNames(f)
}

// checkNames looks at the names elsewhere.
func (r *row) checkNames(f *file) string {
	known := func(suite string) bool { return suite == "" || slices.Contains(f.DebianSuites, suite) }
	switch {
	case (r.QEMU.Linux || r.QEMU.BSD != "" || r.QEMU.CPU != "") && r.QEMU.Name == "":
		return "qemu: targets without a name"
	case !slices.Contains([]string{"", "upstream", "fork"}, r.QEMU.BSD):
		return fmt.Sprintf("qemu: bsd %q is neither upstream nor fork", r.QEMU.BSD)
	case r.FreeBSD.First != "" && r.Target == "":
		return "freebsd: releases without a target"
	case r.Target != "" && r.FreeBSD.First == "":
		return "a target without freebsd: first"
	case !known(r.Debian.First), !known(r.Debian.Last):
		return fmt.Sprintf("debian: %q or %q is not in debian_suites", r.Debian.First, r.Debian.Last)
	case r.Debian.Last != "" && slices.Index(f.DebianSuites, r.Debian.First) > slices.Index(f.DebianSuites, r.Debian.Last):
		return "debian: last is before first"
	case (r.Debian.First != "" || r.Debian.Ports) && r.Debian.Name == "":
		return "debian: suites without a name"
	case r.Go.Arch == "" && len(r.Go.Env)+len(r.Go.OS) > 0:
		return "go: env or os without arch"
	}
	for _, kv := range r.Go.Env {
		if !strings.Contains(kv, "=") {
			return fmt.Sprintf("go: env %q is not KEY=VALUE", kv)
		}
	}
	return r.FreeBSD.check()
}

// check holds the releases against one another.
func (f *freebsdRow) check() string {
	for _, release := range []string{f.First, f.Last, f.Sets.First, f.Sets.Last} {
		if _, err := strconv.ParseFloat(release, 64); release != "" && err != nil {
			return fmt.Sprintf("freebsd: %q is no release", release)
		}
	}
	switch {
	case f.Sets.First == "" && f.Sets.Last != "":
		return "freebsd: sets: last without first"
	case f.Sets.First != "" && f.First == "":
		return "freebsd: sets without a release"
	case f.Sets.First != "" && CompareReleases(f.Sets.First, f.First) < 0:
		return "freebsd: sets before the first release"
	case f.Sets.First != "" && (f.Sets.Last == "") != (f.Last == ""):
		return "freebsd: sets: last goes with last"
	case f.Last != "" && f.Sets.Last != "" && !within(f.Sets.Last, f.Last):
		return "freebsd: sets after the last release"
	}
	return ""
}

// checkRelations holds the rows against one another: rows with one pattern
// must say so on both sides, and overlapping ones must name the general one.
func (c *catalog) checkRelations() error {
	patterns := make([]Pattern, len(c.rows))
	for i, a := range c.rows {
		patterns[i] = a.Pattern(Any)
	}
	for i, a := range c.rows {
		for _, name := range append(slices.Clone(a.Same), a.Over) {
			if name != "" && c.byName(name) == nil {
				return &rowError{i, fmt.Sprintf("%s: no row %q", a.Name, name)}
			}
		}
		for j, b := range c.rows {
			if i == j {
				continue
			}
			if why := relation(a, b, patterns[i], patterns[j]); why != "" {
				return &rowError{i, fmt.Sprintf("%s: %s", a.Name, why)}
			}
		}
	}
	return nil
}

// relation is what is wrong in what a says of b, given their patterns.
func relation(a, b *Arch, pa, pb Pattern) string {
	same := slices.Contains(a.Same, b.Name)
	switch {
	case same != pa.Equal(pb):
		return fmt.Sprintf("same is wrong about %s", b.Name)
	case a.Over == b.Name && (!pa.Overlaps(pb) || len(pa.Magic) <= len(pb.Magic)):
		return fmt.Sprintf("its pattern is not a special case of that of %s", b.Name)
	case !same && pa.Overlaps(pb) && a.Over != b.Name && b.Over != a.Name:
		return fmt.Sprintf("its pattern overlaps that of %s", b.Name)
	}
	return ""
}

func (c *catalog) byName(name string) *Arch {
	for _, a := range c.rows {
		if a.Name == name {
			return a
		}
	}
	return nil
}

func (c *catalog) byGo(goarch string) *Arch {
	for _, a := range c.rows {
		if a.GoArch != "" && a.GoArch == goarch {
			return a
		}
	}
	return nil
}
