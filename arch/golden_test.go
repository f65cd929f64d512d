package arch

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// vector is one line of a golden file: a published magic and mask.
type vector struct {
	file, name, row string
	policy          Policy
	want            Pattern
}

func (v vector) key() string { return fmt.Sprintf("%s %s %s", v.file, v.name, v.policy) }

func goldenLines(t *testing.T, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if line := s.Text(); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}

func goldenVectors(t *testing.T) []vector {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	for _, path := range files {
		if filepath.Base(path) == "differences.txt" {
			continue
		}
		for _, line := range goldenLines(t, path) {
			f := strings.Fields(line)
			if len(f) != 5 {
				t.Fatalf("%s: %q has %d fields", path, line, len(f))
			}
			magic, err1 := hex.DecodeString(f[3])
			mask, err2 := hex.DecodeString(f[4])
			if err1 != nil || err2 != nil || len(magic) != len(mask) {
				t.Fatalf("%s: bad bytes in %q", path, line)
			}
			all = append(all, vector{filepath.Base(path), f[0], f[1], Policy(f[2]), Pattern{Magic: magic, Mask: mask}})
		}
	}
	return all
}

// differences are listed as "file name policy: what | why".
func listedDifferences(t *testing.T) map[string]string {
	t.Helper()
	listed := map[string]string{}
	for _, line := range goldenLines(t, "testdata/differences.txt") {
		what, why, ok := strings.Cut(line, " | ")
		key, list, ok2 := strings.Cut(what, ": ")
		if !ok || !ok2 || why == "" || listed[key] != "" {
			t.Fatalf("differences.txt: no reason, or listed twice: %q", line)
		}
		listed[key] = list
	}
	return listed
}

func differences(got, want Pattern) string {
	var d []string
	at := func(what string, a, b []byte) {
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				d = append(d, fmt.Sprintf("%s[%d]", what, i))
			}
		}
	}
	at("magic", got.Magic, want.Magic)
	at("mask", got.Mask, want.Mask)
	if len(got.Magic) != len(want.Magic) {
		d = append(d, "length")
	}
	return strings.Join(d, " ")
}

func TestGolden(t *testing.T) {
	listed := listedDifferences(t)
	for _, v := range goldenVectors(t) {
		a, err := Lookup(v.row)
		if err != nil {
			t.Fatal(err)
		}
		if a.Name != v.row {
			t.Errorf("%s: row %s is called %s", v.key(), v.row, a.Name)
		}
		got, want := differences(a.Pattern(v.policy), v.want), listed[v.key()]
		if got != want {
			t.Errorf("%s differs in %q, listed is %q\n got %s\nwant %s", v.key(), got, want, a.Pattern(v.policy), v.want)
		}
		delete(listed, v.key())
	}
	for _, key := range slices.Sorted(maps.Keys(listed)) {
		t.Errorf("differences.txt lists %q, which no file has", key)
	}
}

func TestGoldenIsComplete(t *testing.T) {
	count := map[string]int{}
	for _, v := range goldenVectors(t) {
		count[v.file]++
	}
	want := map[string]int{"announcement-2013.txt": 1, "binmiscctl.txt": 9, "ports-qemu-user-static.txt": 11, "qemu-binfmt-conf.txt": 35}
	if !maps.Equal(count, want) {
		t.Errorf("vectors by file: %v, want %v", count, want)
	}
}

// The bytes of the 2013 announcement, once more in the open.
func TestAnnouncement(t *testing.T) {
	a, err := Lookup("mips64")
	if err != nil {
		t.Fatal(err)
	}
	const want = "7f454c4602020100000000000000000000020008/ffffffffffffff00fffffffffffffffffffeffff"
	if got := a.Pattern(Binmisc).String(); got != want {
		t.Errorf("mips64: %s, want %s", got, want)
	}
}
