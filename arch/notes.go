package arch

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// notes reads a note segment or section. Names and descriptions are padded to
// 4 bytes, or 8 where the segment is aligned so (gABI; GNU property notes).
func (f *image) notes(id *Identity, s span) {
	pad := uint64(4)
	if s.align == 8 {
		pad = 8
	}
	b := f.bytes(s.off, min(s.size, maxContents))
	for len(b) >= 12 {
		nameSize, descSize, kind := uint64(f.bo.Uint32(b)), uint64(f.bo.Uint32(b[4:])), f.bo.Uint32(b[8:])
		descAt := roundUp(12+nameSize, pad)
		end := descAt + descSize
		if end > uint64(len(b)) {
			return
		}
		id.note(untilNUL(b[12:12+nameSize]), kind, b[descAt:end], f.bo)
		b = b[min(roundUp(end, pad), uint64(len(b))):]
	}
}

func roundUp(n, to uint64) uint64 { return (n + to - 1) / to * to }

// Note types, from FreeBSD sys/sys/elf_common.h, glibc and the systems' own
// headers.
const (
	ntABITag         = 1 // NT_GNU_ABI_TAG, NT_FREEBSD_ABI_TAG, and the other BSDs'
	ntFreeBSDArchTag = 3 // NT_FREEBSD_ARCH_TAG: armv6 or armv7
	ntGoBuildID      = 4
	ntAPUInfo        = 2 // PowerPC embedded: the units that the program uses
)

// gnuOS are the first word of a GNU ABI note.
var gnuOS = []string{"linux", "hurd", "solaris", "kfreebsd", "knetbsd", "syllable", "nacl"}

func (id *Identity) note(nameBytes []byte, kind uint32, desc []byte, bo binary.ByteOrder) {
	switch name := string(nameBytes); {
	case name == "GNU" && kind == ntABITag && len(desc) >= 16:
		if os := bo.Uint32(desc); os < uint32(len(gnuOS)) {
			id.setOS(gnuOS[os], fmt.Sprintf("%d.%d.%d", bo.Uint32(desc[4:]), bo.Uint32(desc[8:]), bo.Uint32(desc[12:])))
		}
	case name == "FreeBSD" && kind == ntFreeBSDArchTag:
		id.CPU = cString(desc)
	case bsdNames[name] != "" && kind == ntABITag && len(desc) >= 4:
		id.setOS(bsdNames[name], fmt.Sprint(bo.Uint32(desc)))
	case name == "Android" && kind == ntABITag:
		id.setOS("linux", "")
	case name == "Go" && kind == ntGoBuildID:
		id.goNote = true
	case name == "APUinfo" && kind == ntAPUInfo:
		id.apuInfo(desc, bo)
	}
}

// bsdNames are the systems with an ABI note of one word.
var bsdNames = map[string]string{"FreeBSD": "freebsd", "NetBSD": "netbsd", "OpenBSD": "openbsd", "DragonFly": "dragonfly"}

func (id *Identity) setOS(os, version string) {
	if id.OS == "" {
		id.OS, id.OSFrom, id.OSVersion = os, "note", version
	}
}

// apuInfo looks for the SPE units in a PowerPC APUinfo note; the unit is the
// upper half of each word (Power ISA embedded ABI).
func (id *Identity) apuInfo(desc []byte, bo binary.ByteOrder) {
	const spe, efs = 0x0100, 0x0101
	for ; len(desc) >= 4 && id.Machine == emPPC; desc = desc[4:] {
		if unit := bo.Uint32(desc) >> 16; unit == spe || unit == efs {
			id.CPU = "spe"
		}
	}
}

// mipsABIFlags reads Elf_ABIFlags_v0 (.MIPS.abiflags, 24 bytes): fp_abi is its
// byte 7, a Val_GNU_MIPS_ABI_FP_ value.
func (id *Identity) mipsABIFlags(b []byte) {
	const anyFP, softFP = 0, 3
	if len(b) < 24 || b[7] == anyFP {
		return
	}
	id.Float = "hard"
	if b[7] == softFP {
		id.Float = "soft"
	}
}

// Bits of e_flags, from FreeBSD sys/sys/elf_common.h and the psABI documents.
const (
	mipsABI2     = 0x20
	mipsABIMask  = 0xf000
	armABIMask   = 0xff000000
	armHardFloat = 0x400
	armSoftFloat = 0x200
	riscvFloat   = 0x6
	ppc64ABI     = 0x3
	loongFloat   = 0x7
)

// abi names the calling convention that e_flags tell.
func (id *Identity) abi() string {
	switch id.Machine {
	case emMIPS:
		return id.mipsABI()
	case emARM:
		if v := id.Flags & armABIMask >> 24; v != 0 {
			return fmt.Sprintf("eabi%d", v)
		}
		return "oabi"
	case emPPC64:
		return map[uint32]string{1: "elfv1", 2: "elfv2"}[id.Flags&ppc64ABI]
	case emRISCV:
		return id.dataModel() + []string{"", "f", "d", "q"}[id.Flags&riscvFloat>>1]
	case emLoongArch:
		if v := id.Flags & loongFloat; v >= 1 && v <= 3 {
			return id.dataModel() + string("sfd"[v-1])
		}
	}
	return ""
}

func (id *Identity) dataModel() string {
	if id.Class == 64 {
		return "lp64"
	}
	return "ilp32"
}

func (id *Identity) mipsABI() string {
	switch {
	case id.Class == 64:
		return "n64"
	case id.Flags&mipsABI2 != 0:
		return "n32"
	}
	return map[uint32]string{0: "o32", 0x1000: "o32", 0x2000: "o64", 0x3000: "eabi32", 0x4000: "eabi64"}[id.Flags&mipsABIMask]
}

// flagFloat takes the float ABI from the end of the ABI's name, or from ARM's
// flags.
func (id *Identity) flagFloat() {
	switch {
	case id.Machine == emARM && id.Flags&armHardFloat != 0:
		id.Float = "hard"
	case id.Machine == emARM && id.Flags&armSoftFloat != 0:
		id.Float = "soft"
	case id.Machine == emRISCV || id.Machine == emLoongArch && id.ABI != "":
		id.Float = "soft"
		if strings.ContainsAny(id.ABI[len(id.ABI)-1:], "fdq") {
			id.Float = "hard"
		}
	}
}
