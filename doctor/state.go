package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

// stateDirectory looks whose the state directory is, and who else can write in
// it: records and journals say what goes with a jail.
func stateDirectory(_ context.Context, w *World) []Finding {
	if w.StateError != nil {
		return one(Failed, w.StateError.Error(), fault.HintOf(w.StateError))
	}
	if there, answer := w.stateThere(); !there {
		return w.makeable(answer)
	}
	all, private := w.Store.Directories()
	var found []Finding
	for _, dir := range all {
		info, err := os.Lstat(dir)
		if err != nil {
			if !missing(err) {
				found = append(found, Finding{Subject: dir, Result: Skipped, Message: err.Error()})
			}
			continue
		}
		f, bad := w.directory(dir, info, slices.Contains(private, dir))
		if bad {
			found = append(found, f)
		}
		if owner, known := ownerOf(info); bad && known && owner != w.euid {
			break // so will be what is in it
		}
	}
	if len(found) == 0 {
		return one(OK, w.Store.Dir+" is this user's alone", "")
	}
	return found
}

// makeable adds to the answer for a state directory that is not there that this
// user cannot make it.
func (w *World) makeable(answer []Finding) []Finding {
	if answer[0].Result != OK {
		return answer
	}
	if above := nearest(w.Store.Dir); writable(above) != nil {
		return one(Note, fmt.Sprintf("%s is not there, and this user cannot make it in %s", w.Store.Dir, above), "name a place of your own with --state DIR")
	}
	return answer
}

func (w *World) directory(dir string, info fs.FileInfo, private bool) (f Finding, bad bool) {
	f = Finding{Subject: dir, Result: Failed}
	mode := info.Mode()
	owner, known := ownerOf(info)
	if dir == w.Store.Dir && mode&fs.ModeSymlink != 0 {
		if info, err := os.Stat(dir); err == nil {
			mode = info.Mode()
			owner, known = ownerOf(info)
		}
	}
	switch {
	case !mode.IsDir():
		f.Message, f.Fix = dir+" is not a directory", "look what it is, and remove it"
	case known && owner != w.euid:
		f.Message = fmt.Sprintf("%s belongs to another user (uid %d)", dir, owner)
		f.Fix = "run as the user who owns it, or name a place of your own with --state DIR"
	case mode.Perm()&0o022 != 0 && (dir != w.Store.Dir || mode&fs.ModeSticky == 0):
		f.Message, f.Fix = fmt.Sprintf("%s can be written by others (mode %04o)", dir, mode.Perm()), "chmod go-w "+quote(dir)
		closed := mode.Perm() &^ 0o022
		if private {
			f.Fix, closed = "chmod 700 "+quote(dir), 0o700
		}
		f.mend = chmod(dir, info, closed)
	case private && mode.Perm()&0o077 != 0:
		f.Result = Warning
		f.Message = fmt.Sprintf("%s can be entered by others (mode %04o): set-id programs in a root are then set-id programs of this machine", dir, mode.Perm())
		f.Fix = "chmod 700 " + quote(dir)
		f.mend = chmod(dir, info, 0o700)
	default:
		return f, false
	}
	return f, true
}

// chmod changes the mode of the directory that was looked at, and of no other.
func chmod(dir string, was fs.FileInfo, mode fs.FileMode) func(context.Context) error {
	return func(context.Context) error {
		d, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer d.Close()
		now, err := d.Stat()
		if err != nil {
			return err
		}
		if was.Mode()&fs.ModeSymlink == 0 && !os.SameFile(was, now) {
			return fault.New(fault.Unsafe, "run it again", "%s was replaced meanwhile", dir)
		}
		return d.Chmod(mode)
	}
}

