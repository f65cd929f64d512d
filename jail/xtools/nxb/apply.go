package nxb

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
)

// Apply writes the layout to /nxb-bin below root, all of it or nothing: it is
// built beside, every file is compared with the one that it is from, and then it
// gets its name. What an Apply that was killed left is removed first. The caller
// keeps others from the root meanwhile.
//
// Errors have the kinds Exists when there is a /nxb-bin, NoSpace, Permission,
// Interrupted, and Mismatch when a tree changed since the plan was made.
func (p *Plan) Apply(ctx context.Context, root *os.Root) (*Manifest, error) {
	if _, err := root.Lstat(Dir); err == nil {
		return nil, fault.New(fault.Exists, "xjail tools remove, or remove it by hand when xjail did not make it", "%s has a %s already", root.Name(), prefix)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, writeError(err, "looking for "+prefix)
	}
	if err := p.build(ctx, root); err != nil {
		return nil, err
	}
	if err := root.Rename(partName, Dir); err != nil {
		return nil, errors.Join(writeError(err, "naming "+prefix), discard(context.WithoutCancel(ctx), root, partName))
	}
	return p.done(), nil
}

// Replace is Apply where root has the layout old, which goes when the new one is
// there and accept has nothing against it; there must be room for both. A nil accept
// accepts. It refuses to replace files that are not as old says, as Remove does. A
// manifest beside an error says that the new layout is there, and that some of the
// old one is left for Discard. Settle ends a Replace that was killed.
func (p *Plan) Replace(ctx context.Context, root *os.Root, old *Manifest, accept func() error) (*Manifest, error) {
	if err := removable(ctx, root, old); err != nil {
		return nil, err
	}
	if err := p.build(ctx, root); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	err := discard(ctx, root, asideName)
	if err == nil {
		err = absent(root.Rename(Dir, asideName))
	}
	if err != nil {
		return nil, errors.Join(writeError(err, "moving "+prefix+" aside"), discard(ctx, root, partName))
	}
	if err := root.Rename(partName, Dir); err != nil {
		return nil, errors.Join(writeError(err, "naming "+prefix), root.Rename(asideName, Dir), discard(ctx, root, partName))
	}
	if accept != nil {
		if err := accept(); err != nil {
			return nil, errors.Join(err, takeBack(ctx, root))
		}
	}
	return p.done(), writeError(discard(ctx, root, asideName), "removing the old "+prefix)
}

// takeBack puts the layout that was moved aside into its place again.
func takeBack(ctx context.Context, root *os.Root) error {
	err := root.Rename(Dir, partName)
	if err == nil {
		err = absent(root.Rename(asideName, Dir))
	}
	return errors.Join(writeError(err, "moving "+prefix+" back"), discard(ctx, root, partName))
}

// Settle ends a Replace of old by next that was killed, and tells whether next has
// come into its place. If not, old is there again. As long as all of old is there next
// may not have been accepted, and goes.
func Settle(ctx context.Context, root *os.Root, old, next *Manifest) (replaced bool, err error) {
	_, err = root.Lstat(Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = writeError(absent(root.Rename(asideName, Dir)), "moving "+prefix+" back")
	case err == nil:
		err = settleAside(ctx, root, old)
	}
	if err != nil {
		return false, err
	}
	found, err := Verify(ctx, root, next)
	if err != nil {
		return false, err
	}
	return len(found) == 0, Discard(ctx, root)
}

// settleAside puts the layout that was moved aside back when all of it is there.
func settleAside(ctx context.Context, root *os.Root, old *Manifest) error {
	if old == nil {
		return nil
	}
	found, err := verifyAt(ctx, root, asideName, old)
	if err != nil || len(found) > 0 {
		return err // some of it has been removed: the other was accepted
	}
	if err := discard(ctx, root, partName); err != nil {
		return writeError(err, "removing what is left of "+prefix)
	}
	return takeBack(ctx, root)
}

// done is the manifest of what was written.
func (p *Plan) done() *Manifest {
	m := p.Manifest
	return &m
}

