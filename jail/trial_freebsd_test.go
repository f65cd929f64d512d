package jail

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/xjail/xjail/jail/xtools/nxb"
	"github.com/xjail/xjail/jail/xtools/selftest"
)

// rescueShell is a shell that needs no libraries.
const rescueShell = "/rescue/sh"

// The trial of a /nxb-bin that has a shell and nothing else, in a root that has none
// but this. There is no compiler to try.
func TestKernelTrial(t *testing.T) {
	s := kernelStore(t)
	text, err := os.ReadFile(rescueShell)
	if err != nil {
		t.Skip(err)
	}
	r, err := s.Load("j")
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.MkdirAll("nxb-bin/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bin/sh", "nxb-bin/bin/sh"} {
		if err := root.WriteFile(name, text, 0o555); err != nil {
			t.Fatal(err)
		}
	}
	sum := sha256.Sum256(text)
	n := &nxb.Manifest{Files: []nxb.File{{Path: "bin/sh", Kind: nxb.Static, Mode: 0o555, Size: int64(len(text)), After: hex.EncodeToString(sum[:])}}}
	list, err := s.tryNxb(t.Context(), r, toolsOfNxb(n), n, selftest.Options{Quick: true})
	if err != nil || selftest.Failure(list) != nil {
		t.Errorf("%v, %+v", err, list)
	}
	passed := ""
	for _, f := range list {
		passed += f.Check + " " + string(f.Result) + "\n"
	}
	for _, want := range []string{"digests ok", "start ok", "identity ok", "compiler skipped"} {
		if !strings.Contains(passed, want+"\n") {
			t.Errorf("no %s: %+v", want, list)
		}
	}
	if _, err := root.Lstat(selftest.Dir[1:]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", selftest.Dir, err)
	}
}
