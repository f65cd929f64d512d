package binmiscctl

import (
	"fmt"
	"io"
	"strings"
)

// option is one of add's options.
type option struct {
	long string
	id   byte // the short option, where there is one
	arg  bool // it takes an argument
}

// unknown is getopt_long(3)'s answer to what it does not understand.
const unknown = '?'

// getopt is getopt_long(3) of FreeBSD's libc in its GNU mode: long options may
// be shortened as far as they stay unambiguous, short ones joined, and
// arguments that are no options may come anywhere.
type getopt struct {
	args    []string
	options []option
	posix   bool
	stderr  io.Writer
	cluster string // what is left of joined short options
}

// next is the next option and its argument. At the end ok is false. What is
// wrong is said on stderr, and the option is then unknown.
func (g *getopt) next() (id byte, arg string, ok bool) {
	for g.cluster == "" {
		if len(g.args) == 0 {
			return 0, "", false
		}
		word := g.args[0]
		switch {
		case word == "-" || !strings.HasPrefix(word, "-"):
			if g.posix {
				return 0, "", false
			}
			g.args = g.args[1:]
			continue
		case word == "--":
			return 0, "", false
		case strings.HasPrefix(word, "--"):
			g.args = g.args[1:]
			id, arg = g.long(word[2:])
			return id, arg, true
		}
		g.args, g.cluster = g.args[1:], word[1:]
	}
	if g.cluster == "-" {
		return 0, "", false // -e- ends the options
	}
	id, arg = g.short()
	return id, arg, true
}

func (g *getopt) say(format string, args ...any) (byte, string) {
	fmt.Fprintf(g.stderr, "%s: %s\n", Name, fmt.Sprintf(format, args...))
	return unknown, ""
}

// long reads --NAME, --NAME=ARGUMENT or --NAME ARGUMENT.
func (g *getopt) long(word string) (byte, string) {
	name, value, joined := strings.Cut(word, "=")
	o, n := g.match(name)
	switch {
	case n > 1:
		return g.say("option `--%s' is ambiguous", name)
	case n == 0:
		return g.say("unrecognized option `--%s'", word)
	case !o.arg && joined:
		return g.say("option `--%s' doesn't allow an argument", name)
	case !o.arg || joined:
		return o.id, value
	case len(g.args) == 0:
		return g.say("option `--%s' requires an argument", word)
	}
	value, g.args = g.args[0], g.args[1:]
	return o.id, value
}

// match is the option of that name, or how many begin with it.
func (g *getopt) match(name string) (found option, n int) {
	for _, o := range g.options {
		if o.long == name {
			return o, 1
		}
		if strings.HasPrefix(o.long, name) {
			found = o
			n++
		}
	}
	return found, n
}

// short reads the next of the joined short options. The last one may have its
// argument joined as well.
func (g *getopt) short() (byte, string) {
	id := g.cluster[0]
	g.cluster = g.cluster[1:]
	for _, o := range g.options {
		if o.id != id || !isShort(id) {
			continue
		}
		if !o.arg {
			return id, ""
		}
		value := g.cluster
		g.cluster = ""
		if value == "" {
			if len(g.args) == 0 {
				return g.say("option requires an argument -- %c", id)
			}
			value, g.args = g.args[0], g.args[1:]
		}
		return id, value
	}
	what := "invalid"
	if g.posix {
		what = "illegal"
	}
	return g.say("%s option -- %s", what, string([]byte{id}))
}

// isShort tells whether an option can be written with one letter.
func isShort(id byte) bool { return id > ' ' }
