package jail

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// mountPoint is a mounted file system as getfsstat(2) tells it.
type mountPoint struct {
	ID   [2]int32 // f_fsid
	Type string
	From string // of nullfs: what it shows
	On   string // the global path that it was mounted on
}

// byID is how unmount(2) takes a file system with MNT_BYFSID: no path is looked
// up, so nothing that a jail does to its root can turn it to another.
func (m mountPoint) byID() string { return fmt.Sprintf("FSID:%d:%d", m.ID[0], m.ID[1]) }

// below tells whether a path is dir or below it.
func below(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// mountsIn are those at dir or below it, the last mounted first, as they must
// be taken off.
func mountsIn(all []mountPoint, dir string) []mountPoint {
	var in []mountPoint
	for _, m := range all {
		if below(m.On, dir) {
			in = append(in, m)
		}
	}
	slices.Reverse(in)
	return in
}

// patience is how often a busy mount is tried, half a second in all. A process
// that was killed keeps its files for a moment; a jail(2) with a TCP connection
// that is closing keeps its root for a minute, though nothing runs in it.
const patience = 25

// takeOff unmounts everything at dir or below it: kindly at first, by force in
// the end. Only mounts that xjail made are in such a directory.
func takeOff(k kernel, dir string) error {
	for try := 0; ; try++ {
		all, err := k.Mounts()
		if err != nil {
			return fault.Wrap(fault.Failed, err, "list mounts", "")
		}
		left := mountsIn(all, dir)
		if len(left) == 0 {
			return nil
		}
		force := try >= patience
		err = takeOffAll(k, left, force)
		if err != nil && (force || !errors.Is(err, unix.EBUSY)) {
			return fault.Wrap(fault.Failed, err, "unmount "+left[0].On, "umount -f "+left[0].On)
		}
		if try > patience {
			return fault.New(fault.Failed, "umount "+left[0].On, "%s is mounted again and again", left[0].On)
		}
		if err != nil {
			k.Pause()
		}
	}
}

// takeOffAll tries each once: what is busy may free what it is mounted on.
func takeOffAll(k kernel, mounts []mountPoint, force bool) error {
	var busy error
	for _, m := range mounts {
		err := k.Unmount(m.byID(), force)
		switch {
		case err == nil, errors.Is(err, unix.ENOENT):
		case errors.Is(err, unix.EBUSY):
			busy = err
		default:
			return err
		}
	}
	return busy
}

// takeOffAstray unmounts what a step has mounted since before, wherever it is.
func takeOffAstray(k kernel, s mountStep, before []mountPoint) error {
	after, err := k.Mounts()
	if err != nil {
		return err
	}
	for _, m := range after {
		known := slices.ContainsFunc(before, func(b mountPoint) bool { return b.ID == m.ID })
		if !known && m.Type == s.Type && m.From == s.Source {
			err = errors.Join(err, k.Unmount(m.byID(), true))
		}
	}
	return err
}
