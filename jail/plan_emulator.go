package jail

import (
	"context"
	"path"
	"runtime"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu"
)

// native tells whether the host runs the programs of a root by itself.
func native(a *arch.Arch, guest string) bool {
	host := arch.Host()
	return host != nil && a.Name == host.Name && guest == runtime.GOOS
}

// planEmulator finds the emulator and where it goes in the root.
func (s Store) planEmulator(ctx context.Context, p *Plan, req Request) error {
	if native(p.arch, p.Guest) && req.Emulator == "" {
		return nil
	}
	explicit := req.Emulator
	if explicit == "" {
		explicit = p.cfg.Emulators[p.Arch]
	}
	best, all, err := qemu.Find(ctx, p.arch, qemu.FindOptions{
		Explicit: explicit, Dirs: p.cfg.EmulatorDirs, Fetched: s.EmulatorDir(), GuestOS: p.Guest,
	})
	if err != nil && explicit == "" && p.notRunHere(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var passed []qemu.Candidate
	for _, c := range all {
		if !c.Chosen {
			passed = append(passed, c)
		}
	}
	p.emu = best
	p.Emulator = &EmulatorPlan{Emulator: best, InRoot: emulatorInRoot(runtime.GOOS, p.arch, best), PassedOver: passed}
	if p.arch.CPU != "" && p.Guest == "linux" {
		// binfmt_misc cannot pass arguments; linux-user qemu reads this.
		p.Env = append(p.Env, "QEMU_CPU="+p.arch.CPU)
	}
	return nil
}

// notRunHere makes an exception for roots of FreeBSD on Linux, where hardly any
// machine has an emulator for them: the root is made, and nothing is run in it.
func (p *Plan) notRunHere(err error) bool {
	if p.host.OS != "linux" || p.Guest != "freebsd" || fault.KindOf(err) != fault.NotFound {
		return false
	}
	p.NotRun = "this machine has no bsd-user QEMU for " + p.Arch + " that runs on Linux"
	return true
}

// emulatorInRoot is where the emulator is in the root. On Linux the kernel has
// it open, so that is a path of our choice. On FreeBSD the activator is the
// whole machine's: its interpreter is the emulator's path on the host, and
// there the programs of the root, which emulators before 2024 start by that
// path, and poudriere, expect it in the root.
func emulatorInRoot(host string, a *arch.Arch, e *qemu.Emulator) string {
	if host == "freebsd" {
		return e.Path
	}
	return path.Join("/usr/bin", "qemu-"+a.QEMU+"-static")
}

// ActivatorName is the name of the entry that xjail makes for programs of an
// architecture and a system. Linux: the prefix keeps it apart from those of the
// distribution. FreeBSD: it is the TARGET_ARCH, by which poudriere asks for it.
func ActivatorName(host string, archName, guest string) string {
	switch {
	case host == "freebsd":
		return archName
	case guest == "freebsd":
		return "xjail-" + archName + "-freebsd"
	}
	return "xjail-" + archName
}

// activatorEntry is the entry that runs programs of a by an emulator. preOpen
// says that the FreeBSD kernel knows PRE_OPEN; it is the same to Linux.
func activatorEntry(host, guest string, a *arch.Arch, e *qemu.Emulator, interpreter string, preOpen bool) activators.Entry {
	entry := activators.Entry{Name: ActivatorName(host, a.Name, guest), Interpreter: interpreter, Enabled: true}
	policy := arch.Any
	switch {
	case host == "freebsd":
		policy = arch.Binmisc
		entry.Flags.PreOpen = preOpen
		if a.CPU != "" {
			entry.Args = []string{"-cpu", a.CPU}
		}
	case guest == "freebsd":
		// Only what is marked as FreeBSD's: the rest is Linux's own.
		policy = arch.FreeBSD
	}
	if host != "freebsd" {
		// The kernel opens the emulator once, so that a chroot within the jail
		// needs no copy; and argv[0] survives where the emulator understands it.
		entry.Flags.FixBinary, entry.Flags.PreserveArgv0 = true, e.PreservesArgv0()
	}
	pattern := a.Pattern(policy)
	entry.Offset, entry.Magic, entry.Mask = pattern.Offset, pattern.Magic, pattern.Mask
	return entry
}

// planActivators makes the jail's entries. A private instance holds nothing
// else, so there is one entry for the architecture and no order to mind.
func (s Store) planActivators(p *Plan) error {
	if p.emu == nil {
		return nil
	}
	e := activatorEntry(runtime.GOOS, p.Guest, p.arch, p.emu, p.Emulator.InRoot, true)
	if p.Global {
		// The machine's entry opens the host's own file, which outlives the
		// jail's, and is the one that xjail activator register makes.
		e.Interpreter = p.emu.Path
	} else {
		// Set-id programs of the jail get their ids.
		e.Flags.OpenBinary, e.Flags.Credentials = true, true
	}
	if err := e.Validate(); err != nil {
		return err
	}
	header, err := activators.ReadHeader(p.emu.Path)
	if err != nil {
		return err
	}
	if err := activators.Native(e, header); err != nil {
		return err
	}
	line, err := binfmt.EncodeLine(e)
	if err != nil {
		return err
	}
	p.Activators = []PlannedActivator{{e, string(line)}}
	if p.Global {
		p.registers, err = s.willRegister(p.Arch, p.Name)
	}
	return err
}
