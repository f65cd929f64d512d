package persist

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// image is a directory that stands for a root.
type image struct {
	*Tree
	t   *testing.T
	dir string
}

func newImage(t *testing.T) *image {
	t.Helper()
	dir := t.TempDir()
	tree, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tree.Close)
	return &image{tree, t, dir}
}

// install writes the files of a system and returns the actions.
func (i *image) install(system string, force bool) string {
	i.t.Helper()
	p, err := NewPlan(i.Tree, mustFiles(i.t, system, boot()), force)
	return i.apply(p, err)
}

func (i *image) uninstall(system string, force bool) string {
	i.t.Helper()
	p, err := NewRemoval(i.Tree, system, force)
	return i.apply(p, err)
}

// apply is the actions of a plan, or its error.
func (i *image) apply(p Plan, err error) string {
	i.t.Helper()
	if err == nil {
		err = p.Apply(i.Tree)
	}
	if err != nil {
		return strings.ReplaceAll(err.Error(), i.dir, "")
	}
	var actions []string
	for _, s := range p {
		actions = append(actions, string(s.Action))
	}
	return strings.Join(actions, " ")
}

// wants checks the actions of a step.
func (i *image) wants(got, want string) {
	i.t.Helper()
	if got != want {
		i.t.Errorf("%q, want %q", got, want)
	}
}

// tree is every file and link below the image.
func (i *image) tree() string {
	var names []string
	_ = filepath.WalkDir(i.dir, func(path string, d fs.DirEntry, _ error) error {
		if !d.IsDir() {
			names = append(names, strings.TrimPrefix(path, i.dir))
		}
		return nil
	})
	return strings.Join(names, " ")
}

func TestInstall(t *testing.T) {
	// Modes are ours, whatever the umask.
	defer syscall.Umask(syscall.Umask(0o077))
	for system, c := range map[string]struct{ write, unchanged, remove string }{
		FreeBSD: {"write write", "unchanged unchanged", "remove remove"},
		Linux:   {"write write write", "unchanged unchanged unchanged", "remove remove remove"},
	} {
		i := newImage(t)
		i.wants(i.uninstall(system, false), "")
		i.wants(i.install(system, false), c.write)
		i.wants(i.install(system, false), c.unchanged)
		for _, f := range mustFiles(t, system, boot()) {
			s, err := i.look(f.Path)
			if err != nil || s.text != f.Text || s.link != f.Link || f.Link == "" && s.mode != f.Mode {
				t.Errorf("%s: %+v, %v", f.Path, s, err)
			}
		}
		i.wants(i.uninstall(system, false), c.remove)
		i.wants(i.tree(), "")
	}
}

// Another set of activators replaces what xjail wrote, and no more than that.
func TestReinstall(t *testing.T) {
	i := newImage(t)
	i.wants(i.install(FreeBSD, false), "write write")
	b := boot()
	b.Activators = b.Activators[:1]
	p, err := NewPlan(i.Tree, mustFiles(t, FreeBSD, b), false)
	i.wants(i.apply(p, err), "unchanged write")
	if err := os.Chmod(i.dir+rcScript, 0o644); err != nil {
		t.Fatal(err)
	}
	i.wants(i.install(FreeBSD, false), "write write")
	if info, err := os.Stat(i.dir + rcScript); err != nil || info.Mode().Perm() != 0o555 {
		t.Error(info, err)
	}
}

// What somebody else wrote, or changed, is left, and so is everything else.
func TestForeign(t *testing.T) {
	i := newImage(t)
	write(t, i.dir+unitFile, "[Service]\n")
	i.wants(i.install(Linux, false), unitFile+": xjail did not write it")
	i.wants(i.uninstall(Linux, false), unitFile+": xjail did not write it")
	i.wants(i.tree(), unitFile)
	i.wants(i.install(Linux, true), "write write write")
	write(t, i.dir+unitFile, mustFiles(t, Linux, boot())[1].Text+"\n[Unit]\n")
	i.wants(i.install(Linux, false), unitFile+": it was changed since xjail wrote it")
	i.wants(i.uninstall(Linux, false), unitFile+": it was changed since xjail wrote it")
	_, err := NewRemoval(i.Tree, Linux, false)
	if fault.KindOf(err) != fault.Exists || !strings.Contains(fault.HintOf(err), "unpersist --force") {
		t.Errorf("%d: %v", fault.KindOf(err), err)
	}
	i.wants(i.uninstall(Linux, true), "remove remove remove")
	i.wants(i.tree(), "")
	// A link to elsewhere is not ours, and is replaced, not followed.
	target := filepath.Join(i.dir, "target")
	write(t, target, "")
	if err := os.Symlink(target, i.dir+binfmtFile); err != nil {
		t.Fatal(err)
	}
	i.wants(i.install(Linux, false), binfmtFile+": xjail did not write it")
	i.wants(i.install(Linux, true), "write write write")
	if text, err := os.ReadFile(target); err != nil || len(text) > 0 {
		t.Error("the target of a link was written to")
	}
}

