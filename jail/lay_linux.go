package jail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
)

// farmDir is where a jail sees the farm of its native tools. /dev is the jail's
// own, so nothing is made in the stored root for it.
const farmDir = xtools.FarmDir

// mountFarm shows the farm in the jail, read-only: what is laid over is mounted
// from there once more.
func (e *entrance) mountFarm(root int) error {
	if e.Tools == nil {
		return nil
	}
	dir, err := openDir(root, farmDir)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if err := unix.Mount(e.Tools.Farm, fdPath(dir), "", unix.MS_BIND, ""); err != nil {
		return fault.Wrap(fault.NotFound, err, "native tools of jail "+e.Name, "xjail tools install "+e.Name+" gets them again; --no-tools does without")
	}
	over, err := beneath(root, farmDir, unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(over)
	err = unix.MountSetattr(over, "", unix.AT_EMPTY_PATH, &unix.MountAttr{
		Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOSUID,
	})
	return fault.Wrap(fault.Failed, err, "make the native tools read-only", "")
}

// lay lays the tools over the root, which is / by now: no symlink of it leads
// out. Programs that are not any more what they were when the tools were
// installed stay uncovered, and are returned.
func (o *overlay) lay() (drifted []string, err error) {
	for _, t := range o.Trees {
		if err := o.layNew(t, true); err != nil {
			return nil, err
		}
	}
	scripts := o.scriptsFit()
	for _, f := range o.Files {
		if f.Script && !scripts {
			drifted = append(drifted, f.Path)
			continue
		}
		if f.MTime.IsZero() {
			if err := o.layNew(f, false); err != nil {
				return nil, err
			}
			continue
		}
		var st unix.Stat_t
		if err := unix.Lstat(f.Path, &st); err != nil || !f.unchanged(&st) {
			drifted = append(drifted, f.Path)
			continue
		}
		if err := bindTool(f); err != nil {
			return nil, err
		}
	}
	return drifted, nil
}

// scriptsFit tells whether what runs scripts is still what the native one stands in
// for: another perl in the root has other modules.
func (o *overlay) scriptsFit() bool {
	for _, f := range o.Interpreters {
		var st unix.Stat_t
		if err := unix.Lstat(f.Path, &st); err != nil || !f.unchanged(&st) {
			return false
		}
	}
	for _, d := range o.Modules {
		st, err := os.Lstat(d.Path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || !d.Same(st) {
			return false
		}
	}
	return true
}

// unchanged compares a file with what it was.
func (f overlayFile) unchanged(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == f.Size && st.Mtim.Nano() == f.MTime.UnixNano()
}

// bindTool mounts one. A bind takes over the flags of the farm's mount.
func bindTool(f overlayFile) error {
	err := unix.Mount(path.Join(farmDir, f.Source), f.Path, "", unix.MS_BIND, "")
	return fault.Wrap(fault.Failed, err, "lay a native tool over "+f.Path, "xjail tools install makes them anew; --no-tools does without")
}

// layNew lays over what the root has not, on a mount point that was made for it
// and is made again when it is gone.
func (o *overlay) layNew(f overlayFile, dir bool) error {
	err := bindTool(f)
	if !errors.Is(err, unix.ENOENT) {
		return err
	}
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the root: %w", err)
	}
	defer unix.Close(root)
	var made int
	if dir {
		made, err = openDir(root, f.Path)
	} else {
		made, err = openFile(root, f.Path)
	}
	if err != nil {
		return err
	}
	unix.Close(made)
	return bindTool(f)
}
