package persist

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What is there of the files, what they name, and what is missing.
func TestReadWritten(t *testing.T) {
	for _, tt := range []struct {
		name, system string
		spoil        func(dir string) error
		written      int
		needs        []string
		archs        []string
		changed      int
		missing      []string
	}{
		{"linux", Linux, nil, 3, []string{"/usr/local/bin/xjail", "/usr/local/bin/qemu-mips64-static", "/opt/qemu-riscv64"}, nil, 0, nil},
		{"freebsd", FreeBSD, nil, 2, []string{"/srv/xjail", "/usr/local/bin/qemu-mips64-static", "/opt/qemu-riscv64"}, []string{"mips64", "riscv64"}, 0, nil},
		{"no lines", Linux, func(dir string) error { return os.Remove(dir + binfmtFile) }, 2,
			[]string{"/usr/local/bin/xjail", "/usr/local/bin/qemu-mips64-static", "/opt/qemu-riscv64"}, nil, 0, []string{binfmtFile}},
		{"not enabled", Linux, func(dir string) error { return os.Remove(dir + unitLink) }, 2,
			[]string{"/usr/local/bin/xjail", "/usr/local/bin/qemu-mips64-static", "/opt/qemu-riscv64"}, nil, 0, []string{unitLink}},
		{"changed", FreeBSD, func(dir string) error {
			return os.WriteFile(dir+rcSettings, []byte(sign(settings(boot()))+"x=1\n"), 0o644)
		}, 2, []string{"/usr/local/bin/qemu-mips64-static", "/opt/qemu-riscv64"}, []string{"mips64", "riscv64"}, 1, nil},
		{"somebody else's", Linux, func(dir string) error {
			return os.WriteFile(dir+binfmtFile, []byte("# mine\n"), 0o644)
		}, 2, []string{"/usr/local/bin/xjail", "/usr/local/bin/qemu-mips64-static", "/opt/qemu-riscv64"}, nil, 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, "etc/systemd"), 0o755); err != nil {
				t.Fatal(err)
			}
			tree, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			if w, missing, err := ReadWritten(tree, tt.system); w != nil || missing != nil || err != nil {
				t.Errorf("nothing is there: %v, %v, %v", w, missing, err)
			}
			b := boot()
			if tt.system == FreeBSD && tt.changed == 0 {
				b.Program = "/srv/xjail"
			}
			p, err := NewPlan(tree, mustFiles(t, tt.system, b), false)
			if err == nil {
				err = p.Apply(tree)
			}
			if err == nil && tt.spoil != nil {
				err = tt.spoil(dir)
			}
			if err != nil {
				t.Fatal(err)
			}
			written, missing, err := ReadWritten(tree, tt.system)
			var needs, archs []string
			changed := 0
			for _, w := range written {
				needs, archs = append(needs, w.Needs...), append(archs, w.Archs...)
				if w.Changed {
					changed++
				}
			}
			got := fmt.Sprint(len(written), needs, archs, changed, missing, err)
			if want := fmt.Sprint(tt.written, tt.needs, tt.archs, tt.changed, tt.missing, error(nil)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if slices.Contains(needs, "") {
				t.Error("an empty name")
			}
		})
	}
}
