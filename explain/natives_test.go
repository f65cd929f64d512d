package explain

import (
	"slices"
	"testing"

	"github.com/xjail/xjail/arch"
)

func TestNatives(t *testing.T) {
	names := func(others ...string) []string {
		var list []string
		for _, a := range Natives(others) {
			list = append(list, a.Name)
		}
		return list
	}
	own := names()
	if host := arch.Host(); host != nil && !slices.Equal(own, []string{host.Name}) {
		t.Errorf("alone: %v", own)
	}
	got := names("arm", "none", "arm")[len(own):]
	for _, want := range append([]string{"arm"}, row(t, "arm").Same...) {
		if !slices.Contains(got, want) {
			t.Errorf("besides arm: %v, without %s", got, want)
		}
	}
	if len(got) != 1+len(row(t, "arm").Same) {
		t.Errorf("besides arm: %v", got)
	}
}
