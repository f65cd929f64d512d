package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// runEcho is the echo of Bash and coreutils: options, and escapes only with -e.
func runEcho(p *proc) int {
	args, newline, escapes := p.args, true, false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
		for _, c := range args[0][1:] {
			switch c {
			case 'n':
				newline = false
			case 'e':
				escapes = true
			case 'E':
				escapes = false
			}
		}
		args = args[1:]
	}
	for i, arg := range args {
		if i > 0 {
			p.out.WriteString(" ")
		}
		if !escapes {
			p.out.WriteString(arg)
			continue
		}
		text, stop := unescape(arg, true)
		p.out.WriteString(text)
		if stop {
			return 0
		}
	}
	if newline {
		p.out.WriteString("\n")
	}
	return 0
}

// expandEscapes is unescape for those who do not care about \c.
func expandEscapes(s string) string {
	text, _ := unescape(s, false)
	return text
}

// unescape replaces the escapes of echo -e and %b (zero: \0NNN) or of printf's
// format (\NNN). stop tells that a \c ended the output.
func unescape(s string, zero bool) (text string, stop bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'a', 'b', 'f', 'n', 'r', 't', 'v', '\\':
			b.WriteByte("\a\b\f\n\r\t\v\\"[strings.IndexByte("abfnrtv\\", c)])
		case 'e':
			b.WriteByte(0x1b)
		case 'c':
			return b.String(), true
		case '"':
			if zero {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		case '0', '1', '2', '3', '4', '5', '6', '7':
			start, most := i, 3
			if zero && c == '0' {
				start, most = i+1, 3
			}
			n := octalRun(s[start:], most)
			v, _ := strconv.ParseUint("0"+s[start:start+n], 8, 16) // digits, by octalRun
			b.WriteByte(byte(v))
			i = start + n - 1
		case 'x', 'u', 'U':
			i += unescapeHex(&b, s[i:]) - 1
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
	return b.String(), false
}

// unescapeHex takes xHH, uHHHH or UHHHHHHHH and returns how much it took.
func unescapeHex(b *strings.Builder, s string) int {
	most := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]
	n := 0
	for n < most && n+1 < len(s) && inClass("xdigit", s[n+1]) {
		n++
	}
	if n == 0 {
		b.WriteString(`\` + s[:1])
		return 1
	}
	v, _ := strconv.ParseUint(s[1:1+n], 16, 32) // digits, as counted
	if s[0] == 'x' {
		b.WriteByte(byte(v))
	} else {
		b.WriteRune(rune(v)) //nolint:gosec // WriteRune takes any value
	}
	return n + 1
}

// formatter is one run of printf.
type formatter struct {
	p    *proc
	args []string
	took bool // an argument was taken in this round
	stop bool // \c
}

func runPrintf(p *proc) int {
	args := p.args
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		p.badUsage("missing format")
	}
	f := &formatter{p: p, args: args[1:]}
	for {
		f.took = false
		f.round(args[0])
		if f.stop || !f.took || len(f.args) == 0 {
			return 0
		}
	}
}

// round goes through the format once.
func (f *formatter) round(format string) {
	for format != "" && !f.stop {
		i := strings.IndexByte(format, '%')
		if i < 0 {
			i = len(format)
		}
		// Text up to a conversion.
		text, stop := unescape(format[:i], false)
		f.p.out.WriteString(text)
		f.stop = stop
		if format = format[i:]; format == "" || stop {
			return
		}
		n := 1 + len(format[1:]) - len(strings.TrimLeft(format[1:], "-+ #0123456789.*hlLjzt'"))
		if n >= len(format) {
			f.p.fatal(1, "%s: missing conversion", format)
		}
		f.convert(format[1:n], format[n])
		format = format[n+1:]
	}
}

func (f *formatter) next() (string, bool) {
	f.took = true
	if len(f.args) == 0 {
		return "", false
	}
	arg := f.args[0]
	f.args = f.args[1:]
	return arg, true
}

// convert writes one conversion; spec is its flags, width and precision.
func (f *formatter) convert(spec string, verb byte) {
	if verb == '%' {
		f.p.out.WriteString("%")
		return
	}
	spec = strings.Map(func(r rune) rune {
		if strings.ContainsRune("hlLjzt'", r) {
			return -1
		}
		return r
	}, spec)
	for strings.Contains(spec, "*") {
		text, _ := f.next()
		spec = strings.Replace(spec, "*", strconv.FormatInt(f.integer(text), 10), 1)
	}
	if n, _, _ := strings.Cut(strings.TrimLeft(spec, "-+ #0"), "."); len(n) > 6 {
		f.p.fatal(1, "%%%s: the width is too large", spec)
	}
	arg, given := f.next()
	switch verb {
	case 's':
		f.text(spec, arg)
	case 'b':
		text, stop := unescape(arg, true)
		f.stop = stop
		f.text(spec, text)
	case 'q':
		f.text(spec, quoteAll([]string{arg}))
	case 'c':
		f.text(spec, arg[:min(1, len(arg))])
	case 'd', 'i':
		f.number(spec, 'd', f.integer(arg))
	case 'u':
		f.number(spec, 'd', uint64(f.integer(arg)))
	case 'o', 'x', 'X':
		f.number(spec, verb, uint64(f.integer(arg)))
	case 'e', 'E', 'f', 'F', 'g', 'G', 'a', 'A':
		f.float(spec, verb, arg, given)
	default:
		f.p.fatal(1, "%%%s%c: invalid conversion", spec, verb)
	}
}

// text pads bytes: Go's %s pads characters and truncates at them.
func (f *formatter) text(spec, s string) {
	flags := spec[:len(spec)-len(strings.TrimLeft(spec, "-+ #0"))]
	width, precision, has := strings.Cut(spec[len(flags):], ".")
	if has {
		n, _ := strconv.Atoi(precision) // empty is 0
		s = s[:min(max(n, 0), len(s))]
	}
	w, _ := strconv.Atoi(width) // empty is 0
	padding := strings.Repeat(" ", max(0, w-utf8.RuneCountInString(s)))
	if strings.Contains(flags, "-") {
		f.p.out.WriteString(s + padding)
	} else {
		f.p.out.WriteString(padding + s)
	}
}

func (f *formatter) number(spec string, verb byte, n any) {
	// As C: a precision makes the flag 0 void.
	if strings.Contains(spec, ".") {
		flags := spec[:len(spec)-len(strings.TrimLeft(spec, "-+ #0"))]
		spec = strings.ReplaceAll(flags, "0", "") + spec[len(flags):]
	}
	fmt.Fprintf(f.p.out, "%"+spec+string(verb), n)
}

// integer reads decimal, octal, hexadecimal, and 'c for a character's code.
func (f *formatter) integer(arg string) int64 {
	if arg == "" {
		return 0
	}
	if arg[0] == '\'' || arg[0] == '"' {
		r, _ := utf8.DecodeRuneInString(arg[1:])
		return int64(r)
	}
	text := strings.TrimSpace(arg)
	if n, err := strconv.ParseInt(text, 0, 64); err == nil && !strings.ContainsAny(text, "_oOB") {
		return n
	}
	if n, err := strconv.ParseUint(text, 0, 64); err == nil {
		return int64(n) //nolint:gosec // %u and %x show the same bits
	}
	f.p.warn("'%s': expected a numeric value", arg)
	end := len(text)
	for end > 0 {
		end--
		if n, err := strconv.ParseInt(text[:end], 0, 64); err == nil {
			return n
		}
	}
	return 0
}

func (f *formatter) float(spec string, verb byte, arg string, given bool) {
	n := 0.0
	if given && arg != "" {
		var err error
		if n, err = strconv.ParseFloat(strings.TrimSpace(arg), 64); err != nil && !math.IsInf(n, 0) {
			f.p.warn("'%s': expected a numeric value", arg)
		}
	}
	goVerb := verb
	switch verb {
	case 'a':
		goVerb = 'x'
	case 'A':
		goVerb = 'X'
	case 'g', 'G':
		if !strings.Contains(spec, ".") { // C's default precision; Go's is what is needed
			spec += ".6"
		}
	}
	text := fmt.Sprintf("%"+spec+string(goVerb), n)
	f.p.out.WriteString(strings.Replace(strings.Replace(text, "+Inf", "inf", 1), "NaN", "nan", 1))
}
