package e2e

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a user can get wrong: each has its exit status, a message that names it,
// a hint, and leaves nothing.
func TestWrongWords(t *testing.T) {
	archive := tinyRoot(t, "powerpc").save()
	here := sharedDir(t)
	from := "archive:" + archive
	for _, tt := range []struct {
		name   string
		status int
		text   string
		args   []string
	}{
		{"unknown architecture", 10, "mips64", []string{"create", "mips46"}},
		{"unknown --arch", 10, "riscv64", []string{"create", "x", "--arch", "risc64"}},
		{"no source of its own", 10, "archive:", []string{"create", "powerpc"}},
		{"name with a slash", 64, "a/b", []string{"create", "a/b", "--arch", "powerpc", "--from", from}},
		{"name that climbs", 64, `".."`, []string{"create", "..", "--arch", "powerpc", "--from", from}},
		{"no name", 64, `""`, []string{"create", "", "--arch", "powerpc", "--from", from}},
		{"long name", 64, "64 at most", []string{"create", strings.Repeat("n", 65), "--arch", "powerpc", "--from", from}},
		{"name of an option", 64, "--help", []string{"create", "--arhc", "powerpc"}},
		{"archive that is not there", 10, "no such file", []string{"create", "tiny", "--arch", "powerpc", "--from", "archive:" + here + "/none"}},
		{"archive that is a directory", 17, "dir:", []string{"create", "tiny", "--arch", "powerpc", "--from", "archive:" + here}},
		{"directory that is a file", 17, "archive:", []string{"create", "tiny", "--arch", "powerpc", "--from", "dir:" + archive}},
		{"unknown source", 64, "miniroot", []string{"create", "tiny", "--arch", "powerpc", "--from", "tarball:" + archive}},
		{"wrong digest", 12, digest(archive), []string{"create", "tiny", "--arch", "powerpc", "--from", from, "--sha256", strings.Repeat("0", 64)}},
		{"digest of nothing", 64, "--sha256", []string{"create", "tiny", "--arch", "mips64", "--from", "miniroot", "--sha256", strings.Repeat("0", 64)}},
		{"no digest", 64, "64", []string{"create", "tiny", "--arch", "powerpc", "--from", from, "--sha256", "abc"}},
		{"another architecture", 18, "powerpc", []string{"create", "tiny", "--arch", "mips64", "--from", from}},
		{"--path that exists", 16, here, []string{"create", "tiny", "--arch", "powerpc", "--from", from, "--path", here}},
		{"no mini root", 13, "archive:", []string{"create", "tiny", "--arch", "powerpc", "--from", "miniroot"}},
		{"not in this Debian", 10, "bookworm", []string{"create", "tiny", "--arch", "mips64el", "--from", "debian:trixie"}},
		{"exec without a jail", 10, "xjail create", []string{"exec", "nobody", "--", "true"}},
		{"verify without a jail", 10, "xjail create", []string{"verify", "nobody"}},
		{"destroy without a jail", 10, "xjail create", []string{"destroy", "nobody"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, caller)
			w.fails(tt.status, tt.text, tt.args...)
			w.nothingLeft()
		})
	}
}

func TestWrongEmulators(t *testing.T) {
	archive := tinyRoot(t, "powerpc").save()
	w := newWorld(t, caller)
	needEmulator(t, w, "powerpc")
	real := findEmulator(t, w, "powerpc")
	text := readFile(real)
	dir := sharedDir(t)
	put := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		writeFile(t, file, text, mode)
		return file
	}
	dynamic, err := exec.LookPath("env")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		status int
		text   string
		file   string
	}{
		{"dynamic", 19, "dynamic", put("qemu-ppc", readFile(dynamic), 0o755)},
		{"for another machine", 19, "powerpc", put("qemu-ppc-static", string(tinybox(t, "powerpc")), 0o755)},
		{"truncated", 19, "truncated", put("qemu-ppc-short", text[:len(text)/2], 0o755)},
		{"header alone", 19, "truncated", put("qemu-ppc-header", text[:64], 0o755)},
		{"not executable", 19, "chmod +x", put("qemu-ppc-mode", text, 0o644)},
		{"a script", 19, "", put("qemu-ppc-script", "#!/bin/sh\nexec qemu-ppc-static \"$@\"\n", 0o755)},
		{"empty", 19, "", put("qemu-ppc-empty", "", 0o755)},
		{"not there", 10, "", filepath.Join(dir, "none")},
		{"a directory", 19, "", dir},
		{"of another target", 19, "arm", findEmulator(t, w, "arm")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, caller)
			w.fails(tt.status, tt.text, "create", "tiny", "--arch", "powerpc", "--from", "archive:"+archive, "--emulator", tt.file)
			w.nothingLeft()
		})
	}
}

