package source

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// digestOf makes a digest that is not one of anything.
func digestOf(c string) string { return strings.Repeat(c, 64) }

// line is one as release/scripts/make-manifest.sh prints it.
func line(file, digest, count, name, text, on string) string {
	return fmt.Sprintf("%s\t%s\t%s\t%s\t\"%s\"\t%s\n", file, digest, count, name, text, on)
}

var goodManifest = line("base-dbg.txz", digestOf("1"), "1749", "base_dbg", "Base system debug info", "off") +
	line("lib32.txz", digestOf("A"), "711", "lib32", "32-bit compatibility libraries", "on") +
	line("base.txz", digestOf("2"), "30174", "base", "Base system (MANDATORY)", "on") +
	line("src.txz", digestOf("3"), "118125", "src", "System source tree", "off")

func TestParseManifest(t *testing.T) {
	sets, err := ParseManifest([]byte(goodManifest))
	if err != nil || len(sets) != 4 {
		t.Fatalf("%v, %v", sets, err)
	}
	if got := sets[1]; got != (Set{"lib32.txz", digestOf("a"), 711}) || got.Name() != "lib32" {
		t.Errorf("second line: %+v", got)
	}
	for name, text := range map[string]string{
		"empty":           "",
		"no tabs":         "base.txz " + digestOf("1") + " 5 base",
		"short digest":    line("base.txz", "12", "5", "base", "", "on"),
		"no number":       line("base.txz", digestOf("1"), "many", "base", "", "on"),
		"negative number": line("base.txz", digestOf("1"), "-1", "base", "", "on"),
		"path":            line("../base.txz", digestOf("1"), "5", "base", "", "on"),
		"hidden":          line(".txz", digestOf("1"), "5", "base", "", "on"),
		"other file":      line("base.tar", digestOf("1"), "5", "base", "", "on"),
		"twice":           line("base.txz", digestOf("1"), "5", "base", "", "on") + line("base.txz", digestOf("2"), "5", "base", "", "on"),
		"a page":          "<!doctype html>\n<html>\n",
		"empty line":      goodManifest + "\n" + goodManifest,
	} {
		sets, err := ParseManifest([]byte(text))
		if fault.KindOf(err) != fault.Damaged || !strings.Contains(err.Error(), "MANIFEST line ") {
			t.Errorf("%s: %v, %v", name, sets, err)
		}
	}
}

func TestChooseSets(t *testing.T) {
	all, err := ParseManifest([]byte(goodManifest))
	if err != nil {
		t.Fatal(err)
	}
	without := append([]Set{all[0]}, all[2:]...)
	for _, tt := range []struct {
		all   []Set
		names string
		want  string // "" is an error
	}{
		{all, "", "base lib32"},
		{without, "", "base"},
		{all, "base", "base"},
		{all, "src,base", "base src"},
		{all, "lib32,src", "lib32 src"},
		{without, "base,lib32", ""},
		{all, "games", ""},
		{nil, "", ""},
		{[]Set{{"base.txz", digestOf("1"), 1}, {"lib32.txz", digestOf("1"), 1}}, "", "base"},
	} {
		var names []string
		if tt.names != "" {
			names = strings.Split(tt.names, ",")
		}
		got, err := chooseSets(tt.all, names)
		if tt.want == "" {
			if fault.KindOf(err) != fault.NotFound {
				t.Errorf("%q: %v, %v", tt.names, got, err)
			}
			continue
		}
		if err != nil || setNames(got) != tt.want {
			t.Errorf("%q: %q, %v, want %q", tt.names, setNames(got), err, tt.want)
		}
	}
}

func TestCheckSets(t *testing.T) {
	if err := CheckSets([]string{"base", "lib32-dbg"}); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]string{{""}, {"../base"}, {"-x"}, {"base", "base"}, {strings.Repeat("a", 65)}} {
		if err := CheckSets(bad); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(goodManifest))
	f.Add([]byte("base.txz\t" + digestOf("1") + "\t5\tbase\n"))
	f.Add([]byte("\t\t\t\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		sets, err := ParseManifest(text)
		if err != nil {
			if fault.KindOf(err) != fault.Damaged {
				t.Errorf("%v", err)
			}
			return
		}
		var again strings.Builder
		for _, s := range sets {
			if strings.ContainsAny(s.File, "/\\?#%") {
				t.Errorf("file %q", s.File)
			}
			again.WriteString(line(s.File, s.SHA256, fmt.Sprint(s.Files), s.Name(), "", "on"))
		}
		second, err := ParseManifest([]byte(again.String()))
		if err != nil || fmt.Sprint(second) != fmt.Sprint(sets) {
			t.Errorf("%v reads as %v, %v", sets, second, err)
		}
	})
}
