package jail

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
)

// overlay are the native tools that a jail is entered with.
type overlay struct {
	Farm  string // directory of the host with the files
	Files []overlayFile
	Trees []overlayFile
	// Interpreters are programs of the root, and Modules directories of it, that
	// are not covered. Scripts are laid over only as long as they are as they were.
	Interpreters []overlayFile
	Modules      []xtools.Directory
}

// overlayFile is a file or directory of the farm, and where it is laid over.
type overlayFile struct {
	Path   string // in the jail
	Source string // below the farm
	Script bool   // depends on the interpreters
	// Size and MTime are of the file that was there when the tools were
	// installed. One that is another now was replaced, by a newer version of its
	// package, and is not covered. A zero MTime is of what the root has not.
	Size  int64
	MTime time.Time
}

// newOverlay is what a manifest lays over.
func (s Store) newOverlay(m *xtools.Manifest) *overlay {
	o := &overlay{Farm: filepath.Join(s.Dir, m.Farm), Modules: m.Modules}
	for _, f := range m.Files {
		if f.Original == nil && m.InTree(f.Path) {
			continue
		}
		o.Files = append(o.Files, newOverlayFile(f))
	}
	for _, f := range m.Interpreters {
		o.Interpreters = append(o.Interpreters, newOverlayFile(f))
	}
	for _, t := range m.Trees {
		o.Trees = append(o.Trees, overlayFile{Path: t.Path, Source: t.Source})
	}
	return o
}

// checkBinds refuses what would hide the places of the tools: they could not be laid
// over, or places for them would be made in a directory of the host.
func (o *overlay) checkBinds(binds []Bind) error {
	if o == nil {
		return nil
	}
	places := []string{xtools.FarmDir}
	for _, t := range o.Trees {
		places = append(places, t.Path)
	}
	for _, b := range binds {
		for _, p := range places {
			if strings.HasPrefix(p+"/", b.Target+"/") {
				return fault.New(fault.Usage, "bind less than all of "+b.Target+", or enter the jail with --no-tools",
					"bind on %s: it would hide %s, where the native tools of the jail are", b.Target, p)
			}
		}
	}
	return nil
}

func newOverlayFile(f xtools.File) overlayFile {
	file := overlayFile{Path: f.Path, Source: f.Source, Script: f.Kind == xtools.Script}
	if f.Original != nil {
		file.Size, file.MTime = f.Original.Size, f.Original.MTime
	}
	return file
}
