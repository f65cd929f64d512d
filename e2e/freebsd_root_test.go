package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/jail/source/releasetest"
	"github.com/xjail/xjail/qemu"
)

// bsdMirror is a server with a small release of FreeBSD for aarch64, and a
// configuration that names it.
type bsdMirror struct {
	*releasetest.Server
	config string
}

func newBSDMirror(t *testing.T) *bsdMirror {
	t.Helper()
	a, err := arch.Lookup("aarch64")
	if err != nil {
		t.Fatal(err)
	}
	m := &bsdMirror{Server: &releasetest.Server{Release: releasetest.New(t, a)}}
	srv := httptest.NewServer(m)
	t.Cleanup(srv.Close)
	m.config = filepath.Join(sharedDir(t), "xjail.yaml")
	writeFile(t, m.config, "freebsd_mirrors: ["+srv.URL+"]\n", 0o644)
	return m
}

// create is the command that makes a jail of the release.
func (m *bsdMirror) create(name string, more ...string) []string {
	return append([]string{"--config", m.config, "create", name, "--arch", "arm64", "--from", "release:14.3"}, more...)
}

// holds makes the server send the beginning of each set and then nothing, and
// tells when it has.
func (m *bsdMirror) holds() <-chan struct{} {
	held := make(chan struct{}, 8)
	m.Answer(func(w http.ResponseWriter, r *http.Request) {
		text := m.Release.Files[filepath.Base(r.URL.Path)]
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Content-Length", "99999")
		_, _ = w.Write(text[:len(text)/2])
		w.(http.Flusher).Flush()
		held <- struct{}{}
		<-r.Context().Done()
	})
	return held
}

// bsdWorld is a world that asks no proxy. Its cache goes with ends.
func bsdWorld(t *testing.T, as account) *world {
	t.Helper()
	w := newWorld(t, as)
	a, err := arch.Lookup("aarch64")
	if err != nil {
		t.Fatal(err)
	}
	if e, _, err := qemu.Find(t.Context(), a, qemu.FindOptions{GuestOS: "freebsd", SkipDigest: true}); err == nil {
		t.Skip("needs a machine without an emulator for FreeBSD, and there is " + e.Path)
	}
	w.env = []string{"http_proxy=", "HTTP_PROXY="}
	return w
}

// ends destroys the jails and the cache.
func (w *world) ends(jails ...string) {
	w.t.Helper()
	w.ok(append([]string{"destroy"}, jails...)...)
	w.ok("cache", "prune", "--all")
}

func TestFreeBSDRoot(t *testing.T) {
	for name, as := range map[string]account{"caller": caller, "with subordinate ids": ordinaryUser(t, true), "with one id": ordinaryUser(t, false)} {
		t.Run(name, func(t *testing.T) {
			m := newBSDMirror(t)
			w := bsdWorld(t, as)
			if out := w.ok(m.create("bsd")...); !strings.Contains(out, "nothing was run in it") {
				t.Errorf("create says %q", out)
			}
			if got := m.Asked(); !slices.Equal(got, []string{"MANIFEST", "base.txz", "lib32.txz"}) {
				t.Errorf("asked for %q", got)
			}
			root := filepath.Join(w.state, "jails/bsd/root")
			wantIdentity(t, w, filepath.Join(root, "bin/sh"), "aarch64")
			if !strings.Contains(readFile(filepath.Join(w.state, "jails/bsd/metadata.json")), `"flags":"schg"`) {
				t.Error("metadata.json has no file flags")
			}
			w.fails(10, "cannot be entered here", "exec", "bsd", "--", "uname")
			w.ok("verify", "bsd")
			w.ok(m.create("again")...)
			if got := m.Asked(); !slices.Equal(got, []string{"MANIFEST"}) {
				t.Errorf("the second jail asked for %q", got)
			}
			w.ends("bsd", "again")
		})
	}
}

