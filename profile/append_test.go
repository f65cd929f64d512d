package profile

import (
	"bytes"
	"encoding/json"
	"testing"
)

// encoded is the line of encoding/json.
func encoded(t *testing.T, l line) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(l); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// written wants that the three kinds of lines are those of encoding/json. It tells
// whether they were appended.
func written(t *testing.T, r *Run, e *End, f *Failure) bool {
	t.Helper()
	all := true
	check := func(b []byte, ok bool, l line) {
		t.Helper()
		if want := encoded(t, l); ok && string(b) != want {
			t.Errorf("appended %s, want %s", b, want)
		}
		all = all && ok
	}
	b, ok := appendRun(nil, r)
	check(b, ok, line{Run: r})
	b, ok = appendEnd(nil, e)
	check(b, ok, line{End: e})
	b, ok = appendFailure(nil, f)
	check(b, ok, line{Fail: f})
	return all
}

func TestAppend(t *testing.T) {
	full := &Run{ID: 12, Parent: 1, Replaced: 3, PID: 2, At: -5, Program: "/usr/bin/a<b>&c", File: "/s", Script: true, Argv: []string{"a", "", "c d"}, Cut: true, Emulator: "/q"}
	end := &End{ID: 1, At: 30, How: ByExec, Code: -1, Core: true, User: 5, System: 6, RSS: 4096, Threads: 1}
	if !written(t, full, end, &Failure{Run: 2, At: 21, File: "/x", Error: "ENOENT"}) {
		t.Error("left to encoding/json")
	}
	for _, argv := range [][]string{nil, {}, {""}} {
		if !written(t, &Run{Argv: argv}, &End{}, &Failure{}) {
			t.Error("left to encoding/json")
		}
	}
	for _, odd := range []string{"a\"b", "a\\b", "a\nb", "\xff", "ü", "\u2028", "\x7f", "\x00"} {
		if written(t, &Run{Argv: []string{odd}}, &End{How: odd}, &Failure{File: odd}) {
			t.Errorf("%q was appended as it is", odd)
		}
	}
}

func FuzzAppend(f *testing.F) {
	f.Add("/usr/bin/dash", "sh", "-c", int64(1), true)
	f.Add("\xff", "\"", "\n", int64(-1), false)
	f.Fuzz(func(t *testing.T, a, b, c string, n int64, is bool) {
		written(t, &Run{ID: n, Program: a, File: b, Script: is, Argv: []string{b, c}, Emulator: c}, &End{At: n, How: a, Core: is}, &Failure{Run: n, File: b, Error: c})
	})
}
