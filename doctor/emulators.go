package doctor

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/qemu"
)

// findOptions are those of create.
func (w *World) findOptions(a *arch.Arch, guest string) qemu.FindOptions {
	o := qemu.FindOptions{Explicit: w.Config.Emulators[a.Name], Dirs: w.Config.EmulatorDirs, Path: w.Getenv("PATH"), GuestOS: guest, SkipDigest: true}
	if w.StateError == nil {
		o.Fetched = w.Store.EmulatorDir()
	}
	return o
}

// emulatorUse is an architecture and a system for which there are jails, with
// one of them.
type emulatorUse struct {
	arch  *arch.Arch
	guest string
	jail  *jail.Record
}

// uses are what the jails need emulators for.
func (w *World) uses() []emulatorUse {
	var list []emulatorUse
	for _, r := range w.readRecords() {
		a, err := arch.Lookup(r.Arch)
		if err != nil || r.Emulator == nil {
			continue
		}
		list = append(list, emulatorUse{a, r.Guest, r})
	}
	slices.SortFunc(list, func(x, y emulatorUse) int { return cmp.Compare(x.jail.Name, y.jail.Name) })
	return slices.CompactFunc(list, func(x, y emulatorUse) bool { return x.arch.Name == y.arch.Name && x.guest == y.guest })
}

// emulatorsFound looks for the emulators of the architectures of which there are
// jails, as create would.
func emulatorsFound(ctx context.Context, w *World) []Finding {
	uses := w.uses()
	if len(uses) == 0 {
		return w.anyEmulator()
	}
	found := make([]Finding, len(uses))
	each(len(uses), func(i int) {
		u := uses[i]
		found[i] = Finding{Subject: u.arch.Name, Result: OK}
		f := &found[i]
		e, all, err := w.find(ctx, u.arch, w.findOptions(u.arch, u.guest))
		switch {
		case err != nil && w.Config.Emulators[u.arch.Name] != "":
			// settings-configuration says what is wrong with it.
			f.Result, f.Message = Skipped, "the configuration names the emulator of "+u.arch.Name
		case err != nil:
			f.Result, f.Fix = Note, fault.HintOf(err)
			f.Message = fmt.Sprintf("%v; jails that are made keep their own, but none of %s can be made now", err, u.arch.Name)
		default:
			f.Message = fmt.Sprintf("%s: %s, %s", u.arch.Name, e.Path, targetName(e))
			if n := len(all) - 1; n > 0 {
				f.Message += fmt.Sprintf(" (and %s passed over: xjail emulator find %s)", plural(n, "other"), u.arch.Name)
			}
		}
	})
	return found
}

// anyEmulator looks whether there are emulators at all, without asking each what
// it is.
func (w *World) anyEmulator() []Finding {
	o := qemu.FindOptions{Dirs: w.Config.EmulatorDirs, Path: w.Getenv("PATH")}
	if w.StateError == nil {
		o.Fetched = w.Store.EmulatorDir()
	}
	files := qemu.Present(o)
	if len(files) > 0 {
		return one(OK, fmt.Sprintf("emulators are here: %s; xjail emulator find tells which are usable", plural(len(files), "file")), "")
	}
	return one(Note, "there is no emulator here: only jails of this machine's own architecture can be made", qemu.InstallAnyHint())
}

// emulatorsFetched looks at what xjail emulator fetch got: each must be what its
// name says.
func emulatorsFetched(ctx context.Context, w *World) []Finding {
	if w.StateError != nil {
		return nil
	}
	dir := w.Store.EmulatorDir()
	entries, _ := os.ReadDir(dir)
	var files []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "qemu-") {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	bad := make([]string, len(files))
	fixes := make([]string, len(files))
	each(len(files), func(i int) { bad[i], fixes[i] = w.fetched(ctx, files[i]) })
	var found []Finding
	for i, file := range files {
		if bad[i] != "" {
			found = append(found, Finding{Subject: file, Result: Warning, Message: bad[i], Fix: fixes[i]})
		}
	}
	if len(found) == 0 {
		return one(OK, plural(len(files), "emulator")+" fetched", "")
	}
	return found
}

// fetched says what is wrong with a file that was fetched.
func (w *World) fetched(ctx context.Context, file string) (bad, fix string) {
	target := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "qemu-"), "-static")
	a, err := arch.Lookup(target)
	if err != nil {
		return file + " is named after no architecture of the catalog", "rm " + quote(file)
	}
	if _, _, err = w.find(ctx, a, qemu.FindOptions{Explicit: file, SkipDigest: true}); err != nil {
		return err.Error(), w.xjail("emulator", "fetch", a.Name)
	}
	return "", ""
}
