package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

// kernelActivators looks whether the kernel has activators at all.
func kernelActivators(ctx context.Context, w *World) []Finding {
	if w.goos == "freebsd" {
		return w.binmisc()
	}
	if slices.Contains(strings.Fields(w.read("/proc/filesystems")), "binfmt_misc") {
		return one(OK, "this kernel has binfmt_misc", "")
	}
	if w.tried(ctx) == nil {
		// The kernel loads it when it is mounted.
		return one(OK, "binfmt_misc is a module that is loaded when it is needed", "")
	}
	if dir := "/lib/modules/" + w.release(); w.moduleIn(dir) {
		return one(Warning, "binfmt_misc is a module of this kernel that is not loaded", w.sudo("modprobe binfmt_misc"))
	} else if !w.exists(dir) {
		return one(Failed, "this kernel has no binfmt_misc, and the modules of Linux "+w.release()+" are not in "+dir,
			"start the machine anew after an update of the kernel; in a container, load the module on the host: modprobe binfmt_misc")
	}
	return one(Failed, "this kernel was built without binfmt_misc", "use a kernel with CONFIG_BINFMT_MISC")
}

// moduleIn tells whether the module binfmt_misc is among those of a kernel:
// modules.dep has its path, kernel/fs/binfmt_misc.ko, maybe compressed.
func (w *World) moduleIn(dir string) bool {
	f, err := os.Open(filepath.Join(w.sys, dir, "modules.dep"))
	if err != nil {
		return false
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		file, _, _ := strings.Cut(sc.Text(), ":")
		if strings.HasPrefix(filepath.Base(file), "binfmt_misc.ko") {
			return true
		}
	}
	return false
}

// kernelTable looks at the machine's table as a whole.
func kernelTable(_ context.Context, w *World) []Finding {
	s, err := w.table.Status()
	switch {
	case err != nil && fault.KindOf(err) == fault.Permission:
		return one(Skipped, err.Error(), "")
	case err != nil:
		return one(Warning, err.Error(), fault.HintOf(err))
	case !s.Available:
		return w.noTable(s)
	case !s.Enabled:
		return w.tableOff(s)
	case s.Kernel == "linux" && w.root && w.readOnly(s.Where):
		return one(Note, s.Where+" is mounted read-only: nothing can be registered with the machine; jails need none of it", "mount -o remount,rw "+s.Where)
	case s.Capacity > 0 && s.Entries >= s.Capacity:
		return one(Warning, fmt.Sprintf("the table of activators is full: %d entries", s.Entries), "xjail activator status shows what can be removed")
	}
	return one(OK, fmt.Sprintf("the machine's table (%s) has %s", s.Where, plural(s.Entries, "entry")), "")
}

// noTable is a table that is not there, which only the machine's activators need.
func (w *World) noTable(s activators.Status) []Finding {
	if s.Kernel == "freebsd" {
		return one(OK, "imgact_binmisc is not in the kernel; it is loaded when it is needed", "")
	}
	message := "binfmt_misc is not mounted on " + s.Where
	if all, err := w.mounts(); err == nil {
		for _, m := range all {
			if m.On == s.Where && m.Type == "autofs" {
				message = s.Where + " is an automount that does not mount, as in containers"
			}
		}
	}
	if len(w.globals()) > 0 {
		return one(Failed, message+", and there are jails that use it", w.sudo("mount -t binfmt_misc binfmt_misc "+s.Where))
	}
	return one(OK, message+"; jails need none of it", "")
}

func (w *World) tableOff(s activators.Status) []Finding {
	r, message := Warning, "the machine's table of activators is switched off as a whole: no entry has an effect"
	if users := w.globals(); len(users) > 0 {
		r, message = Failed, message+", and jail "+users[0].Name+" uses it"
	}
	return one(r, message, "as root: echo 1 > "+filepath.Join(s.Where, "status"))
}

// readOnly tells whether the topmost mount on a path is read-only.
func (w *World) readOnly(path string) bool {
	all, err := w.mounts()
	if err != nil {
		return false
	}
	ro := false
	for _, m := range all {
		if m.On == path {
			ro = m.ReadOnly
		}
	}
	return ro
}

