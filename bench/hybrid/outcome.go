package main

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
)

// examine looks that a build is right: every file of the target's architecture,
// and a program that runs emulated.
func (l *lab) examine(ctx context.Context, t target, p *source, tree string) (outcome, error) {
	var o outcome
	want, err := arch.Lookup(t.debian)
	if err != nil {
		return o, err
	}
	files, err := elfFiles(tree)
	if err != nil {
		return o, err
	}
	for name, id := range files {
		if err := want.Accepts(id); err != nil {
			return o, fmt.Errorf("%s: %w", name, err)
		}
		if id.Type == "object" {
			o.Objects++
		} else {
			o.Programs++
		}
	}
	if o.Programs == 0 {
		return o, fmt.Errorf("no program was built")
	}
	o.Said, err = l.try(ctx, t, p)
	return o, err
}

// compareAll sets what was built last with native tools against what was built
// emulated, where both are there.
func (l *lab) compareAll() error {
	for i := range l.results.Runs {
		r := &l.results.Runs[i]
		t, p := target{debian: r.Arch, variant: r.Variant}, packageNamed(r.Package)
		runs := l.results.of(r.Arch, r.Variant, r.Package)
		if p == nil || r.Variant == native || r.Variant == cross || r.Variant == emulated || runs[len(runs)-1] != r {
			continue
		}
		tree, reference := l.built(t, p), l.built(target{debian: r.Arch, variant: emulated}, p)
		if _, err := os.Stat(reference); err != nil {
			continue
		}
		files, err := elfFiles(tree)
		if err != nil {
			return err
		}
		if err := r.Outcome.compare(tree, reference, files); err != nil {
			return fmt.Errorf("%s, %s, %s: %w", r.Package, r.Arch, r.Variant, err)
		}
	}
	return l.results.save()
}

// try runs what was built, always without native tools.
func (l *lab) try(ctx context.Context, t target, p *source) (string, error) {
	variant := emulated
	if t.variant == native {
		variant = native
	}
	out, err := l.output(ctx, l.jail(t.debian, variant).exec(l.path("work"), "/build/"+p.Name, p.Try)...)
	if err != nil {
		return "", err
	}
	if !strings.Contains(out, p.Want) {
		return "", fmt.Errorf("the program says %q, not %q", out, p.Want)
	}
	return strings.TrimSpace(out), nil
}

// elfFiles are the ELF files below a directory, by their names in it.
func elfFiles(dir string) (map[string]*arch.Identity, error) {
	files := map[string]*arch.Identity{}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		magic := make([]byte, 4)
		if n, _ := f.ReadAt(magic, 0); n < 4 || string(magic) != elf.ELFMAG {
			return nil
		}
		id, err := arch.Identify(f)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		files[name] = id
		return nil
	})
	return files, err
}

// compare counts what equals the reference, a build of the same package.
func (o *outcome) compare(tree, reference string, files map[string]*arch.Identity) error {
	others, err := elfFiles(reference)
	if err != nil {
		return err
	}
	*o = outcome{Objects: o.Objects, Programs: o.Programs, Said: o.Said}
	for name := range others {
		if files[name] == nil {
			o.Differ = append(o.Differ, name+": was not built")
		}
	}
	for name := range files {
		if others[name] == nil {
			o.Differ = append(o.Differ, name+": the emulated build has none")
			continue
		}
		section, err := difference(filepath.Join(tree, name), filepath.Join(reference, name))
		switch {
		case err != nil:
			return err
		case section == "":
			o.Same++
		case section == ".comment":
			o.Stamped++
		default:
			o.Differ = append(o.Differ, name+": "+section)
		}
	}
	slices.Sort(o.Differ)
	return o.compareAnswers(tree, reference)
}

// compareAnswers looks at what configure found out.
func (o *outcome) compareAnswers(tree, reference string) error {
	var lists [2][]string
	for i, dir := range []string{tree, reference} {
		b, err := os.ReadFile(filepath.Join(dir, "xjail-configure.log"))
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			if strings.HasPrefix(line, "checking ") || strings.HasPrefix(line, "Checking ") {
				lists[i] = append(lists[i], strings.TrimSpace(line))
			}
		}
	}
	o.Answers = len(lists[0])
	for i := range max(len(lists[0]), len(lists[1])) {
		switch {
		case i >= len(lists[0]):
			o.Other = append(o.Other, "missing: "+lists[1][i])
		case i >= len(lists[1]) || lists[0][i] != lists[1][i]:
			o.Other = append(o.Other, lists[0][i])
		}
	}
	return nil
}

// difference names the first section in which two ELF files differ; "" when
// they are equal, and .comment, which holds the compiler's version, only when
// no other one differs. A build id is a digest of the rest and so differs with
// anything.
func difference(a, b string) (string, error) {
	x, err := os.ReadFile(a)
	if err != nil {
		return "", err
	}
	y, err := os.ReadFile(b)
	if err != nil || bytes.Equal(x, y) {
		return "", err
	}
	xs, err := sections(x)
	if err != nil {
		return "", fmt.Errorf("%s: %w", a, err)
	}
	ys, err := sections(y)
	if err != nil {
		return "", fmt.Errorf("%s: %w", b, err)
	}
	if len(xs) != len(ys) {
		return "number of sections", nil
	}
	found := ""
	for i := range xs {
		if xs[i].name == ys[i].name && bytes.Equal(xs[i].data, ys[i].data) {
			continue
		}
		switch xs[i].name {
		case ".comment":
			found = ".comment"
		case ".note.gnu.build-id":
		default:
			return xs[i].name, nil
		}
	}
	if found == "" {
		return "header", nil
	}
	return found, nil
}

type section struct {
	name string
	data []byte
}

func sections(b []byte) ([]section, error) {
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	var list []section
	for _, s := range f.Sections {
		if s.Type == elf.SHT_NOBITS || s.Type == elf.SHT_NULL || s.FileSize == 0 {
			list = append(list, section{name: s.Name})
			continue
		}
		data := make([]byte, s.FileSize)
		if _, err := s.ReadAt(data, 0); err != nil {
			return nil, err
		}
		list = append(list, section{s.Name, data})
	}
	return list, nil
}
