package nxb

import (
	"context"
	"io/fs"
	"os"
)

// NewTwinPlan plans /nxb-bin from a native base tree of the jail's release:
// base.txz unpacked. It reads, and writes nothing. Errors have the kinds Mismatch
// for another release or another compiler, NotFound for what a base tree must
// have, WrongArch, Damaged, Unsupported and Usage.
func NewTwinPlan(ctx context.Context, base *os.Root, o Options) (*Plan, error) {
	t := &tree{root: base}
	b, err := newBuilder(ctx, t, Twin, o)
	if err != nil {
		return nil, err
	}
	release, err := ReadRelease(base)
	if err != nil {
		return nil, about(err, "the base tree")
	}
	if err := release.same(b.jail, "base tree"); err != nil {
		return nil, err
	}
	b.plan.Release = release
	if b.libs, err = newLibraries(t, b.o.Host); err != nil {
		return nil, err
	}
	c, err := b.findClang()
	if err != nil {
		return nil, err
	}
	if err := b.programs(func(name string) error { return b.twin(c, name) }); err != nil {
		return nil, err
	}
	if err := b.configure(c); err != nil {
		return nil, err
	}
	if err := b.headers(c); err != nil {
		return nil, err
	}
	return b.finish()
}

// twin takes one program of a base tree.
func (b *builder) twin(c *clang, name string) error {
	driver, err := b.isDriver(name)
	if err != nil {
		return err
	}
	if driver {
		return b.driver(c, name)
	}
	if done, err := b.rescue(name); done || err != nil {
		return err
	}
	if err := b.targets(name); err != nil {
		return err
	}
	return b.take(name, name)
}

// markers are texts in those programs of a base tree that know every machine:
// LLVM's. GNU's of the same names, in older releases, know the host's only.
var markers = map[string]struct{ text, reason string }{
	"usr/bin/as":      {"llvm-", "GNU as of the base tree assembles for the host only"},
	"usr/bin/ld":      {"compatible with GNU linkers", "it is not LLD: it links for the host only"},
	"usr/bin/objdump": {"llvm-objdump", "GNU objdump of the base tree knows the host's machine only"},
}

// targets leaves out a program that knows the host's machine only.
func (b *builder) targets(name string) error {
	marker, ok := markers[name]
	if !ok {
		return nil
	}
	f, _, err := b.source.open(name)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	found, err := contains(f, marker.text)
	if err == nil && !found {
		err = refuse("%s", marker.reason)
	}
	return err
}

// headers takes the compiler's own headers where the jail has none.
func (b *builder) headers(c *clang) error {
	if c.resource != "" {
		return nil
	}
	return b.data(clangDir + "/" + c.version + "/include")
}

// data takes all regular files below a directory of the tree, as they are.
func (b *builder) data(dir string) error {
	real, err := b.source.resolve(dir)
	if err != nil {
		return b.failed(dir, absent(err))
	}
	return fs.WalkDir(b.source.root.FS(), real, func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = b.ctx.Err()
		}
		if err != nil || !d.Type().IsRegular() {
			return b.failed(name, err)
		}
		info, err := d.Info()
		if err != nil {
			return b.failed(name, err)
		}
		b.add(b.source, File{Path: dir + name[len(real):], Kind: Data, Source: name, Mode: mode(info), Size: info.Size()})
		return nil
	})
}
