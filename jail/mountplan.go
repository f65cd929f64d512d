package jail

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/vfsopt"
)

// mountStep is one mount of a view. Target is below the root of the jail, "/"
// the root itself.
type mountStep struct {
	Type     string
	Source   string // of nullfs: a path of the host
	Target   string
	File     bool // a file is mounted on a file
	ReadOnly bool
}

// options are those of nmount(2). nullfs takes its source by two names, and
// versions differ in which.
func (m mountStep) options(at string) vfsopt.Options {
	o := vfsopt.Options{vfsopt.String("fstype", m.Type), vfsopt.String("fspath", at)}
	if m.Source != "" {
		o = append(o, vfsopt.String("from", m.Source), vfsopt.String("target", m.Source))
	}
	if m.ReadOnly {
		o = append(o, vfsopt.Flag("ro"))
	}
	return o
}

// fileMounts is the first kernel whose nullfs mounts files: FreeBSD 14.0.
const fileMounts = 1400000

// mountPlan lists the mounts of a view in their order: the root itself, its
// /dev, and what the user binds.
func (e *entrance) mountPlan(osreldate int, stat statFunc) ([]mountStep, error) {
	steps := []mountStep{
		{Type: "nullfs", Source: e.Root, Target: "/"},
		{Type: "devfs", Target: "/dev"},
		{Type: "fdescfs", Target: "/dev/fd"},
	}
	for _, b := range e.Binds {
		step, err := bindStep(b, osreldate, stat)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	for _, s := range steps {
		if err := vfsopt.CheckText("the path of a mount", s.Source, vfsopt.PathMax); err != nil {
			return nil, fault.Wrap(fault.Usage, err, "mount on "+s.Target+" of the jail", "")
		}
	}
	return steps, nil
}

func bindStep(b Bind, osreldate int, stat statFunc) (mountStep, error) {
	step := mountStep{Type: "nullfs", Source: b.Source, Target: b.Target, ReadOnly: b.ReadOnly}
	st, err := stat(b.Source)
	if err != nil {
		return step, fault.Wrap(fault.NotFound, err, "bind "+b.Source, "the first path of --bind is one of this machine, and must exist")
	}
	step.File = st.Mode().IsRegular()
	if !step.File && !st.IsDir() {
		return step, fault.New(fault.Unsupported, "bind the directory that it is in", "bind %s: FreeBSD mounts directories and plain files only", b.Source)
	}
	if step.File && osreldate < fileMounts {
		return step, fault.New(fault.Unsupported, "bind the directory that it is in", "bind %s: a single file can be bound since FreeBSD 14.0", b.Source)
	}
	return step, nil
}

// hostResolv is what a jail resolves names by.
const hostResolv = "/etc/resolv.conf"

// resolvMark begins a copy of the host's file, which is written where files
// cannot be mounted, and tells it from the root's own.
const resolvMark = "# Copied by xjail from the host's " + hostResolv + "\n"

// resolvTarget finds where in a root the host's resolv.conf is to be seen, and
// whether a file is there. It is "" for a root that does not want it: one
// without /etc, with a link that leads nowhere, or with something else there.
func resolvTarget(root *os.Root) (target string, exists bool) {
	real, err := resolve(root, hostResolv)
	if err == nil {
		st, err := root.Lstat(real)
		if err != nil || !st.Mode().IsRegular() {
			return "", false
		}
		// The kernel mounts on no file that has another name
		// (vfs_domount_first).
		if sys, ok := st.Sys().(*syscall.Stat_t); ok && sys.Nlink != 1 {
			return "", false
		}
		return "/" + real, true
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", false
	}
	etc, err := resolve(root, path.Dir(hostResolv))
	if err != nil {
		return "", false
	}
	if st, err := root.Lstat(etc); err != nil || !st.IsDir() {
		return "", false
	}
	target = path.Join(etc, path.Base(hostResolv))
	if _, err := root.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		return "", false
	}
	return "/" + target, false
}

// copyResolv writes a copy, for kernels that mount no files. A file that is
// the root's own is left alone.
func copyResolv(root *os.Root, text []byte) error {
	target, exists := resolvTarget(root)
	if target == "" {
		return nil
	}
	if exists && !strings.HasPrefix(string(readHead(openFileIn(root), target, int64(len(resolvMark)))), resolvMark) {
		return nil
	}
	err := root.WriteFile(strings.TrimPrefix(target, "/"), append([]byte(resolvMark), text...), 0o644)
	return fault.Wrap(fault.Failed, err, "write "+hostResolv+" of the jail", "")
}
