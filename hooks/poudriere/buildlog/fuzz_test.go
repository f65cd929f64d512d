package buildlog

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

// FuzzClassify holds verdicts on any input to what a report needs of them.
func FuzzClassify(f *testing.F) {
	for _, x := range fixtures(f) {
		f.Add([]byte(x.log), "")
		f.Add([]byte(x.log), "build/runaway")
	}
	f.Add([]byte("\x1b]0;x\xff\r\n\r\r=<phase: \n---Begin Environment---\n"), "package/timeout")
	f.Fuzz(func(t *testing.T, log []byte, phase string) {
		v := Classify(bytes.NewReader(log), phase)
		if !slices.Contains(Causes(), v.Cause) || v.Rule == "" || v.Summary == "" || len(v.Advice) == 0 {
			t.Fatalf("verdict %+v", v)
		}
		if !slices.Contains([]Blame{Yes, Perhaps, No}, v.Emulation) || !slices.Contains([]Confidence{Certain, Likely, Guess}, v.Confidence) {
			t.Fatalf("verdict %+v", v)
		}
		count := bytes.Count(log, []byte{'\n'}) + 1
		for _, l := range v.Evidence {
			if l.Number < 1 || l.Number > count || !utf8.ValidString(l.Text) || strings.ContainsFunc(l.Text, control) || len(l.Text) > 2*lineSize {
				t.Fatalf("line %d of %d: %q", l.Number, count, l.Text)
			}
		}
		text, err := json.Marshal(Record{PkgName: "p", Verdict: &v})
		if err != nil || len(text) > maxRecord {
			t.Fatalf("a record of %d bytes, %v", len(text), err)
		}
		if again := Classify(iotest.OneByteReader(bytes.NewReader(log)), phase); again.Summary != v.Summary || again.Rule != v.Rule {
			t.Fatalf("%+v by bytes, %+v at once", again, v)
		}
	})
}

// FuzzRecords holds the reader of records to not failing on any file.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("{\"pkgname\":\"x\"}\n\nnothing\n{\"pkgname\":1}\n{\"pkgname\":\"y\",\"verdict\":{}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var list []Record
		damaged, err := readRecords(bytes.NewReader(text), func(r Record) { list = append(list, r) })
		if err != nil || damaged+len(list) > bytes.Count(text, []byte{'\n'})+1 {
			t.Fatalf("%d records, %d damaged, %v", len(list), damaged, err)
		}
		Summarise(list)
	})
}
