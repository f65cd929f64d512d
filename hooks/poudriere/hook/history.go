package hook

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/xjail/xjail/hooks/poudriere/buildlog"
	"github.com/xjail/xjail/internal/fault"
)

// Statistics returns what became of builds, below the state directory, in the
// order in which they ended. With last it is the last build of each jail alone.
// Lines that are damaged are left out.
func Statistics(state string, want buildlog.Filter, last bool) ([]Build, error) {
	f, err := os.Open(filepath.Join(state, "poudriere", BuildsName))
	if errors.Is(err, fs.ErrNotExist) {
		return []Build{}, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Permission, err, "statistics of builds", "")
	}
	defer f.Close()
	list := []Build{}
	for in := bufio.NewScanner(f); in.Scan(); {
		var b Build
		if json.Unmarshal(in.Bytes(), &b) != nil || b.Jail == "" {
			continue
		}
		if b.Master == "" { // of an older xjail
			b.Master = b.Jail
		}
		if want.Takes(b.Master, b.Build) {
			list = append(list, b)
		}
	}
	if last {
		at := map[string]int{}
		for i := range list {
			at[list[i].Master] = i
		}
		kept := list[:0]
		for i := range list {
			if at[list[i].Master] == i {
				kept = append(kept, list[i])
			}
		}
		list = kept
	}
	return list, nil
}

// Profiles are the files of profiles below the state directory, sorted. With last
// they are of the last build of each jail that has any.
func Profiles(state string, want buildlog.Filter, last bool) ([]string, error) {
	dir := ProfilesDir(state)
	jails, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Permission, err, "profiles of packages", "")
	}
	var files []string
	for _, j := range jails {
		builds, err := os.ReadDir(filepath.Join(dir, j.Name()))
		if err != nil {
			continue // no directory
		}
		files = append(files, profilesOf(filepath.Join(dir, j.Name()), builds, want, last)...)
	}
	return files, nil
}

func profilesOf(dir string, builds []os.DirEntry, want buildlog.Filter, last bool) []string {
	var files []string
	var newest time.Time
	jail, err := url.PathUnescape(filepath.Base(dir))
	if err != nil {
		jail = filepath.Base(dir)
	}
	for _, b := range builds {
		name, err := url.PathUnescape(b.Name())
		if err != nil {
			name = b.Name()
		}
		info, ierr := b.Info()
		if ierr != nil || !want.Takes(jail, name) {
			continue
		}
		found := ProfilesIn(filepath.Join(dir, b.Name()))
		if len(found) == 0 || last && info.ModTime().Before(newest) {
			continue
		}
		if last {
			files = nil
		}
		files, newest = append(files, found...), info.ModTime()
	}
	return files
}

// ProfilesIn are the files of profiles in a directory, sorted.
func ProfilesIn(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var files []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == profileSuffix && e.Type().IsRegular() {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files
}
