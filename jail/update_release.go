package jail

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/source"
)

// ReleaseChange is a root that is replaced by another release of its source.
type ReleaseChange struct {
	From string `json:"from"`
	To   string `json:"to"`

	plan *Plan
}

// planRelease looks whether the root can be replaced.
func (s Store) planRelease(p *UpdatePlan, req UpdateRequest) error {
	if req.Release == "" {
		return nil
	}
	r := p.old
	if err := replaceableRoot(r, req.Release); err != nil {
		return err
	}
	create := *p.create
	ask := Request{Name: r.Name, From: "release:" + req.Release, Guest: r.Guest}
	if m := r.Source.Manifest; m != nil {
		for _, set := range m.Sets {
			ask.Sets = append(ask.Sets, set.Name())
		}
	}
	spec, err := source.Parse(ask.From)
	if err != nil {
		return err
	}
	create.Source = SourcePlan{Spec: spec}
	if err := create.checkSource(ask); err != nil {
		return err
	}
	p.Release = &ReleaseChange{From: r.Source.Spec, To: create.Source.String(), plan: &create}
	p.next.Source = SourceRecord{Kind: string(spec.Kind), Spec: create.Source.String()}
	return nil
}

// replaceableRoot refuses roots that no set replaces, and says what does.
func replaceableRoot(r *Record, release string) error {
	switch {
	case r.Guest != "freebsd" && r.Source.Kind == string(source.Debian):
		return fault.New(fault.Unsupported, "xjail exec "+r.Name+" --no-tools -- sh -c 'apt-get update && apt-get upgrade'; then xjail update "+r.Name,
			"a root of Debian is upgraded by apt-get in the jail, not by xjail update --release")
	case r.Guest == "freebsd" && r.Source.Kind == string(source.PkgBase):
		return fault.New(fault.Unsupported, "pkg -r "+r.Root+" upgrade, as root; then xjail update "+r.Name,
			"a root of packages is upgraded by pkg, not by xjail update --release")
	case r.Source.Kind != string(source.Release):
		return fault.New(fault.Unsupported, "xjail destroy "+r.Name+", and create it again of what is newer",
			"the root of jail %s came from %s, which has no releases", r.Name, r.Source.Spec)
	case r.Outside:
		return fault.New(fault.Unsupported, "make another jail: xjail create NEW --arch "+r.Arch+" --from release:"+release,
			"the root of jail %s is at %s, where --path put it: it is not replaced", r.Name, r.Root)
	}
	return nil
}

// newRoot fills root.partial as create would.
func (u *update) newRoot(ctx context.Context) error {
	c := &creation{store: u.store, plan: u.plan.Release.plan, watch: u.watch, record: u.intent.New, metadata: updatedMetadata}
	defer c.closeRoot()
	defer c.closeSets()
	for _, st := range append(sourceSteps(c.plan), step{name: "check", do: (*creation).check}) {
		u.watch.Step(st.name, st.what)
		if err := st.do(c, ctx); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return fault.Wrap(fault.Interrupted, err, "after step "+st.name, "")
		}
	}
	if c.plan.emu != nil {
		if err := c.place(ctx); err != nil {
			return err
		}
	}
	c.closeRoot()
	return flush(c.partial)
}

// swapRoot puts root.partial in the place of the root.
func (s Store) swapRoot(in *updateIntent) error {
	if err := renameNew(in.Old.Root, s.inDir(in.Old.Name, oldRoot)); err != nil {
		return err
	}
	return renameNew(s.inDir(in.Old.Name, partialName), in.Old.Root)
}

// swapBack puts the old root back, when it was moved away. Without it the root
// in its place is the old one.
func (s Store) swapBack(ctx context.Context, in *updateIntent) error {
	old, partial := s.inDir(in.Old.Name, oldRoot), s.inDir(in.Old.Name, partialName)
	if _, err := os.Lstat(old); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Lstat(in.Old.Root); err == nil {
		if err := removeTree(ctx, partial); err != nil {
			return err
		}
		if err := renameNew(in.Old.Root, partial); err != nil {
			return err
		}
	}
	return renameNew(old, in.Old.Root)
}

// takeMetadata has metadata.json be that of the new root.
func (s Store) takeMetadata(r *Record) error {
	from, to := s.inDir(r.Name, updatedMetadata), s.inDir(r.Name, metadataName)
	if r.Source.Kept > 0 {
		return absentError(os.Rename(from, to))
	}
	return absentError(os.Remove(to))
}
