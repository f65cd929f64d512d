package hook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/rootpath"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/qemu"
)

// activator has the machine run programs of a: what poudriere's check_emulation
// asks for, and what it does not ask. What is wrong is mended where it is xjail's
// to mend. An error is a Stop.
func (j *job) activator(ctx context.Context, a *arch.Arch) error {
	if err := activators.Load(j.Table); err != nil {
		return stop("the kernel has no table of activators, without which no program of %s runs (%v): kldload imgact_binmisc", a.Name, err)
	}
	e, err := j.Table.Lookup(a.Name)
	if errors.Is(err, activators.ErrNotFound) {
		return j.register(ctx, a, "it is not registered")
	}
	if err != nil {
		j.say("the activator %s cannot be looked at: %v", a.Name, err)
		return nil // poudriere asks for itself
	}
	own := j.ledger()
	if !e.Enabled {
		return stop("the activator %s is switched off: %s", a.Name, enableCommand(a.Name, own.Owns(e)))
	}
	trouble := j.unfit(ctx, a, e)
	switch {
	case trouble == nil && own.Stale(e) != "":
		// The kernel runs the emulator that it opened; the one that poudriere copies
		// into the jail is another.
		if err := j.register(ctx, a, own.Stale(e)); err != nil {
			j.say("the kernel goes on with the emulator that it has open: %v", err)
		}
		return nil
	case trouble == nil:
		return nil
	case own.Owns(e) && trouble.mendable:
		return j.register(ctx, a, trouble.why)
	}
	return stop("programs of %s cannot run: %s: %s", a.Name, trouble.why, trouble.remedy)
}

// ledger is the record of xjail's entries, for looking; nothing is xjail's where
// it cannot be read.
func (j *job) ledger() *activators.Ledger {
	instance, err := j.Table.Instance()
	if err != nil {
		return nil
	}
	l, err := activators.ReadLedger(j.ledgerPath(), instance)
	if err != nil {
		return nil
	}
	return l
}

func (j *job) ledgerPath() string { return filepath.Join(j.Store.Dir, activators.LedgerName) }

func enableCommand(name string, own bool) string {
	if own {
		return "xjail activator enable " + name + " --global"
	}
	return "xjail binmiscctl enable " + name
}

// trouble is why programs do not run.
type trouble struct {
	why, remedy string
	// mendable says that registering again is what mends it.
	mendable bool
}

// unfit finds out why an entry that is there does not serve; nil when it does, or
// when that cannot be told for sure.
func (j *job) unfit(ctx context.Context, a *arch.Arch, e activators.Entry) *trouble {
	list, err := j.Table.List()
	if err != nil {
		return nil
	}
	taker := takes(list, j.program(a))
	switch {
	case taker == nil:
		return &trouble{"the activator " + e.Name + " does not match them", removeCommand(e.Name), true}
	case taker.Name != e.Name && !runs(a, activators.EmulatorTarget(taker.Interpreter)):
		return &trouble{"the activator " + taker.Name + " takes them first, for " + taker.Interpreter,
			"xjail binmiscctl disable " + taker.Name, false}
	case strings.ContainsAny(e.Interpreter, " \t"):
		return &trouble{"poudriere cannot use an emulator with a blank in its path, " + e.Interpreter, removeCommand(e.Name), true}
	}
	if t := j.badEmulator(ctx, a, e.Interpreter, e.Name); t != nil {
		return t
	}
	if taker.Interpreter != e.Interpreter {
		return j.badEmulator(ctx, a, taker.Interpreter, taker.Name)
	}
	return nil
}

func removeCommand(name string) string {
	return "xjail binmiscctl remove " + name + ", and start the build again"
}

// takes is the entry that the kernel takes for a program.
func takes(list []activators.Entry, header []byte) *activators.Entry {
	for i, e := range list {
		if e.Enabled && activators.Captures(e, header) {
			return &list[i]
		}
	}
	return nil
}

// runs tells whether QEMU's emulator of a target runs programs of a.
func runs(a *arch.Arch, target string) bool {
	return slices.Contains(qemu.Targets(a), target) || target != "" && target == a.QEMU
}

// program is the start of a program of the jail, or of what such a program is.
func (j *job) program(a *arch.Arch) []byte {
	made := a.Header(9) // ELFOSABI_FREEBSD
	if a != j.arch {
		return made
	}
	root, err := os.OpenRoot(j.jail.Mnt)
	if err != nil {
		return made
	}
	defer root.Close()
	for _, name := range []string{"bin/sh", "usr/bin/uname", "libexec/ld-elf.so.1"} {
		f, err := rootpath.Open(root, name)
		if err != nil {
			continue
		}
		id, err := arch.Identify(f)
		head := make([]byte, activators.HeaderMax)
		n, rerr := io.ReadFull(io.NewSectionReader(f, 0, int64(len(head))), head)
		f.Close()
		if err == nil && a.Accepts(id) == nil && (rerr == nil || errors.Is(rerr, io.ErrUnexpectedEOF)) {
			return head[:n]
		}
	}
	return made
}

