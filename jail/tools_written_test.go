package jail

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
	"github.com/xjail/xjail/jail/xtools/selftest"
)

// silentWatch is a Watcher that says nothing.
type silentWatch struct{}

func (silentWatch) Step(string, string)          {}
func (silentWatch) Progress(int64, int64, int64) {}
func (silentWatch) Log() io.Writer               { return io.Discard }
func (silentWatch) Warn(string)                  {}

// toolsJail is a jail with a record, a root of some programs, and a farm for it.
func toolsJail(t *testing.T) (Store, *Record, *os.Root, *xtools.Manifest) {
	t.Helper()
	s := Store{Dir: t.TempDir()}
	root := plant(t, "usr/bin/\nusr/lib/\n")
	r := &Record{Version: recordVersion, Name: "j", Arch: "arm64", Guest: "linux", Root: root.Name()}
	farm := filepath.Join(s.Dir, "cache/twins/x/root")
	m := toolsManifest()
	for _, dir := range []string{s.dir("j"), filepath.Join(farm, "usr/bin"), filepath.Join(farm, "usr/lib/x86_64-linux-gnu"), filepath.Join(farm, "lib64")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"usr/bin/sed", "usr/bin/grep", "usr/lib/x86_64-linux-gnu/libc.so.6", "lib64/ld-linux-x86-64.so.2"} {
		if err := os.WriteFile(filepath.Join(farm, name), []byte("native "+name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"usr/bin/sed", "usr/bin/grep"} {
		if err := root.WriteFile(name, []byte("own "+name), 0o755); err != nil {
			t.Fatal(err)
		}
		st, err := root.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		m.Files = append(m.Files, xtools.File{Path: "/" + name, Source: name, Kind: xtools.Program, Original: &xtools.Original{Size: st.Size(), MTime: st.ModTime()}})
	}
	if err := os.Chmod(s.dir("j"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.save(r); err != nil {
		t.Fatal(err)
	}
	_, l, err := s.take("j") // makes the file of the lock, as create does
	if err != nil {
		t.Fatal(err)
	}
	l.release()
	return s, r, root, m
}

func TestWrittenTools(t *testing.T) {
	s, r, root, m := toolsJail(t)
	before := listRoot(t, root)
	if err := s.useTools(r, root, m); err != nil { // laid over first
		t.Fatal(err)
	}
	if err := s.writeTools(t.Context(), r, root, m); err != nil {
		t.Fatal(err)
	}
	if text, _ := root.ReadFile("usr/bin/sed"); string(text) != "native usr/bin/sed" {
		t.Errorf("sed is %q", text)
	}
	got, err := s.LoadTools("j")
	if err != nil || got.Layout != xtools.Written {
		t.Fatalf("%+v, %v", got, err)
	}
	if o, _, err := s.overlayOf(r, &Command{}); err != nil || o != nil {
		t.Errorf("something is laid over too: %v, %v", o, err)
	}
	if _, _, err := s.overlayOf(r, &Command{NoTools: true}); fault.KindOf(err) != fault.Unsupported && runtime.GOOS == "linux" {
		t.Errorf("without tools: %v", err)
	}
	// A package brings another grep.
	if err := root.WriteFile("usr/bin/new", []byte("newer grep"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := root.Rename("usr/bin/new", "usr/bin/grep"); err != nil {
		t.Fatal(err)
	}
	_, list, err := s.Tools("j")
	if err != nil || len(list) != 2 || list[0].State != xtools.Drifted || list[1].State != xtools.Native {
		t.Errorf("%+v, %v", list, err)
	}
	if checks := s.verifyTools(root, r); len(checks) != 1 || checks[0].Result != Warning {
		t.Errorf("%+v", checks)
	}
	_, replaced, err := s.RemoveTools(t.Context(), "j")
	if err != nil || !slices.Equal(replaced, []string{"/usr/bin/grep"}) {
		t.Errorf("%v, %v", replaced, err)
	}
	if text, _ := root.ReadFile("usr/bin/grep"); string(text) != "newer grep" {
		t.Errorf("grep is %q", text)
	}
	if text, _ := root.ReadFile("usr/bin/sed"); string(text) != "own usr/bin/sed" {
		t.Errorf("sed is %q", text)
	}
	if after := listRoot(t, root); !slices.Equal(before, after) {
		t.Errorf("left in the root: %q, was %q", after, before)
	}
	if _, err := os.Stat(s.toolsDir("j")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left: %v", err)
	}
}

// What a killed command leaves is undone by the next one, whatever that is.
func TestWrittenToolsKilled(t *testing.T) {
	s, r, root, m := toolsJail(t)
	if err := s.writeTools(t.Context(), r, root, m); err != nil {
		t.Fatal(err)
	}
	// As it is before the record gets its name.
	dir := s.writtenDir("j")
	text, err := os.ReadFile(filepath.Join(dir, "laid.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(`"phase": "laying"`)) {
		t.Fatalf("%s", text)
	}
	if err := os.Rename(filepath.Join(dir, "laid.json"), filepath.Join(dir, "journal.json")); err != nil {
		t.Fatal(err)
	}
	_, l, err := s.use("j")
	if err != nil {
		t.Fatal(err)
	}
	l.release()
	if text, _ := root.ReadFile("usr/bin/sed"); string(text) != "own usr/bin/sed" {
		t.Errorf("sed is %q", text)
	}
	if got, err := s.LoadTools("j"); got != nil || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// otherTools is a source that has nothing.
type otherTools struct{ err error }

func (o otherTools) Name() string { return "other" }
func (o otherTools) Collect(context.Context, *xtools.Subject, xtools.Notes) (*xtools.Manifest, error) {
	return nil, o.err
}

// When others cannot be had the jail keeps its tools.
func TestWrittenToolsAgain(t *testing.T) {
	s, r, root, m := toolsJail(t)
	if err := s.writeTools(t.Context(), r, root, m); err != nil {
		t.Fatal(err)
	}
	again, err := s.liftTools(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := root.ReadFile("usr/bin/sed"); string(text) != "own usr/bin/sed" {
		t.Errorf("meanwhile sed is %q", text)
	}
	if _, err := s.installTools(t.Context(), &Config{}, r, otherTools{fault.New(fault.NotFound, "", "nothing")}, ToolsRequest{Materialize: true}, silentWatch{}); err == nil {
		t.Error("no error")
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
	if text, _ := root.ReadFile("usr/bin/sed"); string(text) != "native usr/bin/sed" {
		t.Errorf("sed is %q", text)
	}
}

// Where the root's own programs are gone there is nothing to compare with.
func TestWrittenToolsAreNotTried(t *testing.T) {
	s, r, root, m := toolsJail(t)
	if err := s.writeTools(t.Context(), r, root, m); err != nil {
		t.Fatal(err)
	}
	if _, err := s.VerifyTools(t.Context(), &Config{}, r.Name, selftest.Options{Quick: true}); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("%v", err)
	}
}

func TestCheckToolSource(t *testing.T) {
	for name, kind := range map[string]fault.Kind{
		"twin": 0, "host": 0, "nxb:/x": 0, "pack:/x": 0, "nxb:": fault.Unsupported, "pack:": fault.Usage, "sauce": fault.Usage, "": fault.Usage,
	} {
		if err := CheckToolSource(name); fault.KindOf(err) != kind {
			t.Errorf("%q: %v", name, err)
		}
	}
}
