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
// the program and the rest its arguments. Descriptor 3 is a socket: one byte lets
// the gate go on, the end of the file ends it. When execve(2) fails, the gate
// writes what it returned, 4 bytes of the host's order, and ends with status 127.
var gates = map[string]string{
	// Assembled from:
	//	mov %rsp,%rbx; sub $16,%rsp
	//	read(3, rsp, 1)                  xor eax; edi 3; rsi rsp; edx 1; syscall
	//	cmp $1,%rax; jne exit
	//	fcntl(3, F_SETFD, FD_CLOEXEC)    eax 72
	//	execve(16(rbx), 24+rbx, 16+rbx+8*(rbx))  eax 59
	//	mov %eax,(%rsp); write(3, rsp, 4)
	//	exit: exit_group(127)            eax 231
	"amd64": `48 89 e3 48 83 ec 10 31 c0 bf 03 00 00 00 48 89
		e6 ba 01 00 00 00 0f 05 48 83 f8 01 75 44 b8 48
		00 00 00 bf 03 00 00 00 be 02 00 00 00 ba 01 00
		00 00 0f 05 48 8b 7b 10 48 8d 73 18 48 8b 03 48
		8d 54 c3 10 b8 3b 00 00 00 0f 05 89 04 24 b8 01
		00 00 00 bf 03 00 00 00 48 89 e6 ba 04 00 00 00
		0f 05 bf 7f 00 00 00 b8 e7 00 00 00 0f 05`,
	// The same, with x19 for rbx, x8 for the numbers 63, 25, 221, 64 and 94.
	"arm64": `f3 03 00 91 ff 43 00 d1 60 00 80 d2 e1 03 00 91
		22 00 80 d2 e8 07 80 d2 01 00 00 d4 1f 04 00 f1
		61 02 00 54 60 00 80 d2 41 00 80 d2 22 00 80 d2
		28 03 80 d2 01 00 00 d4 60 0a 40 f9 61 62 00 91
		62 02 40 f9 62 0e 02 8b 42 40 00 91 a8 1b 80 d2
		01 00 00 d4 e0 03 00 b9 60 00 80 d2 e1 03 00 91
		82 00 80 d2 08 08 80 d2 01 00 00 d4 e0 0f 80 d2
		c8 0b 80 d2 01 00 00 d4`,
}

// gateMachines are e_machine of the hosts that have a gate.
var gateMachines = map[string]uint16{"amd64": 62, "arm64": 183}

// Where the gate's one segment is loaded, and the sizes of ELF's headers.
const (
	gateAddress = 0x400000
	gateHeader  = 64
	gateSegment = 56
)

// gateELF is the gate for a host, by GOARCH; nil when there is none.
func gateELF(goarch string) []byte {
	code, err := hex.DecodeString(strings.Join(strings.Fields(gates[goarch]), ""))
	if err != nil || len(code) == 0 {
		return nil
	}
	const start = gateHeader + gateSegment
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
	for _, v := range []uint16{gateHeader, gateSegment, 1, 64, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	b = le.AppendUint32(b, 1) // PT_LOAD
	b = le.AppendUint32(b, 5) // readable, executable
	for _, v := range []uint64{0, gateAddress, gateAddress, size, size, 0x10000} {
		b = le.AppendUint64(b, v)
	}
	return append(b, code...)
}
