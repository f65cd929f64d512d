package jail

import "golang.org/x/sys/unix"

// trapCall is a system call that replaces, removes or changes the file at a
// path, and where the path is among its arguments.
type trapCall struct {
	number uint32
	paths  []pathArg
}

// pathArg says which argument is a path, and which the directory that it begins
// in; -1 is the working directory.
type pathArg struct{ dir, path int }

// trapCalls are those calls, by GOARCH of the host (asm/unistd.h of each). A file
// that something is mounted on can neither be renamed, replaced nor removed, and
// one that is laid over it, on a read-only mount, not changed.
var trapCalls = map[string][]trapCall{
	"amd64": append([]trapCall{
		{unix.SYS_RENAMEAT, []pathArg{{0, 1}, {2, 3}}}, {sysRename, []pathArg{{-1, 0}, {-1, 1}}},
		{sysLink, []pathArg{{-1, 0}}}, {sysUnlink, []pathArg{{-1, 0}}},
		{sysChmod, []pathArg{{-1, 0}}}, {sysChown, []pathArg{{-1, 0}}}, {sysLchown, []pathArg{{-1, 0}}},
	}, commonTrapCalls...),
	"arm64":   append([]trapCall{{38, []pathArg{{0, 1}, {2, 3}}}}, commonTrapCalls...),
	"riscv64": commonTrapCalls,
}

// commonTrapCalls have the numbers of the architecture that this is compiled for.
var commonTrapCalls = []trapCall{
	{unix.SYS_RENAMEAT2, []pathArg{{0, 1}, {2, 3}}},
	{unix.SYS_LINKAT, []pathArg{{0, 1}}},
	{unix.SYS_UNLINKAT, []pathArg{{0, 1}}},
	{unix.SYS_FCHMODAT, []pathArg{{0, 1}}},
	{unix.SYS_FCHMODAT2, []pathArg{{0, 1}}},
	{unix.SYS_FCHOWNAT, []pathArg{{0, 1}}},
	{unix.SYS_TRUNCATE, []pathArg{{-1, 0}}},
}

// Calls that only older architectures have (asm/unistd_64.h of x86).
const (
	sysRename = 82
	sysLink   = 86
	sysUnlink = 87
	sysChmod  = 90
	sysChown  = 92
	sysLchown = 94
)

// auditArchs are how seccomp names the host's own calls.
var auditArchs = map[string]uint32{
	"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64, "riscv64": unix.AUDIT_ARCH_RISCV64,
}
