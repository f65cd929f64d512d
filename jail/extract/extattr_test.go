package extract

import (
	"slices"
	"strings"
	"testing"
)

// The lists are as extattr_list_fd(2) of FreeBSD gives them.
func TestParseExtattrs(t *testing.T) {
	long := strings.Repeat("n", 255)
	for list, want := range map[string][]string{
		"":                      nil,
		"\x01a\x04name":         {"user.a", "user.name"},
		"\x05a.b=c":             {"user.a.b=c"},
		"\xff" + long + "\x01b": {"user." + long, "user.b"},
		"\x01a\x04nam":          {"user.a"}, // cut off
		"\x01a\x00\x01b":        {"user.a", "user.b"},
		"\x02":                  nil,
	} {
		if got := parseExtattrs([]byte(list), "user."); !slices.Equal(got, want) {
			t.Errorf("%.20q gives %.60q, want %.60q", list, got, want)
		}
	}
}

func FuzzParseExtattrs(f *testing.F) {
	f.Add([]byte("\x01a\x04name"))
	f.Add([]byte("\xffa"))
	f.Fuzz(func(t *testing.T, list []byte) {
		total := 0
		for _, name := range parseExtattrs(list, "user.") {
			plain, ok := strings.CutPrefix(name, "user.")
			if !ok || plain == "" {
				t.Errorf("name %q", name)
			}
			total += 1 + len(plain)
		}
		if total > len(list) {
			t.Errorf("%d bytes of %d", total, len(list))
		}
	})
}
