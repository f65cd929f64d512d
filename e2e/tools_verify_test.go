package e2e

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// finding is a line of xjail tools verify --json.
type finding struct {
	Result, Check, Message string
	Evidence               []string
	Code                   int
}

// of is the same world for a part of a test.
func (w *world) of(t *testing.T) *world {
	part := *w
	part.t = t
	return &part
}

// verified is what tools verify says, and its status.
func (w *world) verified(args ...string) ([]finding, int) {
	w.t.Helper()
	r := w.run(append([]string{"tools", "verify", "tried", "--json"}, args...)...)
	var list []finding
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil {
		w.t.Fatalf("%v: %v", r, err)
	}
	return list, r.status
}

// toolManifest is the manifest of a jail's tools, as far as the tests change it.
type toolManifest struct {
	w    *world
	file string
	text []byte
	all  map[string]any
	farm string
}

func (w *world) toolManifest(jail string) *toolManifest {
	w.t.Helper()
	m := &toolManifest{w: w, file: filepath.Join(w.state, "jails", jail, "tools", "manifest.json")}
	m.text = []byte(readFile(m.file))
	if err := json.Unmarshal(m.text, &m.all); err != nil {
		w.t.Fatal(err)
	}
	m.farm = filepath.Join(w.state, m.all["farm"].(string))
	return m
}

