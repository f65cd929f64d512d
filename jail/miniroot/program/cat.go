package main

import (
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"strings"

	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"

	"github.com/u-root/u-root/pkg/core"
	"github.com/u-root/u-root/pkg/core/base64"
	"github.com/u-root/u-root/pkg/core/cat"
)

// uroot runs a command of u-root's with the proc's input, output, directory
// and environment.
func (p *proc) uroot(c core.Command, stdin io.Reader, args ...string) error {
	c.SetIO(stdin, p.out, p.stderr)
	c.SetWorkingDir(p.dir)
	c.SetLookupEnv(p.lookupEnv)
	return c.RunContext(p.ctx, args...)
}

// runCat copies with u-root's cat, which ends at the first file that it cannot
// read: each file is a run of its own.
func runCat(p *proc) int {
	o := p.options("unbsvetAET")
	if o.has("nb") {
		return p.numberLines(o)
	}
	p.eachFile(o.rest, func(_ string, r io.Reader) error { return p.uroot(cat.New(), r) })
	return 0
}

func (p *proc) numberLines(o options) int {
	n := 0
	p.eachFile(o.rest, func(_ string, r io.Reader) error {
		return eachLine(r, func(line []byte, last bool) bool {
			if len(line) > 0 || !o.has("b") {
				n++
				p.printf("%6d\t", n)
			}
			p.putLine(line, last)
			return true
		})
	})
	return 0
}

// putLine writes a line as it was read.
func (p *proc) putLine(line []byte, last bool) {
	p.write(line)
	if !last {
		p.out.WriteString("\n")
	}
}

func (p *proc) write(b []byte) {
	_, err := p.out.w.Write(b)
	p.out.check(err)
}

// runBase64 encodes with u-root's base64, which does not break lines.
func runBase64(p *proc) int {
	o := p.options("dw:", "decode=d", "wrap=w")
	width := o.number('w', 76)
	o.operands(0, 1)
	p.eachFile(o.rest, func(_ string, r io.Reader) error {
		if o.has("d") {
			return p.uroot(base64.New(), withoutNewlines{r}, "-d")
		}
		c := base64.New()
		w := &wrapper{w: p.out, width: width}
		c.SetIO(r, w, p.stderr)
		if err := c.RunContext(p.ctx); err != nil {
			return err
		}
		return w.end()
	})
	return 0
}

// withoutNewlines hides the line ends, which u-root's decoder takes, and what
// stands at their sides, which it does not.
type withoutNewlines struct{ r io.Reader }

func (w withoutNewlines) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	kept := b[:0]
	for _, c := range b[:n] {
		if c != '\n' && c != '\r' && c != ' ' {
			kept = append(kept, c)
		}
	}
	return len(kept), err
}

// wrapper breaks lines after width bytes; 0 is never. The one newline that
// u-root ends with is dropped: end writes it where it belongs.
type wrapper struct {
	w      io.Writer
	width  int
	column int
}

func (w *wrapper) Write(b []byte) (int, error) {
	n := len(b)
	b = []byte(strings.TrimRight(string(b), "\n"))
	for len(b) > 0 {
		part := b
		if w.width > 0 {
			part = b[:min(len(b), w.width-w.column)]
		}
		if _, err := w.w.Write(part); err != nil {
			return 0, err
		}
		b = b[len(part):]
		w.column += len(part)
		if w.column == w.width && w.width > 0 {
			if _, err := io.WriteString(w.w, "\n"); err != nil {
				return 0, err
			}
			w.column = 0
		}
	}
	return n, nil
}

func (w *wrapper) end() error {
	if w.width == 0 || w.column == 0 {
		return nil
	}
	_, err := io.WriteString(w.w, "\n")
	return err
}

// runSum is md5sum and sha*sum: coreutils' format, which u-root's shasum has
// not (one space, and no -c).
func runSum(p *proc) int {
	o := p.options("cbt", "check=c", "binary=b", "text=t")
	if o.has("c") {
		p.eachFile(o.rest, func(name string, r io.Reader) error { return p.checkSums(name, r) })
		return 0
	}
	p.eachFile(o.rest, func(name string, r io.Reader) error {
		sum, err := p.sum(r)
		if err == nil {
			p.printf("%s  %s\n", sum, name)
		}
		return err
	})
	return 0
}

func (p *proc) sum(r io.Reader) (string, error) {
	var h hash.Hash
	switch p.self.name {
	case "md5sum":
		h = md5.New()
	case "sha1sum":
		h = sha1.New()
	case "sha512sum":
		h = sha512.New()
	default:
		h = sha256.New()
	}
	_, err := io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), err
}

func (p *proc) checkSums(list string, r io.Reader) error {
	lines, bad, unread := 0, 0, 0
	err := eachLine(r, func(line []byte, _ bool) bool {
		want, name, ok := strings.Cut(string(line), " ")
		if !ok || len(name) < 2 {
			return true
		}
		lines++
		name = name[1:]
		got, err := p.sumOf(name)
		switch {
		case err != nil:
			unread++
			p.fail(name, err)
			p.printf("%s: FAILED open or read\n", name)
		case !strings.EqualFold(got, want):
			bad++
			p.printf("%s: FAILED\n", name)
		default:
			p.printf("%s: OK\n", name)
		}
		return true
	})
	switch {
	case err == nil && lines == 0:
		return errors.New("no properly formatted checksum lines found")
	case bad > 0:
		p.warn("WARNING: %d computed checksum did NOT match", bad)
	case unread > 0:
		p.warn("WARNING: %d listed file could not be read", unread)
	}
	return err
}

func (p *proc) sumOf(name string) (string, error) {
	f, err := os.Open(p.path(name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	return p.sum(f)
}
