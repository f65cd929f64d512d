package ptrace

// execCall is a number by which a program asks for another, in an ABI that the
// kernel offers.
type execCall struct{ auditArch, number uint32 }

// Names of ABIs: linux/audit.h.
const (
	auditX86   = 0x40000003
	auditAMD64 = 0xc000003e
	auditARM   = 0x40000028
	auditARM64 = 0xc00000b7
	audit64Bit = 0x80000000
)

// execCalls are execve and execveat of a host, by GOARCH. x32 has the same audit
// number as amd64 (arch/x86/entry/syscalls, asm-generic/unistd.h,
// arch/arm/tools/syscall.tbl).
var execCalls = map[string][]execCall{
	"amd64": {{auditAMD64, 59}, {auditAMD64, 322}, {auditAMD64, 1<<30 + 520}, {auditAMD64, 1<<30 + 545}, {auditX86, 11}, {auditX86, 358}},
	"arm64": {{auditARM64, 221}, {auditARM64, 281}, {auditARM, 11}, {auditARM, 387}},
}

// Instruction is struct sock_filter, linux/filter.h.
type Instruction struct {
	Code   uint16
	JT, JF uint8
	K      uint32
}

// Codes of instructions (linux/bpf_common.h), what a filter answers and where it
// finds what it looks at (linux/seccomp.h).
const (
	load         = 0x20
	equal        = 0x15
	leave        = 0x06
	allow        = 0x7fff0000
	stopIt       = 0x7ff00000
	offsetNumber = 0
	offsetArch   = 4
)

// Filter is a program for seccomp(2) that stops each execve(2) for the tracer and
// lets all other calls pass; nil for a host on which there is none. Without a
// tracer these calls fail with ENOSYS.
func Filter(goarch string) []Instruction {
	calls := execCalls[goarch]
	if len(calls) == 0 {
		return nil
	}
	prog := []Instruction{{load, 0, 0, offsetArch}}
	for first := 0; first < len(calls); {
		n := 1
		for first+n < len(calls) && calls[first+n].auditArch == calls[first].auditArch {
			n++
		}
		// Of another ABI: go on behind this one's numbers and answers.
		prog = append(prog, Instruction{equal, 0, uint8(n + 3), calls[first].auditArch}, Instruction{load, 0, 0, offsetNumber})
		for i, c := range calls[first : first+n] {
			prog = append(prog, Instruction{equal, uint8(n - i), 0, c.number})
		}
		prog = append(prog, Instruction{leave, 0, 0, allow}, Instruction{leave, 0, 0, stopIt})
		first += n
	}
	return append(prog, Instruction{leave, 0, 0, allow})
}
