// Package pprofile writes profiles in the format of github.com/google/pprof, for
// go tool pprof and everything else that reads it: flame graphs, call graphs,
// tables, differences. A stack is the programs that called each other.
package pprofile

import (
	"cmp"
	"fmt"
	"io"

	pprof "github.com/google/pprof/profile"

	"github.com/xjail/xjail/profile"
)

// valueTypes are what each sample counts, as pprof -sample_index names them.
// wall is the elapsed time in which nothing ran that the program had started, so
// that what the program and its callees have adds up.
var valueTypes = []*pprof.ValueType{
	{Type: "execs", Unit: "count"},
	{Type: "forks", Unit: "count"},
	{Type: "cpu", Unit: "nanoseconds"},
	{Type: "emulated_cpu", Unit: "nanoseconds"},
	{Type: "wall", Unit: "nanoseconds"},
}

// Builder makes one profile for pprof of any number of xjail's.
type Builder struct {
	out       *pprof.Profile
	locations map[function]*pprof.Location
	files     int
}

// function is what pprof calls a function: a program, or a script.
type function struct {
	name, file string
}

// NewBuilder makes a builder.
func NewBuilder() *Builder {
	mapping := &pprof.Mapping{ID: 1, File: "xjail", HasFunctions: true, HasFilenames: true}
	return &Builder{locations: map[function]*pprof.Location{},
		out: &pprof.Profile{SampleType: valueTypes, DefaultSampleType: "cpu", Mapping: []*pprof.Mapping{mapping},
			PeriodType: &pprof.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 1}}
}

// Add adds a profile; file is what its samples are labelled with when it has no
// subject.
func (b *Builder) Add(file string, p *profile.Profile) {
	if b.out.TimeNanos == 0 || p.Started.UnixNano() < b.out.TimeNanos {
		b.out.TimeNanos = p.Started.UnixNano()
	}
	b.out.DurationNanos += p.Elapsed()
	// pprof shows the comments above everything.
	b.files++
	b.out.Comments = []string{fmt.Sprintf("%d profiles of xjail", b.files)}
	if b.files == 1 {
		b.out.Comments = []string{"xjail profile " + file + ": " + profile.CommandLine(p.Command, false)}
	}
	if b.out.Mapping[0].File == "xjail" && p.Jail != "" {
		b.out.Mapping[0].File = p.Jail
	}
	source := cmp.Or(p.Subject, file)
	profile.Tree(p).Walk(func(stack []*profile.Node) bool {
		b.sample(stack, source)
		return true
	})
}

// sample adds what a node costs by itself.
func (b *Builder) sample(stack []*profile.Node, source string) {
	n := stack[len(stack)-1]
	s := &pprof.Sample{Value: make([]int64, len(valueTypes)), Label: map[string][]string{
		"emulated": {"no"}, "arch": {n.Arch}, "profile": {source}}}
	copy(s.Value, []int64{n.Self.Execs, n.Self.Forks, n.Self.CPU, 0, n.Own})
	if n.Emulated {
		s.Value[3] = n.Self.CPU
		s.Label["emulated"] = []string{"yes"}
	}
	if n.Script != "" {
		s.Label["script"] = []string{n.Script}
	}
	for i := len(stack) - 1; i >= 0; i-- { // the leaf comes first
		s.Location = append(s.Location, b.location(stack[i]))
	}
	b.out.Sample = append(b.out.Sample, s)
}

// location is the place of a program. One that ran in two ways is two: what is to
// be seen is which of them is slow.
func (b *Builder) location(n *profile.Node) *pprof.Location {
	f := function{profile.Printable(n.Program), n.Program}
	if n.Emulated {
		f.name += " [" + n.Arch + "]"
	}
	if l := b.locations[f]; l != nil {
		return l
	}
	fn := &pprof.Function{ID: uint64(len(b.locations) + 1), Name: f.name, SystemName: f.name, Filename: f.file}
	l := &pprof.Location{ID: fn.ID, Mapping: b.out.Mapping[0], Address: fn.ID, Line: []pprof.Line{{Function: fn}}}
	b.locations[f] = l
	b.out.Function = append(b.out.Function, fn)
	b.out.Location = append(b.out.Location, l)
	return l
}

// Write writes the profile, compressed with gzip as pprof has it.
func (b *Builder) Write(w io.Writer) error {
	if err := b.out.CheckValid(); err != nil {
		return err
	}
	return b.out.Write(w)
}
