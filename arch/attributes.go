package arch

import (
	"encoding/binary"
	"slices"
)

// Tags of the ARM build attributes (Addenda to the ABI for the Arm
// architecture).
const (
	tagFile        = 1
	tagCPURawName  = 4
	tagCPUName     = 5
	tagCPUArch     = 6
	tagABIVFPArgs  = 28
	tagCompat      = 32
	tagNoDefaults  = 64 // from here on odd tags are strings, even ones numbers
	tagConformance = 67
)

// armAttributes reads .ARM.attributes for the architecture and the float ABI.
// Its form: 'A', then subsections of length, vendor and sub-subsections of
// tag, length and attributes.
func (id *Identity) armAttributes(b []byte, bo binary.ByteOrder) {
	if len(b) == 0 || b[0] != 'A' {
		return
	}
	for b = b[1:]; len(b) >= 4; {
		section, rest := cutLength(b, 0, bo)
		if section == nil {
			return
		}
		b = rest
		vendor := cString(section[4:])
		body := section[min(4+len(vendor)+1, len(section)):]
		if vendor == "aeabi" {
			id.armSubsections(body, bo)
		}
	}
}

// cutLength splits b after the record whose 32-bit length, counted from the
// start of the record, is at byte at. It returns nil when the length is wrong.
func cutLength(b []byte, at int, bo binary.ByteOrder) (record, rest []byte) {
	if len(b) < at+4 {
		return nil, nil
	}
	n := uint64(bo.Uint32(b[at:]))
	if n < uint64(at)+4 || n > uint64(len(b)) {
		return nil, nil
	}
	return b[:n], b[n:]
}

func (id *Identity) armSubsections(b []byte, bo binary.ByteOrder) {
	for len(b) >= 5 {
		record, rest := cutLength(b, 1, bo)
		if record == nil {
			return
		}
		if record[0] == tagFile {
			id.armFileAttributes(record[5:])
		}
		b = rest
	}
}

func (id *Identity) armFileAttributes(b []byte) {
	for len(b) > 0 {
		var tag, value uint64
		tag, b = uleb(b)
		isString := tag == tagCPURawName || tag == tagCPUName || tag == tagConformance || (tag > tagNoDefaults && tag%2 == 1)
		if tag == tagCompat {
			_, b = uleb(b) // a number and a string
		}
		if isString || tag == tagCompat {
			b = skipString(b)
			continue
		}
		value, b = uleb(b)
		switch tag {
		case tagCPUArch:
			id.armCPU(value)
		case tagABIVFPArgs:
			id.Float = "soft"
			if value == 1 {
				id.Float = "hard"
			}
		}
	}
}

// armCPU names the level of Tag_CPU_arch, unless FreeBSD's note has: 6 to 9
// and 11, 12 are variants of v6, 10 and what follows v7 or newer.
func (id *Identity) armCPU(v uint64) {
	if id.CPU != "" {
		return
	}
	switch {
	case v >= 1 && v <= 5:
		id.CPU = "armv5"
	case v >= 6 && v <= 9, v == 11, v == 12:
		id.CPU = "armv6"
	case v >= 10:
		id.CPU = "armv7"
	}
}

// uleb reads an unsigned LEB128 number; bits beyond 64 are lost.
func uleb(b []byte) (uint64, []byte) {
	var v uint64
	for i, c := range b {
		if i < 10 {
			v |= uint64(c&0x7f) << (7 * i)
		}
		if c < 0x80 {
			return v, b[i+1:]
		}
	}
	return v, nil
}

func skipString(b []byte) []byte {
	if i := slices.Index(b, 0); i >= 0 {
		return b[i+1:]
	}
	return nil
}