func ownerOf(info fs.FileInfo) (uid int, known bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// remount is the command, but for the place, that mounts with another option.
func (w *World) remount(option string) string {
	if w.goos == "freebsd" {
		return "mount -u -o " + option
	}
	return "mount -o remount," + option
}

// stateMount looks how the file systems of the state directory and of the roots
// elsewhere are mounted.
func stateMount(_ context.Context, w *World) []Finding {
	if w.StateError != nil {
		return nil
	}
	dirs := []string{nearest(w.Store.Dir)}
	for _, r := range w.readRecords() {
		if r.Outside {
			dirs = append(dirs, r.Root)
		}
	}
	slices.Sort(dirs[1:])
	var found []Finding
	for _, dir := range dirs {
		v, err := w.volume(dir)
		if err != nil {
			continue // jail-root says it
		}
		switch {
		case v.ReadOnly:
			found = append(found, Finding{Subject: dir, Result: Warning, Message: dir + " is on a file system that is mounted read-only: no jail can be made or removed there", Fix: w.remount("rw") + ", or another place with --state DIR"})
		case v.NoExec:
			found = append(found, Finding{Subject: dir, Result: Failed, Message: dir + " is on a file system that is mounted noexec: no program of a jail there can run", Fix: w.remount("exec") + ", or another place with --state DIR"})
		case v.NoSuid:
			found = append(found, Finding{Subject: dir, Result: Note, Message: dir + " is on a file system that is mounted nosuid: set-id programs of jails there run without their rights"})
		}
	}
	if len(found) == 0 {
		return one(OK, dirs[0]+" lets programs run", "")
	}
	return found
}

// nearest is a directory, or the first one above it that is there.
func nearest(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// What is too little room, in bytes and in inodes: an emulator has 3 to 8 MiB,
// the smallest Debian root 130 MiB and 5,000 files.
const (
	noSpace    = 8 << 20
	littleRoom = 64 << 20
	noFiles    = 16
	fewFiles   = 1000
)

// stateSpace looks how much room there is for jails.
func stateSpace(_ context.Context, w *World) []Finding {
	if w.StateError != nil {
		return nil
	}
	dir := nearest(w.Store.Dir)
	v, err := w.volume(dir)
	const free = "free space there, or choose another place with --state DIR or --path DIR"
	switch {
	case err != nil:
		return one(Skipped, err.Error(), "")
	case v.Free < noSpace:
		return one(Failed, fmt.Sprintf("the disk of %s is full: %s left", dir, size(v.Free)), free)
	case v.Files > 0 && v.FilesFree < noFiles:
		return one(Failed, fmt.Sprintf("the disk of %s has no room for more files: %d inodes left", dir, v.FilesFree), "remove files there, or choose another place with --state DIR or --path DIR")
	case v.Free < littleRoom:
		return one(Warning, fmt.Sprintf("the disk of %s is nearly full: %s left", dir, size(v.Free)), free)
	case v.Files > 0 && v.FilesFree < fewFiles:
		return one(Warning, fmt.Sprintf("the disk of %s has hardly any room for more files: %d inodes left", dir, v.FilesFree), free)
	}
	return one(OK, fmt.Sprintf("%s left on the disk of %s", size(v.Free), dir), "")
}

// size is a number of bytes for people.
func size(n uint64) string {
	switch {
	case n < 1<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	case n < 10<<30:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}

// leftoverTexts say what each kind of leftover is.
var leftoverTexts = map[jail.LeftoverKind]string{
	jail.LeftIncomplete: "the creation or removal of jail %s was interrupted",
	jail.LeftStrange:    "jail %s has no record, and things in it that are not of a jail",
	jail.LeftLock:       "a lock was left of jail %s, which is not there",
	jail.LeftTemporary:  "a step of a command that was killed left files beside jail %s",
	jail.LeftJournal:    "a journal was left of jail %s, which is complete",
	jail.LeftView:       "a command in jail %s that was killed left mounts",
	jail.LeftLedger:     "a command that was killed left a file of the record of activators",
	jail.LeftFetch:      "xjail emulator fetch was killed, and left its files",
	jail.LeftCache:      "a download that was killed left files in the cache",
}

// stateLeftovers finds what killed commands left, and nobody uses.
func stateLeftovers(_ context.Context, w *World) []Finding {
	there, answer := w.stateThere()
	if !there {
		return answer
	}
	left, err := w.Store.Leftovers()
	if err != nil {
		return one(Skipped, err.Error(), fault.HintOf(err))
	}
	var found []Finding
	for _, l := range left {
		if w.Jails != nil && l.Jail != "" && !slices.Contains(w.Jails, l.Jail) {
			continue
		}
		found = append(found, w.leftover(l))
	}
	if len(found) == 0 {
		return one(OK, "no command left anything behind", "")
	}
	return found
}

func (w *World) leftover(l jail.Leftover) Finding {
	text := leftoverTexts[l.Kind]
	if l.Jail != "" {
		text = fmt.Sprintf(text, l.Jail)
	}
	f := Finding{Subject: l.Path, Result: Warning, Message: text + ": " + l.Path, Fix: w.xjail("doctor", "--fix")}
	if l.Kind == jail.LeftIncomplete || l.Kind == jail.LeftLock {
		f.Fix = w.xjail("destroy", "--leftovers", l.Jail)
	}
	if l.Kind == jail.LeftStrange {
		f.Fix = "look at it, and move it away; or " + w.xjail("destroy", l.Jail)
		return f
	}
	f.mend = func(ctx context.Context) error {
		if l.Kind == jail.LeftIncomplete && w.AsRoot != nil {
			return w.AsRoot("--state", w.Store.Dir, "destroy", "--leftovers", l.Jail)
		}
		return w.Store.RemoveLeftover(ctx, l)
	}
	return f
}

// stateMounted finds what is mounted in jails: nothing of xjail's stays mounted
// there on Linux, and on FreeBSD only while a command runs. As long as it is,
// the jail can be neither packed nor removed.
func stateMounted(_ context.Context, w *World) []Finding {
	if there, answer := w.stateThere(); !there {
		return answer
	}
	all, err := w.mounts()
	if err != nil {
		return one(Skipped, err.Error(), "")
	}
	var found []Finding
	for _, m := range all {
		name := w.mountedIn(m.On)
		if name == "" {
			continue
		}
		found = append(found, Finding{Subject: m.On, Result: Warning,
			Message: fmt.Sprintf("%s is mounted in jail %s, which can be neither packed nor removed until it is not: %s", m.Type, name, m.On),
			Fix:     "umount " + quote(m.On)})
	}
	if len(found) == 0 {
		return one(OK, "nothing is mounted in the jails", "")
	}
	slices.Reverse(found) // as they have to be taken off
	return found
}

// mountedIn is the jail in which a mount point is. A directory that is a mount
// itself is somebody's disk for jails; views are commands' (FreeBSD).
func (w *World) mountedIn(point string) string {
	state, err := filepath.EvalSymlinks(w.Store.Dir)
	if err != nil {
		state = w.Store.Dir
	}
	jails := filepath.Join(state, "jails")
	if below(point, jails) && point != jails {
		name, rest, _ := strings.Cut(strings.TrimPrefix(point, jails+"/"), "/")
		if below(rest, "enter") || rest == "" {
			return ""
		}
		return name
	}
	for _, r := range w.readRecords() {
		if r.Outside && below(point, r.Root) && point != r.Root {
			return r.Name
		}
	}
	return ""
}

// stateUnknown finds what is not xjail's in its directory.
func stateUnknown(_ context.Context, w *World) []Finding {
	if there, answer := w.stateThere(); !there {
		return answer
	}
	unknown, err := w.Store.Unknown()
	if err != nil && len(unknown) == 0 {
		return one(Skipped, err.Error(), "")
	}
	if len(unknown) == 0 {
		return one(OK, "all that is in "+w.Store.Dir+" is xjail's", "")
	}
	var found []Finding
	for _, path := range unknown {
		found = append(found, Finding{Subject: path, Result: Note, Message: "it is not xjail's: " + path, Fix: "move it away"})
	}
	return found
}

// temporaryDirectory looks whether temporary files can be made.
func temporaryDirectory(_ context.Context, w *World) []Finding {
	dir := w.Getenv("TMPDIR")
	if dir == "" {
		dir = "/tmp"
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return one(Warning, "there is no directory for temporary files: "+err.Error(), "set TMPDIR to a directory that is there")
	case !info.IsDir():
		return one(Warning, dir+", for temporary files, is not a directory", "set TMPDIR to a directory")
	case writable(dir) != nil:
		return one(Warning, "no temporary files can be made in "+dir+": "+writable(dir).Error(), "set TMPDIR to a directory that this user can write to")
	}
	return one(OK, "temporary files can be made in "+dir, "")
}
