package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// odType is one output format of od.
type odType struct {
	letter byte // a c d o u x
	size   int
	show   bool // z: the characters beside
}

// width of a column, with the blank before it.
func (t odType) width() int {
	switch t.letter {
	case 'a', 'c':
		return 4
	case 'x':
		return 2*t.size + 1
	case 'o':
		return map[int]int{1: 4, 2: 7, 4: 12, 8: 23}[t.size]
	case 'u':
		return map[int]int{1: 4, 2: 6, 4: 11, 8: 21}[t.size]
	}
	return map[int]int{1: 5, 2: 7, 4: 12, 8: 21}[t.size]
}

func (t odType) text(b []byte) string {
	switch t.letter {
	case 'a':
		return odName(b[0] & 0x7f)
	case 'c':
		return odChar(b[0])
	}
	u, bits := uint64(0), 8*t.size
	switch t.size {
	case 1:
		u = uint64(b[0])
	case 2:
		u = uint64(binary.NativeEndian.Uint16(b))
	case 4:
		u = uint64(binary.NativeEndian.Uint32(b))
	default:
		u = binary.NativeEndian.Uint64(b)
	}
	switch t.letter {
	case 'x':
		return fmt.Sprintf("%0*x", 2*t.size, u)
	case 'o':
		return fmt.Sprintf("%0*o", (bits+2)/3, u)
	case 'u':
		return strconv.FormatUint(u, 10)
	}
	return strconv.FormatInt(int64(u)<<(64-bits)>>(64-bits), 10) //nolint:gosec // the sign bit is wanted
}

// odName is a character's name in ASCII.
func odName(c byte) string {
	const names = "nul soh stx etx eot enq ack bel bs  ht  nl  vt  ff  cr  so  si  dle dc1 dc2 dc3 dc4 nak syn etb can em  sub esc fs  gs  rs  us  sp "
	switch {
	case c <= ' ':
		return strings.TrimRight(names[4*int(c):4*int(c)+4], " ")
	case c == 127:
		return "del"
	}
	return string(rune(c))
}