func findEmulator(t *testing.T, w *world, arch string) string {
	t.Helper()
	for _, dir := range []string{"/usr/bin", "/usr/local/bin"} {
		for _, target := range []string{arch, strings.Replace(arch, "powerpc", "ppc", 1)} {
			file := filepath.Join(dir, "qemu-"+target+"-static")
			if _, err := os.Stat(file); err == nil {
				return file
			}
		}
	}
	t.Skipf("no static emulator of %s", arch)
	return ""
}

func TestWrongArchives(t *testing.T) {
	good := tinyRoot(t, "powerpc").save()
	empty := newTarball(t).save()
	noShell := newTarball(t)
	noShell.file("etc/words", "x")
	box := newTarball(t)
	box.file("bin/sh", "#!/bin/none\n")
	dir := sharedDir(t)
	put := func(name, text string) string {
		writeFile(t, filepath.Join(dir, name), text, 0o644)
		return filepath.Join(dir, name)
	}
	tests := []struct {
		name   string
		status int
		text   string
		file   string
	}{
		{"empty file", 17, "empty", put("empty", "")},
		{"text", 17, "not", put("text", "this is not a tar\n")},
		{"zip", 17, "", put("zip", "PK\x03\x04"+strings.Repeat("x", 600))},
		{"tar of nothing", 17, "", empty},
		{"tar cut in a file", 17, "", put("cut.tar", readFile(good)[:3000+len(tinybox(t, "powerpc"))/2])},
		{"tar cut in a header", 17, "", put("cut2.tar", readFile(good)[:700])},
		{"root without a shell", 17, "", noShell.save()},
		{"shell that is a script without its interpreter", 17, "", box.save()},
	}
	for _, tool := range []string{"gzip", "bzip2", "xz", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			continue
		}
		packed := readFile(compressed(t, tool, good))
		tests = append(tests, struct {
			name   string
			status int
			text   string
			file   string
		}{tool + " cut", 17, "", put("cut."+tool, packed[:len(packed)-7])})
		damaged := []byte(packed)
		damaged[len(damaged)/2] ^= 0x55
		tests = append(tests, struct {
			name   string
			status int
			text   string
			file   string
		}{tool + " damaged", 17, "", put("damaged."+tool, string(damaged))})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, caller)
			w.fails(tt.status, tt.text, "create", "tiny", "--arch", "powerpc", "--from", "archive:"+tt.file)
			w.nothingLeft()
		})
	}
}

func TestExistingJail(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	before := readFile(filepath.Join(w.state, "jails/tiny/jail.json"))
	w.fails(16, "xjail destroy tiny", "create", "tiny", "--arch", "powerpc", "--from", "archive:/none")
	if readFile(filepath.Join(w.state, "jails/tiny/jail.json")) != before || w.sh("tiny", "uname -m") != "ppc" {
		t.Error("the jail was changed")
	}
}

// With a download, there are more ways to fail.
func TestWrongDownloads(t *testing.T) {
	good := readFile(tinyRoot(t, "powerpc").save())
	mux := http.NewServeMux()
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "9999999")
		_, _ = w.Write([]byte(good[:5000]))
	})
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>not here</html>")) })
	mux.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(good)) })
	srv := httptest.NewServer(mux)
	defer srv.Close()
	gone := httptest.NewServer(mux)
	gone.Close()
	for _, tt := range []struct {
		name   string
		status int
		text   string
		args   []string
	}{
		{"404", 10, "404", []string{srv.URL + "/none"}},
		{"cut", 17, "after 5000 of 9999999 bytes", []string{srv.URL + "/cut"}},
		{"a page", 17, "", []string{srv.URL + "/page"}},
		{"wrong digest", 12, "SHA-256", []string{srv.URL + "/good", "--sha256", strings.Repeat("1", 64)}},
		{"nobody there", 1, "refused", []string{gone.URL + "/good"}},
		{"no such host", 1, "nowhere.invalid", []string{"http://nowhere.invalid/x.tar"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, caller)
			w.env = []string{"http_proxy=", "HTTP_PROXY="}
			w.fails(tt.status, tt.text, append([]string{"create", "tiny", "--arch", "powerpc", "--from"}, tt.args...)...)
			w.nothingLeft()
		})
	}
}

// prepared is a command that runs in a mount namespace of its own after a
// script of the shell, in which $state is the state directory.
func (w *world) prepared(script string, args ...string) *exec.Cmd {
	cmd := w.command(args...)
	unshare := []string{"--mount"}
	if os.Geteuid() != 0 {
		unshare = append(unshare, "--user", "--map-root-user")
	}
	prepared := exec.Command("unshare", append(append(unshare, "sh", "-ec", script+"\nexec \"$@\"", "sh"), cmd.Args...)...)
	prepared.Dir, prepared.Env = "/", slices.Concat(cmd.Env, []string{"state=" + w.state})
	return prepared
}

func (w *world) failsPrepared(status int, text, script string, args ...string) {
	w.t.Helper()
	r := w.runCommand(w.prepared(script, args...), args)
	if r.status != status || r.stdout != "" || !strings.Contains(r.stderr, text) || !strings.Contains(r.stderr, "hint: ") {
		w.t.Errorf("want status %d, %q and a hint: %v", status, text, r)
	}
	w.nothingLeft()
}

