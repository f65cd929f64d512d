package nxb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// finish digests the files and sorts the plan.
func (b *builder) finish() (*Plan, error) {
	if err := b.complete(); err != nil {
		return nil, err
	}
	p := b.plan
	for _, f := range b.files {
		p.Files = append(p.Files, *f)
	}
	slices.SortFunc(p.Files, func(x, y File) int { return strings.Compare(x.Path, y.Path) })
	slices.SortFunc(p.Omitted, func(x, y Omission) int { return strings.Compare(x.Path, y.Path) })
	for i := range p.Files {
		if err := p.digest(b.ctx, &p.Files[i]); err != nil {
			return nil, err
		}
	}
	p.merge()
	return p, nil
}

// digest computes what a file is before and after.
func (p *Plan) digest(ctx context.Context, f *File) error {
	if f.Kind == Link {
		return nil
	}
	if f.Source == "" {
		sum := sha256.Sum256([]byte(f.Text))
		f.After = hex.EncodeToString(sum[:])
		return nil
	}
	src, err := p.open(f)
	if err != nil {
		return err
	}
	defer src.Close()
	if f.Before, err = digest(ctx, src); err != nil {
		return about(err, "reading "+f.Source)
	}
	f.After = f.Before
	if len(f.Edits) > 0 {
		f.After, err = digest(ctx, &edited{r: io.NewSectionReader(src, 0, f.Size), edits: f.Edits})
	}
	return about(err, "reading "+f.Source)
}

// digest is the SHA-256 of what r has.
func digest(ctx context.Context, r io.Reader) (string, error) {
	h := sha256.New()
	_, err := io.Copy(h, &interruptible{ctx, r})
	return hex.EncodeToString(h.Sum(nil)), err
}

// interruptible stops reading when its context ends.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}

// merge makes hard links of programs with the same contents: a tree that was copied
// without its hard links has /rescue's and the compiler's many times over.
func (p *Plan) merge() {
	first := map[string]string{}
	moved := map[string]string{}
	for i, f := range p.Files {
		if f.Kind != Static && f.Kind != Relocated {
			continue
		}
		key := f.After + string(f.Kind) + f.Mode.String()
		if to, ok := first[key]; ok {
			moved[f.Path] = to
			p.Files[i] = File{Path: f.Path, Kind: Link, Link: to, Mode: f.Mode, Size: f.Size}
			continue
		}
		first[key] = f.Path
	}
	for i, f := range p.Files {
		if to := moved[f.Link]; f.Kind == Link && to != "" {
			p.Files[i].Link = to
		}
	}
}

// source is an open file of a tree.
type source interface {
	fs.File
	io.ReaderAt
}

// open opens what a file of the layout is from.
func (p *Plan) open(f *File) (source, error) {
	src, _, err := p.origin[f.Path].open(f.Source)
	if err != nil {
		return nil, about(err, "opening "+f.Source)
	}
	return src, nil
}