// badEmulator finds out why an interpreter cannot run programs of a. What is no
// QEMU and a program of this machine may be anything, and is believed.
func (j *job) badEmulator(ctx context.Context, a *arch.Arch, path, entry string) *trouble {
	remedy := "install the static emulator, or " + removeCommand(entry)
	bad := func(format string, args ...any) *trouble {
		return &trouble{"the emulator " + path + " of the activator " + entry + " " + fmt.Sprintf(format, args...), remedy, true}
	}
	switch why := j.notExecutable(path); {
	case why != "":
		return bad("%s", why)
	case path == "":
		return nil
	}
	em, err := j.inspect(ctx, path)
	if err != nil {
		return nil
	}
	switch {
	case !runs(a, em.Target):
		return bad("is for %s", em.Target)
	case em.Family != familyOf(j.guest):
		return bad("runs programs of another system (%s)", em.Family)
	}
	return nil
}

// familyOf is the family of emulators for a guest's system.
func familyOf(guest string) string {
	if guest == "linux" {
		return qemu.LinuxUser
	}
	return qemu.BSDUser
}

// notExecutable is why this machine's kernel cannot start a file in a root of
// another architecture; "" when it can, or when that is not known.
func (j *job) notExecutable(path string) string {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "is gone"
	case err != nil:
		return ""
	case !st.Mode().IsRegular() || st.Mode().Perm()&0o111 == 0:
		return "is not executable"
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	id, err := arch.Identify(f)
	switch host := arch.Host(); {
	case fault.KindOf(err) == fault.Damaged:
		return "is no program"
	case err != nil || host == nil:
		return ""
	case host.Accepts(id) != nil && !slices.Contains(j.natives(), id.Name):
		return "is a program of " + id.Name + ", not of this machine"
	case id.Interp != "":
		return "is dynamically linked, and the jail has no " + id.Interp + " for it"
	}
	if err := qemu.CheckComplete(f, st.Size()); err != nil {
		return "is truncated"
	}
	return ""
}

// register makes the activator of a, in the place of what is there of xjail's.
func (j *job) register(ctx context.Context, a *arch.Arch, why string) error {
	e, err := j.entry(ctx, a)
	if err != nil {
		return stop("the activator %s does not serve (%s), and cannot be registered: %v%s", a.Name, why, err, hinted(err))
	}
	if err := j.put(e); err != nil {
		return stop("the activator %s does not serve (%s), and cannot be registered: %v%s", a.Name, why, err, hinted(err))
	}
	j.say("registered the activator %s for %s: %s", e.Name, e.Interpreter, why)
	return nil
}

// hinted is the hint of an error as the end of a sentence.
func hinted(err error) string {
	if hint := fault.HintOf(err); hint != "" {
		return "; " + hint
	}
	return ""
}

// entry is the activator of a as poudriere looks for it.
func (j *job) entry(ctx context.Context, a *arch.Arch) (activators.Entry, error) {
	st, err := j.Table.Status()
	if err != nil {
		return activators.Entry{}, err
	}
	em, _, err := j.find(ctx, a, qemu.FindOptions{
		Explicit: j.Config.Emulators[a.Name], Dirs: j.Config.EmulatorDirs, Fetched: j.Store.EmulatorDir(),
		Path: noPath, GuestOS: j.guest, SkipDigest: true,
	})
	if err != nil {
		return activators.Entry{}, err
	}
	if strings.ContainsAny(em.Path, " \t") {
		return activators.Entry{}, fault.New(fault.BadEmulator, "move it", "poudriere cannot use an emulator with a blank in its path, %s", em.Path)
	}
	e := jail.Activator(st.Kernel, arch.DefaultPolicy(st.Kernel), a, em, em.Path, activators.PreOpens(j.Table))
	e.Name = a.Name
	header, err := activators.ReadHeader(em.Path)
	if err != nil {
		return e, err
	}
	return e, jail.Safe(j.Table, e, header)
}

// noPath is a PATH with nothing in it: poudriere's is its own.
const noPath = "/var/empty"

// put registers e. Where the record of xjail's entries cannot be written, for
// want of room or of rights, the build is worth more than the record.
func (j *job) put(e activators.Entry) error {
	err := j.putRecorded(e)
	if err == nil {
		return nil
	}
	done, uerr := j.putUnrecorded(e)
	if uerr != nil {
		return err
	}
	if done {
		j.say("xjail cannot write down that it registered the activator %s (%v); this removes it: xjail binmiscctl remove %s", e.Name, err, e.Name)
	}
	return nil
}

func (j *job) putRecorded(e activators.Entry) error {
	instance, err := j.Table.Instance()
	if err != nil {
		return err
	}
	l, err := activators.OpenLedger(j.ledgerPath(), instance)
	if err != nil {
		return err
	}
	defer l.Close()
	_, err = activators.Register(j.Table, l, []activators.Entry{e})
	return err
}

// putUnrecorded registers e and writes nothing down. done is false when there was
// nothing to do, since another xjail was faster.
func (j *job) putUnrecorded(e activators.Entry) (done bool, err error) {
	list, err := j.Table.List()
	if err != nil {
		return false, err
	}
	p, err := activators.NewPlan(list, []activators.Entry{e}, j.ledger())
	if err != nil {
		return false, err
	}
	return p.Changes(), p.Apply(j.Table, nil)
}
