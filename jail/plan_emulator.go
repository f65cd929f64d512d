package jail

import (
	"context"
	"path"
	"runtime"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/activators/binmiscctl"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu"
)

// planEmulator finds the emulator and where it goes in the root.
func (s Store) planEmulator(ctx context.Context, p *Plan, req Request) error {
	if native(MachineTable(), p.host.OS, p.arch, p.Guest) && req.Emulator == "" {
		return nil
	}
	explicit := req.Emulator
	if explicit == "" {
		explicit = p.cfg.Emulators[p.Arch]
	}
	if explicit == "" && runtime.GOOS == "freebsd" {
		if p.served = s.serving(MachineTable(), p.arch); p.served != nil {
			explicit = p.served.Interpreter
		}
	}
	best, all, err := qemu.Find(ctx, p.arch, qemu.FindOptions{
		Explicit: explicit, Dirs: p.cfg.EmulatorDirs, Fetched: s.EmulatorDir(), GuestOS: p.Guest,
	})
	if err != nil && explicit == "" && p.notRunHere(err) {
		return nil
	}
	if err != nil && p.served != nil {
		return fault.Wrap(fault.KindOf(err), err, "the emulator of the activator "+p.served.Name+" of this machine, which xjail did not make",
			"install it there, or remove the activator: xjail binmiscctl remove "+p.served.Name)
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

// ActivatorName is the name of the entry that xjail makes on a host for the
// programs of an architecture that a policy takes. Linux: the prefix keeps it
// apart from those of the distribution. FreeBSD: it is the TARGET_ARCH, by which
// poudriere asks for it.
func ActivatorName(host, archName string, policy arch.Policy) string {
	switch {
	case host == "freebsd":
		return archName
	case policy == arch.FreeBSD:
		return activatorPrefix + archName + "-freebsd"
	}
	return activatorPrefix + archName
}

const activatorPrefix = "xjail-"

// Activator is the entry with which a host runs programs of a by the emulator
// e, as an interpreter that is at that path. preOpen says that the FreeBSD
// kernel knows PRE_OPEN; it is the same to Linux.
func Activator(host string, policy arch.Policy, a *arch.Arch, e *qemu.Emulator, interpreter string, preOpen bool) activators.Entry {
	entry := activators.Entry{Name: ActivatorName(host, a.Name, policy), Interpreter: interpreter, Enabled: true}
	if host == "freebsd" {
		entry.Flags.PreOpen = preOpen
		if a.CPU != "" {
			entry.Args = []string{"-cpu", a.CPU}
		}
	} else {
		// The kernel opens the emulator once, so that a chroot within the jail
		// needs no copy; and argv[0] survives where the emulator understands it.
		entry.Flags.FixBinary, entry.Flags.PreserveArgv0 = true, e.PreservesArgv0()
	}
	pattern := a.Pattern(policy)
	entry.Offset, entry.Magic, entry.Mask = pattern.Offset, pattern.Magic, pattern.Mask
	return entry
}

// policy is which programs a jail's activator takes. On Linux those of a
// FreeBSD root are told by their mark: what has none is Linux's own.
func policy(host, guest string) arch.Policy {
	if host != "freebsd" && guest == "freebsd" {
		return arch.FreeBSD
	}
	return arch.DefaultPolicy(host)
}

// planActivators makes the jail's entries. A private instance holds nothing
// else, so there is one entry for the architecture and no order to mind.
func (s Store) planActivators(p *Plan) error {
	if p.emu == nil {
		return nil
	}
	e := p.entry(runtime.GOOS, MachineTable())
	if err := e.Validate(); err != nil {
		return err
	}
	header, err := activators.ReadHeader(p.emu.Path)
	if err != nil {
		return err
	}
	if err := Safe(tableOf(p.Global), e, header); err != nil {
		return err
	}
	line, err := registerLine(runtime.GOOS, e)
	if err != nil {
		return err
	}
	p.Activators = []PlannedActivator{{e, line}}
	if !p.Global || p.served != nil {
		return nil
	}
	if err := s.checkRegister(MachineTable(), e); err != nil {
		return err
	}
	p.registers, err = s.willRegister(MachineTable(), e.Name, p.Name)
	return err
}

// entry is the jail's activator on a host.
func (p *Plan) entry(host string, t activators.Table) activators.Entry {
	if p.served != nil {
		return *p.served
	}
	e := Activator(host, policy(host, p.Guest), p.arch, p.emu, p.Emulator.InRoot, activators.PreOpens(t))
	if p.Global {
		// The machine's entry opens the host's own file, which outlives the
		// jail's, and is the one that xjail activator register makes.
		e.Interpreter = p.emu.Path
	} else {
		// Set-id programs of the jail get their ids.
		e.Flags.OpenBinary, e.Flags.Credentials = true, true
	}
	return e
}

// registerLine is what registers e: Linux's register line, FreeBSD's command.
func registerLine(host string, e activators.Entry) (string, error) {
	if host == "freebsd" {
		return binmiscctl.CommandLine(e), nil
	}
	line, err := binfmt.EncodeLine(e)
	return string(line), err
}

// serving is the entry of somebody else, such as the ports' rc script, that
// runs programs of the architecture already: enabled, for all that ours would
// take, and with an emulator behind it. On FreeBSD the table is the machine's,
// and a second entry could only take the programs away from the first.
func (s Store) serving(t activators.Machine, a *arch.Arch) *activators.Entry {
	e, err := t.Lookup(ActivatorName("freebsd", a.Name, arch.Binmisc))
	if err != nil || !e.Enabled || s.owns(t, e) {
		return nil
	}
	pattern := a.Pattern(arch.Binmisc)
	ours := activators.Entry{Name: e.Name, Offset: pattern.Offset, Magic: pattern.Magic, Mask: pattern.Mask}
	if !activators.Covers(e, ours) {
		return nil
	}
	return &e
}
