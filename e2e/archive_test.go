package e2e

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// machines is what uname -m says in a jail of an architecture.
var machines = map[string]string{
	"powerpc": "ppc", "mipsn32": "mips64", "sparc64": "sparc64", "alpha": "alpha", "m68k": "m68k", "sh4": "sh4", "hppa": "parisc",
}

// Roots that neither Debian nor Go has, out of an archive.
func TestArchiveOfEachArchitecture(t *testing.T) {
	for _, arch := range []string{"powerpc", "mipsn32", "sparc64", "alpha", "m68k", "sh4", "hppa"} {
		t.Run(arch, func(t *testing.T) {
			box := tinybox(t, arch)
			w := newWorld(t, caller)
			needEmulator(t, w, arch)
			archive := tinyRoot(t, arch).save()
			w.ok("create", "tiny", "--arch", arch, "--from", "archive:"+archive)
			wantIdentity(t, w, filepath.Join(w.state, "jails/tiny/root/bin/sh"), arch)
			if got := w.sh("tiny", "uname -m"); got != machines[arch] {
				t.Errorf("uname -m says %q, want %q", got, machines[arch])
			}
			if got := w.sh("tiny", "cat /etc/words | wc; cat < /etc/words > /tmp/copy && cat /tmp/copy"); got != "3\none\ntwo\nthree" {
				t.Errorf("a pipeline and files: %q", got)
			}
			for script, want := range map[string]int{"exit 42": 42, "false": 1, "nothing": 127, "kill-self 15": 143} {
				if r := w.run("exec", "tiny", "--", "sh", "-c", script); r.status != want {
					t.Errorf("%s: want status %d: %v", script, want, r)
				}
			}
			if r := w.run("exec", "tiny", "--", "kill-self", "9"); r.status != 137 {
				t.Errorf("want status 137: %v", r)
			}
			if got := readFile(filepath.Join(w.state, "jails/tiny/root/bin/tinybox")); got != string(box) {
				t.Error("the program in the root is not the one of the archive")
			}
			w.ok("verify", "tiny")
		})
	}
}

// wantIdentity looks at a program from outside: it must be one that this
// machine cannot run by itself.
func wantIdentity(t *testing.T, w *world, file, arch string) {
	t.Helper()
	var got []struct{ Arch string }
	if err := json.Unmarshal([]byte(w.ok("arch", "identify", file, "--json")), &got); err != nil || len(got) != 1 || got[0].Arch != arch {
		t.Errorf("%s is %+v (%v), want %s", file, got, err, arch)
	}
}

func TestArchiveCompressions(t *testing.T) {
	plain := tinyRoot(t, "powerpc").save()
	for _, tool := range []string{"", "gzip", "bzip2", "xz", "zstd"} {
		t.Run("tar "+tool, func(t *testing.T) {
			file := compressed(t, tool, plain)
			w := newWorld(t, caller)
			w.ok("create", "tiny", "--arch", "powerpc", "--from", "archive:"+file, "--sha256", digest(file))
			if got := w.sh("tiny", "uname -m"); got != "ppc" {
				t.Errorf("uname -m says %q", got)
			}
			var info struct{ Source struct{ SHA256 string } }
			if err := json.Unmarshal([]byte(w.ok("info", "tiny", "--json")), &info); err != nil || info.Source.SHA256 != digest(file) {
				t.Errorf("the record has digest %q (%v), want %q", info.Source.SHA256, err, digest(file))
			}
		})
	}
}

// compressed is a file packed by one of the usual tools, under a name that
// says nothing.
func compressed(t *testing.T, tool, file string) string {
	t.Helper()
	if tool == "" {
		return file
	}
	if _, err := exec.LookPath(tool); err != nil {
		t.Skip(err)
	}
	out, err := exec.Command(tool, "-c", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	packed := filepath.Join(sharedDir(t), "root")
	writeFile(t, packed, string(out), 0o644)
	return packed
}

func digest(file string) string {
	sum := sha256.Sum256([]byte(readFile(file)))
	return hex.EncodeToString(sum[:])
}

func TestArchiveByHTTP(t *testing.T) {
	file := tinyRoot(t, "powerpc").save()
	srv := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(file))))
	defer srv.Close()
	for _, args := range [][]string{
		{"--from", "archive:" + srv.URL + "/root.tar"},
		{"--from", srv.URL + "/root.tar", "--sha256", digest(file)},
	} {
		w := newWorld(t, caller)
		w.ok(append([]string{"create", "tiny", "--arch", "powerpc"}, args...)...)
		if got := w.sh("tiny", "uname -m"); got != "ppc" {
			t.Errorf("uname -m says %q", got)
		}
		if got := names(filepath.Join(w.state, "jails/tiny")); !slices.Equal(got, []string{"jail.json", "root"}) {
			t.Errorf("beside the root: %q", got)
		}
	}
}

