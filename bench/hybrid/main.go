// Command hybrid measures what native tools are worth: it builds packages of
// Debian from their sources in jails, natively, emulated, with native compilers
// only and with all native tools, and compares CPU time, wall time and what was
// built. It needs Linux and what xjail create --from debian:SUITE needs.
//
//	go run ./bench/hybrid [FLAGS] [STEP...]
//
// The steps, in this order, whatever order they are given in:
//
//	build   configure and make of each package, measured in alternated rounds
//	check   the packages' own tests, of what was built with native tools, in
//	        the jail without native tools
//	deb     dpkg-buildpackage with and without native tools; the contents of
//	        the packages must be the same
//	report  results.md and results.svg from results.json
//
// Without a step: build and report. Everything is kept in the state directory;
// a second call goes on where the first one ended, and measures nothing twice.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// options is what the command line says.
type options struct {
	state, xjail, suite string
	archs, packages     []string
	variants, redo      []string
	debs                []string
	rounds, emulated    int
	steps               []string
}

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "hybrid:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(args)
	if err != nil {
		return err
	}
	l, err := openLab(ctx, o)
	if err != nil {
		return err
	}
	for _, s := range []struct {
		name string
		do   func(context.Context) error
	}{{"build", l.build}, {"check", l.check}, {"deb", l.deb}, {"report", l.report}} {
		if !slices.Contains(o.steps, s.name) {
			continue
		}
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// list is a flag of words between commas.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = strings.Split(s, ","); return nil }

func parse(args []string) (*options, error) {
	o := &options{
		archs:    []string{"mips64el", "arm64", "armhf", "ppc64el"},
		variants: slices.Clone(variants),
		debs:     []string{"hello", "bzip2"},
	}
	for _, p := range packages {
		o.packages = append(o.packages, p.Name)
	}
	f := flag.NewFlagSet("hybrid", flag.ContinueOnError)
	f.StringVar(&o.state, "state", "/var/tmp/xjail-hybrid", "`directory` of the jails, sources and results; 2.5 GB with four architectures")
	f.StringVar(&o.xjail, "xjail", "", "xjail `program` to use (default: this checkout's, built into the state directory)")
	f.StringVar(&o.suite, "suite", "bookworm", "Debian's `suite`")
	f.Var((*list)(&o.archs), "archs", "Debian `architectures` to build for")
	f.Var((*list)(&o.packages), "packages", "`packages` to build")
	f.Var((*list)(&o.variants), "variants", "`variants` to measure")
	f.Var((*list)(&o.debs), "debs", "`packages` for the step deb")
	f.Var((*list)(&o.redo), "redo", "`variants` whose measurements are forgotten first")
	f.IntVar(&o.rounds, "n", 3, "`rounds`")
	f.IntVar(&o.emulated, "n-emulated", 1, "rounds of the emulated builds, which take minutes each")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if o.steps = f.Args(); len(o.steps) == 0 {
		o.steps = []string{"build", "report"}
	}
	return o, o.valid()
}

// valid refuses words that would silently measure nothing.
func (o *options) valid() error {
	known := func(what string, words, of []string) error {
		for _, w := range words {
			if !slices.Contains(of, w) {
				return fmt.Errorf("there is no %s %q, only %s", what, w, strings.Join(of, ", "))
			}
		}
		return nil
	}
	var names, plain []string
	for _, p := range packages {
		names = append(names, p.Name)
		if p.Prepare == "" { // dpkg-buildpackage wants the source as it came
			plain = append(plain, p.Name)
		}
	}
	return errors.Join(
		known("step", o.steps, []string{"build", "check", "deb", "report"}),
		known("package", o.packages, names),
		known("package for the step deb", o.debs, plain),
		known("variant", slices.Concat(o.variants, o.redo), variants))
}
