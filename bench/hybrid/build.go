package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// environment makes builds comparable: the same answers of the locale, the same
// time in every file that records one.
var environment = []string{"LC_ALL=C.UTF-8", "SOURCE_DATE_EPOCH=1700000000"}

// target is one way to build on one architecture. beside is of a native build: the
// architecture whose builds come right after it.
type target struct{ debian, variant, beside string }

// targets are what a round builds of each package. The machine's speed changes
// within minutes, so that each architecture gets a native build of its own.
func (l *lab) targets(round int) []target {
	var list []target
	for _, a := range l.archs {
		if slices.Contains(l.variants, native) {
			list = append(list, target{debian: l.host.Debian, variant: native, beside: a})
		}
		for _, v := range variants[1:] {
			if slices.Contains(l.variants, v) && (v != emulated || round <= l.emulated) {
				list = append(list, target{debian: a, variant: v})
			}
		}
	}
	return list
}

// build is the step that measures.
func (l *lab) build(ctx context.Context) error {
	l.results.forget(l.redo)
	if err := l.ensureJails(ctx, l.variants); err != nil {
		return err
	}
	for _, name := range l.packages {
		if err := l.ensureSource(ctx, packageNamed(name)); err != nil {
			return err
		}
	}
	if err := l.describe(ctx); err != nil {
		return err
	}
	for round := 1; round <= l.rounds; round++ {
		for _, name := range l.packages {
			for _, t := range l.targets(round) {
				if t.variant == cross && packageNamed(name).Libraries || l.results.has(round, t, name) {
					continue
				}
				if err := l.buildOnce(ctx, round, t, packageNamed(name)); err != nil {
					return fmt.Errorf("%s, %s, %s: %w", name, t.debian, t.variant, err)
				}
			}
		}
	}
	return nil
}

// buildOnce copies the source, builds it, looks at what came out, and keeps
// that for comparisons.
func (l *lab) buildOnce(ctx context.Context, round int, t target, p *source) error {
	work := l.path("work")
	tree := filepath.Join(work, p.Name)
	if err := copyTree(ctx, l.tree(p), tree); err != nil {
		return err
	}
	r := buildRun{Round: round, Arch: t.debian, Variant: t.variant, Beside: t.beside, Package: p.Name, When: time.Now().UTC().Truncate(time.Second), Load: load(), Xjail: l.version(ctx)}
	for _, phase := range []struct {
		name, script string
		cost         *cost
	}{{"configure", p.Configure, &r.Configure}, {"make", p.Make, &r.Make}} {
		if phase.script == "" {
			continue
		}
		var err error
		if *phase.cost, err = l.phase(ctx, l.jail(t.debian, t.variant), p, phase.script, phase.name); err != nil {
			return fmt.Errorf("%s: %w", phase.name, err)
		}
	}
	var err error
	if r.Outcome, err = l.examine(ctx, t, p, tree); err != nil {
		return err
	}
	if err := os.RemoveAll(l.built(t, p)); err != nil {
		return err
	}
	if err := copyTree(ctx, tree, l.built(t, p)); err != nil {
		return err
	}
	say("round %d: %-8s %-9s %-7s CPU %7.2f s", round, t.debian, t.variant, p.Name, r.cpu())
	l.results.Runs = append(l.results.Runs, r)
	return l.results.save()
}

// built is where the last build of a kind is kept.
func (l *lab) built(t target, p *source) string {
	return l.path("built", t.debian+"-"+t.variant, p.Name)
}

// phase runs a script in a jail and measures it; what it prints is kept in the
// tree as xjail-PHASE.log.
func (l *lab) phase(ctx context.Context, j jail, p *source, script, name string) (cost, error) {
	logName := l.path("work", p.Name, "xjail-"+name+".log")
	log, err := os.Create(logName)
	if err != nil {
		return cost{}, err
	}
	defer log.Close()
	cmd := l.command(ctx, j.exec(l.path("work"), "/build/"+p.Name, script, environment...)...)
	cmd.Stdout, cmd.Stderr = log, log
	c, err := measure(ctx, cmd)
	if err != nil {
		end, _ := os.ReadFile(logName)
		t := &tail{}
		_, _ = t.Write(end)
		return c, fmt.Errorf("%w\n%s", err, t)
	}
	return c, nil
}

// version is what the xjail in use says of itself.
func (l *lab) version(ctx context.Context) string {
	out, _ := l.output(ctx, "version")
	return strings.TrimSpace(out)
}
