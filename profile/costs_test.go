package profile_test

import (
	"testing"

	"github.com/xjail/xjail/profile"
)

// Of a million costs some are kept, and tell of all.
func TestCosts(t *testing.T) {
	var c profile.Costs
	if len(c.Sorted()) != 0 || c.Seen() != 0 {
		t.Errorf("%+v", c)
	}
	const n = 1 << 20
	for i := range int64(n) {
		c.Add(i * 7919 % n)
	}
	kept := c.Sorted()
	if c.Seen() != n || len(kept) > n/10 {
		t.Fatalf("%d of %d are kept", len(kept), c.Seen())
	}
	for _, percent := range []int{5, 50, 95} {
		if got, want := kept[len(kept)*percent/100]*100/n, int64(percent); got < want-1 || got > want+1 {
			t.Errorf("%d per cent are below %d per cent", percent, got)
		}
	}
}
