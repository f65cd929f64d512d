package main

import (
	"slices"
	"strconv"
	"strings"
)

// options are what getopt_long(3) would have found in the arguments.
type options struct {
	p     *proc
	given []option // in their order
	rest  []string // operands
}

type option struct {
	name  byte
	value string
}

// options parses the arguments. In spec a letter is an option, a colon after it
// says that it takes a value; a leading + ends the options at the first
// operand, as POSIX does and GNU does not. long holds "name=letter" pairs.
func (p *proc) options(spec string, long ...string) options {
	o := options{p: p}
	spec, strict := strings.CutPrefix(spec, "+")
	args := p.args
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			o.rest = append(o.rest, args...)
			return o
		case strings.HasPrefix(arg, "--"):
			args = o.long(spec, long, arg[2:], args)
		case len(arg) > 1 && arg[0] == '-':
			args = o.short(spec, arg[1:], args)
		case strict:
			o.rest = append(o.rest, arg)
			o.rest = append(o.rest, args...)
			return o
		default:
			o.rest = append(o.rest, arg)
		}
	}
	return o
}

// short takes a cluster of option letters; what is left of args is returned.
func (o *options) short(spec, cluster string, args []string) []string {
	for i := 0; i < len(cluster); i++ {
		c := cluster[i]
		at := strings.IndexByte(spec, c)
		if c == ':' || at < 0 {
			o.p.badUsage("unknown option -%c", c)
		}
		if at+1 >= len(spec) || spec[at+1] != ':' {
			o.given = append(o.given, option{name: c})
			continue
		}
		value := cluster[i+1:]
		if value == "" {
			if len(args) == 0 {
				o.p.badUsage("option -%c needs a value", c)
			}
			value, args = args[0], args[1:]
		}
		o.given = append(o.given, option{c, value})
		break
	}
	return args
}

func (o *options) long(spec string, long []string, arg string, args []string) []string {
	name, value, has := strings.Cut(arg, "=")
	i := slices.IndexFunc(long, func(s string) bool { return strings.HasPrefix(s, name+"=") })
	if i < 0 {
		o.p.badUsage("unknown option --%s", name)
	}
	c := long[i][len(name)+1]
	at := strings.IndexByte(spec, c)
	takes := at >= 0 && at+1 < len(spec) && spec[at+1] == ':'
	switch {
	case has && !takes:
		o.p.badUsage("option --%s takes no value", name)
	case takes && !has:
		if len(args) == 0 {
			o.p.badUsage("option --%s needs a value", name)
		}
		value, args = args[0], args[1:]
	}
	o.given = append(o.given, option{c, value})
	return args
}

// has tells whether one of the letters was given.
func (o options) has(letters string) bool { return o.last(letters) != 0 }

// last is the one of the letters that was given last, 0 for none.
func (o options) last(letters string) byte {
	for _, g := range slices.Backward(o.given) {
		if strings.IndexByte(letters, g.name) >= 0 {
			return g.name
		}
	}
	return 0
}

// value is the last value of an option.
func (o options) value(letter byte, otherwise string) string {
	for _, g := range slices.Backward(o.given) {
		if g.name == letter {
			return g.value
		}
	}
	return otherwise
}

// values are all values of an option.
func (o options) values(letter byte) []string {
	var all []string
	for _, g := range o.given {
		if g.name == letter {
			all = append(all, g.value)
		}
	}
	return all
}

// number is the value of an option that must be a number of 0 or more.
func (o options) number(letter byte, otherwise int) int {
	v := o.value(letter, "")
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		o.p.badUsage("-%c: invalid number %q", letter, v)
	}
	return n
}

// operands ends the run unless there are at least lo and at most hi operands;
// hi < 0 is no limit.
func (o options) operands(lo, hi int) []string {
	switch {
	case len(o.rest) < lo:
		o.p.badUsage("missing operand")
	case hi >= 0 && len(o.rest) > hi:
		o.p.badUsage("extra operand %q", o.rest[hi])
	}
	return o.rest
}
