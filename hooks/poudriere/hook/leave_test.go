package hook

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

func TestParseLeave(t *testing.T) {
	l, err := ParseLeave([]string{"cc,ld", "m64=grep,cc", "other=tr", "cc"})
	if err != nil {
		t.Fatal(err)
	}
	for jail, want := range map[string]string{
		"m64":   "c++ cc clang clang++ clang-cpp cpp egrep fgrep grep ld ld.lld rgrep zgrep",
		"other": "c++ cc clang clang++ clang-cpp cpp ld ld.lld tr",
		"third": "c++ cc clang clang++ clang-cpp cpp ld ld.lld",
	} {
		if got := strings.Join(l.Of(jail), " "); got != want {
			t.Errorf("%s: %s, want %s", jail, got, want)
		}
	}
	for _, text := range []string{"", "cc,", "=cc", "a/b=cc", "/usr/bin/cc", "..", "c c", "m64="} {
		if _, err := ParseLeave([]string{text}); fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A reference from its mount to its start, with what poudriere does in between.
func TestLeave(t *testing.T) {
	m := started(t, true)
	m.Leave = Leave{"m64": {"cc", "grep", "cat"}, "other": {"tr"}}
	for _, dir := range []string{m.root, m.ref} {
		m.tools(dir, "bin/cat")
	}
	m.write(filepath.Join(m.ref, "bin/cat"), "emulated")
	m.goesOn("jail", "mount", m.ref)
	conf := "CC=/nxb-bin/usr/bin/cc\nCPP=/nxb-bin/usr/bin/cpp\nNM=/nxb-bin/usr/bin/nm\nMINE=cc\n"
	m.write(filepath.Join(m.ref, nxbConf), conf)
	for _, name := range []string{"usr/bin/cc", "usr/bin/grep", "bin/cat"} {
		if _, err := os.Lstat(filepath.Join(m.ref, "nxb-bin", name)); err == nil {
			t.Errorf("%s is in /nxb-bin: poudriere would use it", name)
		}
		if _, err := os.Lstat(filepath.Join(m.root, "nxb-bin", name)); err != nil {
			t.Error("the jail's own is gone:", err)
		}
	}
	m.goesOn("jail", "start")
	m.says("")
	got := m.native()
	if slices.Contains(got, "grep") || slices.Contains(got, "cc") || !slices.Contains(got, "tr") || !slices.Contains(got, "ar") {
		t.Errorf("native: %q", got)
	}
	if text, err := os.ReadFile(filepath.Join(m.ref, nxbConf)); err != nil || string(text) != "NM=/nxb-bin/usr/bin/nm\nMINE=cc\n" {
		t.Errorf("%v %q", err, text)
	}
}

// What poudriere linked already stays, and is said.
func TestLeaveTooLate(t *testing.T) {
	m := started(t, true)
	m.Leave = Leave{"": {"cat"}}
	m.tools(m.ref, "bin/cat")
	if err := os.Link(filepath.Join(m.ref, "nxb-bin/bin/cat"), filepath.Join(m.ref, "bin/cat")); err != nil {
		t.Fatal(err)
	}
	m.goesOn("jail", "start")
	m.says("these stay native, as the reference is no clone of the jail: bin/cat")
}
