package jail

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
)

// packWatch remembers warnings.
type packWatch struct{ warnings []string }

func (w *packWatch) Step(_, _ string)       {}
func (w *packWatch) Progress(_, _, _ int64) {}
func (w *packWatch) Log() io.Writer         { return io.Discard }
func (w *packWatch) Warn(text string)       { w.warnings = append(w.warnings, text) }
func digestOf(text string) string           { return hexSum([]byte(text)) }
func hexSum(b []byte) string                { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
func existing(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// packable is a store with the jail "a": a root with an emulator behind a link,
// and a device that is kept aside.
func packable(t *testing.T) (Store, *Record) {
	t.Helper()
	s := newStore(t, "a")
	r := &Record{
		Version: recordVersion, Name: "a", Arch: "mips64", Root: filepath.Join(s.dir("a"), "root"),
		Source:   SourceRecord{Kind: "archive", Kept: 1},
		Emulator: &EmulatorRecord{Path: "/bin/qemu-mips64-static", SHA256: digestOf("emulator")},
	}
	if err := os.MkdirAll(filepath.Join(r.Root, "usr/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/usr/bin", filepath.Join(r.Root, "bin")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"root/usr/bin/qemu-mips64-static": "emulator", "root/usr/bin/sh": "shell", "../a.lock": "",
		"metadata.json": `[{"path":"null","mode":438,"device":{"type":"char","major":1,"minor":3}}]`,
	} {
		if err := os.WriteFile(filepath.Join(s.dir("a"), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(r.Root, "usr/bin/qemu-mips64-static"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.save(r); err != nil {
		t.Fatal(err)
	}
	return s, r
}

// tarNames are the entries of a plain tar.
func tarNames(t *testing.T, data []byte) []string {
	t.Helper()
	var names []string
	tr := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}

func TestPack(t *testing.T) {
	s, _ := packable(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "a.tar")
	p, err := s.Pack(context.Background(), "a", file, PackOptions{}, &packWatch{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if p.SHA256 != hexSum(data) || p.Size != int64(len(data)) || p.Entries != 6 || p.Bytes != 5 || p.Format != "tar" {
		t.Errorf("%+v", p)
	}
	if want := []extract.Skipped{{Path: "usr/bin/qemu-mips64-static", Why: "emulator"}}; !slices.Equal(p.LeftOut, want) {
		t.Errorf("left out %v", p.LeftOut)
	}
	if got := tarNames(t, data); !slices.Equal(got, []string{"./", "bin", "null", "usr/", "usr/bin/", "usr/bin/sh"}) {
		t.Errorf("names %q", got)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	var out bytes.Buffer
	p, err = s.Pack(context.Background(), "a", "-", PackOptions{Stdout: &out, WithEmulator: true}, &packWatch{})
	if err != nil || p.SHA256 != hexSum(out.Bytes()) || len(p.LeftOut) != 0 || p.File != "" {
		t.Errorf("%+v %v", p, err)
	}
	if got := tarNames(t, out.Bytes()); !slices.Contains(got, "usr/bin/qemu-mips64-static") {
		t.Errorf("names %q", got)
	}
	if got := existing(t, dir); !slices.Equal(got, []string{"a.tar"}) {
		t.Errorf("left %q", got)
	}
}

// Another file in the emulator's place is the root's own.
func TestPackOfAnotherEmulator(t *testing.T) {
	s, r := packable(t)
	if err := os.WriteFile(filepath.Join(r.Root, "usr/bin/qemu-mips64-static"), []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &packWatch{}
	p, err := s.Pack(context.Background(), "a", "-", PackOptions{Stdout: io.Discard}, w)
	if err != nil || len(p.LeftOut) != 0 || len(w.warnings) != 1 || !strings.Contains(w.warnings[0], "/bin/qemu-mips64-static is packed") {
		t.Errorf("%+v %v %q", p, err, w.warnings)
	}
	if err := os.Remove(filepath.Join(r.Root, "bin")); err != nil {
		t.Fatal(err)
	}
	w = &packWatch{}
	if _, err := s.Pack(context.Background(), "a", "-", PackOptions{Stdout: io.Discard}, w); err != nil || len(w.warnings) != 0 {
		t.Errorf("%v %q", err, w.warnings)
	}
}

func TestPackForce(t *testing.T) {
	s, r := packable(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "a.tgz")
	if err := os.WriteFile(file, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	pack := func(file string, force bool) error {
		_, err := s.Pack(context.Background(), "a", file, PackOptions{Force: force}, &packWatch{})
		return err
	}
	if err := pack(file, false); fault.KindOf(err) != fault.Exists || !strings.Contains(fault.HintOf(err), "--force") {
		t.Errorf("%v", err)
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Errorf("it holds %q", text)
	}
	if err := pack(file, true); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(file); !bytes.HasPrefix(text, []byte("\x1f\x8b")) {
		t.Errorf("it holds %q", text)
	}
	// A file that came meanwhile is not replaced either.
	f, err := newPackFile(filepath.Join(dir, "b.tar"), r.Root, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.final, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := packError(f.publish(), f.final); fault.KindOf(err) != fault.Exists {
		t.Errorf("%v", err)
	}
	f.discard()
	if err := os.Mkdir(filepath.Join(dir, "d.tar"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := pack(filepath.Join(dir, "d.tar"), true); fault.KindOf(err) != fault.Exists {
		t.Errorf("%v", err)
	}
	if got := existing(t, dir); !slices.Equal(got, []string{"a.tgz", "b.tar", "d.tar"}) {
		t.Errorf("left %q", got)
	}
}

func TestPackRefuses(t *testing.T) {
	s, r := packable(t)
	dir := t.TempDir()
	if err := os.Symlink(r.Root, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, tt := range []struct {
		ctx        context.Context
		jail, file string
		kind       fault.Kind
	}{
		{ended, "a", filepath.Join(dir, "a.tar.xz"), fault.Interrupted},
		{context.Background(), "a", filepath.Join(dir, "a.zip"), fault.Usage},
		{context.Background(), "a", filepath.Join(r.Root, "a.tar"), fault.Usage},
		{context.Background(), "a", filepath.Join(dir, "link/usr/a.tar"), fault.Usage},
		{context.Background(), "a", filepath.Join(dir, "none/a.tar"), fault.NotFound},
		{context.Background(), "b", filepath.Join(dir, "a.tar"), fault.NotFound},
		{context.Background(), "../a", filepath.Join(dir, "a.tar"), fault.Usage},
	} {
		_, err := s.Pack(tt.ctx, tt.jail, tt.file, PackOptions{}, &packWatch{})
		if fault.KindOf(err) != tt.kind {
			t.Errorf("%s into %s: %v", tt.jail, tt.file, err)
		}
	}
	l, err := s.lock("a", unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Pack(context.Background(), "a", filepath.Join(dir, "a.tar"), PackOptions{}, &packWatch{})
	if fault.KindOf(err) != fault.Locked {
		t.Errorf("%v", err)
	}
	l.release()
	for _, text := range []string{"{", ""} {
		name := filepath.Join(s.dir("a"), "metadata.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if text == "" {
			_ = os.Remove(name)
		}
		_, err := s.Pack(context.Background(), "a", filepath.Join(dir, "a.tar"), PackOptions{}, &packWatch{})
		if fault.KindOf(err) != fault.Damaged {
			t.Errorf("%v", err)
		}
	}
	if got := existing(t, dir); !slices.Equal(got, []string{"link"}) {
		t.Errorf("left %q", got)
	}
}

func TestPackErrors(t *testing.T) {
	for err, kind := range map[error]fault.Kind{
		&os.PathError{Op: "write", Path: "x", Err: unix.ENOSPC}: fault.NoSpace, unix.EDQUOT: fault.NoSpace,
		unix.EROFS: fault.Permission, unix.EACCES: fault.Permission, unix.EPIPE: fault.Failed,
	} {
		if got := fault.KindOf(packError(err, "x.tar")); got != kind {
			t.Errorf("%v: kind %d, want %d", err, got, kind)
		}
	}
}
