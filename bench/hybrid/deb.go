package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// deb is the step that makes packages of Debian with and without native tools,
// and compares what is in them.
func (l *lab) deb(ctx context.Context) error {
	depends := []string{"debhelper"}
	for _, name := range l.debs {
		depends = append(depends, packageNamed(name).Depends...)
	}
	if err := l.ensureJails(ctx, []string{full}, depends...); err != nil {
		return err
	}
	var differ []string
	for _, a := range l.archs {
		for _, name := range l.debs {
			if slices.ContainsFunc(l.results.Debs, func(d debRun) bool { return d.Arch == a && d.Package == name }) {
				continue
			}
			if err := l.ensureSource(ctx, packageNamed(name)); err != nil {
				return err
			}
			d, err := l.debOnce(ctx, a, packageNamed(name))
			if err != nil {
				return fmt.Errorf("%s, %s: %w", a, name, err)
			}
			say("packages: %-8s %-7s CPU %.0f s emulated, %.0f s with native tools, %d files, differ: %v", a, name, d.Emulated.cpu(), d.Full.cpu(), d.Members, d.Differ)
			differ = append(differ, d.Differ...)
			l.results.Debs = append(l.results.Debs, d)
			if err := l.results.save(); err != nil {
				return err
			}
		}
	}
	if len(differ) > 0 {
		return fmt.Errorf("differ: %v", differ)
	}
	return nil
}

func (l *lab) debOnce(ctx context.Context, debian string, p *source) (debRun, error) {
	d := debRun{Arch: debian, Package: p.Name, When: time.Now().UTC().Truncate(time.Second)}
	var contents [2]map[string]string
	for i, b := range []struct {
		variant string
		cost    *cost
	}{{full, &d.Full}, {emulated, &d.Emulated}} {
		files, err := l.buildDeb(ctx, target{debian: debian, variant: b.variant}, p, b.cost)
		if err != nil {
			return d, fmt.Errorf("%s: %w", b.variant, err)
		}
		if contents[i], err = l.debContents(ctx, files); err != nil {
			return d, err
		}
		d.Debs = d.Debs[:0]
		for _, f := range files {
			name := filepath.Base(f)
			if !strings.HasSuffix(name, "_"+debian+".deb") && !strings.HasSuffix(name, "_all.deb") {
				return d, fmt.Errorf("%s: %s is not of %s", b.variant, name, debian)
			}
			d.Debs = append(d.Debs, name)
		}
	}
	d.Members = len(contents[1])
	d.Differ = differing(contents[0], contents[1])
	return d, nil
}

// buildDeb keeps the packages that came out and says where they are.
func (l *lab) buildDeb(ctx context.Context, t target, p *source, c *cost) ([]string, error) {
	work := l.path("work")
	if err := errors.Join(os.RemoveAll(work), copyTree(ctx, l.tree(p), filepath.Join(work, p.Name))); err != nil {
		return nil, err
	}
	var err error
	if *c, err = l.phase(ctx, l.jail(t.debian, t.variant), p, "dpkg-buildpackage -b -uc -us", "deb"); err != nil {
		return nil, err
	}
	debs, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil || len(debs) == 0 {
		return nil, fmt.Errorf("no package came out")
	}
	kept := l.path("debs", t.debian+"-"+t.variant, p.Name)
	if err := errors.Join(os.RemoveAll(kept), os.MkdirAll(kept, 0o755)); err != nil {
		return nil, err
	}
	for i, f := range debs {
		debs[i] = filepath.Join(kept, filepath.Base(f))
		if err := os.Rename(f, debs[i]); err != nil {
			return nil, err
		}
	}
	return debs, nil
}

// debContents has for each member of each package, of its control and of its
// data, what tar says of it and a digest of it. The native jail unpacks them.
func (l *lab) debContents(ctx context.Context, debs []string) (map[string]string, error) {
	members := map[string]string{}
	for _, f := range debs {
		for _, part := range []string{"--ctrl-tarfile", "--fsys-tarfile"} {
			name := filepath.Base(f)
			out, err := l.output(ctx, "exec", "--bind", filepath.Dir(f)+":/build:ro", l.host.Debian, "--", "dpkg-deb", part, "/build/"+name)
			if err != nil {
				return nil, err
			}
			if err := tarMembers(strings.NewReader(out), name+" "+part[2:6]+" ", members); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return members, nil
}

func tarMembers(r io.Reader, prefix string, members map[string]string) error {
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		data := &bytes.Buffer{}
		if _, err := io.Copy(data, t); err != nil {
			return err
		}
		members[prefix+h.Name] = fmt.Sprintf("%c %o %d:%d %s %d %x", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Linkname, h.ModTime.Unix(), sha256.Sum256(data.Bytes()))
	}
}

// differing are the names with other values, or with one in one only.
func differing(a, b map[string]string) []string {
	var names []string
	for name, value := range a {
		if b[name] != value {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
