package persist

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/xjail/xjail/internal/fault"
)

// Action is what a Plan does with a file.
type Action string

// The actions.
const (
	Write     Action = "write"
	Remove    Action = "remove"
	Unchanged Action = "unchanged"
	Keep      Action = "keep" // it is the package's
)

// Step is a file, and what is done with it. Text and Link are what is there
// afterwards.
type Step struct {
	Action Action      `json:"action"`
	Path   string      `json:"path"`
	Mode   fs.FileMode `json:"-"`
	Text   string      `json:"text,omitempty"`
	Link   string      `json:"link,omitempty"`

	before state
}

// Plan is what to do with the files, in this order. It is data: making it
// changes nothing.
type Plan []Step

// Changes tells whether p does anything.
func (p Plan) Changes() bool {
	return slices.ContainsFunc(p, func(s Step) bool { return s.Action == Write || s.Action == Remove })
}

// NewPlan compares files with those that are there. One that somebody else
// wrote or changed is fault.Exists, unless force says that it shall go.
func NewPlan(t *Tree, files []File, force bool) (Plan, error) {
	var p Plan
	for _, f := range files {
		now, err := t.look(f.Path)
		if err != nil {
			return nil, err
		}
		s := Step{Action: Write, Path: f.Path, Mode: f.Mode, Text: f.Text, Link: f.Link, before: now}
		switch owner := now.owner(f); {
		case !now.exists:
		case now.text == f.Text && now.link == f.Link && now.other == "" && (f.Link != "" || now.mode == f.Mode):
			s.Action = Unchanged
		case owner == packaged:
			s.Action, s.Text = Keep, now.text
		case owner != ours:
			if err := t.refuse(f.Path, now, owner, force, "xjail activator persist --force replaces it"); err != nil {
				return nil, err
			}
		}
		p = append(p, s)
	}
	return p, nil
}

// NewRemoval is what to do to have none of a system's files, the last one
// first. The same holds for files that xjail did not write.
func NewRemoval(t *Tree, system string, force bool) (Plan, error) {
	var p Plan
	for _, path := range slices.Backward(paths(system)) {
		now, err := t.look(path)
		if err != nil {
			return nil, err
		}
		if !now.exists {
			continue
		}
		s := Step{Action: Remove, Path: path, before: now}
		switch owner := now.owner(File{Path: path, Link: linkOf(path)}); owner {
		case ours:
		case packaged:
			s.Action = Keep
		default:
			if err := t.refuse(path, now, owner, force, "xjail activator unpersist --force removes it"); err != nil {
				return nil, err
			}
		}
		p = append(p, s)
	}
	return p, nil
}

// linkOf is the target of the paths that are links.
func linkOf(path string) string {
	if path == unitLink {
		return unitFile
	}
	return ""
}

// owner tells whose it is that is at the place of f.
func (s state) owner(f File) ownership {
	switch {
	case s.other != "":
		return foreign
	case s.link != "":
		if s.link == f.Link {
			return ours
		}
		return foreign
	}
	return ownerOf(s.text)
}

// refuse is why a file is not touched, unless force is given. What is neither a
// file nor a link never is.
func (t *Tree) refuse(path string, now state, owner ownership, force bool, hint string) error {
	why := "xjail did not write it"
	switch {
	case now.other != "":
		why, hint = now.other, "look at it, and move it away"
	case force:
		return nil
	case owner == changed:
		why = "it was changed since xjail wrote it"
	}
	return fault.Wrap(fault.Exists, errors.New(why), t.shown(path), hint)
}

// Apply does the steps of p. Should one fail, those before it are undone; an
// error of kind fault.Partly says that this failed as well.
func (p Plan) Apply(t *Tree) error {
	for i, s := range p {
		err := s.do(t)
		if err == nil {
			continue
		}
		var undone []error
		for _, d := range slices.Backward(p[:i]) {
			undone = append(undone, d.undo(t))
		}
		if undo := errors.Join(undone...); undo != nil {
			return fault.Wrap(fault.Partly, errors.Join(err, undo), "files for the next boot are written in part", "xjail activator unpersist removes them")
		}
		return err
	}
	return nil
}

func (s Step) do(t *Tree) error {
	switch s.Action {
	case Write:
		return t.put(File{Path: s.Path, Mode: s.Mode, Text: s.Text, Link: s.Link})
	case Remove:
		return t.remove(s.Path)
	}
	return nil
}

func (s Step) undo(t *Tree) error {
	switch {
	case s.Action != Write && s.Action != Remove:
		return nil
	case !s.before.exists:
		return t.remove(s.Path)
	}
	return t.put(File{Path: s.Path, Mode: s.before.mode, Text: s.before.text, Link: s.before.link})
}
