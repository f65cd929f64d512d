package jail

import (
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

func TestParseBind(t *testing.T) {
	tests := []struct {
		in   string
		want Bind
		bad  bool
	}{
		{in: "/a:/b", want: Bind{"/a", "/b", false}},
		{in: "/a:/b:ro", want: Bind{"/a", "/b", true}},
		{in: "/a:/b:rw", want: Bind{"/a", "/b", false}},
		{in: "/a", want: Bind{"/a", "/a", false}},
		{in: "/a:/b/../c/", want: Bind{"/a", "/c", false}},
		{in: "a:/b", bad: true},
		{in: "/a:b", bad: true},
		{in: "/a:/", bad: true},
		{in: "/a:/b/..", bad: true},
		{in: "/a:/b:rx", bad: true},
		{in: "/a:/b:ro:x", bad: true},
		{in: "", bad: true},
	}
	for _, tt := range tests {
		got, err := ParseBind(tt.in)
		if tt.bad {
			if fault.KindOf(err) != fault.Usage {
				t.Errorf("ParseBind(%q) = %v, %v, want a usage error", tt.in, got, err)
			}
		} else if err != nil || got != tt.want {
			t.Errorf("ParseBind(%q) = %v, %v, want %v", tt.in, got, err, tt.want)
		}
	}
}

func TestMergeEnv(t *testing.T) {
	got := mergeEnv([]string{"PATH=/bin", "A=1", "=x", "junk"}, []string{"A=2", "B="})
	if want := []string{"A=2", "B=", "PATH=/bin"}; !slices.Equal(got, want) {
		t.Errorf("mergeEnv = %q, want %q", got, want)
	}
	if v := lookupEnv(got, "PATH"); v != "/bin" {
		t.Errorf("lookupEnv = %q", v)
	}
}

func TestTail(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", "no output"},
		{"one\ntwo\n\n", "two"},
		{"\x1b[2Jcl\xffear\a\n", "?[2Jcl\ufffdear?"},
		{"I: begin\nE: apt failed\nI: cleaning up\n", "E: apt failed"},
		{strings.Repeat("x\n", 10000) + "error: disk\n", "error: disk"},
	}
	for _, tt := range tests {
		w := &tailWriter{}
		if _, err := w.Write([]byte(tt.text)); err != nil {
			t.Fatal(err)
		}
		if got := w.lastError(); got != tt.want {
			t.Errorf("lastError = %q, want %q", got, tt.want)
		}
		if len(w.String()) > tailSize {
			t.Errorf("keeps %d bytes", len(w.String()))
		}
	}
}

func TestCheckProbe(t *testing.T) {
	uname := []string{"/bin/uname", "-m"}
	echo := []string{"/bin/sh", "-c", "echo " + probeWord}
	tests := []struct {
		arch, os string
		argv     []string
		output   string
		ok       bool
	}{
		{"mips64", "", uname, "mips64", true},
		{"mips64", "", uname, "mips", false},
		{"mips64", "", uname, "x86_64", false},
		{"mips64", "", uname, "", false},
		{"armv7", "", uname, "armv7l", true},
		{"armv6", "", uname, "armv7l", true},
		{"aarch64", "", uname, "armv7l", false},
		{"i386", "", uname, "i686", true},
		{"powerpc64le", "", uname, "ppc64le", true},
		{"alpha", "", echo, probeWord, true},
		{"alpha", "", echo, "nonsense", false},
		// MACHINE of each TARGET_ARCH, as arch(7) lists them.
		{"aarch64", "freebsd", uname, "arm64", true},
		{"armv7", "freebsd", uname, "arm", true},
		{"mips64", "freebsd", uname, "mips", true},
		{"mips64el", "freebsd", uname, "mips", true},
		{"riscv64", "freebsd", uname, "riscv", true},
		{"powerpc64", "freebsd", uname, "powerpc", true},
		{"powerpc64le", "freebsd", uname, "powerpc", true},
		{"sparc64", "freebsd", uname, "sparc64", true},
		{"i386", "freebsd", uname, "i386", true},
		{"amd64", "freebsd", uname, "amd64", true},
		{"mips64", "freebsd", uname, "mips64", true},
		{"mips64", "freebsd", uname, "amd64", false},
		{"aarch64", "freebsd", uname, "amd64", false},
		{"riscv64", "freebsd", uname, "", false},
		{"aarch64", "freebsd", echo, probeWord, true},
	}
	for _, tt := range tests {
		p := Probe{Argv: tt.argv, Output: tt.output}
		if err := checkProbe(&Record{Arch: tt.arch, Guest: tt.os}, p); (err == nil) != tt.ok {
			t.Errorf("%s on %s: %+v: %v", tt.arch, tt.os, p, err)
		}
	}
}
