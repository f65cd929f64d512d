package nxb

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// NewXToolsPlan plans /nxb-bin from what FreeBSD's make native-xtools built: its
// directory nxb-bin, or one that holds it. The programs are static and stay as
// they are. Where some are not, base, a native base tree of the same release,
// gives the libraries; it may be nil.
//
// The programs must be of the host's machine and of the jail's release, and the
// compiler must compile for the jail's machine: a build for which TARGET_ARCH
// got lost is refused with the kind WrongArch. Where the compiler's default is
// not to be found in its file, Manifest.Unproved says so. Errors have the kinds
// of NewTwinPlan.
func NewXToolsPlan(ctx context.Context, xtools, base *os.Root, o Options) (*Plan, error) {
	t := &tree{root: xtools, mount: prefix}
	var sub *os.Root
	if st, err := xtools.Lstat(Dir); err == nil && st.IsDir() {
		if sub, err = xtools.OpenRoot(Dir); err != nil {
			return nil, about(err, Dir+" of native-xtools")
		}
		t.root = sub
	}
	p, err := xtoolsPlan(ctx, t, base, o)
	if err != nil && sub != nil {
		return nil, errors.Join(err, sub.Close())
	}
	if err == nil {
		p.opened = sub
	}
	return p, err
}

func xtoolsPlan(ctx context.Context, t *tree, base *os.Root, o Options) (*Plan, error) {
	b, err := newBuilder(ctx, t, NativeXTools, o)
	if err != nil {
		return nil, err
	}
	if err := b.xtoolsRelease(); err != nil {
		return nil, err
	}
	if base != nil {
		if err := b.libraryBase(base); err != nil {
			return nil, err
		}
	}
	if err := b.programs(b.xtool); err != nil {
		return nil, err
	}
	if err := b.xtoolsData(); err != nil {
		return nil, err
	}
	return b.finish()
}

// xtoolsRelease takes the release from the note of the compiler: native-xtools
// bring no other mark of it.
func (b *builder) xtoolsRelease() error {
	for _, name := range []string{"usr/bin/cc", "usr/bin/make", "bin/sh"} {
		n, err := b.source.osVersion(name)
		if missing(err) {
			continue
		}
		if err != nil {
			return b.failed(name, err)
		}
		if n != 0 {
			b.plan.Release = Release{Version: numberOf(n), OSVersion: n}
			return b.plan.Release.same(b.jail, b.what)
		}
	}
	return fault.New(fault.NotFound, "name the directory that make native-xtools made: it has bin, sbin and usr", "no native-xtools: nothing in %s tells its release", b.source.root.Name())
}

// libraryBase takes libraries from a base tree.
func (b *builder) libraryBase(base *os.Root) error {
	release, err := ReadRelease(base)
	if err != nil {
		return about(err, "the base tree")
	}
	if err := release.same(b.jail, "base tree"); err != nil {
		return err
	}
	b.libs, err = newLibraries(&tree{root: base}, b.o.Host)
	return err
}

// emitters are the programs that write code for one machine without being told.
var emitters = []string{"usr/bin/cc", "usr/bin/c++", "usr/bin/cpp", "usr/bin/clang", assembler}

// xtool takes one program.
func (b *builder) xtool(name string) error {
	if err := b.take(name, name); err != nil {
		return err
	}
	if !slices.Contains(emitters, name) || b.files[name].Kind == Link {
		return nil
	}
	return b.emits(name)
}

// emits finds out what a compiler or an assembler emits, by the target triple in
// its file. Those of the host's machine may be there beside the target's: clang
// knows where it runs. They are all that there is when the build was not told
// its target.
func (b *builder) emits(name string) error {
	f, _, err := b.source.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	found, err := triples(f)
	if err != nil {
		return err
	}
	want := b.triple()
	if i := slices.IndexFunc(found, func(t string) bool { return withoutMinor(t) == withoutMinor(want) }); i >= 0 && !slices.Contains(found, want) {
		want = found[i]
	}
	machine, _, _ := strings.Cut(want, "-")
	other := slices.DeleteFunc(slices.Clone(found), func(t string) bool { return strings.HasPrefix(t, machine+"-") })
	switch {
	case slices.Contains(found, want) || len(other) < len(found) && name == assembler:
		b.compiler(name, want, ByDefault)
	case len(other) < len(found):
		return fault.New(fault.Mismatch, "", "it compiles for %s, the jail is %s", strings.Join(found, ", "), want)
	case len(found) > 0:
		return fault.New(fault.WrongArch, "build them again with both TARGET and TARGET_ARCH set",
			"it compiles for %s, not for %s", strings.Join(found, ", "), want)
	default:
		b.compiler(name, "", "")
		b.plan.Unproved = append(b.plan.Unproved, name+": its file does not tell what it compiles for; compile with it on the host")
	}
	return nil
}

// withoutMinor is a triple without the second number of its release. FreeBSD has
// that by hand in lib/clang/llvm.build.mk, where a branch that is about to become a
// release may still have the one before. A compiler knows the first only
// (__FreeBSD__); which release it is of its note tells.
func withoutMinor(triple string) string {
	before, version, _ := strings.Cut(triple, "-freebsd")
	major, rest, _ := strings.Cut(version, ".")
	return before + "-freebsd" + major + strings.TrimLeft(rest, "0123456789")
}

func (b *builder) compiler(name, triple, by string) {
	if name != assembler && b.plan.Compiler == nil {
		b.plan.Compiler = &Compiler{Path: "usr/bin/cc", Triple: triple, By: by}
	}
}

// xtoolsData takes the compiler's headers, and says what else is left.
func (b *builder) xtoolsData() error {
	err := fs.WalkDir(b.source.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = b.ctx.Err()
		}
		switch {
		case err != nil:
			return b.failed(name, err)
		case name == clangDir && d.IsDir():
			if err := b.data(name); err != nil {
				return err
			}
			return fs.SkipDir
		case d.IsDir() || slices.Contains(toolDirs, path.Dir(name)):
			return nil
		}
		b.plan.Omitted = append(b.plan.Omitted, Omission{name, "not a part of the layout"})
		return nil
	})
	if versions, verr := b.source.clangVersions(); verr == nil && len(versions) == 1 && b.plan.Compiler != nil {
		b.plan.Compiler.Version = versions[0]
	}
	return err
}
