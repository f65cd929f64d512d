package poudriere

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// clean is the snapshot of a jail's dataset that poudriere clones.
const clean = "clean"

// snapFile is the file in a root by which poudriere tells that it is not in the
// snapshot itself.
const snapFile = ".poudriere-snap-" + clean

// dataset is the root's own dataset, as poudriere finds it: by its mount point,
// among those below ZPOOL and ZROOTFS. It is "" where there is none; then poudriere
// copies the root.
func (p *Poudriere) dataset(ctx context.Context, s Settings, root string) (string, error) {
	if !s.ZFS() || p.find("zfs") == "" {
		return "", nil
	}
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	out, err := p.zfs(ctx, "list", "-r", "-t", "filesystem", "-H", "-o", "name,mountpoint", s.Dataset())
	switch {
	case fault.KindOf(err) == fault.Interrupted:
		return "", err
	case noDataset(err):
		return "", nil // no poudriere has run yet, which would make it, or there are no pools
	case err != nil:
		return "", fault.Wrap(fault.Failed, err, "ZPOOL and ZROOTFS of poudriere.conf", "zfs list "+s.Dataset())
	}
	for line := range strings.Lines(out) {
		name, mount, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if mount == root {
			return name, nil
		}
	}
	return "", nil
}

// markClean makes the snapshot @clean anew, as poudriere's markfs does, and
// returns its guid. One that is not known by its guid could not be removed later,
// and is removed now.
func (p *Poudriere) markClean(ctx context.Context, dataset, dir string) (string, error) {
	snapshot := dataset + "@" + clean
	old, err := p.guid(ctx, dataset)
	if err != nil {
		return "", err
	}
	if old != "" {
		if _, err := p.zfs(ctx, "destroy", snapshot); err != nil {
			return "", fault.Wrap(fault.KindOf(err), err, "make "+snapshot+" anew", "zfs list -t all -r "+dataset+" shows what was cloned from it; poudriere jail -k ends a jail that runs")
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	if err := root.Remove(snapFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", writeError(err)
	}
	if _, err := p.zfs(ctx, "snapshot", snapshot); err != nil {
		return "", fault.Wrap(fault.KindOf(err), err, "make the snapshot that poudriere clones", "zfs list -t all -r "+dataset+" shows what there is")
	}
	guid, err := p.noteClean(ctx, root, dataset)
	if err != nil {
		_, undo := p.zfs(context.WithoutCancel(ctx), "destroy", snapshot)
		_ = root.Remove(snapFile)
		return "", errors.Join(err, undo)
	}
	return guid, nil
}

// noteClean makes the file by which poudriere tells the root from its snapshot,
// and returns the guid of that.
func (p *Poudriere) noteClean(ctx context.Context, root *os.Root, dataset string) (string, error) {
	f, err := root.OpenFile(snapFile, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return "", writeError(err)
	}
	f.Close()
	guid, err := p.guid(ctx, dataset)
	if err == nil && guid == "" {
		err = fault.New(fault.Failed, "zfs list -t all -r "+dataset+" shows what there is", "%s is gone as soon as it was made", dataset+"@"+clean)
	}
	return guid, err
}

// guid is that of the snapshot @clean, "" when there is none. That zfs(8) cannot
// tell is an error: a snapshot would be forgotten, and stay.
func (p *Poudriere) guid(ctx context.Context, dataset string) (string, error) {
	if p.find("zfs") == "" {
		return "", nil
	}
	snapshot := dataset + "@" + clean
	out, err := p.zfs(ctx, "get", "-H", "-p", "-o", "value", "guid", snapshot)
	if err == nil {
		return strings.TrimSpace(out), nil
	}
	if noDataset(err) {
		return "", nil
	}
	return "", fault.Wrap(fault.KindOf(err), err, "look for "+snapshot, "zfs list -t all -r "+dataset+" tells more")
}

// dropClean removes the snapshot @clean when it is still the one of that guid.
func (p *Poudriere) dropClean(ctx context.Context, dataset, dir, guid string) error {
	if guid == "" {
		return nil
	}
	if now, err := p.guid(ctx, dataset); err != nil || now != guid {
		return err
	}
	if _, err := p.zfs(ctx, "destroy", dataset+"@"+clean); err != nil {
		return fault.Wrap(fault.KindOf(err), err, "remove the snapshot", "zfs list -t all -r "+dataset+" shows what was cloned from it")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil //nolint:nilerr // the root is gone, and the file with it
	}
	defer root.Close()
	_ = root.Remove(snapFile)
	return nil
}

// zfs runs zfs(8).
func (p *Poudriere) zfs(ctx context.Context, args ...string) (string, error) {
	return p.run(ctx, append([]string{p.find("zfs")}, args...)...)
}

// noDataset tells whether zfs(8) failed since there is no such dataset, no such
// pool, or no ZFS in the kernel.
func noDataset(err error) bool {
	return err != nil && slices.ContainsFunc([]string{"does not exist", "no such pool", "kldload zfs", "modprobe zfs"}, func(s string) bool {
		return strings.Contains(err.Error(), s)
	})
}
