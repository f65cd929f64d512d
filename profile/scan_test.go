package profile

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// lines are what collectors write, and what is not quite so.
var lines = []string{
	`{"run":{"id":1,"pid":2,"at":0,"program":"/usr/bin/dash","file":"/bin/sh","argv":["sh","-c","x y"]}}`,
	`{"run":{"id":12,"parent":1,"replaced":3,"pid":2,"at":-5,"program":"/a","file":"/s","script":true,"argv":[],"argv_cut":false,"emulator":"/q"}}`,
	`{"run":{"id":1,"pid":2,"at":123456789012345678,"program":"/ü/日本"}}`,
	`{"end":{"id":1,"at":30,"how":"exec","code":-1,"core":true,"user":5,"system":6,"rss":4096,"threads":1}}`,
	`{"fail":{"run":2,"at":21,"file":"/usr/local/bin/sed","error":"ENOENT"}}`,
}

var odd = []string{
	`{"run":{"id":1,"argv":["a\"b"]}}`, `{"run":{"id":1,"program":"\u0041"}}`, "{\"run\":{\"id\":1,\"program\":\"\xff\"}}",
	`{"run":{"id":1,"argv":null}}`, `{"run":{"ID":1}}`, `{"run":{"id":01}}`, `{"run":{"id":1.0}}`, `{"run":{"id":1e3}}`, `{"run":{"id":-}}`,
	`{"run":{"id":9223372036854775807}}`, `{"run":{"id":9223372036854775808}}`, `{"run":{"pid":99999999999}}`, `{"run":{"id":1,"new":2}}`,
	`{"run":{"id":1}}x`, `{"run":{"id":1},"end":{"id":1}}`, `{"run": {"id":1}}`, `{"run":{}}`, `{"run":{"id":1,}}`, `{"run":{"argv":["a",]}}`,
	`{"run":{"script":truex}}`, `{"run":{"script":nope}}`, `{"run":{"argv":["a"`, `{"close":{"at":1}}`, `{"lost":{"count":1}}`, `{}`, `{`, ``, `"run"`,
	"{\"run\":{\"program\":\"a\tb\"}}", `{"run":{"id":1,"id":2,"argv":["a","b"],"argv":["c"]}}`,
}

// same wants that what is scanned is what encoding/json has. It tells whether the
// line was scanned.
func same(t *testing.T, text string) bool {
	t.Helper()
	var s scanner
	var got, want line
	if !s.line([]byte(text+"\n"), &got) {
		return false
	}
	if err := json.Unmarshal([]byte(text), &want); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n%+v, want\n%+v, %v", text, got, want, err)
	}
	return true
}

func TestScan(t *testing.T) {
	for _, text := range lines {
		if !same(t, text) {
			t.Errorf("left to encoding/json: %s", text)
		}
	}
	for _, text := range odd {
		same(t, text)
	}
}

func FuzzScan(f *testing.F) {
	for _, text := range append(append([]string{}, lines...), odd...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !strings.Contains(text, "\n") {
			same(t, text)
		}
	})
}
