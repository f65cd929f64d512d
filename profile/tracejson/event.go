package tracejson

import (
	"encoding/json"
	"strconv"
)

// event is an event of the format while it is written, as JSON without the last
// brace. It is written by hand: a trace of a build has some hundred thousand.
type event []byte

// event begins one of a phase: a complete event (X), metadata (M), a counter (C), or
// an end of an arrow (s, f). at is in nanoseconds, and written as microseconds.
func (t *Writer) event(name string, phase byte, at int64, track int) event {
	e := append(event(t.buf[:0]), '{')
	e = e.text("name", name).text("ph", string(phase)).thousandths("ts", at)
	return e.number("pid", int64(t.group)).number("tid", int64(track))
}

// key begins a member.
func (e event) key(name string) event {
	if e[len(e)-1] != '{' {
		e = append(e, ',')
	}
	e = append(e, '"')
	e = append(e, name...)
	return append(e, '"', ':')
}

func (e event) text(key, value string) event { return e.key(key).quoted(value) }

func (e event) number(key string, n int64) event { return strconv.AppendInt(e.key(key), n, 10) }

func (e event) flag(key string, v bool) event { return strconv.AppendBool(e.key(key), v) }

// thousandths writes a thousandth of n, exactly.
func (e event) thousandths(key string, n int64) event {
	e = e.key(key)
	if n < 0 {
		e, n = append(e, '-'), max(-n, 0)
	}
	e = strconv.AppendInt(e, n/1000, 10)
	return append(e, '.', byte('0'+n/100%10), byte('0'+n/10%10), byte('0'+n%10))
}

func (e event) list(key string, words []string) event {
	e = append(e.key(key), '[')
	for i, w := range words {
		if i > 0 {
			e = append(e, ',')
		}
		e = e.quoted(w)
	}
	return append(e, ']')
}

// open begins a member that is an object, and shut ends it.
func (e event) open(key string) event { return append(e.key(key), '{') }

func (e event) shut() event { return append(e, '}') }

// quoted writes a string. What is not plain is left to encoding/json.
func (e event) quoted(s string) event {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			b, _ := json.Marshal(s) // a string cannot fail
			return append(e, b...)
		}
	}
	e = append(e, '"')
	e = append(e, s...)
	return append(e, '"')
}

// write ends the event, and writes it.
func (e event) write(t *Writer) {
	e = append(e, '}')
	t.buf = e // for the next one
	if t.err != nil {
		return
	}
	sep := ",\n"
	if t.first {
		sep, t.first = "\n", false
	}
	if _, t.err = t.out.WriteString(sep); t.err == nil {
		_, t.err = t.out.Write(t.buf)
	}
}
