package xtools

import (
	"crypto/md5"
	"encoding/hex"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func arm64Program(text string) string {
	return elfSpec{machine: aarch64, interp: "/lib/ld-linux-aarch64.so.1", needed: []string{"libc.so.6"}, text: text}.file()
}

// The file of a package that another one has diverted is where that says, and what is
// at its path is the other's.
func TestDiversions(t *testing.T) {
	for name, tt := range map[string]struct {
		by        string
		sed, real string
	}{
		"by the administrator":      {":", "", "sed"},
		"by another package":        {"ssed", "ssed", "sed"},
		"by the package for others": {"sed", "sed", ""},
	} {
		root := debian(t, "bookworm", "arm64", map[string]string{
			"bin": "-> usr/bin", "usr/bin/sed": arm64Program("mine"), "usr/bin/sed.real": arm64Program("sed"),
			"var/lib/dpkg/info/ssed.list": "/bin/sed\n", diversionsFile: "/usr/bin/sed\n/usr/bin/sed.real\n" + tt.by + "\n/usr/bin/x\n",
		}, "sed 4.9-1", "ssed 3")
		if tt.by != "ssed" {
			if err := root.WriteFile("var/lib/dpkg/info/ssed.list", nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		in, err := ReadInstalled(root, "arm64")
		if err != nil {
			t.Fatal(err)
		}
		if in.Owner["usr/bin/sed"] != tt.sed || in.Owner["usr/bin/sed.real"] != tt.real {
			t.Errorf("%s: sed is of %q, sed.real of %q", name, in.Owner["usr/bin/sed"], in.Owner["usr/bin/sed.real"])
		}
	}
}

// A program that is not as its package has it was put there by somebody else.
func TestProgramOfSomebodyElse(t *testing.T) {
	sum := func(text string) string { s := md5.Sum([]byte(text)); return hex.EncodeToString(s[:]) }
	root := debian(t, "bookworm", "arm64", map[string]string{
		"usr/bin/sed": arm64Program("sed"), "usr/bin/tar": arm64Program("patched"), "usr/bin/xz": arm64Program("xz"),
		"var/lib/dpkg/info/sed.md5sums": sum(arm64Program("sed")) + "  bin/sed\n", "var/lib/dpkg/info/tar.md5sums": sum(arm64Program("tar")) + "  usr/bin/tar\n",
	}, "sed 4.9-1", "tar 1.34-1", "xz 5")
	h := hostTools(t, debian(t, "bookworm", "amd64", nil, "sed 4.9-1", "tar 1.34-1", "xz 5"))
	m, err := h.Collect(t.Context(), arm64Subject(t, root), silent)
	if err != nil {
		t.Fatal(err)
	}
	got := states(m)
	if got["/usr/bin/sed"] != Native || got["/usr/bin/tar"] != Drifted || got["/usr/bin/xz"] != Native {
		t.Errorf("%v", got)
	}
}

// What has capabilities would have none when it is covered.
func TestProgramWithCapabilities(t *testing.T) {
	root := debian(t, "bookworm", "arm64", nil, "sed 4.9-1", "ping 1")
	f, err := os.OpenFile(root.Name()+"/usr/bin/ping", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// cap_net_raw=ep, vfs_cap_data of version 2
	if err := unix.Fsetxattr(int(f.Fd()), capabilities, []byte{1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0); err != nil {
		t.Skip("needs root and a file system with attributes: ", err)
	}
	h := hostTools(t, debian(t, "bookworm", "amd64", nil, "sed 4.9-1", "ping 1"))
	m, err := h.Collect(t.Context(), arm64Subject(t, root), silent)
	if err != nil {
		t.Fatal(err)
	}
	if got := states(m); got["/usr/bin/sed"] != Native || got["/usr/bin/ping"] != Excluded {
		t.Errorf("%v", got)
	}
}
