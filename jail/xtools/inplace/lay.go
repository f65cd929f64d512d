package inplace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
)

// Want is a file that is to be in the root.
type Want struct {
	Path   string // below the root
	Source string // below the farm, for its mode and, unless there is Text, its content
	Text   []byte
}

// Lay writes the files into the root, all or none. data is the caller's, and
// comes back from Laid. Errors have the kinds Exists (there is something laid
// already, or one that was interrupted), Unsafe (a link, or something mounted, in
// the way), NoSpace, Permission and Interrupted; the root is then as it was.
func Lay(ctx context.Context, root, farm, state *os.Root, wants []Want, data any) error {
	for _, name := range []string{journalName, laidName} {
		if _, err := state.Lstat(name); err == nil {
			return fault.New(fault.Exists, "xjail tools remove", "there are native tools in the root already")
		}
	}
	if err := extract.CheckMounts(root); err != nil {
		return fault.Wrap(fault.KindOf(err), err, "write native tools into the root", "")
	}
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	l := &layer{ctx: ctx, root: root, farm: farm, state: state, wants: wants, record: &record{Version: recordVersion, Phase: laying, Data: text}}
	if err := l.plan(); err != nil {
		return writeError(errors.Join(err, l.state.RemoveAll(keptDir)))
	}
	if err := l.record.save(state, journalName); err != nil {
		return writeError(errors.Join(err, absent(state.Remove(journalName))))
	}
	if err := l.lay(); err != nil {
		_, uerr := (&restorer{ctx: context.WithoutCancel(ctx), root: root, state: state, record: l.record, all: true}).run()
		return writeError(errors.Join(err, uerr))
	}
	return nil
}

// layer is a Lay under way.
type layer struct {
	ctx               context.Context
	root, farm, state *os.Root
	wants             []Want
	record            *record
}

// plan looks at all places before anything changes.
func (l *layer) plan() error {
	slices.SortFunc(l.wants, func(a, b Want) int { return compare(a.Path, b.Path) })
	touched := map[string]bool{}
	for i, w := range l.wants {
		if !fs.ValidPath(w.Path) || w.Path == "." || i > 0 && l.wants[i-1].Path == w.Path {
			return fault.New(fault.Usage, "", "%q cannot be the path of a native tool", w.Path)
		}
		if err := l.place(w.Path, touched); err != nil {
			return err
		}
		f, err := l.look(w.Path)
		if err != nil {
			return err
		}
		switch {
		case f.Was != nil:
			f.Kept = strconv.Itoa(i)
		case w.Source != "":
			st, err := l.farm.Lstat(w.Source)
			if err != nil {
				return err
			}
			f.Mode = st.Mode().Perm()
		}
		l.record.Files = append(l.record.Files, *f)
	}
	for dir := range touched {
		t, err := timesOf(l.root, dir)
		if err != nil {
			return err
		}
		l.record.Dirs = append(l.record.Dirs, t)
	}
	slices.SortFunc(l.record.Dirs, func(a, b dirTime) int { return compare(a.Path, b.Path) })
	return l.decideCopies()
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// place notes the directories that a path needs, and those that change.
func (l *layer) place(name string, touched map[string]bool) error {
	dir := path.Dir(name)
	for _, d := range prefixes(dir) {
		if slices.Contains(l.record.Made, d) {
			continue
		}
		err := folder(l.root, d)
		if errors.Is(err, fs.ErrNotExist) {
			l.record.Made = append(l.record.Made, d)
			if up := path.Dir(d); !slices.Contains(l.record.Made, up) {
				touched[up] = true
			}
			continue
		}
		if err != nil {
			return err
		}
	}
	if !slices.Contains(l.record.Made, dir) {
		touched[dir] = true
	}
	return nil
}

// look says what is at a path.
func (l *layer) look(name string) (*file, error) {
	if _, err := l.root.Lstat(temporary(name)); err == nil {
		return nil, fault.New(fault.Exists, "remove it", "/%s of the root is in the way", temporary(name))
	}
	st, err := l.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &file{Path: name, Mode: 0o644}, nil
	}
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
		return nil, fault.New(fault.Unsafe, "", "/%s of the root is not a plain file: %v", name, st.Mode())
	}
	sys := sysStat(st)
	return &file{Path: name, Mode: st.Mode().Perm(), Was: &was{
		Dev: wide(sys.Dev), Inode: wide(sys.Ino), Links: wide(sys.Nlink), UID: int(sys.Uid), GID: int(sys.Gid),
		Mode: st.Mode(), Size: st.Size(), MTime: st.ModTime(),
	}}, nil
}

