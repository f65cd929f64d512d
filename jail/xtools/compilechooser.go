package xtools

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// Where a native compiler makes other code than the root's own with some options
// only, what is laid over is a chooser: a script that looks at the options and
// runs the one or the other. The root's own is covered by it, so that a copy of
// it is in the farm.

// choice is a compiler proper that gets a chooser.
type choice struct {
	own     candidate
	options []string
}

// besideDir is the directory of the farm with what a chooser runs. The names of
// the programs stay what they are: they are in messages.
func besideDir(libs, source string) string {
	return path.Join(libs, "nxb-bin/gcc-"+path.Base(path.Dir(source)))
}

func nativeCompiler(libs, source string) string {
	return path.Join(besideDir(libs, source), "native", path.Base(source))
}

func ownCompiler(libs, source string) string {
	return path.Join(besideDir(libs, source), "own", path.Base(source))
}

// compilerChooser is the text of a chooser. An option that is given last counts,
// as for the compiler. A driver that got some of its arguments by @FILE passes
// directories on by such a file; one that may have one of the options in it, also
// by quotes or another file, is taken to have it. With -E, which drivers have
// first, no code is made.
func compilerChooser(libs, source string, options []string) []byte {
	var cases, taken, inFiles, wanted strings.Builder
	for i, o := range options {
		name := strings.TrimPrefix(o, "-f")
		fmt.Fprintf(&cases, "\t-f%s|-f%s-*|--%s|--%s-*) own%d=x ;;\n", name, name, name, name, i)
		fmt.Fprintf(&taken, "\t-fno-%s|--no-%s) own%d= ;;\n", name, name, i)
		fmt.Fprintf(&inFiles, "*%s*|", name)
		fmt.Fprintf(&wanted, "$own%d", i)
	}
	var clears strings.Builder
	for i := range options {
		fmt.Fprintf(&clears, "own%d= ", i)
	}
	return []byte(`#!/bin/sh
native=/` + nativeCompiler(libs, source) + `
case $1 in
-E) exec $native "$@" ;;
esac
` + clears.String() + `file=
for option do
	case $option in
` + cases.String() + taken.String() + `	@*)
		if [ -f "${option#@}" ]; then
			while IFS= read -r line || [ -n "$line" ]; do
				case $line in
				` + inFiles.String() + `*[@\\\"\']*) file=x ;;
				esac
			done <"${option#@}"
		elif [ -e "${option#@}" ]; then
			file=x
		fi ;;
	esac
done
case ` + wanted.String() + `$file in
"") exec $native "$@" ;;
esac
exec /` + ownCompiler(libs, source) + ` "$@"
`)
}

// putChooser puts a chooser, the native compiler, and a copy of the root's own.
func (b *farmBuild) putChooser(c choice, owner Package, native []byte) error {
	libs, source := libDir(b.host), c.own.source
	own, err := b.ownText(c.own)
	if err != nil {
		return err
	}
	script := compilerChooser(libs, source, c.options)
	b.describe(nativeCompiler(libs, source), owner, native)
	b.describe(ownCompiler(libs, source), Package{Name: c.own.original.Package, Version: c.own.original.Version}, own)
	b.describe(source, owner, script)
	copied := b.farm.Files[ownCompiler(libs, source)]
	copied.Own = true
	b.farm.Files[ownCompiler(libs, source)] = copied
	chooser := b.farm.Files[source]
	chooser.Options = c.options
	b.farm.Files[source] = chooser
	b.beside.Files += 2
	b.beside.Bytes += int64(len(native) + len(own))
	if err := b.put(nativeCompiler(libs, source), native, 0o755); err != nil {
		return err
	}
	if err := b.put(ownCompiler(libs, source), own, 0o755); err != nil {
		return err
	}
	return b.put(source, script, 0o755)
}

// ownText is a program of the root, which must be the one that was looked at.
func (b *farmBuild) ownText(c candidate) ([]byte, error) {
	f, err := b.own.OpenFile(c.name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "copy /"+c.name+" of the root", "")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, compilerMax))
	if err == nil && sumOf(text) != c.original.SHA256 {
		err = fault.New(fault.Mismatch, "xjail tools install again", "it was changed meanwhile")
	}
	return text, fault.Wrap(fault.KindOf(err), err, "copy /"+c.name+" of the root", "")
}

// describeCompiler fills in what a farm has for a program of the compiler, and
// what its chooser runs. why says that it cannot be used: a farm of elsewhere could
// have been made of another root, or by other rules.
func (c *chooser) describeCompiler(m *Manifest, farm *Farm, f candidate, file *File) (why string) {
	has, t := farm.Files[f.source], c.treated[f.source]
	if has.Own {
		return "is a program of another root among the tools"
	}
	if has.Options == nil && t.options == nil {
		return ""
	}
	libs := libDir(c.subject.Host)
	native, own := farm.Files[nativeCompiler(libs, f.source)], farm.Files[ownCompiler(libs, f.source)]
	switch {
	case t.options == nil || has.SHA256 != sumOf(compilerChooser(libs, f.source, t.options)):
		return "is among the tools by other rules about its revision than those that hold here"
	case !own.Own || own.SHA256 != f.original.SHA256:
		return "is not the one that is among the tools for some options"
	case native.SHA256 == "" || native.Own || native.Script:
		return "is not among the tools"
	}
	file.Kind, file.Why = Chooser, t.changes
	for name, p := range map[string]FarmFile{nativeCompiler(libs, f.source): native, ownCompiler(libs, f.source): own} {
		kind := Program
		if p.Own {
			kind = Own
		}
		m.Beside = append(m.Beside, File{Path: "/" + name, Source: name, Kind: kind, Package: p.Package, Version: p.Version, SHA256: p.SHA256, Size: p.Size})
	}
	return ""
}
