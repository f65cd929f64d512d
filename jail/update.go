package jail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu"
)

// update is an update under way.
type update struct {
	store  Store
	plan   *UpdatePlan
	watch  Watcher
	intent *updateIntent
}

// updateIntent is the file update.json in the directory of a jail while it is
// changed: what it was, and what it becomes. As long as jail.json is the old
// record, what was begun is undone; from then on it is ended.
type updateIntent struct {
	Old *Record `json:"old"`
	New *Record `json:"new"`
	// Kept is the digest of the emulator that was in the root; "" for none.
	Kept string `json:"kept,omitempty"`
	// Swap: the root is another one.
	Swap bool `json:"swap,omitempty"`
}

// What is in the directory of a jail meanwhile.
const (
	updateName      = "update.json"
	keptEmulator    = "emulator.old"
	oldRoot         = "root.old"
	updatedMetadata = "metadata.json.update"
)

var updateNames = []string{updateName, updateName + ".new", keptEmulator, oldRoot, updatedMetadata, updatedMetadata + ".new"}

func (s Store) inDir(name, file string) string { return filepath.Join(s.dir(name), file) }

// Update carries out a plan. When it fails, is interrupted or is killed, the jail
// is what it was, or what it becomes.
func (s Store) Update(ctx context.Context, p *UpdatePlan, w Watcher) (*Record, error) {
	r, l, err := s.take(p.Name)
	if err != nil {
		return nil, err
	}
	defer l.release()
	if !r.Updated.Equal(p.old.Updated) || !r.Created.Equal(p.old.Created) {
		return nil, fault.New(fault.Locked, "run it again", "jail %s was changed meanwhile", p.Name)
	}
	defer unix.Umask(unix.Umask(0o022))
	if p.changesRoot() {
		if r, err = s.updateRoot(ctx, p, r, w); err != nil {
			return nil, writeError(err)
		}
	} else if len(p.Activators) > 0 && r.Global {
		w.Step("register", "register "+p.Activators[0].Name+" with the machine")
		if err := s.renewGlobal(MachineTable(), r, fits(ctx, r)); err != nil {
			return nil, err
		}
	}
	l.release()
	if p.Tools == nil {
		return r, nil
	}
	w.Step("tools", "get native tools again: "+p.Tools.Source)
	_, err = s.InstallTools(ctx, p.cfg, p.Name, ToolsRequest{Source: p.Tools.Source, Materialize: p.Tools.Materialize, Only: p.Tools.Only, Try: true}, w)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "the jail is updated, but for its native tools", "xjail tools install "+p.Name)
	}
	return r, nil
}

// updateRoot changes the emulator or the root, tries the jail, and writes the
// record.
func (s Store) updateRoot(ctx context.Context, p *UpdatePlan, old *Record, w Watcher) (*Record, error) {
	next := *p.next
	next.Updated = time.Now().UTC().Round(0)
	u := &update{store: s, plan: p, watch: w, intent: &updateIntent{Old: old, New: &next, Swap: p.Release != nil}}
	if err := u.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.removeUpdate(old.Name))
	}
	if err := s.saveIntent(u.intent); err != nil {
		return nil, errors.Join(err, s.removeUpdate(old.Name))
	}
	err := u.change(ctx)
	if err == nil {
		w.Step("record", "write the record")
		err = s.save(u.intent.New)
	}
	if err != nil {
		return nil, errors.Join(err, s.undoUpdate(context.WithoutCancel(ctx), u.intent))
	}
	return u.intent.New, s.endUpdate(context.WithoutCancel(ctx), u.intent)
}

