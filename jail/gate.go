package jail

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// A gate is a program that waits and then becomes another. The command of a jail
// that root enters gets namespaces of its own, and native tools must be laid over
// in those, before the command begins: mounts that were made above are locked in
// them. So what is started there first is a gate.
//
// It is a few instructions in a file of its own, since it starts in the jail,
// where a program of the host would look for its loader and libraries. argv[1] is
// the program and the rest its arguments. Descriptor 3 is a socket, from which it
// reads what to do:
//
//   - one byte lets it go on: it becomes the program. When that execve(2) fails, it
//     writes what was returned, 4 bytes of the host's order, and ends with status
//     127.
//   - 56 bytes or more are a system call: its number and six arguments, 8 bytes
//     each, and what the arguments point to, which is at gateData + 56 while the
//     call is made. It writes what was returned, 8 bytes, and reads on. So a command
//     gets what can only be done from within, such as a filter.
//   - the end of the file ends it, with status 127 as well.
var gates = map[string]string{
	// Assembled from:
	//	mov %rsp,%rbx; mov $gateData,%ebp
	//	loop: read(3, rbp, 4096)         xor eax; edi 3; rsi rbp; edx 4096; syscall
	//	cmp $1,%rax; je go; cmp $56,%rax; jl exit
	//	rax (%rbp), rdi 8, rsi 16, rdx 24, r10 32, r8 40, r9 48(%rbp); syscall
	//	mov %rax,(%rbp); write(3, rbp, 8); jmp loop
	//	go: fcntl(3, F_SETFD, FD_CLOEXEC)        eax 72
	//	execve(16(rbx), 24+rbx, 16+rbx+8*(rbx))  eax 59
	//	mov %eax,(%rbp); write(3, rbp, 4)
	//	exit: exit_group(127)                    eax 231
	"amd64": `48 89 e3 bd 00 00 50 00 31 c0 bf 03 00 00 00 48
		89 ee ba 00 10 00 00 0f 05 48 83 f8 01 74 3e 48
		83 f8 38 7c 7c 48 8b 45 00 48 8b 7d 08 48 8b 75
		10 48 8b 55 18 4c 8b 55 20 4c 8b 45 28 4c 8b 4d
		30 0f 05 48 89 45 00 b8 01 00 00 00 bf 03 00 00
		00 48 89 ee ba 08 00 00 00 0f 05 eb ab b8 48 00
		00 00 bf 03 00 00 00 be 02 00 00 00 ba 01 00 00
		00 0f 05 48 8b 7b 10 48 8d 73 18 48 8b 03 48 8d
		54 c3 10 b8 3b 00 00 00 0f 05 89 45 00 b8 01 00
		00 00 bf 03 00 00 00 48 89 ee ba 04 00 00 00 0f
		05 bf 7f 00 00 00 b8 e7 00 00 00 0f 05`,
	// The same, with x19 for rbx, x20 for rbp, x8 for the numbers 63, 64, 25, 221
	// and 94.
	"arm64": `f3 03 00 91 14 0a a0 d2 60 00 80 d2 e1 03 14 aa
		02 00 82 d2 e8 07 80 d2 01 00 00 d4 1f 04 00 f1
		e0 01 00 54 1f e0 00 f1 eb 03 00 54 88 02 40 f9
		80 86 40 a9 82 8e 41 a9 84 96 42 a9 01 00 00 d4
		80 02 00 f9 60 00 80 d2 e1 03 14 aa 02 01 80 d2
		08 08 80 d2 01 00 00 d4 ec ff ff 17 60 00 80 d2
		41 00 80 d2 22 00 80 d2 28 03 80 d2 01 00 00 d4
		60 0a 40 f9 61 62 00 91 62 02 40 f9 62 0e 02 8b
		42 40 00 91 a8 1b 80 d2 01 00 00 d4 80 02 00 b9
		60 00 80 d2 e1 03 14 aa 82 00 80 d2 08 08 80 d2
		01 00 00 d4 e0 0f 80 d2 c8 0b 80 d2 01 00 00 d4`,
}

// gateMachines are e_machine of the hosts that have a gate.
var gateMachines = map[string]uint16{"amd64": 62, "arm64": 183}

// Where the gate's code is loaded, and its page of data; what it reads before
// that which a call's arguments point to; the sizes of ELF's headers.
const (
	gateAddress = 0x400000
	gateData    = 0x500000
	gatePage    = 4096
	gateCall    = 7 * 8
	gateHeader  = 64
	gateSegment = 56
)

// gateELF is the gate for a host, by GOARCH; nil when there is none.
func gateELF(goarch string) []byte {
	code, err := hex.DecodeString(strings.Join(strings.Fields(gates[goarch]), ""))
	if err != nil || len(code) == 0 {
		return nil
	}
	const start = gateHeader + 2*gateSegment
	size := uint64(start + len(code))
	var b []byte
	le := binary.LittleEndian
	b = append(b, 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = le.AppendUint16(b, 2) // ET_EXEC
	b = le.AppendUint16(b, gateMachines[goarch])
	b = le.AppendUint32(b, 1)
	b = le.AppendUint64(b, gateAddress+start) // e_entry
	b = le.AppendUint64(b, gateHeader)        // e_phoff
	b = le.AppendUint64(b, 0)                 // e_shoff
	b = le.AppendUint32(b, 0)                 // e_flags
	for _, v := range []uint16{gateHeader, gateSegment, 2, 64, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	const load, readable, writable, executable = 1, 4, 2, 1
	b = segment(b, load, readable|executable, gateAddress, size, size)
	b = segment(b, load, readable|writable, gateData, 0, gatePage)
	return append(b, code...)
}

// segment appends a program header. The segment's bytes begin with the file.
func segment(b []byte, kind, flags uint32, address, inFile, inMemory uint64) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, kind)
	b = le.AppendUint32(b, flags)
	for _, v := range []uint64{0, address, address, inFile, inMemory, 0x10000} {
		b = le.AppendUint64(b, v)
	}
	return b
}