// Killed or interrupted in the middle of a download: nothing of the jail is
// left, and the next create goes on where it ended.
func TestFreeBSDDownloadStopped(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"interrupted": syscall.SIGINT, "killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			m := newBSDMirror(t)
			w := bsdWorld(t, caller)
			held := m.holds()
			cmd := w.command(m.create("bsd")...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			<-held
			waitFor(t, "the first bytes", func() bool {
				parts := glob(filepath.Join(w.state, "cache/sets/*/part"))
				return len(parts) == 1 && readFile(parts[0]) != ""
			})
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if sig == syscall.SIGINT {
				if code := cmd.ProcessState.ExitCode(); code != 130 || len(w.jails()) > 0 {
					t.Errorf("status %d, jails %q", code, w.jails())
				}
			}
			if list := w.ok("cache", "list"); !strings.Contains(list, "partial") || strings.Contains(list, "busy") {
				t.Errorf("the cache: %s", list)
			}
			m.Answer(nil)
			m.Asked()
			w.ok(m.create("bsd")...)
			if got := m.Asked(); len(got) != 3 || !strings.HasPrefix(got[1], "base.txz bytes=") {
				t.Errorf("the next create asked for %q", got)
			}
			w.ends("bsd")
		})
	}
}

// Two at a time: the second waits, and nothing is fetched twice. A prune takes
// nothing away from them.
func TestFreeBSDConcurrentCreate(t *testing.T) {
	m := newBSDMirror(t)
	w := bsdWorld(t, caller)
	go1 := make(chan struct{})
	held := make(chan struct{}, 8)
	m.Answer(func(rw http.ResponseWriter, r *http.Request) {
		held <- struct{}{}
		<-go1
		_, _ = rw.Write(m.Release.Files[filepath.Base(r.URL.Path)])
	})
	results := make(chan result, 2)
	for _, name := range []string{"one", "two"} {
		cmd := w.command(m.create(name)...)
		go func() { results <- w.runCommand(cmd, []string{name}) }()
	}
	<-held
	if out := w.ok("cache", "prune", "--all"); !strings.Contains(out, "in use") {
		t.Errorf("prune says %q", out)
	}
	close(go1)
	for range 2 {
		if r := <-results; r.status != 0 {
			t.Error(r)
		}
	}
	asked := m.Asked()
	slices.Sort(asked)
	if !slices.Equal(asked, []string{"MANIFEST", "MANIFEST", "base.txz", "lib32.txz"}) {
		t.Errorf("asked for %q", asked)
	}
	w.ends("one", "two")
}

// A full disk, while the set is fetched and while it is unpacked.
func TestFreeBSDFullDisk(t *testing.T) {
	m := newBSDMirror(t)
	for _, size := range []string{"8k", "24k", "40k"} {
		t.Run(size, func(t *testing.T) {
			w := bsdWorld(t, caller)
			script := `mkdir "$state"; mount -t tmpfs -o size=` + size + ` tmpfs "$state"
"$@" && exit 99; status=$?; ls -A "$state/jails" 2>/dev/null || true; exit $status`
			r := w.runCommand(w.prepared(script, m.create("bsd")...), nil)
			if r.status != 20 || r.stdout != "" || !strings.Contains(r.stderr, "hint: free space") {
				t.Errorf("want status 20 and no jail left: %v", r)
			}
		})
	}
}

// Each bad mirror has its status, and leaves nothing.
func TestFreeBSDBadMirrors(t *testing.T) {
	m := newBSDMirror(t)
	w := bsdWorld(t, caller)
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		status int
		text   string
	}{
		"flipped bit": {func(rw http.ResponseWriter, r *http.Request) {
			text := slices.Clone(m.Release.Files[filepath.Base(r.URL.Path)])
			text[len(text)/2] ^= 4
			_, _ = rw.Write(text)
		}, 12, "SHA-256"},
		"missing": {http.NotFound, 10, "404"},
		"short": {func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", "99999")
			_, _ = rw.Write([]byte("x"))
		}, 17, "cut short"},
		"elsewhere": {func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "http://localhost:9/"+r.URL.Path, http.StatusFound)
		}, 15, "redirects to another host"},
	} {
		m.Answer(tt.answer)
		w.fails(tt.status, tt.text, m.create("bsd")...)
		if len(w.jails()) > 0 {
			t.Errorf("%s: left %q", name, w.jails())
		}
	}
	w.ok("cache", "prune", "--all")
	if _, err := os.Lstat(w.state); err == nil {
		t.Errorf("left: %q", names(w.state))
	}
}
