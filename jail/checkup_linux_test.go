package jail

import "testing"

func TestNoexec(t *testing.T) {
	if got := noexec("/proc/version"); got != "/proc" && mountedNoexec("/proc") {
		t.Errorf("/proc/version is on %q", got)
	}
	if got := noexec("/bin/sh"); got != "" && !mountedNoexec("/bin") {
		t.Errorf("/bin/sh is on %q", got)
	}
}
