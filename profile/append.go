package profile

import (
	"strconv"
	"unicode/utf8"
)

// appendRun, appendEnd and appendFailure are the line that encoding/json makes of
// each, at a tenth of its cost: a collector writes thousands of them in a second
// beside what it measures. They leave what encoding/json would escape to it, and
// then return false.

func appendRun(b []byte, r *Run) ([]byte, bool) {
	f := fields{b: append(b, `{"run":{`...)}
	f.number(`"id":`, r.ID)
	f.numberIf(`,"parent":`, r.Parent)
	f.numberIf(`,"replaced":`, r.Replaced)
	f.number(`,"pid":`, int64(r.PID))
	f.number(`,"at":`, r.At)
	f.text(`,"program":`, r.Program)
	f.textIf(`,"file":`, r.File)
	f.truthIf(`,"script":`, r.Script)
	for i, a := range r.Argv {
		if i == 0 {
			f.text(`,"argv":[`, a)
		} else {
			f.text(`,`, a)
		}
	}
	if len(r.Argv) > 0 {
		f.b = append(f.b, ']')
	}
	f.truthIf(`,"argv_cut":`, r.Cut)
	f.textIf(`,"emulator":`, r.Emulator)
	return f.end()
}

func appendEnd(b []byte, e *End) ([]byte, bool) {
	f := fields{b: append(b, `{"end":{`...)}
	f.number(`"id":`, e.ID)
	f.number(`,"at":`, e.At)
	f.text(`,"how":`, e.How)
	f.numberIf(`,"code":`, int64(e.Code))
	f.truthIf(`,"core":`, e.Core)
	f.number(`,"user":`, e.User)
	f.number(`,"system":`, e.System)
	f.numberIf(`,"rss":`, e.RSS)
	f.numberIf(`,"threads":`, int64(e.Threads))
	return f.end()
}

func appendFailure(b []byte, e *Failure) ([]byte, bool) {
	f := fields{b: append(b, `{"fail":{`...)}
	f.number(`"run":`, e.Run)
	f.number(`,"at":`, e.At)
	f.text(`,"file":`, e.File)
	f.text(`,"error":`, e.Error)
	return f.end()
}

// fields appends members of an object; keys come with what is around them.
type fields struct {
	b       []byte
	escaped bool // there was a string that has to be
}

func (f *fields) end() ([]byte, bool) { return append(f.b, "}}\n"...), !f.escaped }

func (f *fields) number(key string, n int64) {
	f.b = strconv.AppendInt(append(f.b, key...), n, 10)
}

func (f *fields) numberIf(key string, n int64) {
	if n != 0 {
		f.number(key, n)
	}
}

func (f *fields) truthIf(key string, is bool) {
	if is {
		f.b = append(append(f.b, key...), "true"...)
	}
}

func (f *fields) textIf(key, s string) {
	if s != "" {
		f.text(key, s)
	}
}

func (f *fields) text(key, s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == 0x7f {
			f.escaped = true
			return
		}
	}
	f.b = append(append(append(append(f.b, key...), '"'), s...), '"')
}
