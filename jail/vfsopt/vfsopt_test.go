package vfsopt

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"
)

// The bytes are those that mount(8)'s build_iovec and libjail's jailparam_set
// hand over: a length counts the NUL, and a flag has neither base nor length.
func TestEncode(t *testing.T) {
	two := []byte{2, 0, 0, 0}
	if binary.NativeEndian.Uint32(two) != 2 {
		two = []byte{0, 0, 0, 2}
	}
	tests := []struct {
		name string
		opt  Option
		want [][]byte
	}{
		{"string", String("path", "/j"), [][]byte{[]byte("path\x00"), []byte("/j\x00")}},
		{"empty string", String("from", ""), [][]byte{[]byte("from\x00"), {0}}},
		{"int", Int("ip4", 2), [][]byte{[]byte("ip4\x00"), two}},
		{"negative", Int("securelevel", -1), [][]byte{[]byte("securelevel\x00"), {255, 255, 255, 255}}},
		{"flag", Flag("ro"), [][]byte{[]byte("ro\x00"), nil}},
		{"on", Bool("allow.chflags", true), [][]byte{[]byte("allow.chflags\x00"), nil}},
		{"off", Bool("allow.chflags", false), [][]byte{[]byte("allow.nochflags\x00"), nil}},
		{"off, two dots", Bool("allow.mount.devfs", false), [][]byte{[]byte("allow.mount.nodevfs\x00"), nil}},
		{"off, no dot", Bool("persist", false), [][]byte{[]byte("nopersist\x00"), nil}},
		{"buffer", Buffer("b", 3), [][]byte{[]byte("b\x00"), {0, 0, 0}}},
	}
	for _, tt := range tests {
		got, err := Options{tt.opt}.Encode()
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	long := make([]byte, 30000)
	for name, o := range map[string]Options{
		"no name":     {Flag("")},
		"NUL in name": {Flag("a\x00b")},
		"long value":  {{"a", make([]byte, 70000)}},
		"long in all": {{"a", long}, {"b", long}, {"c", long}},
	} {
		if got, err := o.Encode(); err == nil {
			t.Errorf("%s: %d vectors", name, len(got))
		}
	}
}

func TestErrmsg(t *testing.T) {
	plain := Options{String("path", "/j")}
	o := plain.WithErrmsg()
	if len(plain) != 1 || len(o) != 2 || o.Errmsg() != "" {
		t.Fatalf("WithErrmsg: %d, %d, %q", len(plain), len(o), o.Errmsg())
	}
	memory, err := o.Encode()
	if err != nil || len(memory[3]) != 255 {
		t.Fatalf("the buffer: %d bytes, %v", len(memory[3]), err)
	}
	copy(memory[3], "unknown parameter: x\x00garbage")
	if got := o.Errmsg(); got != "unknown parameter: x" {
		t.Errorf("Errmsg = %q", got)
	}
	if got := o.Text("path"); got != "/j" {
		t.Errorf("Text = %q", got)
	}
}

func TestCheckText(t *testing.T) {
	for text, ok := range map[string]bool{"": true, "/j": true, strings.Repeat("a", 9): true, strings.Repeat("a", 10): false, "a\x00b": false} {
		if err := CheckText("path", text, 10); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Whatever is encoded can be told apart again: names and texts end where they
// did.
func FuzzEncode(f *testing.F) {
	f.Add("path", "/usr/jails/a")
	f.Add("a\x00b", "")
	f.Fuzz(func(t *testing.T, name, value string) {
		memory, err := Options{String(name, value)}.Encode()
		if err != nil {
			return
		}
		gotName, rest, _ := bytes.Cut(memory[0], []byte{0})
		if string(gotName) != name || len(rest) > 0 {
			t.Errorf("name %q became %q", name, memory[0])
		}
		if CheckText("value", value, len(value)+1) == nil && (Options{{name, memory[1]}}).Text(name) != value {
			t.Errorf("value %q became %q", value, memory[1])
		}
	})
}
