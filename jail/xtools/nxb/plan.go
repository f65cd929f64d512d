package nxb

import (
	"context"
	"errors"
	"os"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// Options say what a layout is for.
type Options struct {
	// Target is the jail's architecture, Host the one that the tools are of:
	// amd64 when it is nil.
	Target, Host *arch.Arch
	// Jail is the jail's root. It is only read: its release must be the tools',
	// and its compiler's headers are used.
	Jail *os.Root
	// Policy says which programs are wanted; Default when it is nil.
	Policy Policy
	// NoRescue takes every program from its own file, also where /rescue has it
	// in one static program.
	NoRescue bool
}

// Plan is a layout that has not been written: what Apply will do. The roots that
// it was made of must stay open until then.
type Plan struct {
	Manifest
	origin map[string]*tree // which tree a file is from, by its Path
	opened *os.Root         // closed by Close; may be nil
}

// Close closes what the plan opened. It leaves the roots that it was made of.
func (p *Plan) Close() error {
	if p.opened == nil {
		return nil
	}
	return p.opened.Close()
}

// check completes the options and reads the jail's release.
func (o *Options) check() (Release, error) {
	if o.Host == nil {
		host, err := arch.Lookup("amd64")
		if err != nil {
			return Release{}, err
		}
		o.Host = host
	}
	if o.Policy == nil {
		o.Policy = Default
	}
	switch {
	case o.Target == nil || o.Jail == nil:
		return Release{}, fault.New(fault.Usage, "", "a layout of native tools needs the jail's root and its architecture")
	case o.Target.Name == o.Host.Name:
		return Release{}, fault.New(fault.Usage, "", "a jail of %s needs no native tools on %s: they are its own", o.Target, o.Host)
	case o.Target.Triples["freebsd"] == "":
		return Release{}, fault.New(fault.Unsupported, "xjail arch list", "FreeBSD's compiler has no target for %s", o.Target)
	}
	r, err := ReadRelease(o.Jail)
	return r, about(err, "the jail")
}

// builder makes a plan.
type builder struct {
	ctx    context.Context
	o      Options
	source *tree // where programs are from
	what   string
	libs   *libraries // nil when there is nothing to link with
	jail   Release
	plan   *Plan
	files  map[string]*File
	known  map[int64][]original // programs by size
}

// original is a file of the tree that has been taken, for the names that are the
// same file.
type original struct {
	info os.FileInfo
	path string // in the layout
}

// newBuilder begins a plan with the programs of source.
func newBuilder(ctx context.Context, source *tree, kind Source, o Options) (*builder, error) {
	jail, err := o.check()
	if err != nil {
		return nil, err
	}
	b := &builder{
		ctx: ctx, o: o, source: source, what: "base tree", jail: jail,
		files: map[string]*File{}, known: map[int64][]original{},
	}
	if kind == NativeXTools {
		b.what = "native-xtools"
	}
	b.plan = &Plan{origin: map[string]*tree{}}
	b.plan.Manifest = Manifest{Format: format, Source: kind, Host: o.Host.Name, Target: o.Target.Name}
	return b, nil
}

// add puts a file into the plan.
func (b *builder) add(t *tree, f File) {
	b.files[f.Path] = &f
	if f.Source != "" {
		b.plan.origin[f.Path] = t
	}
}

// omit leaves out a program that cannot be native, and fails when it must be.
func (b *builder) omit(name string, err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return b.failed(name, err)
	}
	for _, needed := range Required() {
		if needed == name {
			return fault.New(fault.Unsupported, "", "%s of the %s cannot be a native tool: %s", name, b.what, r.reason)
		}
	}
	b.plan.Omitted = append(b.plan.Omitted, Omission{name, r.reason})
	return nil
}

// failed says which file an error is about.
func (b *builder) failed(name string, err error) error {
	return about(err, name+" of the "+b.what)
}

// programs takes every program that is wanted.
func (b *builder) programs(take func(name string) error) error {
	for _, dir := range toolDirs {
		names, err := b.source.names(dir)
		if err != nil {
			return b.failed(dir, err)
		}
		for _, name := range names {
			if err := b.ctx.Err(); err != nil {
				return about(err, "planning native tools")
			}
			name = dir + "/" + name
			wanted, reason := b.o.wants(name)
			if !wanted {
				if reason != "" {
					b.plan.Omitted = append(b.plan.Omitted, Omission{name, reason})
				}
				continue
			}
			if err := take(name); err != nil {
				if err = b.omit(name, err); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// complete fails when a program is missing that poudriere names.
func (b *builder) complete() error {
	for _, name := range Required() {
		if b.files[name] == nil {
			return fault.New(fault.NotFound, "take a whole base.txz, or what make native-xtools built",
				"the %s has no %s, which poudriere's make.nxb.conf names", b.what, name)
		}
	}
	return nil
}