// decideCopies finds out whether hard links can lead from the root to the state,
// by trying. Where they cannot, files are copied, and other names that they have
// in the root are looked for.
func (l *layer) decideCopies() error {
	i := slices.IndexFunc(l.record.Files, func(f file) bool { return f.Was != nil })
	if i < 0 {
		return nil
	}
	if err := l.state.Mkdir(keptDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	err := linkAside(l.root, l.state, l.record.Files[i].Path, "try")
	if err == nil {
		return l.state.Remove(path.Join(keptDir, "try"))
	}
	if !errors.Is(err, syscall.EXDEV) && !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.EMLINK) {
		return err
	}
	return l.copies()
}

// copies marks the files as such that are kept by a copy.
func (l *layer) copies() error {
	type id struct{ dev, inode uint64 }
	names := map[id]uint64{}
	links := map[id]uint64{}
	for i := range l.record.Files {
		if f := &l.record.Files[i]; f.Was != nil {
			f.Copied = true
			sum, err := digest(l.root, f.Path)
			if err != nil {
				return err
			}
			f.Was.SHA256 = sum
			key := id{f.Was.Dev, f.Was.Inode}
			names[key]++
			links[key] = f.Was.Links
		}
	}
	wanted := map[id]string{}
	for key, n := range links {
		if n > names[key] {
			wanted[key] = ""
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	laid := map[string]bool{}
	for _, f := range l.record.Files {
		laid[f.Path] = true
	}
	err := fs.WalkDir(l.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = l.ctx.Err()
		}
		if err != nil || !d.Type().IsRegular() || laid[name] {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		key := id{wide(sysStat(st).Dev), wide(sysStat(st).Ino)}
		if _, ok := wanted[key]; ok {
			wanted[key] = name
		}
		return nil
	})
	for i := range l.record.Files {
		if f := &l.record.Files[i]; f.Was != nil {
			f.Other = wanted[id{f.Was.Dev, f.Was.Inode}]
		}
	}
	return err
}

// lay does what the record says, and makes it valid in the end.
func (l *layer) lay() error {
	if err := l.state.Mkdir(keptDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	for _, dir := range l.record.Made {
		if err := l.root.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := l.root.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	for i := range l.record.Files {
		if err := l.ctx.Err(); err != nil {
			return fault.Wrap(fault.Interrupted, err, "write native tools into the root", "")
		}
		if err := l.keep(&l.record.Files[i]); err != nil {
			return fmt.Errorf("keep /%s: %w", l.record.Files[i].Path, err)
		}
		if err := l.write(i); err != nil {
			return fmt.Errorf("write /%s: %w", l.record.Files[i].Path, err)
		}
	}
	if err := setTimes(l.root, l.record.Dirs); err != nil {
		return err
	}
	top, err := l.root.Open(".")
	if err != nil {
		return err
	}
	_ = flush(top) // a file system may not know how to
	if err := top.Close(); err != nil {
		return err
	}
	// The journal knows all but what was written, which the record has.
	if err := l.record.save(l.state, laidName); err != nil {
		return err
	}
	return l.state.Remove(journalName)
}

// keep keeps what is in the root.
func (l *layer) keep(f *file) error {
	switch {
	case f.Was == nil:
		return nil
	case !f.Copied:
		return linkAside(l.root, l.state, f.Path, f.Kept)
	}
	return copyFile(l.root, f.Path, l.state, path.Join(keptDir, f.Kept))
}

// write puts a tool in its place, with the owner, the mode and the time of what
// was there.
func (l *layer) write(i int) error {
	f, w := &l.record.Files[i], l.wants[i]
	temp := temporary(f.Path)
	out, err := l.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	f.SHA256, f.Size, err = l.fill(out, w)
	if err == nil {
		err = l.dress(out, f)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if err := l.root.Chtimes(temp, f.MTime, f.MTime); err != nil {
		return err
	}
	return l.root.Rename(temp, f.Path)
}

func (l *layer) dress(out *os.File, f *file) error {
	if f.Was != nil {
		f.MTime = f.Was.MTime
		if err := out.Chown(f.Was.UID, f.Was.GID); err != nil {
			return err
		}
		return out.Chmod(f.Mode)
	}
	st, err := out.Stat()
	if err != nil {
		return err
	}
	f.MTime = st.ModTime()
	return out.Chmod(f.Mode)
}

// linkat is another one where a test has no second file system.
var linkat = unix.Linkat

// linkAside gives a file of the root one more name in the state.
func linkAside(root, state *os.Root, name, kept string) error {
	dir, err := root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	to, err := state.Open(keptDir)
	if err != nil {
		return err
	}
	defer to.Close()
	return linkat(int(dir.Fd()), path.Base(name), int(to.Fd()), kept, 0)
}
