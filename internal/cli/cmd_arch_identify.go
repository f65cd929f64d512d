package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/jail/inventory"
)

type identifyOptions struct {
	inventory.Options
	list, summary bool
	expect        []string
	filesFrom     string

	archs []*arch.Arch // of expect
}

// addFlags defines the flags of identify.
func (o *identifyOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.list, "list", false, "one line a file, also for directories and archives")
	f.BoolVar(&o.summary, "summary", false, "how many files there are of what, also for files")
	f.StringSliceVar(&o.expect, "expect", nil, "list what is of no such `ARCH`, and exit with 18 if there is any")
	f.BoolVar(&o.Archives, "archives", false, "look into the archives in directories, lists and archives")
	f.BoolVar(&o.CrossMounts, "cross-mounts", false, "enter what is mounted in a directory")
	f.StringVar(&o.filesFrom, "files-from", "", "look also at the files named in `FILE` (-: standard input)")
}

func newArchIdentify(g *globals) *cobra.Command {
	o := &identifyOptions{}
	cmd := &cobra.Command{
		Use:   "identify FILE|DIR|ARCHIVE...",
		Short: "Say what ELF files are, and find those of another architecture",
		Long: `Say what ELF files are: architecture, the system that each is for (unknown when
nothing in the file says so), exec, pie, shared, object or core, and static or
dynamic with the interpreter.

A file is one line. For directories, archives and lists there is a summary: how
many files of each kind, and which are not of the architecture of the most;
--list is one line a file there too. --expect ARCH lists only the files that a
root of ARCH cannot use, and exits with 18 when there are any. It may be given
more than once: --expect amd64,i386.

ARCHIVE is a tar, plain or compressed with xz, zstd, gzip or bzip2, a package of
Debian (.deb), FreeBSD (.pkg) or Alpine (.apk), a zip (.whl), or a static
library; and an ELF file may be compressed. What is named is looked into,
archives that are found in a directory, a list or an archive with --archives
only.

In a directory symbolic links are not followed, a file with several names counts
once, and what is mounted there is left out (--cross-mounts). In --files-from
the names end with a newline, or with NUL when there is one (find -print0);
links and directories in it are passed over.

A FILE that is neither ELF nor an archive, and whatever cannot be read, gives an
error; the exit status is 3 when the rest is identified, else 17 (10 when no
file exists). Other files in a directory are only counted.`,
		Example: `  xjail arch identify /bin/sh
  xjail arch identify ROOT
  xjail arch identify --expect arm64 --archives ROOT package.deb
  xjail arch identify --list --files-from names.txt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && o.filesFrom == "" {
				return usageError(cmd, "%s: FILE is missing", cmd.CommandPath())
			}
			if o.list && o.summary {
				return usageError(cmd, "--list and --summary exclude one another")
			}
			return runArchIdentify(cmd.Context(), g, o, args)
		},
	}
	o.addFlags(cmd.Flags())
	_ = cmd.RegisterFlagCompletionFunc("expect", completeExpected)
	return cmd
}

// completeExpected offers architectures, whatever files were named before.
func completeExpected(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return completeArch(cmd, nil, begun)
}

func runArchIdentify(ctx context.Context, g *globals, o *identifyOptions, args []string) error {
	for _, name := range o.expect {
		a, err := arch.Lookup(name)
		if err != nil {
			return err
		}
		o.archs = append(o.archs, a)
	}
	list, err := g.filesFrom(ctx, o.filesFrom)
	if err != nil {
		return err
	}
	p := &identifyProgress{g: g, began: time.Now()}
	o.Progress = p.update
	result, err := inventory.Scan(ctx, args, list, o.Options)
	p.close()
	if err != nil {
		return err
	}
	r := &identifyReport{globals: g, o: o, Result: result, args: args, list: list}
	if err := r.print(); err != nil {
		return err
	}
	return r.err()
}

// maxFileList bounds a list of files in bytes.
const maxFileList = 1 << 30

// filesFrom reads a list of names: ended by NUL where there is one, else lines.
// It ends with ctx, though nobody may ever open or write a pipe.
func (g *globals) filesFrom(ctx context.Context, name string) ([]string, error) {
	type result struct {
		list []string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		list, err := readNames(name, g.Stdin)
		done <- result{list, err}
	}()
	select {
	case got := <-done:
		return got.list, got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func readNames(name string, in io.Reader) ([]string, error) {
	if name == "" {
		return nil, nil
	}
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fileError(name, err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxFileList+1))
	if err != nil {
		return nil, fileError(name, err)
	}
	if len(text) > maxFileList {
		return nil, fault.New(fault.Usage, "name the directory", "%s: more than %s of names", printable(name), ui.Size(maxFileList))
	}
	end := "\n"
	if bytes.IndexByte(text, 0) >= 0 {
		end = "\x00"
	}
	list := strings.Split(string(text), end)
	return slices.DeleteFunc(list, func(name string) bool { return name == "" }), nil
}

// identifyProgress shows how far a scan is when it takes long.
type identifyProgress struct {
	g     *globals
	began time.Time
	line  *ui.Progress
}

// quietFor is the time for which nobody asks how far it is.
const quietFor = 2 * time.Second

func (p *identifyProgress) update(files int64) {
	if p.line == nil {
		if time.Since(p.began) < quietFor {
			return
		}
		p.line = ui.NewProgress(p.g.Stderr, p.g.quiet || p.g.json)
		p.line.Step("identify", "look at files")
	}
	p.line.Update(0, 0, files)
}

func (p *identifyProgress) close() {
	if p.line != nil {
		p.line.Close()
	}
}