// replace puts another file into the farm, and into the manifest when it is to
// be believed. It is undone at the end of the test.
func (m *toolManifest) replace(t *testing.T, name string, text []byte, believed bool) {
	t.Helper()
	file := filepath.Join(m.farm, name)
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	put := func(text []byte) {
		_ = os.Remove(file)
		if err := os.WriteFile(file, text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(text)
	t.Cleanup(func() { put(old) })
	if !believed {
		return
	}
	sum := sha256.Sum256(text)
	m.edit(t, func(files []any) []any {
		for _, f := range files {
			if f := f.(map[string]any); f["source"] == name {
				f["sha256"], f["size"] = hex.EncodeToString(sum[:]), len(text)
			}
		}
		return files
	})
}

// edit changes the list of files.
func (m *toolManifest) edit(t *testing.T, change func([]any) []any) {
	t.Helper()
	m.all["files"] = change(m.all["files"].([]any))
	text, err := json.Marshal(m.all)
	if err == nil {
		err = os.WriteFile(m.file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(m.file, m.text, 0o600); err != nil {
			t.Fatal(err)
		}
	})
}

// goProgram builds a static program for this machine.
func goProgram(t *testing.T, text string) []byte {
	t.Helper()
	dir := sharedDir(t)
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", "p", "p.go")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return []byte(readFile(filepath.Join(dir, "p")))
}

// treeState is every name of a tree with what stat(2) says, but for the times at
// which it was read. Nobody can set back the time of the last change of an inode,
// so what was changed and restored is compared without.
func treeState(t *testing.T, dir string, restored bool) map[string]string {
	t.Helper()
	state := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		if restored {
			st.Ctim = unix.Timespec{}
		}
		state[name] = fmt.Sprint(st.Mode, st.Uid, st.Gid, st.Size, st.Nlink, st.Mtim, st.Ctim, st.Ino)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func sameTree(t *testing.T, what string, before, after map[string]string) {
	t.Helper()
	for name, st := range after {
		if before[name] != st {
			t.Errorf("%s: %s was %q, is %q", what, name, before[name], st)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			t.Errorf("%s: %s is gone", what, name)
		}
	}
}

// The self-test passes on good tools, catches each kind of bad ones, and leaves
// nothing behind.
func TestToolsVerify(t *testing.T) {
	w := newWorld(t, caller)
	toolsRoot(t, w, "tried")
	dir := filepath.Join(w.state, "jails", "tried")
	root := filepath.Join(dir, "root")
	before, restored := treeState(t, root, false), treeState(t, root, true)
	allowed := filepath.Join(sharedDir(t), "allowed.yaml")
	if err := os.WriteFile(allowed, []byte("tools:\n  allow: [uname]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Run("interrupted", func(t *testing.T) { verifyInterrupted(t, w.of(t)) })
	t.Run("good", func(t *testing.T) { verifyGood(t, w.of(t)) })
	sameTree(t, "after the self-test", before, treeState(t, root, false))
	for _, tt := range badTools {
		t.Run(tt.name, func(t *testing.T) {
			w := w.of(t)
			tt.damage(t, w.toolManifest("tried"))
			args := []string{"--quick"}
			if tt.allow {
				args = append(args, "--config", allowed)
			}
			list, status := w.verified(args...)
			i := slices.IndexFunc(list, func(f finding) bool { return f.Result == "failed" && f.Check == tt.check })
			if status != tt.status || i < 0 || !strings.Contains(list[i].Message+strings.Join(list[i].Evidence, "\n"), tt.shows) {
				t.Errorf("status %d, want %d, %q and %q: %+v", status, tt.status, tt.check, tt.shows, list)
			}
		})
	}
	t.Run("not installed", func(t *testing.T) { badIsNotInstalled(t, w.of(t)) })
	sameTree(t, "in the end", restored, treeState(t, root, true))
	if got := names(dir); slices.Contains(got, "selftest") {
		t.Errorf("left: %q", got)
	}
}

func verifyGood(t *testing.T, w *world) {
	list, status := w.verified()
	if status != 0 {
		t.Errorf("status %d: %+v", status, list)
	}
	var said []string
	for _, f := range list {
		said = append(said, f.Result+" "+f.Check)
	}
	for _, check := range []string{"architecture", "digests", "libraries", "link", "start", "versions", "identity", "compiler", "compiler answers", "programs", "programs without tools", "configure", "objects"} {
		if !slices.Contains(said, "ok "+check) {
			t.Errorf("%s is not among %q", check, said)
		}
	}
}

// verifyInterrupted stops a self-test when a compiler is at work in the jail.
func verifyInterrupted(t *testing.T, w *world) {
	cmd := w.command("tools", "verify", "tried")
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(w.state, "jails", "tried")
	for range 20 { // a busy machine takes minutes
		if waitQuietly(func() bool { return len(glob(dir+"/selftest/hybrid/run-*/build-c.out")) > 0 }) {
			break
		}
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	_ = cmd.Wait()
	if !strings.Contains(said.String(), "programs, hybrid") {
		t.Errorf("it was not at its programs yet: %s", said.String())
	}
	if got := cmd.ProcessState.ExitCode(); got != 130 {
		t.Errorf("status %d: %s", got, said.String())
	}
	if got := names(dir); slices.Contains(got, "selftest") {
		t.Errorf("left: %q", got)
	}
}

// waitQuietly is waitFor that tells how it ended.
func waitQuietly(so func() bool) bool {
	for range 600 {
		if so() {
			return true
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}

const gccOfFarm = "usr/bin/aarch64-linux-gnu-gcc-12"

// badTools are what the self-test must catch.
var badTools = []struct {
	name   string
	damage func(*testing.T, *toolManifest)
	allow  bool // uname, by the configuration
	status int
	check  string
	shows  string
}{
	{"a program of the wrong architecture", func(t *testing.T, m *toolManifest) {
		m.replace(t, "usr/bin/sed", []byte(readFile(filepath.Join(m.w.state, "jails/tried/root/usr/bin/sed"))), true)
	}, false, 18, "architecture", "/usr/bin/sed: it is aarch64"},
	{"a file that was changed", func(t *testing.T, m *toolManifest) {
		m.replace(t, "usr/bin/sed", append([]byte(readFile(filepath.Join(m.farm, "usr/bin/sed"))), 0), false)
	}, false, 12, "digests", "/usr/bin/sed"},
	{"another version", func(t *testing.T, m *toolManifest) {
		text := []byte(readFile(filepath.Join(m.farm, "usr/bin/sed")))
		other := bytes.ReplaceAll(text, []byte("\x004.9\x00"), []byte("\x004.8\x00"))
		if bytes.Equal(text, other) {
			t.Fatal("sed has no version to change")
		}
		m.replace(t, "usr/bin/sed", other, true)
	}, false, 12, "start", "4.8"},
	{"a missing library", func(t *testing.T, m *toolManifest) {
		file := filepath.Join(m.farm, "usr/lib/x86_64-linux-gnu/libselinux.so.1")
		if err := os.Rename(file, file+".away"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Rename(file+".away", file) })
	}, false, 1, "link", "libselinux.so.1"},
	{"a compiler that answers right and makes programs of the host", func(t *testing.T, m *toolManifest) {
		m.replace(t, gccOfFarm, goProgram(t, hostCompiler), true)
	}, false, 18, "program c", "it is amd64"},
	{"a compiler of the host", func(t *testing.T, m *toolManifest) {
		m.replace(t, gccOfFarm, goProgram(t, strings.Replace(hostCompiler, "aarch64-linux-gnu", "x86_64-linux-gnu", 1)), true)
	}, false, 18, "compiler", "says x86_64-linux-gnu, want aarch64-linux-gnu"},
	{"a native uname", nativeUname, false, 1, "policy", "/usr/bin/uname: tells the architecture"},
	{"a native uname that a configuration allows", nativeUname, true, 18, "identity", `uname-m: "x86_64"`},
	{"an emulated plug-in", func(t *testing.T, m *toolManifest) {
		m.edit(t, func(files []any) []any {
			return slices.DeleteFunc(files, func(f any) bool { return f.(map[string]any)["kind"] == "plugin" })
		})
	}, false, 1, "program lto", "plugin"},
}

// hostCompiler is a compiler of which the output is itself.
const hostCompiler = `package main

import (
	"fmt"
	"os"
)

func main() {
	for i, a := range os.Args {
		switch a {
		case "-dumpmachine":
			fmt.Println("aarch64-linux-gnu")
		case "--version":
			fmt.Println("gcc 12.2.0")
		case "-o":
			b, _ := os.ReadFile("/proc/self/exe")
			os.WriteFile(os.Args[i+1], b, 0o755)
		}
	}
}
`

func nativeUname(t *testing.T, m *toolManifest) {
	text := goProgram(t, "package main\nimport \"fmt\"\nfunc main() { fmt.Println(\"x86_64\") }\n")
	name := "usr/bin/uname"
	if err := os.WriteFile(filepath.Join(m.farm, name), text, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(filepath.Join(m.farm, name)) })
	st, err := os.Stat(filepath.Join(m.w.state, "jails/tried/root", name))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	m.edit(t, func(files []any) []any {
		return append(files, map[string]any{
			"path": "/" + name, "source": name, "kind": "program", "sha256": hex.EncodeToString(sum[:]), "size": len(text),
			"original": map[string]any{"size": st.Size(), "mode": st.Mode(), "mtime": st.ModTime().Format(time.RFC3339Nano)},
		})
	})
}

// badIsNotInstalled: the farm in the cache is damaged, and an installation that
// takes it fails; the jail has the tools that it had.
func badIsNotInstalled(t *testing.T, w *world) {
	m := w.toolManifest("tried")
	m.replace(t, "usr/bin/sed", append([]byte(readFile(filepath.Join(m.farm, "usr/bin/sed"))), 0), false)
	w.fails(12, "--no-verify", "tools", "install", "tried")
	if now := w.toolManifest("tried"); !bytes.Equal(now.text, m.text) {
		t.Error("the jail has another manifest than before")
	}
	if f, err := elf.NewFile(bytes.NewReader([]byte(w.ok("exec", "tried", "--", "cat", "/usr/bin/tar")))); err != nil || f.Machine != elf.EM_X86_64 {
		t.Errorf("tar is not native: %v", err)
	}
}