// kernelNamespaces looks whether this user may have the namespaces of a jail, by
// making them.
func kernelNamespaces(ctx context.Context, w *World) []Finding {
	if w.goos != "linux" {
		return nil
	}
	if w.tried(ctx) == nil {
		return one(OK, "user namespaces are allowed", "")
	}
	err := w.tryNamespaces(ctx)
	if err == nil {
		return one(OK, "user namespaces are allowed", "")
	}
	return []Finding{{Result: Failed, Message: "jails cannot be entered: " + err.Error(), Fix: fault.HintOf(err)}}
}

// kernelPrivate looks whether a jail can have a binfmt_misc of its own, by
// making one.
func kernelPrivate(ctx context.Context, w *World) []Finding {
	if w.goos != "linux" {
		return nil
	}
	err := w.tried(ctx)
	if err == nil {
		return one(OK, "activators can be private to jails", "")
	}
	if w.tryNamespaces(ctx) != nil {
		return one(Skipped, "needs user namespaces", "")
	}
	r := Failed
	if w.root {
		r = Warning // there is --global
	}
	message := err.Error()
	if major, minor := kernelVersion(w.release()); major < 6 || major == 6 && minor < 7 {
		message = fmt.Sprintf("activators cannot be private to jails on Linux %d.%d: %s", major, minor, message)
	}
	return one(r, message, fault.HintOf(err))
}

// kernelVersion are the first two numbers of a release: 6.18.44-generic.
func kernelVersion(release string) (major, minor int) {
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return 0, 0
	}
	return major, minor
}

// kernelIDs counts the ids of an ordinary user's jails.
func kernelIDs(_ context.Context, w *World) []Finding {
	if w.goos != "linux" {
		return nil
	}
	if w.root {
		return one(OK, "root has all ids", "")
	}
	have, debian, err := w.ids()
	switch {
	case err != nil:
		return one(Warning, err.Error(), fault.HintOf(err))
	case have >= debian:
		return one(OK, plural(have, "id")+" for the users of jails", "")
	}
	return one(Note, fmt.Sprintf("jails of this user have %s, and a Debian root needs %d; archives keep one owner", plural(have, "id"), debian+1), jail.SubordinateIDsHint)
}

// binmisc looks at FreeBSD's kernel.
func (w *World) binmisc() []Finding {
	type bsd interface {
		OSRelDate() (int, error)
		Compiled() (bool, error)
	}
	t, ok := w.table.(bsd)
	if !ok {
		return nil
	}
	if n, err := w.sysctl("security.jail.jailed"); err == nil && n != 0 {
		return one(Skipped, "the kernel is the host's, and its version in a jail(2) is what jail(8) was told", "")
	}
	version, err := t.OSRelDate()
	if err != nil {
		return one(Skipped, err.Error(), "")
	}
	if version < preOpenSince {
		return one(Failed, fmt.Sprintf("this kernel (%d) does not open an emulator when it is registered: jails need FreeBSD 13.2", version), "update the system")
	}
	compiled, err := t.Compiled()
	switch {
	case err == nil && compiled:
		return one(OK, "imgact_binmisc is compiled into the kernel", "")
	case err == nil:
		return one(OK, "imgact_binmisc is loaded", "")
	case !errors.Is(err, activators.ErrUnsupported):
		return one(Skipped, err.Error(), "")
	}
	return w.loadable()
}

// preOpenSince is the kern.osreldate of FreeBSD 13.2, see activators/binmisc.
const preOpenSince = 1302000

// loadable tells whether the module can be loaded.
func (w *World) loadable() []Finding {
	level, err := w.sysctl("kern.securelevel")
	const atBoot = `echo 'imgact_binmisc_load="YES"' >> /boot/loader.conf, and start the machine anew`
	switch {
	case err == nil && level > 0:
		return one(Failed, fmt.Sprintf("imgact_binmisc is not in the kernel, and the securelevel %d forbids to load it", level), atBoot)
	case !w.exists("/boot/kernel/imgact_binmisc.ko"):
		return one(Warning, "imgact_binmisc is not in the kernel, nor in /boot/kernel", "install the modules of this kernel, or compile it with options IMGACT_BINMISC")
	}
	return one(OK, "imgact_binmisc is not in the kernel; it is loaded when it is needed", "")
}
