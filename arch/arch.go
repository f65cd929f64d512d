// Package arch is the catalog of architectures and the identification of ELF
// files: what FreeBSD, QEMU, Debian, Go and others call an architecture, the
// magic and mask that make a kernel run its programs through an emulator, and
// what a given file is. It is a leaf: data and pure functions.
//
// The catalog is catalog.yaml, embedded and parsed at the first use.
package arch

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"

	"github.com/xjail/xjail/internal/fault"
)

// Order is a byte order, as EI_DATA of an ELF header gives it.
type Order string

// The byte orders.
const (
	Little Order = "little" // ELFDATA2LSB
	Big    Order = "big"    // ELFDATA2MSB
)

// Binary is o for package encoding/binary.
func (o Order) Binary() binary.ByteOrder {
	if o == Big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// Flags are the bits of e_flags that tell an architecture from others with the
// same class, byte order and e_machine: (e_flags & Mask) == Value. Mask is 0
// where no bit matters.
type Flags struct {
	Mask  uint32 `json:"mask" yaml:"mask"`
	Value uint32 `json:"value" yaml:"value"`
}

// Arch is a row of the catalog. Rows are shared: treat them as read-only.
type Arch struct {
	// Name is FreeBSD's TARGET_ARCH where it has one (arch(7)), else QEMU's name.
	Name string `json:"name"`
	// Target is FreeBSD's TARGET, "" when FreeBSD never had the architecture.
	Target string `json:"target,omitempty"`
	// OtherTargets are further TARGETs with the same TARGET_ARCH (pc98).
	OtherTargets []string `json:"other_targets,omitempty"`

	Class   int    `json:"class"` // bits: 32 or 64
	Order   Order  `json:"order"`
	Machine uint16 `json:"machine"` // e_machine
	Flags   Flags  `json:"flags"`
	// AnyABIVersion says that programs exist whose EI_ABIVERSION is not 0: glibc
	// on MIPS gives 1, 3 and 5.
	AnyABIVersion bool `json:"any_abi_version,omitempty"`

	// Same names the rows that no magic at a fixed offset can tell from this one.
	Same []string `json:"same,omitempty"`
	// Over names the row whose pattern is more general: it is registered first.
	Over string `json:"over,omitempty"`

	QEMU      string `json:"qemu,omitempty"`      // the emulator is qemu-<QEMU>; "" when there is none
	LinuxUser bool   `json:"linux_user"`          // QEMU has a linux-user target
	BSDUser   string `json:"bsd_user,omitempty"`  // "upstream", "fork" (FreeBSD's), "" when there is no bsd-user target
	CPU       string `json:"cpu,omitempty"`       // -cpu, where the emulator's default does not run the programs
	QEMULast  string `json:"qemu_last,omitempty"` // last QEMU release with the target; "" when current ones have it
	Uname     string `json:"uname,omitempty"`     // uname -m on Linux
	GNU       string `json:"gnu,omitempty"`       // GNU triple, as Debian's cross tools are named
	OCI       string `json:"oci,omitempty"`       // OCI platform: linux/arm/v7
	GoArch    string `json:"goarch,omitempty"`    // GOARCH; "" when Go has no port

	GoEnv []string `json:"goenv,omitempty"` // KEY=VALUE to set beside GOARCH
	GoOS  []string `json:"goos,omitempty"`  // the GOOS that Go has the port for

	// Debian is dpkg's name of the architecture, also where no archive has it.
	Debian string `json:"debian,omitempty"`
	// DebianFirst and DebianLast are the first and the last suite that released
	// the architecture; an empty DebianLast with a DebianFirst means that the
	// current one does.
	DebianFirst string `json:"debian_first,omitempty"`
	DebianLast  string `json:"debian_last,omitempty"`
	// DebianPorts says that debian-ports has it, outside of the releases.
	DebianPorts bool `json:"debian_ports,omitempty"`

	Triples map[string]string   `json:"llvm,omitempty"`    // LLVM triple by OS: linux, freebsd
	Linkers map[string][]string `json:"linkers,omitempty"` // dynamic linkers by OS

	FirstRelease string `json:"freebsd_first,omitempty"` // first FreeBSD release
	LastRelease  string `json:"freebsd_last,omitempty"`  // last one; "" when current ones have it
	// FirstSets and LastSets are the first and the last FreeBSD release of which
	// sets (base.txz and others) were published; FirstSets is "" when none ever
	// were, LastSets when those of current ones are.
	FirstSets string   `json:"freebsd_sets_first,omitempty"`
	LastSets  string   `json:"freebsd_sets_last,omitempty"`
	Aliases   []string `json:"aliases,omitempty"`
	Notes     string   `json:"notes,omitempty"`

	when   []condition
	debian *debianSuites
}

// String is the name of a.
func (a *Arch) String() string { return a.Name }

// All are the rows of the catalog, in its order.
func All() []*Arch { return slices.Clone(theCatalog().rows) }

// Host is the architecture that this program was built for; nil when the
// catalog has no such row (wasm).
func Host() *Arch { return theCatalog().byGo(runtime.GOARCH) }

// InDebian tells whether the Debian suite released a; "stable" is the one that
// was when the catalog was written, "testing", "unstable" and "sid" count as
// the newest suite known.
func (a *Arch) InDebian(suite string) bool {
	if a.Debian == "" || a.DebianFirst == "" {
		return false
	}
	switch suite {
	case "stable":
		suite = a.debian.stable
	case "testing", "unstable", "sid":
		suite = a.debian.names[len(a.debian.names)-1]
	}
	at := slices.Index(a.debian.names, suite)
	last := len(a.debian.names) - 1
	if a.DebianLast != "" {
		last = slices.Index(a.debian.names, a.DebianLast)
	}
	return at >= slices.Index(a.debian.names, a.DebianFirst) && at <= last
}

// KnowsDebianSuite tells whether the catalog can say which architectures a
// Debian suite has: it knows the releases by their names, and the names that
// move from release to release.
func KnowsDebianSuite(suite string) bool {
	switch suite {
	case "stable", "testing", "unstable", "sid":
		return true
	}
	return slices.Contains(theCatalog().debian.names, suite)
}

// DebianStable is Debian's stable suite at the time of the catalog.
func DebianStable() string { return theCatalog().debian.stable }

// fits tells whether a header with these fields is one of a's programs.
func (a *Arch) fits(class int, order Order, machine uint16, flags uint32) bool {
	return a.Class == class && a.Order == order && a.Machine == machine && flags&a.Flags.Mask == a.Flags.Value
}

// Accepts returns nil when the file that id describes can run in a root of a:
// same class, byte order, e_machine and the e_flags that matter. arm, armv6
// and armv7 accept one another, as do hard and soft float MIPS; i386 is not
// amd64. Otherwise the error is of kind WrongArch and names both.
func (a *Arch) Accepts(id *Identity) error {
	if a.fits(id.Class, id.Order, id.Machine, id.Flags) {
		return nil
	}
	hint := ""
	if id.Arch != nil {
		hint = "for this one: --arch " + id.Arch.Name
	}
	return fault.New(fault.WrongArch, hint, "it is %s, not %s", id.describe(), a.Name)
}

// describe names the architecture of id, also when the catalog has no row.
func (id *Identity) describe() string {
	if id.Arch != nil {
		return id.Arch.Name
	}
	return fmt.Sprintf("%d-bit %s-endian e_machine 0x%x", id.Class, id.Order, id.Machine)
}