// prepare makes what can be made without changing the jail.
func (u *update) prepare(ctx context.Context) error {
	if u.plan.Release != nil {
		return u.newRoot(ctx)
	}
	if u.intent.Old.Emulator == nil {
		return nil
	}
	root, err := os.OpenRoot(u.intent.Old.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	sum, err := keepFile(root, u.intent.Old.Emulator.Path, u.store.inDir(u.plan.Name, keptEmulator))
	u.intent.Kept = sum
	return err
}

// change is the part after which the jail is another one.
func (u *update) change(ctx context.Context) error {
	var err error
	if u.intent.Swap {
		u.watch.Step("root", "put the new root in its place")
		err = u.store.swapRoot(u.intent)
	} else {
		u.watch.Step("emulator", "put "+u.plan.emu.Path+" at "+u.plan.Emulator.InRoot)
		err = u.place()
	}
	if err != nil {
		return err
	}
	next := u.intent.New
	if next.Global && len(next.Activators) > 0 {
		u.watch.Step("register", "register "+next.Activators[0].Name+" with the machine")
		if err := u.store.registerGlobal(MachineTable(), next); err != nil {
			return err
		}
	}
	if next.NotRun != "" {
		return nil
	}
	u.watch.Step("probe", "run a program of "+next.Arch+" in the jail")
	next.Probe, err = u.store.runProbe(ctx, next, probeTimeout)
	return err
}

// place puts the new emulator into the root.
func (u *update) place() error {
	root, err := os.OpenRoot(u.intent.New.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	_, err = qemu.Place(root, strings.TrimPrefix(u.plan.Emulator.InRoot, "/"), u.plan.emu)
	return err
}

// recoverUpdate ends or undoes what an update that was killed has begun. The jail
// is locked for the caller alone.
func (s Store) recoverUpdate(r *Record) (*Record, error) {
	in, err := s.loadIntent(r.Name)
	if err != nil || in == nil {
		if err == nil {
			err = s.removeUpdate(r.Name)
		}
		return r, err
	}
	if r.Updated.Equal(in.New.Updated) {
		return r, s.endUpdate(context.Background(), in)
	}
	if err := s.undoUpdate(context.Background(), in); err != nil {
		return r, fmt.Errorf("jail %s: undo what was interrupted: %w", r.Name, err)
	}
	return s.Load(r.Name)
}

// unfinishedUpdate tells whether recoverUpdate has something to do.
func (s Store) unfinishedUpdate(name string) bool {
	_, err := os.Lstat(s.inDir(name, updateName))
	return err == nil
}

// undoUpdate makes the jail what it was. It can be interrupted and done again.
func (s Store) undoUpdate(ctx context.Context, in *updateIntent) error {
	if in.Swap {
		if err := s.swapBack(ctx, in); err != nil {
			return err
		}
	} else if err := s.placeBack(in); err != nil {
		return err
	}
	if in.Old.Global && len(in.Old.Activators) > 0 {
		if err := s.registerGlobal(MachineTable(), in.Old); err != nil {
			return err
		}
	}
	if err := s.dropEntries(in.New, in.Old); err != nil {
		return err
	}
	return s.removeUpdate(in.Old.Name)
}

// endUpdate takes away what the new jail does not need.
func (s Store) endUpdate(ctx context.Context, in *updateIntent) error {
	name := in.New.Name
	switch {
	case in.Swap:
		if err := s.takeMetadata(in.New); err != nil {
			return err
		}
		if err := removeTree(ctx, s.inDir(name, oldRoot)); err != nil {
			return err
		}
	case in.Old.Emulator != nil && in.New.Emulator != nil && in.Old.Emulator.Path != in.New.Emulator.Path:
		if err := removePlaced(in.New.Root, in.Old.Emulator.Path, in.Kept); err != nil {
			return err
		}
	}
	if err := s.dropEntries(in.Old, in.New); err != nil {
		return err
	}
	return s.removeUpdate(name)
}

// placeBack puts the old emulator back, and takes a new one at another path away.
func (s Store) placeBack(in *updateIntent) error {
	to := in.New.Emulator
	if to == nil {
		return nil
	}
	if in.Old.Emulator == nil || in.Old.Emulator.Path != to.Path {
		return removePlaced(in.Old.Root, to.Path, to.SHA256)
	}
	kept := s.inDir(in.Old.Name, keptEmulator)
	if _, err := os.Lstat(kept); err != nil {
		return absentError(err) // there was none in the root
	}
	root, err := os.OpenRoot(in.Old.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	_, err = qemu.Place(root, strings.TrimPrefix(to.Path, "/"), &qemu.Emulator{Path: kept, SHA256: in.Kept})
	return err
}

// dropEntries removes the machine's activators that a jail had made and that are
// none of what it has now.
func (s Store) dropEntries(from, to *Record) error {
	for _, name := range from.registered() {
		if to.Global && slices.ContainsFunc(to.Activators, func(e activators.Entry) bool { return e.Name == name }) {
			continue
		}
		if err := s.unregisterGlobal(MachineTable(), name, from.Name); err != nil {
			return err
		}
	}
	return nil
}

// removeUpdate removes what only an update has, the intent last.
func (s Store) removeUpdate(name string) error {
	files := []string{keptEmulator, updatedMetadata, updatedMetadata + ".new", updateName + ".new", updateName}
	if err := removeTree(context.Background(), s.inDir(name, partialName)); err != nil {
		return err
	}
	for _, file := range files {
		if err := os.Remove(s.inDir(name, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return writeError(err)
		}
	}
	return nil
}
