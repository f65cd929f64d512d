package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// grepper is one run of grep.
type grepper struct {
	p             *proc
	o             options
	res           []*regexp.Regexp
	named         bool // lines begin with the file's name
	limit         int  // matches per file; -1 is no limit
	before, after int
	matched       bool
	includes      []string
	excludes      []string
}

func runGrep(p *proc) int {
	o := p.options("EFGPivcnlLqrRoswxhHe:f:m:A:B:C:aIUzbyZT:D:",
		"extended-regexp=E", "fixed-strings=F", "basic-regexp=G", "ignore-case=i", "invert-match=v", "count=c",
		"line-number=n", "files-with-matches=l", "files-without-match=L", "quiet=q", "silent=q", "recursive=r",
		"only-matching=o", "no-messages=s", "word-regexp=w", "line-regexp=x", "no-filename=h", "with-filename=H",
		"regexp=e", "file=f", "max-count=m", "after-context=A", "before-context=B", "context=C", "text=a",
		"include=T", "exclude=D", "color=Z", "colour=Z", "binary-files=Z")
	g := &grepper{p: p, o: o, limit: -1, before: o.number('B', o.number('C', 0)), after: o.number('A', o.number('C', 0)),
		includes: o.values('T'), excludes: o.values('D')}
	if o.has("m") {
		g.limit = o.number('m', 0)
	}
	files := g.patterns()
	g.named = (len(files) > 1 || o.has("rR")) && o.last("hH") != 'h' || o.last("hH") == 'H'
	if len(files) == 0 {
		files = []string{"-"}
		if o.has("rR") {
			files[0] = "."
		}
	}
	failed := false
	for _, name := range files {
		failed = g.file(name) || failed
		if g.matched && o.has("q") {
			return 0
		}
	}
	switch {
	case failed:
		return 2
	case g.matched:
		return 0
	}
	return 1
}

// patterns compiles the patterns and returns the operands that are files.
func (g *grepper) patterns() []string {
	o, files := g.o, g.o.rest
	var list []string
	for _, e := range o.values('e') {
		list = append(list, strings.Split(e, "\n")...)
	}
	for _, name := range o.values('f') {
		list = append(list, g.patternFile(name)...)
	}
	if !o.has("ef") {
		if len(files) == 0 {
			g.p.badUsage("missing pattern")
		}
		list, files = strings.Split(files[0], "\n"), files[1:]
	}
	kind := basic
	switch o.last("EFGP") {
	case 'E', 'P':
		kind = extended
	case 'F':
		kind = fixed
	case 0:
		switch g.p.name {
		case "egrep":
			kind = extended
		case "fgrep":
			kind = fixed
		}
	}
	for _, pattern := range list {
		re, err := compile(pattern, kind, o.has("iy"))
		if err != nil {
			g.p.fatal(2, "%s: %v", pattern, err)
		}
		g.res = append(g.res, re)
	}
	return files
}

