package ui_test

import (
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/ui"
)

func TestWidth(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "sed": 3, "ünï": 3, "e\u0301\u0301": 1, "中文": 4, "한글": 4, "ｆｕ": 4, "😀😀": 4, "▁█…": 3, "≤0.10": 5, "a\u200db": 2,
	} {
		if got := ui.Width(text); got != want {
			t.Errorf("%q: %d, not %d", text, got, want)
		}
		if got := ui.Left(text, 9) + ui.Right(text, 9); ui.Width(got) != 18 {
			t.Errorf("%q in columns: %q", text, got)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		end   string
		want  string
	}{
		{"abcdef", 0, "…", "abcdef"},
		{"abcdef", 6, "…", "abcdef"},
		{"abcdef", 5, "…", "abcd…"},
		{"abcdef", 5, "", "abcde"},
		{"中文程序", 6, "…", "中文…"}, // half a letter is none
		{"中文程序", 5, "…", "中文…"},
		{"中文程序", 7, "…", "中文程…"},
		{"e\u0301e\u0301e\u0301", 2, "…", "e\u0301…"},
	} {
		if got := ui.Cut(c.text, c.width, c.end); got != c.want {
			t.Errorf("%q to %d: %q, not %q", c.text, c.width, got, c.want)
		}
	}
}

// Columns are aligned whatever is in them.
func TestTableWide(t *testing.T) {
	var b strings.Builder
	if err := ui.Table(&b, []string{"A", "B"}, [][]string{{"中文", "x"}, {"e\u0301", "x"}, {"sed", "x"}}); err != nil {
		t.Fatal(err)
	}
	if want := "A     B\n中文  x\ne\u0301     x\nsed   x\n"; b.String() != want {
		t.Errorf("%s", b.String())
	}
}