// build makes the layout under its temporary name, and nothing when it fails.
func (p *Plan) build(ctx context.Context, root *os.Root) (err error) {
	what := "writing " + prefix + " of " + root.Name()
	if err := discard(ctx, root, partName); err != nil {
		return writeError(err, what)
	}
	defer func() {
		if err != nil {
			err = errors.Join(writeError(err, what), discard(context.WithoutCancel(ctx), root, partName))
		}
	}()
	if err := root.Mkdir(partName, 0o755); err != nil {
		return err
	}
	part, err := root.OpenRoot(partName)
	if err != nil {
		return err
	}
	defer part.Close()
	if err := p.fill(ctx, part); err != nil {
		return err
	}
	return part.Chmod(".", 0o755)
}

// fill writes files, then the links to them.
func (p *Plan) fill(ctx context.Context, part *os.Root) error {
	for i := range p.Files {
		f := &p.Files[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := folders(part, f.Path); err != nil {
			return err
		}
		if f.Kind == Link {
			continue
		}
		if err := p.put(ctx, part, f); err != nil {
			return about(err, f.Path)
		}
	}
	for _, f := range p.Files {
		if f.Kind != Link {
			continue
		}
		if err := part.Link(f.Link, f.Path); err != nil {
			return err
		}
	}
	return nil
}

// folders makes the directories that a file is in, readable for everybody
// whatever the umask is.
func folders(part *os.Root, name string) error {
	dir := path.Dir(name)
	if dir == "." {
		return nil
	}
	if _, err := part.Lstat(dir); err == nil {
		return nil
	}
	if err := folders(part, dir); err != nil {
		return err
	}
	if err := part.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return part.Chmod(dir, 0o755)
}

// put writes one file and compares it with its source.
func (p *Plan) put(ctx context.Context, part *os.Root, f *File) error {
	if f.Source == "" {
		return create(part, f, strings.NewReader(f.Text))
	}
	src, err := p.open(f)
	if err != nil {
		return err
	}
	defer src.Close()
	content := &edited{r: io.NewSectionReader(src, 0, f.Size), edits: f.Edits}
	if err := create(part, f, &interruptible{ctx, content}); err != nil {
		return err
	}
	written, err := part.Open(f.Path)
	if err != nil {
		return err
	}
	defer written.Close()
	if err := compare(src, written, f.Size, f.Edits); err != nil {
		return err
	}
	sum, err := digest(ctx, written)
	if err == nil && sum != f.After {
		err = fault.New(fault.Mismatch, "make the layout again", "%s of the tree changed meanwhile", f.Source)
	}
	if err != nil {
		return err
	}
	info, err := src.Stat()
	if err != nil {
		return err
	}
	return part.Chtimes(f.Path, info.ModTime(), info.ModTime())
}

// create writes a file that is not there yet.
func create(part *os.Root, f *File, content io.Reader) error {
	w, err := part.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(w, content)
	if err == nil && n != f.Size {
		err = fault.New(fault.Mismatch, "make the layout again", "%d bytes of %d", n, f.Size)
	}
	if err == nil {
		err = w.Chmod(f.Mode)
	}
	return errors.Join(err, w.Close())
}

// discard removes a directory that xjail made beside /nxb-bin, if it is there.
func discard(ctx context.Context, root *os.Root, name string) error {
	st, err := root.Lstat(name)
	if err != nil {
		return absent(err)
	}
	if st.IsDir() {
		dir, err := root.OpenRoot(name)
		if err != nil {
			return err
		}
		if err := errors.Join(extract.Clear(ctx, dir), dir.Close()); err != nil {
			return err
		}
	}
	return root.Remove(name)
}

// Discard removes what an Apply, a Replace or a Remove that was killed has left
// beside /nxb-bin.
func Discard(ctx context.Context, root *os.Root) error {
	err := discard(ctx, root, partName)
	if err == nil {
		err = discard(ctx, root, asideName)
	}
	return writeError(err, "removing what is left of "+prefix)
}
