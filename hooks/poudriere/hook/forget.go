package hook

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/xjail/xjail/hooks/poudriere/buildlog"
)

// DefaultKeep is how many builds of a jail are remembered: as many as people look
// back, and never more than a few megabytes.
const DefaultKeep = 20

// profilesKept is how many builds of a jail keep their profiles, which are larger
// by far.
const profilesKept = 3

// statisticsKept bounds the file of statistics, in lines; one has 300 bytes.
const statisticsKept = 2000

// forget removes what is older than the last builds of a jail. That which ends now
// is the last, whatever the machine's clock says.
func (j *job) forget(master, build string) error {
	err := trimLines(filepath.Join(j.data(), BuildsName), statisticsKept)
	if j.Keep <= 0 {
		return err
	}
	err = errors.Join(err, buildlog.Forget(j.Store.Dir, master, build, j.Keep))
	return errors.Join(err, keepNewest(filepath.Join(ProfilesDir(j.Store.Dir), buildlog.FileName(master)), buildlog.FileName(build), min(j.Keep, profilesKept)))
}

// trimLines keeps the last half of so many lines once there are more.
func trimLines(name string, most int) error {
	text, err := os.ReadFile(name)
	if err != nil || bytes.Count(text, []byte("\n")) <= most {
		return err
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	tmp := name + ".new"
	if err := os.WriteFile(tmp, bytes.Join(lines[len(lines)-most/2:], nil), 0o644); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return os.Rename(tmp, name)
}

// keepNewest removes all but the newest directories of profiles, which hold
// nothing but files. That of the name newest counts as such.
func keepNewest(dir, newest string, keep int) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	type build struct {
		name string
		at   time.Time
	}
	var builds []build
	for _, e := range entries {
		if info, ierr := e.Info(); ierr == nil && e.IsDir() && e.Name() != collectorDir {
			builds = append(builds, build{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(builds, func(a, b build) int {
		switch newest {
		case a.name:
			return -1
		case b.name:
			return 1
		}
		return b.at.Compare(a.at)
	})
	root, rerr := os.OpenRoot(dir)
	if rerr != nil {
		return errors.Join(err, rerr)
	}
	defer root.Close()
	for _, b := range builds[min(keep, len(builds)):] {
		err = errors.Join(err, removeFiles(root, b.name))
	}
	return err
}

// removeFiles removes a directory of profiles; another one stays.
func removeFiles(root *os.Root, name string) error {
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	dir.Close()
	for _, file := range names {
		if strings.HasSuffix(file, profileSuffix) || strings.HasSuffix(file, openSuffix) {
			err = errors.Join(err, root.Remove(filepath.Join(name, file)))
		}
	}
	return errors.Join(err, root.Remove(name))
}
