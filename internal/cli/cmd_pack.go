package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/jail/extract"
)

type packOptions struct {
	jail.PackOptions
	name, file string
}

// addFlags defines the flags of pack.
func (o *packOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVarP(&o.Force, "force", "f", false, "replace FILE when it exists")
	f.BoolVar(&o.WithEmulator, "with-emulator", false, "pack the emulator too that xjail has put into the root")
}

const packLong = `Write the root of a jail into a tar archive, and print its SHA-256. Of that,
xjail create makes the same root again, here or on another machine.

The archive has everything that the root was made of: owners by number, modes,
times, hard links, symbolic links as they are, extended attributes, ACLs, and
what this file system or user could not hold, such as the file flags of FreeBSD.
So a root of FreeBSD that was made on Linux is whole again on FreeBSD. The
emulator that xjail has put into the root is left out, for create puts in that
of its machine; sockets are left out as well.

The ending of FILE says how it is compressed: .tar (not at all), .tar.gz or
.tgz, .tar.zst or .tzst, .tar.xz or .txz. .tar.zst is the quickest, .tar.xz the
smallest. With - a plain tar goes to the standard output.

FILE is there whole or not at all, and only its owner can read it. The same root
gives the same archive. Nothing may change in the root meanwhile, and nothing
may be mounted in it.`

func newPack(g *globals) *cobra.Command {
	o := &packOptions{}
	cmd := &cobra.Command{
		Use:   "pack NAME FILE",
		Short: "Write the root of a jail into an archive",
		Long:  packLong,
		Example: `  xjail pack mips64 mips64.tar.zst
  xjail pack fbsd-arm64 fbsd-arm64.txz --force
  xjail pack mips64 - | ssh build tar -tf -`,
		Args:              exactArgs("NAME", "FILE"),
		ValidArgsFunction: completeJailAndFile(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name, o.file = args[0], args[1]
			return runPack(cmd.Context(), g, o)
		},
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func runPack(ctx context.Context, g *globals, o *packOptions) error {
	if o.file == "-" {
		if err := checkPackStdout(g, o); err != nil {
			return err
		}
		o.Stdout = g.Stdout
	}
	if done, err := g.asRoot(); done {
		return err
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	w := g.newWatch()
	defer w.Close()
	p, err := store.Pack(ctx, o.name, o.file, o.PackOptions, w)
	w.Close()
	if err != nil {
		return err
	}
	return printPacked(g, p)
}

// checkPackStdout refuses to write an archive where something else is wanted.
func checkPackStdout(g *globals, o *packOptions) error {
	if g.json {
		return fault.New(fault.Usage, "name a file", "the archive and the answer in JSON cannot both go to the standard output")
	}
	if f, ok := g.Stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return fault.New(fault.Usage, "xjail pack "+o.name+" - > FILE", "the archive is not written to a terminal")
	}
	return nil
}

// printPacked is the answer of pack: the line of sha256sum(1), on stderr where
// the archive itself is the answer.
func printPacked(g *globals, p *jail.Packed) error {
	if g.json {
		return g.printJSON(p)
	}
	if p.File != "" {
		fmt.Fprintf(g.Stdout, "%s  %s\n", p.SHA256, p.File)
	}
	if g.quiet {
		return nil
	}
	if p.File == "" {
		fmt.Fprintf(g.Stderr, "xjail: SHA-256 %s\n", p.SHA256)
	}
	if len(p.LeftOut) > 0 {
		fmt.Fprintf(g.Stderr, "xjail: left out: %s\n", leftOut(p.LeftOut))
	}
	return nil
}

// leftOut says in a few words what is not in the archive; --json names all.
func leftOut(files []extract.Skipped) string {
	const shown = 3
	var words []string
	for _, f := range files[:min(shown, len(files))] {
		words = append(words, fmt.Sprintf("/%s (%s)", f.Path, f.Why))
	}
	text := strings.Join(words, ", ")
	if more := len(files) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
