package jail

import "testing"

func TestIsBelow(t *testing.T) {
	dirs := []string{"/usr/lib/aarch64-linux-gnu/perl5", "/usr/local/lib/aarch64-linux-gnu/perl"}
	for name, want := range map[string]bool{
		"/usr/lib/aarch64-linux-gnu/perl5/5.36/X.pm.dpkg-new":    true,
		"/usr/lib/aarch64-linux-gnu/perl5/X.pm":                  true,
		"/usr/lib/aarch64-linux-gnu/./perl5/X.pm":                true,
		"/usr/lib/aarch64-linux-gnu/perl5":                       false,
		"/usr/lib/aarch64-linux-gnu/perl5x/X.pm":                 false,
		"/usr/local/lib/aarch64-linux-gnu/perl/5.36.0/X/auto.so": true,
		"usr/lib/aarch64-linux-gnu/perl5/X.pm":                   false,
		"/usr/share/perl5/X.pm":                                  false,
		"X.pm":                                                   false,
	} {
		if isBelow(dirs, name) != want {
			t.Errorf("%s", name)
		}
	}
}
