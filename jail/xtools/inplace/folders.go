package inplace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// sysStat is what the system says of a file besides.
func sysStat(st fs.FileInfo) *syscall.Stat_t {
	sys, _ := st.Sys().(*syscall.Stat_t)
	if sys == nil {
		sys = &syscall.Stat_t{}
	}
	return sys
}

// wide is a field of a Stat_t, which has other types on other systems.
func wide[T uint16 | uint32 | uint64 | int32 | int64](field T) uint64 { return uint64(field) }

// errNoFolder is of a path that leads through something else than directories of
// the root's own file system.
var errNoFolder = errors.New("it leads through a link, a file or a mount")

// folder looks whether a path is a directory, reached through directories of one
// file system only. It is fs.ErrNotExist where some of it is not there.
func folder(root *os.Root, dir string) error {
	top, err := root.Lstat(".")
	if err != nil {
		return err
	}
	for _, name := range prefixes(dir) {
		st, err := root.Lstat(name)
		if err != nil {
			return err
		}
		if !st.IsDir() || sysStat(st).Dev != sysStat(top).Dev {
			return fault.Wrap(fault.Unsafe, errNoFolder, "/"+dir+" of the root", "")
		}
	}
	return nil
}

// prefixes are usr, usr/lib and usr/lib/x of usr/lib/x.
func prefixes(dir string) []string {
	if dir == "." {
		return nil
	}
	var list []string
	for i := range dir {
		if dir[i] == '/' {
			list = append(list, dir[:i])
		}
	}
	return append(list, dir)
}

// timesOf are the times of a directory.
func timesOf(root *os.Root, dir string) (dirTime, error) {
	st, err := root.Lstat(dir)
	if err != nil {
		return dirTime{}, err
	}
	return dirTime{Path: dir, ATime: accessTime(sysStat(st)), MTime: st.ModTime()}, nil
}

// setTimes gives directories back their times. Those that are gone are passed
// over.
func setTimes(root *os.Root, dirs []dirTime) error {
	for _, d := range dirs {
		if folder(root, d.Path) != nil {
			continue
		}
		if err := root.Chtimes(d.Path, d.ATime, d.MTime); absent(err) != nil {
			return fmt.Errorf("times of /%s: %w", d.Path, err)
		}
	}
	return nil
}

// KeepTimes runs do, which changes what is in directories of the root, and gives
// these the times back that they had. Directories that are not there are passed
// over.
func KeepTimes(root *os.Root, dirs []string, do func() error) error {
	var times []dirTime
	for _, dir := range dirs {
		dir = strings.TrimPrefix(dir, "/")
		if dir == "" {
			dir = "."
		}
		if folder(root, dir) != nil {
			continue
		}
		if t, err := timesOf(root, dir); err == nil {
			times = append(times, t)
		}
	}
	err := do()
	return errors.Join(err, setTimes(root, times))
}

// temporary is the name under which a file is written before it gets its own.
func temporary(name string) string {
	return path.Join(path.Dir(name), "."+path.Base(name)+".xjail-part")
}

// at is an instant of a Stat_t.
func at(sec, nsec int64) time.Time { return time.Unix(sec, nsec) }
