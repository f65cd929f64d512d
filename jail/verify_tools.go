package jail

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
	"github.com/xjail/xjail/jail/xtools/nxb"
)

// verifyTools compares the native tools with their manifest, and the programs
// that they cover with what they were. A jail without tools has no such check.
func (s Store) verifyTools(root *os.Root, r *Record) []Check {
	m, err := s.LoadTools(r.Name)
	if err == nil && m == nil {
		return nil
	}
	if err == nil && m.Layout == xtools.LaidOver {
		err = s.checkFarm(m)
	}
	var drifted map[string]string
	if err == nil {
		drifted, err = s.changed(context.Background(), r.Name, root, m, true)
	}
	if err != nil {
		return []Check{{Failed, CheckTools, err.Error(), fault.HintOf(err)}}
	}
	if len(drifted) > 0 && m.Layout == xtools.NxbBin {
		first := slices.Min(slices.Collect(maps.Keys(drifted)))
		return []Check{{Warning, CheckTools, fmt.Sprintf("%d files of /nxb-bin changed: %s: %s", len(drifted), first, drifted[first]),
			"rm -r " + filepath.Join(r.Root, nxb.Dir) + "; xjail tools install " + r.Name}}
	}
	if len(drifted) > 0 {
		return []Check{{Warning, CheckTools, fmt.Sprintf("%d programs were replaced since, and are emulated", len(drifted)), "xjail tools install " + r.Name}}
	}
	if m.Untried {
		return []Check{{Warning, CheckTools, "they are in use, and the command that was to try them was killed", "xjail tools install " + r.Name}}
	}
	return []Check{{OK, CheckTools, fmt.Sprintf("%d files of the %s of %s are as they were installed", len(m.Files), m.Source, m.Release), ""}}
}

// checkFarm reads every file of a farm that is laid over.
func (s Store) checkFarm(m *xtools.Manifest) error {
	farm, err := os.OpenRoot(filepath.Join(s.Dir, m.Farm))
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "native tools", "xjail tools install gets them again")
	}
	defer farm.Close()
	for _, f := range m.InFarm() {
		if err := xtools.CheckFile(farm, f); err != nil {
			return err
		}
	}
	return nil
}
