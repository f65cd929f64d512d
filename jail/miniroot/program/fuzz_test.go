package main

import (
	"strings"
	"testing"
)

// FuzzSed: no script makes the parser panic, and one that only edits the line
// at hand can be run.
func FuzzSed(f *testing.F) {
	for _, script := range sedScripts {
		if _, rest, ok := strings.Cut(script, "'"); ok {
			text, _, _ := strings.Cut(rest, "'")
			f.Add(text, strings.Contains(script, "-E"))
		}
	}
	for _, script := range []string{"y/a/", "s[a[b[", `\x[x]x`, "1,2,3p", "}", "{{{", "a\\", "s/\\(/x/", "0p", "1~0p", ":", "99999999999999999999p", "s/a/b/w", `s/[/]/\//`, "s/a/\\9/"} {
		f.Add(script, false)
	}
	f.Fuzz(func(t *testing.T, script string, extended bool) {
		parsed, err := parseSed(script, extended)
		if err != nil {
			return
		}
		for _, c := range parsed.commands {
			if strings.IndexByte("btTDwrqQ", c.name) >= 0 || c.file != "" { // may not end, touch files, end with any status
				return
			}
		}
		args := []string{"-e", script}
		if extended {
			args = append(args, "-E")
		}
		got := apply(t, t.TempDir(), "one two\nthree\n\nfour 4", "sed", args...)
		if got.status == 2 {
			t.Errorf("%q: %+v", script, got)
		}
	})
}

// FuzzPattern: what translate takes, Go's regexp takes, unless it repeats a
// repetition or is too large.
func FuzzPattern(f *testing.F) {
	for _, pattern := range []string{"a*b", `\(a\|b\)\{2,3\}`, "[[:alpha:]_-]", "[]a]", "[^]]", "a**", "^*", "(a|b)+?", "x{2}", `\<w\>`, "[[.-.]]", "[a\\]", `\`, "[", "*", "a|*b", "()", "{1}", "a{1"} {
		f.Add(pattern, "a text", true)
		f.Add(pattern, "b text", false)
	}
	f.Fuzz(func(t *testing.T, pattern, text string, ere bool) {
		kind := basic
		if ere {
			kind = extended
		}
		re, err := compile(pattern, kind, false)
		if err != nil {
			return
		}
		re.FindStringIndex(text)
		if exact, err := compile(text, fixed, false); err != nil || !exact.MatchString(text) {
			t.Errorf("%q does not match itself: %v", text, err)
		}
	})
}

// FuzzPrintf: no format makes it panic, or write without end.
func FuzzPrintf(f *testing.F) {
	for _, format := range []string{"%s", "%5.2d|%-*s", `\x41\101\c`, "%", "%z", "%b%q%c", "%#x %+d %a", "%99999s", "%.0s"} {
		f.Add(format, "arg", "42")
	}
	f.Fuzz(func(t *testing.T, format, a, b string) {
		if strings.ContainsAny(format+a+b, `123456789'"`) { // widths: as wide as is asked for
			return
		}
		got := apply(t, "", "", "printf", "--", format, a, b)
		if limit := 100 * (len(format) + len(a) + len(b) + 400); len(got.stdout) > limit {
			t.Errorf("%d bytes", len(got.stdout))
		}
	})
}
