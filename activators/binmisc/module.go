package binmisc

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/xjail/xjail/activators"
)

// moduleFile is what kldload(8) loads for module.
const moduleFile = module + ".ko"

// preOpenSince is the kern.osreldate of the first release whose kernel knows
// IBF_PRE_OPEN, 13.2. Older ones keep the flag, show it, and ignore it.
const preOpenSince = 1302000

// present tells whether the table is in the kernel.
func (t *Table) present() bool {
	_, err := t.kernel.modfind(module)
	return err == nil
}

// moduleID is the id of the module. It counts up with every load of any module.
func (t *Table) moduleID(what string) (int, error) {
	id, err := t.kernel.modfind(module)
	if errors.Is(err, syscall.ENOENT) {
		return 0, t.absent(what)
	}
	if err != nil {
		return 0, t.failure(what, err)
	}
	return id, nil
}

func (t *Table) absent(what string) error {
	hint := "as root: kldload " + module
	if t.jailed() {
		hint = "on the host, " + hint
	}
	return activators.Fail(activators.ErrUnsupported, what, errAbsent, hint)
}

// jailed tells whether this process is in a jail.
func (t *Table) jailed() bool {
	n, err := readInt(t.kernel, "security.jail.jailed")
	return err == nil && n != 0
}

// Load loads the module, unless it is there or compiled into the kernel. It is
// activators.ErrPermission for others than root, in a jail, and at a raised
// securelevel; activators.ErrUnsupported when there is no module for the kernel
// that runs.
func (t *Table) Load() error {
	const what = "load the kernel module " + module
	_, err := t.kernel.modfind(module)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, syscall.ENOENT):
		return t.failure(what, err)
	}
	switch err := t.kernel.kldload(module); {
	case err == nil, errors.Is(err, syscall.EEXIST):
		return nil // somebody else was faster
	default:
		return t.loadFailure(what, err)
	}
}

// loadFailure explains an errno of kldload(2).
func (t *Table) loadFailure(what string, err error) error {
	level, lerr := readInt(t.kernel, "kern.securelevel")
	switch {
	case errors.Is(err, syscall.EPERM) && t.jailed():
		return activators.Fail(activators.ErrPermission, what, fmt.Errorf("this is a jail: %w", err), "on the host, as root: kldload "+module)
	case errors.Is(err, syscall.EPERM) && t.kernel.euid() != 0:
		return activators.Fail(activators.ErrPermission, what, err, "run it as root")
	case errors.Is(err, syscall.EPERM) && lerr == nil && level > 0:
		return activators.Fail(activators.ErrPermission, what, fmt.Errorf("the securelevel %d forbids it: %w", level, err),
			`have it loaded at boot: echo 'imgact_binmisc_load="YES"' >> /boot/loader.conf`)
	case errors.Is(err, syscall.EPERM):
		return t.denied(what, err)
	case errors.Is(err, syscall.ENOENT):
		return activators.Fail(activators.ErrUnsupported, what, fmt.Errorf("%s is not in kern.module_path: %w", moduleFile, err),
			"install the modules of this kernel, or compile it with options IMGACT_BINMISC")
	case errors.Is(err, syscall.ENOEXEC):
		return activators.Fail(activators.ErrUnsupported, what, fmt.Errorf("%s is for another kernel than the one that runs: %w", moduleFile, err),
			"start the machine anew after an update of the system")
	}
	return activators.Fail(activators.ErrUnsupported, what, err, "dmesg may say why")
}

// Compiled tells whether the table is compiled into the kernel, which then asks
// it before it looks for native programs and scripts; the module is asked last.
// activators.ErrUnsupported: it is not there at all.
func (t *Table) Compiled() (bool, error) {
	const what = "look for the kernel module " + module
	if _, err := t.moduleID(what); err != nil {
		return false, err
	}
	// The module has a file of its own in the kernel's linker, also when the boot
	// loader brought it.
	_, err := t.kernel.kldfind(moduleFile)
	if errors.Is(err, syscall.ENOENT) {
		return true, nil
	}
	if err != nil {
		return false, t.failure(what, err)
	}
	return false, nil
}

// OSRelDate is the version of the kernel, kern.osreldate: 1501000 is 15.1.
func (t *Table) OSRelDate() (int, error) {
	n, err := readInt(t.kernel, "kern.osreldate")
	if err != nil {
		return 0, t.failure("read kern.osreldate", err)
	}
	return n, nil
}

// PreOpen tells whether the kernel opens an interpreter when its entry is
// registered, if the entry says so.
func (t *Table) PreOpen() bool {
	n, err := t.OSRelDate()
	return err == nil && n >= preOpenSince
}

// knowsPreOpen refuses PRE_OPEN where it would have no effect.
func (t *Table) knowsPreOpen(e activators.Entry) error {
	if !e.Flags.PreOpen || t.PreOpen() {
		return nil
	}
	return activators.Fail(activators.ErrUnsupported, fmt.Sprintf("activator %q", e.Name),
		errors.New("this kernel would ignore PRE_OPEN, which FreeBSD has since 13.2"), "leave PRE_OPEN out, and have the interpreter in every root at its path")
}

// SupportedArchs are the architectures whose programs the kernel runs by itself,
// as MACHINE_ARCH names them (kern.supported_archs): amd64 and i386 on an amd64
// with COMPAT_FREEBSD32. Activators for them have no effect, or too much.
func (t *Table) SupportedArchs() ([]string, error) {
	s, err := readString(t.kernel, "kern.supported_archs")
	if err != nil {
		return nil, t.failure("read kern.supported_archs", err)
	}
	return strings.Fields(s), nil
}

// Instance names the table for an activators.Ledger: the boot, and the load of
// the module, since unloading drops all entries. The id of a module is given
// once in a boot, so that a reload is another instance.
//
// The boot is kern.boot_id, a random number. Kernels before 14 have none, nor has
// one that has found no randomness yet; all their boots count as the same.
// kern.boottime would tell them apart, but it moves when the clock is set, and
// that would orphan the entries that are there. The other mistake is harmless:
// the table is empty after a boot, and an entry counts as ours only when its
// content is the recorded one.
func (t *Table) Instance() (string, error) {
	id, err := t.moduleID("identify the table of activators")
	if err != nil {
		return "", err
	}
	boot := "unknown"
	if b, err := readNamed(t.kernel, "kern.boot_id"); err == nil && len(b) > 0 {
		boot = hex.EncodeToString(b)
	}
	return fmt.Sprintf("%s boot %s module %d", module, boot, id), nil
}
