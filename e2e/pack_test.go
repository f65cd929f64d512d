package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// The archive of a root does not depend on who made it: root, or a user who has
// only some of its owners. Of it everybody makes the same root again.
func TestPackedRoot(t *testing.T) {
	digests := map[string]string{}
	for name, as := range map[string]account{"caller": caller, "with subordinate ids": ordinaryUser(t, true), "with one id": ordinaryUser(t, false)} {
		t.Run(name, func(t *testing.T) {
			m := newBSDMirror(t)
			w := bsdWorld(t, as)
			w.ok(m.create("bsd")...)
			file := filepath.Join(filepath.Dir(w.state), "bsd.tar.zst")
			sum, _, _ := strings.Cut(w.ok("pack", "bsd", file), " ")
			digests[name] = sum
			w.ok("create", "again", "--arch", "arm64", "--os", "freebsd", "--from", "archive:"+file, "--sha256", sum)
			if again, _, _ := strings.Cut(w.ok("pack", "again", file, "--force"), " "); again != sum {
				t.Errorf("the root that was made of it gives %s, not %s", again, sum)
			}
			if as.uid != 0 {
				w.fails(14, "name a file where this user may write", "pack", "bsd", filepath.Join(sharedDir(t), "bsd.tar"))
			}
			w.ends("bsd", "again")
		})
	}
	for name, sum := range digests {
		if sum != digests["caller"] {
			t.Errorf("%s: the archive is %s, the caller's is %s", name, sum, digests["caller"])
		}
	}
}

// A full disk leaves nothing of the archive.
func TestPackFullDisk(t *testing.T) {
	m := newBSDMirror(t)
	w := bsdWorld(t, caller)
	w.ok(m.create("bsd")...)
	dir := sharedDir(t)
	script := `mount -t tmpfs -o size=4k tmpfs ` + dir + `
"$@" && exit 99; status=$?; ls -A ` + dir + `; exit $status`
	r := w.runCommand(w.prepared(script, "pack", "bsd", dir+"/bsd.tar"), nil)
	if r.status != 20 || r.stdout != "" || !strings.Contains(r.stderr, "hint: free space") {
		t.Errorf("want status 20 and nothing left: %v", r)
	}
	w.ends("bsd")
}
