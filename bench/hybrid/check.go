package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// check is the step that runs the packages' own tests: of what was built with
// native tools, in the jail without them.
func (l *lab) check(ctx context.Context) error {
	var failed []string
	for _, a := range l.archs {
		for _, name := range l.packages {
			if l.results.checked(a, name) {
				continue
			}
			p := packageNamed(name)
			built := l.built(target{debian: a, variant: full}, p)
			if _, err := os.Stat(built); err != nil {
				return fmt.Errorf("%s for %s was not built yet with native tools: run the step build first", name, a)
			}
			if err := copyTree(ctx, built, l.path("work", name)); err != nil {
				return err
			}
			c, err := l.checkOnce(ctx, a, p)
			if err != nil {
				return err
			}
			say("tests: %-8s %-7s passed: %v, CPU %.0f s", a, name, c.Passed, c.Cost.cpu())
			if !c.Passed {
				failed = append(failed, a+" "+name)
			}
			l.results.Checks = append(l.results.Checks, c)
			if err := l.results.save(); err != nil {
				return err
			}
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("tests failed: %v; results.json has the end of what they said", failed)
	}
	return nil
}

func (l *lab) checkOnce(ctx context.Context, debian string, p *source) (check, error) {
	c := check{Arch: debian, Package: p.Name, When: time.Now().UTC().Truncate(time.Second)}
	log, err := os.Create(l.path("work", p.Name, "xjail-check.log"))
	if err != nil {
		return c, err
	}
	defer log.Close()
	cmd := l.command(ctx, l.jail(debian, emulated).exec(l.path("work"), "/build/"+p.Name, p.Check, environment...)...)
	cmd.Stdout, cmd.Stderr = log, log
	c.Cost, err = measure(ctx, cmd)
	if ctx.Err() != nil {
		return c, ctx.Err()
	}
	c.Passed = err == nil
	text, err := os.ReadFile(log.Name())
	if err != nil {
		return c, err
	}
	t := &tail{}
	_, _ = t.Write(text)
	c.Tail = t.String()
	return c, nil
}

// checked says that tests have passed already.
func (r *results) checked(debian, pkg string) bool {
	r.Checks = slices.DeleteFunc(r.Checks, func(c check) bool { return c.Arch == debian && c.Package == pkg && !c.Passed })
	return slices.ContainsFunc(r.Checks, func(c check) bool { return c.Arch == debian && c.Package == pkg })
}
