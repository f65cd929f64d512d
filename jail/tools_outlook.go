package jail

import (
	"os"
	"runtime"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
	"github.com/xjail/xjail/jail/xtools/nxb"
)

// ToolsOutlook is what InstallTools would do.
type ToolsOutlook struct {
	Jail    string `json:"jail"`
	Applied bool   `json:"applied"` // false
	Source  string `json:"source"`
	Release string `json:"release"` // of the root
	// Layout is "" for tools that are laid over, as in a manifest.
	Layout xtools.Layout `json:"layout,omitempty"`
	// Tried: they are used only when they pass the self-test.
	Tried bool `json:"tried"`
	// Only are the programs that would be native; nil for all that can be.
	Only     []string       `json:"only,omitempty"`
	Replaces *ReplacedTools `json:"replaces,omitempty"`
}

// ReplacedTools are those that a jail has.
type ReplacedTools struct {
	Source  string        `json:"source"`
	Release string        `json:"release"`
	Layout  xtools.Layout `json:"layout,omitempty"`
	Files   int           `json:"files"`
}

// ToolsOutlook tells what InstallTools would do, and refuses what can be refused
// without fetching or writing anything.
func (s Store) ToolsOutlook(cfg *Config, name string, req ToolsRequest) (*ToolsOutlook, error) {
	r, l, err := s.use(name)
	if err != nil {
		return nil, err
	}
	defer l.release()
	o := &ToolsOutlook{Jail: name, Source: req.Source, Tried: req.Try}
	if o.Only, err = s.chosenWith(r, req.Only); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "root of jail "+name, "xjail destroy "+name)
	}
	defer root.Close()
	if err := sourceIsThere(req.Source); err != nil {
		return nil, err
	}
	if r.Guest == "freebsd" {
		err = s.nxbOutlook(o, r, root, req)
	} else {
		err = s.layable(cfg, o, r, root, req)
	}
	if err != nil {
		return nil, err
	}
	m, err := s.LoadTools(name)
	if err == nil && m != nil {
		o.Replaces = &ReplacedTools{m.Source, m.Release, m.Layout, len(m.Files)}
	}
	return o, err
}

// sourceIsThere looks for the file or directory of a source that has one.
func sourceIsThere(from string) error {
	for _, kind := range []string{xtools.NxbName, xtools.PackName} {
		if file, ok := isPath(from, kind); ok {
			if _, err := os.Stat(file); err != nil {
				return fault.Wrap(fault.NotFound, err, from, "")
			}
		}
	}
	return nil
}

// nxbOutlook is an outlook for a root of FreeBSD.
func (s Store) nxbOutlook(o *ToolsOutlook, r *Record, root *os.Root, req ToolsRequest) error {
	if err := nxbKnows(req.Source); err != nil {
		return err
	}
	if err := runsAMD64(runtime.GOOS, arch.Host()); err != nil {
		return err
	}
	old, err := s.loadNxb(r.Name)
	if err == nil && old == nil {
		err = notOfOthers(r, root)
	}
	if err != nil {
		return err
	}
	release, err := nxb.ReadRelease(root)
	o.Release, o.Layout, o.Tried = "freebsd:"+release.String(), xtools.NxbBin, req.Try && triesNxb(r)
	return err
}

// layable is an outlook for tools that are laid over.
func (s Store) layable(cfg *Config, o *ToolsOutlook, r *Record, root *os.Root, req ToolsRequest) error {
	if _, err := s.toolSource(cfg, req.Source); err != nil {
		return err
	}
	if err := s.checkTools(r); err != nil {
		return err
	}
	a, err := arch.Lookup(r.Arch)
	if err != nil {
		return err
	}
	release, err := xtools.CheckSubject(&xtools.Subject{Root: root, Arch: a, Host: arch.Host()})
	if err != nil {
		return err
	}
	o.Release = release.String()
	if req.Materialize {
		o.Layout = xtools.Written
	}
	return nil
}