// A directory goes for no option.
func TestNoFile(t *testing.T) {
	i := newImage(t)
	if err := os.MkdirAll(i.dir+rcSettings, 0o755); err != nil {
		t.Fatal(err)
	}
	i.wants(i.install(FreeBSD, true), rcSettings+": it is neither a file nor a symbolic link")
	i.wants(i.uninstall(FreeBSD, true), rcSettings+": it is neither a file nor a symbolic link")
	if err := os.Remove(i.dir + rcSettings); err != nil {
		t.Fatal(err)
	}
	write(t, i.dir+rcSettings, strings.Repeat("#", textMax+1))
	i.wants(i.install(FreeBSD, true), rcSettings+": it is too large to be a file of xjail's")
}

// The package's script is left to the package.
func TestPackaged(t *testing.T) {
	i := newImage(t)
	write(t, i.dir+rcScript, strings.ReplaceAll(PortScript(), "%%PREFIX%%", prefix))
	i.wants(i.install(FreeBSD, true), "keep write")
	i.wants(i.uninstall(FreeBSD, true), "remove keep")
	i.wants(i.tree(), rcScript)
}

// A failure leaves what was there.
func TestUndo(t *testing.T) {
	i := newImage(t)
	write(t, i.dir+binfmtFile, sign(placeholder+"\n"))
	p, err := NewPlan(i.Tree, mustFiles(t, Linux, boot()), false)
	if err != nil {
		t.Fatal(err)
	}
	// Where the link goes there is a file in the way of the directory.
	write(t, i.dir+filepath.Dir(unitLink), "")
	if got := i.apply(p, nil); !strings.HasPrefix(got, "write "+unitLink+": ") {
		t.Error(got)
	}
	i.wants(i.tree(), binfmtFile+" "+filepath.Dir(unitLink))
	if text, _ := os.ReadFile(i.dir + binfmtFile); string(text) != sign(placeholder+"\n") {
		t.Errorf("%s", text)
	}
}

// The links of an image lead nowhere out of it.
func TestHostileImage(t *testing.T) {
	i := newImage(t)
	outside := t.TempDir()
	if err := os.Symlink(outside, i.dir+"/etc"); err != nil {
		t.Fatal(err)
	}
	if got := i.install(FreeBSD, true); !strings.Contains(got, "path escapes") {
		t.Error(got)
	}
	if files, _ := os.ReadDir(outside); len(files) > 0 {
		t.Error("something was written outside of the image")
	}
	i.wants(i.tree(), "/etc")
}

// The machine's own directories may be links to anywhere.
func TestMachine(t *testing.T) {
	for _, dir := range []string{"", "/", "//"} {
		m, err := Open(dir)
		if err != nil || !m.Machine() {
			t.Fatalf("%q: %v", dir, err)
		}
		defer m.Close()
		target := t.TempDir()
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		f := File{Path: link + "/new/file", Mode: 0o644, Text: "x"}
		if err := m.put(f); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(target + "/new/file"); err != nil || string(text) != "x" {
			t.Errorf("%q, %v", text, err)
		}
		if s, err := m.look(f.Path); err != nil || s.text != "x" {
			t.Errorf("%+v, %v", s, err)
		}
		if err := m.remove(f.Path); err != nil {
			t.Error(err)
		}
	}
	if _, err := Open("/no/such/directory"); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
}

// Where there is no systemd, none of its files is written.
func TestFit(t *testing.T) {
	i := newImage(t)
	files := mustFiles(t, Linux, boot())
	if got := i.Fit(files); len(got) != 1 || got[0].Path != binfmtFile || len(files) != 3 {
		t.Errorf("%+v", got)
	}
	if err := os.MkdirAll(i.dir+"/usr/lib/systemd", 0o755); err != nil {
		t.Fatal(err)
	}
	if got := i.Fit(files); len(got) != 3 {
		t.Errorf("%+v", got)
	}
	if got := i.Fit(mustFiles(t, FreeBSD, boot())); len(got) != 2 {
		t.Errorf("%+v", got)
	}
}
