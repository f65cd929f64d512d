package qemu

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/xjail/xjail/arch"
)

// PlaceTemporary is the name, below a root, of the file that Place writes before
// it gives it the name rel. A run that was killed leaves it.
func PlaceTemporary(rel string) string {
	return filepath.Join(filepath.Dir(rel), placeTemporary(filepath.Base(rel)))
}

func placeTemporary(name string) string { return "." + name + ".xjail-new" }

// FetchLeftovers are the directories in dir that a killed Fetch left. There are
// none while another one runs.
func FetchLeftovers(dir string) []string {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	if syscall.Flock(int(d.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil {
		return nil
	}
	names, _ := d.Readdirnames(-1)
	var left []string
	for _, name := range names {
		if strings.HasPrefix(name, tempPrefix) {
			left = append(left, filepath.Join(dir, name))
		}
	}
	return left
}

// SweepFetch removes what FetchLeftovers found. fault.Locked: another process
// fetches into dir.
func SweepFetch(dir string) error {
	unlock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer unlock()
	sweep(dir)
	return nil
}

// Present are the files that are named like emulators and could be run, in the
// places where Find looks, without looking into them.
func Present(o FindOptions) []string {
	var found []string
	var seen []fs.FileInfo
	for _, p := range o.places() {
		dir, err := os.Stat(p.dir)
		if err != nil || containsFile(seen, dir) {
			continue // /bin may be a link to /usr/bin
		}
		seen = append(seen, dir)
		entries, _ := os.ReadDir(p.dir)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "qemu-") && emulates(e.Name()) {
				found = append(found, filepath.Join(p.dir, e.Name()))
			}
		}
	}
	return found
}

// emulates tells whether a file of that name would be an emulator of an
// architecture of the catalog.
func emulates(name string) bool {
	target := strings.TrimSuffix(strings.TrimPrefix(name, "qemu-"), "-static")
	return slices.ContainsFunc(arch.All(), func(a *arch.Arch) bool { return slices.Contains(Targets(a), target) })
}
