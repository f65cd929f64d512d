package inplace

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// A file system that becomes full is as it was before.
func TestNoSpace(t *testing.T) {
	byBoth(t, func(t *testing.T) {
		dir := t.TempDir()
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID, "size=300k"); err != nil {
			t.Skipf("no tmpfs: %v", err)
		}
		defer func() { _ = unix.Unmount(dir, 0) }()
		s := &stage{dir: dir}
		for name, to := range map[string]**os.Root{"root": &s.root, "farm": &s.farm, "state": &s.state} {
			place := filepath.Join(dir, name)
			if name == "farm" {
				place = t.TempDir()
			} else {
				check(t, os.Mkdir(place, 0o755))
			}
			r, err := os.OpenRoot(place)
			check(t, err)
			defer r.Close()
			*to = r
		}
		s.fill(t)
		check(t, s.farm.WriteFile("libc", make([]byte, 250<<10), 0o644))
		before := s.picture(t)
		if err := Lay(t.Context(), s.root, s.farm, s.state, wants(), nil); fault.KindOf(err) != fault.NoSpace {
			t.Error(err)
		}
		s.same(t, before)
		s.clean(t)
	})
}