// A copy of a directory, in a place of the user's choice.
func TestDirectoryAndPath(t *testing.T) {
	archive := tinyRoot(t, "powerpc").save()
	w := newWorld(t, caller)
	w.ok("create", "first", "--arch", "powerpc", "--from", "archive:"+archive)
	root := filepath.Join(filepath.Dir(w.state), "somewhere", "else")
	if err := os.Mkdir(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	w.ok("create", "second", "--arch", "powerpc", "--from", "dir:"+filepath.Join(w.state, "jails/first/root"), "--path", root)
	if got := w.sh("second", "cat /etc/words | wc"); got != "3" {
		t.Errorf("in the copy: %q", got)
	}
	if got := names(filepath.Dir(root)); !slices.Equal(got, []string{"else"}) {
		t.Errorf("beside the root: %q", got)
	}
	w.ok("destroy", "second")
	if got := names(filepath.Dir(root)); len(got) != 0 {
		t.Errorf("left by destroy: %q", got)
	}
	if got := w.sh("first", "uname -m"); got != "ppc" {
		t.Errorf("the first jail says %q", got)
	}
}

// As root, a root has what the archive says, to the nanosecond.
func TestArchiveKeepsAttributes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	tb := tinyRoot(t, "powerpc")
	tb.add(tar.Header{Typeflag: tar.TypeReg, Name: "bin/setuid", Mode: 0o4755, Uid: 7, Gid: 8}, "x")
	tb.add(tar.Header{Typeflag: tar.TypeReg, Name: "etc/attributes", Mode: 0o640, Uid: 1234567, Gid: 89,
		PAXRecords: map[string]string{"SCHILY.xattr.user.colour": "blue"}}, "y")
	tb.symlink("etc/absolute", "/etc/words")
	tb.symlink("etc/out", "../../../../etc/passwd")
	tb.add(tar.Header{Typeflag: tar.TypeLink, Name: "etc/second-name", Linkname: "etc/words"}, "")
	tb.add(tar.Header{Typeflag: tar.TypeFifo, Name: "tmp/fifo", Mode: 0o600}, "")
	tb.add(tar.Header{Typeflag: tar.TypeDir, Name: "etc/closed/", Mode: 0o1700, Uid: 5, Gid: 6}, "")
	archive := tb.save()
	w := newWorld(t, caller)
	w.ok("create", "tiny", "--arch", "powerpc", "--from", "archive:"+archive)
	root := filepath.Join(w.state, "jails/tiny/root")
	for name, want := range map[string]string{
		"bin/setuid":     "-4755 7:8",
		"etc/attributes": "-640 1234567:89",
		"etc/closed":     "d1700 5:6",
		"tmp/fifo":       "p600 0:0",
	} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(root, name), &st); err != nil {
			t.Error(err)
			continue
		}
		if got := modeOf(&st); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"bin/setuid", "etc/absolute", "etc/closed", "etc/words", "etc"} {
		if info, err := os.Lstat(filepath.Join(root, name)); err != nil || !info.ModTime().Equal(longAgo) {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	for name, want := range map[string]string{"etc/absolute": "/etc/words", "etc/out": "../../../../etc/passwd"} {
		if to, err := os.Readlink(filepath.Join(root, name)); err != nil || to != want {
			t.Errorf("%s leads to %q, %v", name, to, err)
		}
	}
	first, err1 := os.Stat(filepath.Join(root, "etc/words"))
	second, err2 := os.Stat(filepath.Join(root, "etc/second-name"))
	if err1 != nil || err2 != nil || !os.SameFile(first, second) {
		t.Errorf("etc/second-name is another file: %v, %v", err1, err2)
	}
	colour := make([]byte, 16)
	if n, err := unix.Getxattr(filepath.Join(root, "etc/attributes"), "user.colour", colour); err == nil && string(colour[:n]) != "blue" {
		t.Errorf("user.colour is %q", colour[:n])
	} else if err != nil && !strings.Contains(readFile(filepath.Join(w.state, "jails/tiny/metadata.json")), "user.colour") {
		t.Errorf("user.colour: %v, and nothing is kept of it", err)
	}
	if got := w.sh("tiny", "cat /etc/absolute | wc"); got != "3" {
		t.Errorf("through the absolute link: %q", got)
	}
	if r := w.run("exec", "tiny", "--", "cat", "/etc/out"); !strings.Contains(r.stdout, "porter") {
		t.Errorf("the link out of the root leads to the root's own file: %v", r)
	}
}