// A disk that is full at different points: no room for the journal, for the
// root, for the emulator.
func TestFullDisk(t *testing.T) {
	archive := tinyRoot(t, "powerpc").save()
	for _, size := range []string{"8k", "64k", "1m", "4m"} {
		t.Run(size, func(t *testing.T) {
			w := newWorld(t, caller)
			// What is left on the small disk is looked at before it goes.
			script := `mkdir "$state"; mount -t tmpfs -o size=` + size + ` tmpfs "$state"
"$@" && exit 99; status=$?; ls -A "$state"; exit $status`
			r := w.runCommand(w.prepared(script, "create", "tiny", "--arch", "powerpc", "--from", "archive:"+archive), nil)
			if r.status != 20 || r.stdout != "" || !strings.Contains(r.stderr, "hint: free space") {
				t.Errorf("want status 20 and nothing left: %v", r)
			}
		})
	}
}

func TestNoPermission(t *testing.T) {
	archive := tinyRoot(t, "powerpc").save()
	create := []string{"create", "tiny", "--arch", "powerpc", "--from", "archive:" + archive}
	t.Run("read-only", func(t *testing.T) {
		w := newWorld(t, caller)
		w.failsPrepared(14, "read-only", `dir=$(dirname "$state"); mount --bind "$dir" "$dir"; mount -o remount,bind,ro "$dir"`, create...)
	})
	t.Run("another user's place", func(t *testing.T) {
		w := newWorld(t, ordinaryUser(t, false))
		if err := os.Chown(filepath.Dir(w.state), 0, 0); err != nil {
			t.Fatal(err)
		}
		w.fails(14, "--state", create...)
		w.nothingLeft()
	})
	t.Run("root's jails", func(t *testing.T) {
		w := tinyJail(t, caller, "powerpc")
		other := *w
		other.as = ordinaryUser(t, false)
		for _, args := range [][]string{{"exec", "tiny", "--", "true"}, {"destroy", "tiny"}, {"verify", "tiny"}, {"info", "tiny"}, {"list"}} {
			other.fails(14, "root", args...)
		}
		if got := w.sh("tiny", "uname -m"); got != "ppc" {
			t.Errorf("afterwards: %q", got)
		}
	})
	t.Run("a path", func(t *testing.T) {
		w := newWorld(t, ordinaryUser(t, false))
		w.fails(14, "--path", append(create, "--path", "/usr/xjail-e2e-root")...)
		w.nothingLeft()
	})
	t.Run("the machine's table", func(t *testing.T) {
		w := newWorld(t, ordinaryUser(t, false))
		w.fails(14, "root", append(create, "--global")...)
		w.nothingLeft()
	})
}

// A system that forbids user namespaces gets a hint that names the setting.
func TestNoUserNamespaces(t *testing.T) {
	archive := tinyRoot(t, "powerpc").save()
	w := newWorld(t, caller)
	create := []string{"create", "tiny", "--arch", "powerpc", "--from", "archive:" + archive}
	cmd := w.command(create...)
	args := append([]string{"--user", "--map-root-user", "sh", "-ec", `echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"`, "sh"}, cmd.Args...)
	forbidden := exec.Command("unshare", args...)
	forbidden.Dir, forbidden.Env = "/", cmd.Env
	r := w.runCommand(forbidden, create)
	if r.status != 13 || r.stdout != "" || !strings.Contains(r.stderr, "max_user_namespaces") {
		t.Errorf("want status 13 and the setting's name: %v", r)
	}
	w.nothingLeft()
}

// Interrupted while it waits for the network.
func TestInterruptedDownload(t *testing.T) {
	arrived := make(chan struct{}, 3)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1000))
		w.(http.Flusher).Flush()
		arrived <- struct{}{}
		<-r.Context().Done()
	}))
	defer srv.Close()
	accounts := map[string]account{"caller": caller}
	if os.Geteuid() == 0 {
		accounts["ordinary user"] = ordinaryUser(t, false)
	}
	for name, as := range accounts {
		for _, signal := range stopSignals {
			t.Run(name+" "+signal.String(), func(t *testing.T) {
				w := newWorld(t, as)
				cmd := w.command("create", "tiny", "--arch", "powerpc", "--from", srv.URL+"/root.tar")
				var stdout, stderr bytes.Buffer
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				guard := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
				defer guard.Stop()
				select {
				case <-arrived:
				case <-time.After(30 * time.Second):
					_ = cmd.Process.Kill()
					_ = cmd.Wait()
					t.Fatalf("nothing was asked for: %s", &stderr)
				}
				if err := cmd.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait()
				if got := cmd.ProcessState.ExitCode(); got != 130 || stdout.Len() != 0 {
					t.Errorf("status %d, stdout %q, stderr %s", got, &stdout, &stderr)
				}
				w.nothingLeft()
			})
		}
	}
}