func odChar(c byte) string {
	if i := strings.IndexByte("\x00\a\b\t\n\v\f\r", c); i >= 0 {
		return `\` + string("0abtnvfr"[i])
	}
	if c < ' ' || c > '~' {
		return fmt.Sprintf("%03o", c)
	}
	return string(rune(c))
}

func runOd(p *proc) int {
	o := p.options("A:t:N:j:vcxbdoaw:", "address-radix=A", "format=t", "read-bytes=N", "skip-bytes=j", "output-duplicates=v", "width=w")
	var types []odType
	for _, g := range o.given {
		switch g.name {
		case 't':
			list, ok := odTypes(g.value)
			if !ok {
				p.fatal(1, "invalid type string '%s'", g.value)
			}
			types = append(types, list...)
		case 'c', 'a':
			types = append(types, odType{letter: g.name, size: 1})
		case 'x', 'o':
			types = append(types, odType{letter: g.name, size: 2})
		case 'd':
			types = append(types, odType{letter: 'u', size: 2})
		case 'b':
			types = append(types, odType{letter: 'o', size: 1})
		}
	}
	if types == nil {
		types = []odType{{letter: 'o', size: 2}}
	}
	width := o.number('w', 16)
	if width == 0 || width%8 != 0 && width%types[0].size != 0 {
		p.fatal(1, "invalid width %d", width)
	}
	d := dumper{p: p, width: width, all: o.has("v")}
	d.line = func(offset int64, b []byte) { p.odLine(o.value('A', "o"), types, width, offset, b) }
	d.last = func(offset int64) {
		if address := odAddress(o.value('A', "o"), offset); address != "" {
			p.printf("%s\n", address)
		}
	}
	d.run(o)
	return 0
}

// odTypes parses -t: "x1", "d4z", "xCc".
func odTypes(text string) ([]odType, bool) {
	var types []odType
	for text != "" {
		t := odType{letter: text[0], size: 4}
		text = text[1:]
		switch t.letter {
		case 'a', 'c':
			t.size = 1
		case 'd', 'o', 'u', 'x':
			if text != "" {
				if i := strings.IndexByte("CSIL1248", text[0]); i >= 0 {
					t.size = 1 << (i & 3)
					text = text[1:]
				}
			}
		default:
			return nil, false
		}
		if t.show = strings.HasPrefix(text, "z"); t.show {
			text = text[1:]
		}
		types = append(types, t)
	}
	return types, types != nil
}

func odAddress(radix string, offset int64) string {
	switch radix {
	case "n":
		return ""
	case "x":
		return fmt.Sprintf("%06x", offset)
	case "d":
		return fmt.Sprintf("%07d", offset)
	}
	return fmt.Sprintf("%07o", offset)
}

func (p *proc) odLine(radix string, types []odType, width int, offset int64, b []byte) {
	whole := 0 // of several types below each other the widest line
	for _, t := range types {
		whole = max(whole, t.width()*width/t.size)
	}
	for i, t := range types {
		address := odAddress(radix, offset)
		if i > 0 {
			address = strings.Repeat(" ", len(address))
		}
		p.out.WriteString(address)
		columns := width / t.size
		spare := whole - columns*t.width()
		left := spare
		for at := 0; at < width; at += t.size {
			next := spare * (columns - at/t.size - 1) / columns
			column := t.width() + left - next
			left = next
			switch {
			case at < len(b):
				item := make([]byte, t.size) // the last may be shorter
				copy(item, b[at:])
				p.printf("%*s", column, t.text(item))
			case t.show:
				p.printf("%*s", column, "")
			}
		}
		if t.show {
			p.printf("  >%s<", printable(b))
		}
		p.out.WriteString("\n")
	}
}

// printable has dots for what is no character of ASCII.
func printable(b []byte) string {
	text := bytes.Clone(b)
	for i, c := range text {
		if c < ' ' || c > '~' {
			text[i] = '.'
		}
	}
	return string(text)
}

// dumper cuts its input into lines, and shows equal ones once.
type dumper struct {
	p     *proc
	width int
	all   bool
	line  func(offset int64, b []byte)
	last  func(offset int64)
}

func (d *dumper) run(o options) {
	skip, most := d.p.offset(o.value('j', "0")), int64(1<<62)
	if o.has("N") || o.has("n") {
		most = d.p.offset(o.value('N', o.value('n', "0")))
	}
	var readers []io.Reader
	d.p.eachFile(o.rest, func(_ string, r io.Reader) error {
		data, err := io.ReadAll(io.LimitReader(r, most+skip))
		readers = append(readers, bytes.NewReader(data))
		return err
	})
	in := bufio.NewReader(io.MultiReader(readers...))
	n, err := io.CopyN(io.Discard, in, skip)
	if err != nil && n < skip {
		d.p.fatal(1, "cannot skip past end of combined input")
	}
	limited := io.LimitReader(in, most)
	offset, starred := skip, false
	var before []byte
	for {
		b := make([]byte, d.width)
		n, err := io.ReadFull(limited, b)
		if n == 0 {
			break
		}
		b = b[:n]
		if !d.all && n == d.width && bytes.Equal(b, before) {
			if !starred {
				d.p.out.WriteString("*\n")
			}
			starred = true
		} else {
			d.line(offset, b)
			before, starred = b, false
		}
		offset += int64(n)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
	}
	d.last(offset)
}

func (p *proc) offset(text string) int64 {
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil || n < 0 {
		p.fatal(1, "invalid number '%s'", text)
	}
	return n
}

func runHexdump(p *proc) int {
	o := p.options("Cn:s:vx", "canonical=C")
	d := dumper{p: p, width: 16, all: o.has("v")}
	for i, g := range o.given {
		if g.name == 's' {
			o.given[i].name = 'j'
		}
	}
	d.line = func(offset int64, b []byte) { p.hexLine(offset, b, o.has("C")) }
	d.last = func(offset int64) {
		if offset == 0 {
			return
		}
		if o.has("C") {
			p.printf("%08x\n", offset)
		} else {
			p.printf("%07x\n", offset)
		}
	}
	d.run(o)
	return 0
}

func (p *proc) hexLine(offset int64, b []byte, canonical bool) {
	if !canonical {
		p.printf("%07x", offset)
		for i := 0; i < 16; i += 2 {
			pair := make([]byte, 2)
			if i < len(b) {
				copy(pair, b[i:])
				p.printf(" %04x", binary.NativeEndian.Uint16(pair))
			} else {
				p.printf("     ")
			}
		}
		p.printf("\n")
		return
	}
	p.printf("%08x ", offset)
	for i := range 16 {
		if i == 8 {
			p.printf(" ")
		}
		if i < len(b) {
			p.printf(" %02x", b[i])
		} else {
			p.printf("   ")
		}
	}
	p.printf("  |%s|\n", printable(b))
}
