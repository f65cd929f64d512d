package ptrace

import "testing"

// What was there before is taken off the sum, however the ticks split it then.
func TestAfter(t *testing.T) {
	for name, tt := range map[string]struct {
		before       clocks
		user, system int64
		wantU, wantS int64
	}{
		"nothing before":     {clocks{}, 30, 10, 30, 10},
		"as the ticks were":  {clocks{run: 8, user: 3, both: 4}, 30, 10, 24, 8},
		"all was user time":  {clocks{run: 20, user: 5, both: 5}, 5, 25, 0, 10},
		"all was the system": {clocks{run: 20, user: 0, both: 5}, 25, 5, 10, 0},
		"less than before":   {clocks{run: 20}, 5, 5, 0, 0},
	} {
		if u, s := tt.before.after(tt.user, tt.system); u != tt.wantU || s != tt.wantS {
			t.Errorf("%s: %d and %d, want %d and %d", name, u, s, tt.wantU, tt.wantS)
		}
	}
}
