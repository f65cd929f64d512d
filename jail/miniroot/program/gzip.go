package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"strings"
)

// runGzip is gzip, gunzip and zcat. u-root's gzip ends with 0 also when it
// failed, and brings three compressors along.
func runGzip(p *proc) int {
	o := p.options("dcfkthnNqvlr123456789", "decompress=d", "uncompress=d", "stdout=c", "to-stdout=c", "force=f", "keep=k", "test=t", "fast=1", "best=9", "no-name=n", "name=N", "quiet=q", "verbose=v")
	g := gzipper{p: p, decompress: o.has("dt") || p.name != "gzip" && p.self.name != "gzip", stdout: o.has("c") || p.self.name == "zcat",
		force: o.has("f"), keep: o.has("k"), test: o.has("t"), level: gzip.DefaultCompression}
	if l := o.last("123456789"); l != 0 {
		g.level = int(l - '0')
	}
	if len(o.rest) == 0 {
		o.rest = []string{"-"}
	}
	for _, name := range o.rest {
		err := g.file(name)
		p.fail(name, err)
		if errors.Is(err, os.ErrExist) { // gzip's status for a warning
			g.warned = true
			p.failed = g.failed
		}
		g.failed = p.failed
	}
	if g.warned && !g.failed {
		return 2
	}
	return 0
}

type gzipper struct {
	p                                     *proc
	decompress, stdout, force, keep, test bool
	level                                 int
	failed, warned                        bool
}

func (g *gzipper) file(name string) error {
	if name == "-" {
		if !g.decompress && !g.force && isTerminal(g.p.stdout) {
			return errors.New("compressed data not written to a terminal; use -f to force it")
		}
		return g.convert(g.p.out, flushingReader{g.p, g.p.stdin}, nil)
	}
	full := g.p.path(name)
	st, err := os.Stat(full)
	if errors.Is(err, os.ErrNotExist) && g.decompress && !strings.HasSuffix(name, ".gz") {
		name, full = name+".gz", full+".gz"
		st, err = os.Stat(full)
	}
	if err != nil {
		return err
	}
	if st.IsDir() {
		return errors.New("is a directory -- ignored")
	}
	target := name + ".gz"
	if g.decompress {
		target = ungzipped(name)
	}
	in, err := os.Open(full)
	if err != nil {
		return err
	}
	defer in.Close()
	if g.stdout || g.test {
		return g.convert(g.p.out, in, st)
	}
	switch {
	case target == "":
		return errors.New("unknown suffix -- ignored")
	case !g.decompress && strings.HasSuffix(name, ".gz") && !g.force:
		return errors.New("already has .gz suffix -- unchanged")
	}
	if err := g.write(in, g.p.path(target), st); err != nil || g.keep {
		return err
	}
	return os.Remove(full)
}

// ungzipped is the name without its suffix; "" when it has none.
func ungzipped(name string) string {
	for _, suffix := range [][2]string{{".gz", ""}, {"-gz", ""}, {".z", ""}, {".tgz", ".tar"}, {".taz", ".tar"}} {
		if stem, ok := strings.CutSuffix(name, suffix[0]); ok && path.Base(stem) != "" {
			return stem + suffix[1]
		}
	}
	return ""
}

// write makes the target with the mode and times of the source; nothing stays
// of one that failed.
func (g *gzipper) write(in *os.File, target string, st os.FileInfo) error {
	flag := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if g.force {
		flag = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	out, err := os.OpenFile(target, flag, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 64<<10)
	err = g.convert(w, in, st)
	if err == nil {
		err = w.Flush()
	}
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = keepAttributes(target, st)
	}
	if err != nil {
		_ = os.Remove(target) // the first error counts
	}
	return err
}

func (g *gzipper) convert(out io.Writer, in io.Reader, st os.FileInfo) error {
	if g.decompress {
		z, err := gzip.NewReader(in)
		if err != nil {
			return gzipReason(err)
		}
		if g.test {
			out = io.Discard
		}
		_, err = io.Copy(out, z)
		return gzipReason(err)
	}
	z, err := gzip.NewWriterLevel(out, g.level)
	if err != nil {
		return err
	}
	if st != nil {
		z.Name, z.ModTime = st.Name(), st.ModTime()
	}
	if _, err := io.Copy(z, in); err != nil {
		return err
	}
	return z.Close()
}

// gzipReason says in gzip's words what is wrong with the input.
func gzipReason(err error) error {
	switch {
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, io.EOF):
		return errors.New("not in gzip format")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("unexpected end of file")
	}
	return err
}
