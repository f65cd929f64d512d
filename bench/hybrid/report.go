package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
)

// report writes results.md and results.svg beside results.json.
func (l *lab) report(context.Context) error {
	if err := l.compareAll(); err != nil {
		return err
	}
	text := &strings.Builder{}
	l.results.writeMachine(text, l.host.Debian)
	for _, a := range l.results.archs(l.host.Debian) {
		l.results.writeTable(text, l.host.Debian, a)
	}
	l.results.writeChecks(text)
	l.results.writeDebs(text)
	if err := os.WriteFile(l.path("results.md"), []byte(text.String()), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(l.path("results.svg"), []byte(l.results.picture(l.host.Debian)), 0o644); err != nil {
		return err
	}
	say("results are in %s, results.svg and results.json", l.path("results.md"))
	return nil
}

// archs are the architectures with runs, in the order of the first ones.
func (r *results) archs(host string) []string {
	var list []string
	for _, x := range r.Runs {
		if x.Arch != host && !slices.Contains(list, x.Arch) {
			list = append(list, x.Arch)
		}
	}
	return list
}

// built are the packages of which an architecture has runs, in their usual
// order.
func (r *results) built(debian string) []*source {
	return slices.DeleteFunc(slices.Clone(packages), func(p *source) bool {
		return !slices.ContainsFunc(r.Runs, func(x buildRun) bool { return x.Arch == debian && x.Package == p.Name })
	})
}

func (r *results) writeMachine(w *strings.Builder, host string) {
	m := r.Machine
	fmt.Fprintf(w, "%s, %d processors, Linux %s. Twin: %s, %s.\n\n", m.CPU, m.Processors, m.Kernel, m.Jails[host]["compiler"], m.Jails[host]["libc"])
}

func (r *results) writeTable(w *strings.Builder, host, debian string) {
	fmt.Fprintf(w, "### %s\n\n", debian)
	w.WriteString("| | native | cross compiler | emulated | native compilers only | native tools |\n|---|---|---|---|---|---|\n")
	for _, p := range r.built(debian) {
		version := r.Machine.Sources[p.Name]
		if _, upstream, ok := strings.Cut(version, ":"); ok {
			version = upstream
		}
		fmt.Fprintf(w, "| **%s** %s | %s |", p.Name, version, r.nativeCell(host, p.Name))
		for _, v := range variants[1:] {
			w.WriteString(" " + r.cell(host, debian, v, p.Name) + " |")
		}
		w.WriteString("\n")
		r.writePhases(w, host, debian, p)
	}
	w.WriteString("\n")
	r.writeOutcomes(w, debian)
}

func (r *results) nativeCell(host, pkg string) string {
	s, ok := r.summarize(host, host, native, pkg)
	if !ok {
		return "not run"
	}
	return fmt.Sprintf("%.1f s, n=%d", s.cpu, s.n)
}

// cell is a package's CPU time, and how many times the native build's that is.
func (r *results) cell(host, debian, variant, pkg string) string {
	s, ok := r.summarize(host, debian, variant, pkg)
	switch {
	case !ok:
		return "not run"
	case s.n == 1:
		return fmt.Sprintf("%.1f s, **%s**, n=1", s.cpu, times(s.ratio))
	}
	return fmt.Sprintf("%.1f s, **%s** [%.2f–%.2f], n=%d", s.cpu, times(s.ratio), s.least, s.most, s.n)
}

// writePhases splits a package that has a configure script.
func (r *results) writePhases(w *strings.Builder, host, debian string, p *source) {
	if p.Configure == "" {
		return
	}
	for _, phase := range []struct {
		name  string
		value func(summary) (seconds, ratio float64)
	}{
		{"configure", func(s summary) (float64, float64) { return s.configure, s.configureRatio }},
		{"make", func(s summary) (float64, float64) { return s.make, s.makeRatio }},
	} {
		fmt.Fprintf(w, "| %s |", phase.name)
		for _, v := range variants {
			where := debian
			if v == native {
				where = host
			}
			s, ok := r.summarize(host, where, v, p.Name)
			seconds, ratio := phase.value(s)
			switch {
			case !ok:
				w.WriteString(" |")
			case v == native || ratio == 0:
				fmt.Fprintf(w, " %.1f s |", seconds)
			default:
				fmt.Fprintf(w, " %.1f s, %s |", seconds, times(ratio))
			}
		}
		w.WriteString("\n")
	}
}

// writeOutcomes tells how the last builds with native tools compare with the
// emulated ones.
func (r *results) writeOutcomes(w *strings.Builder, debian string) {
	for _, p := range r.built(debian) {
		for _, v := range []string{compilers, full} {
			runs := r.of(debian, v, p.Name)
			if len(runs) == 0 || len(r.of(debian, emulated, p.Name)) == 0 {
				continue
			}
			o := runs[len(runs)-1].Outcome
			files := o.Objects + o.Programs
			fmt.Fprintf(w, "- %s, %s: %d of %d files equal the emulated build's", p.Name, spoken[v], o.Same, files)
			if o.Stamped > 0 {
				fmt.Fprintf(w, ", %d but for .comment", o.Stamped)
			}
			if len(o.Differ) > 0 {
				fmt.Fprintf(w, ", %d differ (%s)", len(o.Differ), firstFew(o.Differ))
			}
			if o.Answers > 0 {
				fmt.Fprintf(w, "; %d of %d answers of configure", o.Answers-len(o.Other), o.Answers)
			}
			if len(o.Other) > 0 {
				fmt.Fprintf(w, " (%s)", firstFew(o.Other))
			}
			w.WriteString("\n")
		}
	}
	w.WriteString("\n")
}

// spoken are the variants as tables name them.
var spoken = map[string]string{native: "native", cross: "cross compiler", emulated: "emulated", compilers: "native compilers only", full: "native tools"}

func firstFew(list []string) string {
	if len(list) > 3 {
		return strings.Join(list[:3], "; ") + fmt.Sprintf("; and %d more", len(list)-3)
	}
	return strings.Join(list, "; ")
}

func (r *results) writeChecks(w *strings.Builder) {
	if len(r.Checks) == 0 {
		return
	}
	w.WriteString("### The packages' own tests, without native tools\n\n| | package | passed | CPU |\n|---|---|---|---|\n")
	checks := slices.Clone(r.Checks)
	slices.SortStableFunc(checks, func(a, b check) int { return cmp.Compare(a.Arch, b.Arch) })
	for _, c := range checks {
		fmt.Fprintf(w, "| %s | %s | %s | %.0f s |\n", c.Arch, c.Package, yes(c.Passed), c.Cost.cpu())
	}
	w.WriteString("\n")
}

func (r *results) writeDebs(w *strings.Builder) {
	if len(r.Debs) == 0 {
		return
	}
	w.WriteString("### dpkg-buildpackage\n\n| | package | emulated | native tools | packages | same content |\n|---|---|---|---|---|---|\n")
	for _, d := range r.Debs {
		same := fmt.Sprintf("all %d files", d.Members)
		if len(d.Differ) > 0 {
			same = fmt.Sprintf("%d of %d differ: %s", len(d.Differ), d.Members, firstFew(d.Differ))
		}
		fmt.Fprintf(w, "| %s | %s | %.0f s | %.0f s, %s of it | %s | %s |\n", d.Arch, d.Package, d.Emulated.cpu(), d.Full.cpu(),
			times(d.Full.cpu()/d.Emulated.cpu()), strings.Join(d.Debs, ", "), same)
	}
	w.WriteString("\n")
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