func (g *grepper) patternFile(name string) []string {
	r, err := g.p.open(name)
	if err != nil {
		g.p.fatal(2, "%s: %s", name, reason(err))
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		g.p.fatal(2, "%s: %s", name, reason(err))
	}
	if len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// file searches a file, or a tree with -r, and tells whether that failed.
func (g *grepper) file(name string) (failed bool) {
	if g.o.has("rR") && name != "-" {
		if st, err := os.Stat(g.p.path(name)); err == nil && st.IsDir() {
			return g.tree(name)
		}
	}
	r, err := g.p.open(name)
	if err == nil {
		err = g.search(name, r)
		r.Close()
	}
	if err == nil {
		return false
	}
	if !g.o.has("s") {
		g.p.fail(name, err)
	}
	return true
}

func (g *grepper) tree(dir string) (failed bool) {
	entries, err := os.ReadDir(g.p.path(dir))
	if err != nil {
		g.p.fail(dir, err)
		return true
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		name := dir + "/" + e.Name()
		if dir == "." && len(g.o.rest) < 2 {
			name = e.Name()
		}
		switch {
		case e.IsDir():
			failed = g.tree(name) || failed
		case e.Type().IsRegular() || g.o.has("R") && e.Type()&fs.ModeSymlink != 0 && !g.p.isDir(name):
			if g.wanted(e.Name()) {
				failed = g.file(name) || failed
			}
		}
		if g.matched && g.o.has("q") {
			return failed
		}
	}
	return failed
}

func (g *grepper) wanted(base string) bool {
	match := func(pattern string) bool {
		ok, err := path.Match(pattern, base)
		return ok && err == nil
	}
	return (len(g.includes) == 0 || slices.ContainsFunc(g.includes, match)) && !slices.ContainsFunc(g.excludes, match)
}

// match finds the first match of any pattern at or after start, as -w and -x
// want it; nil is none.
func (g *grepper) match(line []byte, start int) []int {
	var best []int
	for _, re := range g.res {
		m := g.matchOne(re, line, start)
		if m != nil && (best == nil || m[0] < best[0] || m[0] == best[0] && m[1] > best[1]) {
			best = m
		}
	}
	return best
}

func (g *grepper) matchOne(re *regexp.Regexp, line []byte, start int) []int {
	if !g.o.has("wx") && start == 0 {
		return re.FindIndex(line)
	}
	for _, m := range re.FindAllIndex(line, -1) {
		switch {
		case m[0] < start:
		case g.o.has("x"):
			if m[0] == 0 && m[1] == len(line) {
				return m
			}
		case g.o.has("w"):
			if m[0] < m[1] && (m[0] == 0 || !isWord(line[m[0]-1])) && (m[1] == len(line) || !isWord(line[m[1]])) {
				return m
			}
		default:
			return m
		}
	}
	return nil
}

func isWord(c byte) bool { return c == '_' || inClass("alnum", c) }

var errBinary = errors.New("binary file matches")

// search searches one file.
func (g *grepper) search(name string, r io.Reader) error {
	quiet := g.o.has("qlLc")
	if name == "-" {
		name = "(standard input)"
	}
	count, number, owed, printed := 0, 0, 0, 0
	var held [][]byte // lines before a match, for -B
	binary := false
	err := eachLine(r, func(line []byte, _ bool) bool {
		number++
		binary = binary || bytes.IndexByte(line, 0) >= 0 && !g.o.has("a")
		if g.limit == 0 {
			return false
		}
		m := g.match(line, 0)
		if (m != nil) == g.o.has("v") {
			switch {
			case quiet:
			case owed > 0:
				g.put(name, number, '-', line)
				owed--
				printed = number
			case g.before > 0:
				if held = append(held, bytes.Clone(line)); len(held) > g.before {
					held = held[1:]
				}
			}
			return count != g.limit || owed > 0
		}
		if count == g.limit { // only the lines after the last match were owed
			return false
		}
		count++
		switch {
		case quiet:
			return !g.o.has("qlL") && count != g.limit
		case binary:
			return false
		}
		first := number - len(held)
		if (g.before > 0 || g.after > 0) && printed > 0 && first > printed+1 {
			g.p.out.WriteString("--\n")
		}
		for i, text := range held {
			g.put(name, first+i, '-', text)
		}
		held, owed, printed = nil, g.after, number
		g.putMatch(name, number, line, m)
		return count != g.limit || owed > 0
	})
	g.matched = g.matched || count > 0
	g.summary(name, count)
	if err == nil && binary && count > 0 && !quiet {
		g.p.printf("%s: %s: %s\n", g.p.name, name, errBinary)
	}
	return err
}

func (g *grepper) summary(name string, count int) {
	switch {
	case g.o.has("q"):
	case g.o.has("l") && count > 0, g.o.has("L") && count == 0:
		g.p.printf("%s\n", name)
	case g.o.has("lL"):
	case g.o.has("c"):
		if g.named {
			g.p.printf("%s:", name)
		}
		g.p.printf("%d\n", count)
	}
}

func (g *grepper) put(name string, number int, mark byte, text []byte) {
	if g.named {
		g.p.printf("%s%c", name, mark)
	}
	if g.o.has("n") {
		g.p.printf("%d%c", number, mark)
	}
	g.p.putLine(text, false)
}

func (g *grepper) putMatch(name string, number int, line []byte, m []int) {
	if !g.o.has("o") {
		g.put(name, number, ':', line)
		return
	}
	for at := 0; m != nil && !g.o.has("v"); {
		if m[0] < m[1] {
			g.put(name, number, ':', line[m[0]:m[1]])
		}
		if at = max(m[1], at+1); at > len(line) {
			return
		}
		m = g.match(line, at)
	}
}
