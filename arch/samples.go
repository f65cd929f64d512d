package arch

import "slices"

// Sample is the start of a program that an architecture can have: its ELF
// header.
type Sample struct {
	Header     []byte // 64 bytes
	PIE        bool   // e_type is ET_DYN; else ET_EXEC
	OSABI      byte   // EI_OSABI
	ABIVersion byte   // EI_ABIVERSION
	Flags      uint32 // e_flags
	// Usual says that compilers for the system make such programs.
	Usual bool
}

const (
	osabiSysV = 0
	osabiARM  = 97
	typeDyn   = 3

	machineSPARC32Plus = 0x12
	machineSPARCV9     = 0x2b
	machineMIPS        = 0x08
	machineHPPA        = 0x0f
	machinePPC64       = 0x15
	machineARM         = 0x28
	machineSH          = 0x2a
	machineIA64        = 0x32
	machineXtensa      = 0x5e
	machineHexagon     = 0xa4
	machineRISCV       = 0xf3
	machineLoongArch   = 0x102

	maxABIVersion = 5 // LIBC_ABI_MIPS_XHASH of glibc, the last one that means something
)

// Samples are the headers of a's programs for a system ("linux", "freebsd"):
// executables and PIE, each EI_OSABI and EI_ABIVERSION that programs bear, and
// the e_flags that its compilers write. Which of them are usual:
//
//   - e_type: both;
//   - EI_OSABI: on Linux 0 and 3, which static programs of glibc have that
//     choose functions when they start (IFUNC); on FreeBSD 9;
//   - EI_ABIVERSION: 0, and on Linux 1 where MIPS programs of fixed addresses
//     have it (glibc's LIBC_ABI_MIPS_PLT). 3 and 5 take special options;
//   - e_flags: the first of those in the list for the architecture; see flagsOf.
func (a *Arch) Samples(system string) []Sample {
	usual, rare := a.flagsOf()
	osabis := []byte{osabiSysV, osabiGNU, osabiFreeBSD}
	if a.Machine == machineARM {
		osabis = append(osabis, osabiARM)
	}
	var list []Sample
	for _, pie := range []bool{false, true} {
		for _, osabi := range osabis {
			for version := range byte(maxABIVersion + 1) {
				for i, flags := range append(slices.Clone(usual), rare...) {
					s := Sample{PIE: pie, OSABI: osabi, ABIVersion: version, Flags: flags}
					s.Usual = a.usual(system, osabi, version) && i < len(usual)
					s.Header = a.sampleHeader(s)
					list = append(list, s)
				}
			}
		}
	}
	return list
}

// usual tells whether programs for a system bear such marks.
func (a *Arch) usual(system string, osabi, version byte) bool {
	if system == "freebsd" {
		return osabi == osabiFreeBSD && version == 0
	}
	return (osabi == osabiSysV || osabi == osabiGNU) &&
		(version == 0 || version == 1 && a.AnyABIVersion && a.Machine == machineMIPS)
}

// sampleHeader is a whole ELF header, with the entry point and the sizes that
// linkers write.
func (a *Arch) sampleHeader(s Sample) []byte {
	h := a.Header(s.OSABI)
	bo := a.Order.Binary()
	h[atABIVersion] = s.ABIVersion
	if s.PIE {
		bo.PutUint16(h[atType:], typeDyn)
	}
	at := atFlags(a.Class)
	bo.PutUint32(h[at:], s.Flags)
	sizes := []uint16{headerSize32, 32, 9, 40, 0, 0}
	if a.Class == 64 {
		sizes = []uint16{headerSize64, 56, 9, 64, 0, 0}
	}
	for i, v := range sizes { // e_ehsize to e_shstrndx
		bo.PutUint16(h[at+4+2*i:], v)
	}
	if a.Class == 64 {
		bo.PutUint64(h[24:], 0x10000) // e_entry
		bo.PutUint64(h[32:], headerSize64)
		return h
	}
	bo.PutUint32(h[24:], 0x10000)
	bo.PutUint32(h[28:], headerSize32)
	return h
}

// flagsOf are the e_flags of a's programs: those that compilers write for its
// usual ABI and CPU, and others that exist. They are from the processor
// supplements of the System V ABI, binutils' include/elf, and FreeBSD's
// sys/sys/elf_common.h.
func (a *Arch) flagsOf() (usual, rare []uint32) {
	switch a.Machine {
	case machineMIPS:
		return a.mipsFlags()
	case machineARM:
		return a.armFlags()
	case machineRISCV:
		return a.riscvFlags()
	case machinePPC64: // 1 is ELFv1, 2 is ELFv2; old programs do not say
		if a.Order == Little {
			return []uint32{2}, []uint32{0}
		}
		return []uint32{1, 2}, []uint32{0}
	case machineSPARC32Plus: // EF_SPARC_32PLUS, EF_SPARC_SUN_US1
		return []uint32{0x100, 0x300}, nil
	case machineSPARCV9: // the memory model
		return []uint32{0, 2}, []uint32{1}
	case machineSH:
		return []uint32{9, 0x0c}, []uint32{0}
	case machineIA64: // EF_IA_64_ABI64
		return []uint32{0x10}, nil
	case machineHPPA: // EFA_PARISC_1_1; 1.0 and 2.0
		return []uint32{0x210}, []uint32{0x20b, 0x214}
	case machineXtensa:
		return []uint32{0x300}, []uint32{0}
	case machineHexagon:
		return []uint32{0x60, 0x68, 0x73}, []uint32{5}
	case machineLoongArch: // object file ABI v1, and double float or what is older
		return []uint32{0x43}, []uint32{3, 0x41}
	}
	return []uint32{0}, nil
}

// mipsFlags: architecture level, o32 or EF_MIPS_ABI2 (n32), position
// independence, NaN 2008.
func (a *Arch) mipsFlags() (usual, rare []uint32) {
	switch {
	case a.Class == 64:
		return []uint32{0x80000007, 0x60000007, 0x20000007}, []uint32{0xa0000407, 0x80000005}
	case a.Flags.Value != 0: // n32
		return []uint32{0x80000027, 0x60000027, 0x20000027}, []uint32{0xa0000427}
	}
	return []uint32{0x70001007, 0x50001007, 0x70001005, 0x1007}, []uint32{0x90001407, 0x50001004, 0x10001005}
}

// armFlags: EABI 5 with what the float ABI is, and BE8 code in big-endian files.
func (a *Arch) armFlags() (usual, rare []uint32) {
	switch {
	case a.Order == Big:
		return []uint32{0x05800000, 0x05000000}, []uint32{0x05800200, 0x05800400, 0x04000000}
	case a.Name == "arm":
		return []uint32{0x05000200, 0x05000000}, []uint32{0x05000400, 0x05000002, 0x04000000, 0x02}
	}
	return []uint32{0x05000400}, []uint32{0x05000200, 0x05000000, 0x05000002, 0x04000000}
}

// riscvFlags: RVC is 1, the float ABI 6. A row with the float ABI in its pattern
// has programs of that ABI only.
func (a *Arch) riscvFlags() (usual, rare []uint32) {
	if a.Flags.Mask != 0 {
		return []uint32{a.Flags.Value | 1, a.Flags.Value}, nil
	}
	return []uint32{5, 4}, []uint32{3, 2}
}

// AllNames are, for each row by its name, all words by which Lookup finds it, in
// lower case and sorted.
func AllNames() map[string][]string {
	all := map[string][]string{}
	for name, a := range theCatalog().names {
		all[a.Name] = append(all[a.Name], name)
	}
	for _, list := range all {
		slices.Sort(list)
	}
	return all
}
