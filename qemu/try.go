package qemu

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// trialStatus is what the trial programs exit with: nothing else does.
const trialStatus = 42

const trialTimeout = 10 * time.Second

// trial is a program for Linux that does exit(42), by target of QEMU: machine
// code, and bits to set in e_flags beside those of the catalog.
type trial struct {
	code  []byte
	flags uint32
}

// words are 32-bit instructions in a byte order.
func words(o binary.AppendByteOrder, list ...uint32) trial {
	var t trial
	for _, w := range list {
		t.code = o.AppendUint32(t.code, w)
	}
	return t
}

// halves are 16-bit instructions in a byte order.
func halves(o binary.AppendByteOrder, list ...uint16) trial {
	var t trial
	for _, h := range list {
		t.code = o.AppendUint16(t.code, h)
	}
	return t
}

func (t trial) with(flags uint32) trial {
	t.flags = flags
	return t
}

// trialFor is the trial program of a target. The numbers of exit are those of
// Linux: 1 on most, 93 on the newer ones, 4001, 5058 and 6058 on MIPS's three
// ABIs, 60 on x86_64.
func trialFor(target string) (trial, bool) {
	le, be := binary.LittleEndian, binary.BigEndian
	switch target {
	case "i386":
		return trial{code: []byte{0xb8, 1, 0, 0, 0, 0xbb, 42, 0, 0, 0, 0xcd, 0x80}}, true
	case "x86_64":
		return trial{code: []byte{0xb8, 60, 0, 0, 0, 0xbf, 42, 0, 0, 0, 0x0f, 0x05}}, true
	case "arm":
		return words(le, 0xe3a0002a, 0xe3a07001, 0xef000000).with(0x05000000), true // EABI 5
	case "armeb":
		return words(be, 0xe3a0002a, 0xe3a07001, 0xef000000).with(0x05000000), true
	case "aarch64", "aarch64_be":
		return words(le, 0xd2800540, 0xd2800ba8, 0xd4000001), true
	case "mips":
		return words(be, 0x24020fa1, 0x2404002a, 0x0000000c).with(0x1000), true // o32
	case "mipsel":
		return words(le, 0x24020fa1, 0x2404002a, 0x0000000c).with(0x1000), true
	case "mips64":
		return words(be, 0x240213c2, 0x2404002a, 0x0000000c).with(0x60000000), true // MIPS64
	case "mips64el":
		return words(le, 0x240213c2, 0x2404002a, 0x0000000c).with(0x60000000), true
	case "mipsn32":
		return words(be, 0x240217aa, 0x2404002a, 0x0000000c).with(0x60000000), true
	case "mipsn32el":
		return words(le, 0x240217aa, 0x2404002a, 0x0000000c).with(0x60000000), true
	case "ppc":
		return words(be, 0x38000001, 0x3860002a, 0x44000002), true
	case "ppc64": // ELFv2: the entry is code, not a descriptor
		return words(be, 0x38000001, 0x3860002a, 0x44000002).with(2), true
	case "ppc64le":
		return words(le, 0x38000001, 0x3860002a, 0x44000002).with(2), true
	case "riscv32", "riscv64":
		return words(le, 0x02a00513, 0x05d00893, 0x00000073), true
	case "s390x":
		return trial{code: []byte{0xa7, 0x29, 0x00, 42, 0x0a, 0x01}}, true
	case "loongarch64":
		return words(le, 0x0380a804, 0x0381740b, 0x002b0000), true
	case "sparc", "sparc32plus":
		return words(be, 0x82102001, 0x9010202a, 0x91d02010), true
	case "sparc64":
		return words(be, 0x82102001, 0x9010202a, 0x91d0206d), true
	case "alpha":
		return words(le, 0x201f0001, 0x221f002a, 0x00000083), true
	case "m68k":
		return halves(be, 0x7001, 0x722a, 0x4e40), true
	case "sh4":
		return halves(le, 0xe301, 0xe42a, 0xc310), true
	case "sh4eb":
		return halves(be, 0xe301, 0xe42a, 0xc310), true
	case "hppa": // the number of the call is in the delay slot
		return words(be, 0x341a0054, 0xe4008200, 0x34140002), true
	case "microblaze":
		return words(be, 0x31800001, 0x30a0002a, 0xb9cc0008), true
	case "microblazeel":
		return words(le, 0x31800001, 0x30a0002a, 0xb9cc0008), true
	case "or1k":
		return words(be, 0x9d60005d, 0x9c60002a, 0x20000001), true
	}
	return trial{}, false
}

// program is an ELF program of a with one segment, which holds all of it.
func (t trial) program(a *arch.Arch) []byte {
	const base = 0x400000
	bo := a.Order.Binary().(binary.AppendByteOrder)
	word := func(b []byte, v uint64) []byte {
		if a.Class == 64 {
			return bo.AppendUint64(b, v)
		}
		return bo.AppendUint32(b, uint32(v))
	}
	class, header, entry := byte(1), 52, 32
	if a.Class == 64 {
		class, header, entry = 2, 64, 56
	}
	data := byte(1)
	if a.Order == arch.Big {
		data = 2
	}
	start, size := uint64(header+entry), uint64(header+entry+len(t.code))
	b := append([]byte("\x7fELF"), class, data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = bo.AppendUint16(b, 2) // ET_EXEC
	b = bo.AppendUint16(b, a.Machine)
	b = bo.AppendUint32(b, 1)
	b = word(b, base+start)
	b = word(b, uint64(header))
	b = word(b, 0)
	b = bo.AppendUint32(b, a.Flags.Value|t.flags)
	for _, v := range []int{header, entry, 1, 0, 0, 0} {
		b = bo.AppendUint16(b, uint16(v))
	}
	const load, readExec = 1, 5
	b = bo.AppendUint32(b, load)
	if a.Class == 64 {
		b = bo.AppendUint32(b, readExec)
	}
	for _, v := range []uint64{0, base, base, size, size} {
		b = word(b, v)
	}
	if a.Class == 32 {
		b = bo.AppendUint32(b, readExec)
	}
	b = word(b, 0x10000)
	return append(b, t.code...)
}

// Try runs a program of a under e: a few instructions that exit with a status
// which shows that they were executed. tried is false where xjail has no such
// program: for targets without one, and for bsd-user. The error is of kind
// BadEmulator.
func Try(ctx context.Context, e *Emulator, a *arch.Arch) (tried bool, err error) {
	t, ok := trialFor(e.Target)
	if !ok || e.Family != LinuxUser {
		return false, nil
	}
	dir, err := os.MkdirTemp("", "xjail-try-")
	if err != nil {
		return false, fileError(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	file := filepath.Join(dir, "exit42")
	if err := os.WriteFile(file, t.program(a), 0o700); err != nil {
		return false, fileError(err)
	}
	return true, e.run(ctx, a, file)
}

func (e *Emulator) run(ctx context.Context, a *arch.Arch, file string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, trialTimeout, errSilent)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.Path, file)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	if a.CPU != "" {
		cmd.Env = append(cmd.Env, "QEMU_CPU="+a.CPU)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &limitedBuffer{limit: askOutput}, &out
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == trialStatus {
		return nil
	}
	if context.Cause(ctx) != nil {
		return stopped(ctx, e.Path, "with a program of "+a.Name)
	}
	if err == nil {
		err = errors.New("exit status 0")
	}
	return fault.New(fault.BadEmulator, "", "%s does not run a %s program that exits with status %d: %w: %s", e.Path, a.Name, trialStatus, err, firstLine(out.Bytes()))
}
