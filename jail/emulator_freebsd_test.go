package jail

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// beEmulator is what this test's own program does under the name of an emulator:
// it answers as QEMU's bsd-user does, and says what it was to run.
func beEmulator(args []string) int {
	switch {
	case len(args) > 0 && strings.HasPrefix(args[0], "-"):
		fmt.Print("qemu-aarch64 version 9.1.50\nusage: qemu-aarch64 [options] program [arguments...]\nBSD CPU emulator (compiled for aarch64 emulation)\n")
		return 1
	case len(args) > 0 && filepath.Base(args[0]) == "uname":
		fmt.Println("arm64")
	default:
		fmt.Println(strings.Join(args, "|"))
	}
	return 0
}

// replaceEmulator puts this program there as packages do it: a new file takes
// the place of the old one.
func replaceEmulator(t *testing.T, name string) {
	t.Helper()
	err := os.WriteFile(name+".new", staticProgram(t), 0o755)
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// foreignRoot is an archive of a root of aarch64.
func foreignRoot(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	program := string(mustArch(t, "aarch64").Header(osabiFreeBSD))
	for name, text := range map[string]string{"bin/sh": program, "bin/uname": program, "etc/passwd": "root:*:0:0::/:/bin/sh\n"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(t.TempDir(), "root.tar")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}
