package xtools

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// Farm describes the files of a farm that several jails may share.
type Farm struct {
	Release string              `json:"release"`
	Host    string              `json:"host"`
	Target  string              `json:"target"`
	Files   map[string]FarmFile `json:"files"` // programs, plug-ins and the loader, by path in the farm
	// Rejected are programs that the packages have and that must not be native.
	Rejected map[string]string `json:"rejected,omitempty"`
	// Libraries is the directory with the libraries, and how much is in it.
	Libraries Tree `json:"libraries"`
	// Interp is the loader's path.
	Interp string `json:"interp"`
	// Perl are the packages of which there are perl and its compiled modules, for
	// scripts; none where there are no scripts.
	Perl []string `json:"perl,omitempty"`
}

// FarmFile is a program of a farm.
type FarmFile struct {
	Package string `json:"package"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"`
	Script  bool   `json:"script,omitempty"` // runs by the native perl
	// Options are of a chooser, which runs the root's own compiler with these, and
	// Own is the copy of that.
	Options []string `json:"options,omitempty"`
	Own     bool     `json:"own,omitempty"`
}

// Names in the directory of a farm.
const (
	farmRoot  = FarmRoot
	farmStage = "stage"     // only while it is made
	farmAbout = "farm.json" // a Farm
)

// farmBuild is a farm that is being made.
type farmBuild struct {
	dir    *os.Root // the farm's directory
	stage  *staged
	host   *arch.Arch
	target *arch.Arch
	policy *Policy
	farm   *Farm
	local  bool // see compilerPath
	// revisions are those of the root's compilers, by the native package.
	revisions map[string]string
	loader    string // where the twin has it

	scripts *scriptSet
	perl    Tree // how much perl's modules are

	own     *os.Root // the root that the farm is for
	choices []choice
	beside  Tree // how much it is that choosers run

	objects map[string]*object
}

// libDir is where the libraries of the host's architecture are: a directory of
// its own, in which the root has nothing (multiarch).
func libDir(host *arch.Arch) string { return "usr/lib/" + host.GNU }

// wantsLibrary tells whether a file of a package may be needed by a program:
// shared libraries, and what libc and others load by themselves, its locale among it.
func wantsLibrary(host *arch.Arch, name string) bool {
	dir := libDir(host) + "/"
	return strings.HasPrefix(name, "usr/lib64/") || strings.HasPrefix(name, nativeLocale) ||
		wantsModule(host.GNU, name) ||
		strings.HasPrefix(name, dir) && (strings.Contains(path.Base(name), ".so") || strings.HasPrefix(name, dir+"gconv/")) ||
		path.Dir(name) == "usr/lib" && strings.Contains(path.Base(name), ".so")
}

// extras are what programs load by themselves, of the libraries' directory:
// libc's character sets and name services, gawk's extensions, and the library of
// fakeroot, which comes by LD_PRELOAD. Where the root's order of bytes is another one
// that would wait forever for an answer of the root's faked.
var extras = []string{"gconv/*", "libnss_*.so.2", "libfakeroot/*.so", "gawk/*.so"}

// read is the object at a path of the stage; nil when there is none or it is no
// ELF file.
func (b *farmBuild) read(name string) (*object, error) {
	if o, ok := b.objects[name]; ok {
		return o, nil
	}
	o, err := b.readFile(name)
	if err == nil {
		b.objects[name] = o
	}
	return o, err
}

func (b *farmBuild) readFile(name string) (*object, error) {
	real := b.stage.real(name)
	if real == "" {
		return nil, nil
	}
	f, err := b.stage.root.Open(real)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !isELF(f) {
		return nil, nil
	}
	return readObject(name, f)
}

// build makes the farm of what is staged: the programs that were asked for, and
// what they need.
func (b *farmBuild) build(ctx context.Context, programs, plugins []string) error {
	var names []string
	for _, name := range programs {
		why, err := b.judge(name)
		if err != nil {
			return err
		}
		if why == "" {
			why, err = b.lacks(name)
		}
		if err != nil {
			return err
		}
		if why != "" {
			b.farm.Rejected[name] = why
			continue
		}
		names = append(names, name)
	}
	for _, name := range plugins {
		if o, err := b.read(name); err != nil {
			return err
		} else if o != nil && b.host.Accepts(o.id) == nil {
			names = append(names, name)
		}
	}
	runs, why := b.readyScripts()
	if err := b.putLoader(slices.Concat(names, runs)); err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return fault.Wrap(fault.Interrupted, err, "", "")
		}
		if err := b.putProgram(name); err != nil {
			return fmt.Errorf("/%s: %w", name, err)
		}
	}
	if err := b.putScripts(why); err != nil {
		return err
	}
	return errors.Join(b.putLocales(), b.putLibraries(append(names, runs...)))
}

// judge says why a program must not be native; "" when it may.
func (b *farmBuild) judge(name string) (string, error) {
	o, err := b.read(name)
	switch {
	case err != nil:
		return "", err
	case o == nil:
		return "is no program in the twin", nil
	case b.stage.special[b.stage.real(name)]:
		return "changes its user or group", nil
	case b.host.Accepts(o.id) != nil:
		return "", fault.New(fault.WrongArch, "", "/%s of the twin is not of %s: %w", name, b.host.Name, b.host.Accepts(o.id))
	case !o.isProgram():
		return "is no program in the twin", nil
	case b.privateDir(o) != "":
		return "has libraries of its own in " + b.privateDir(o) + ", where the root's are", nil
	case o.asks && !matches(b.policy.Asks, path.Base(name)):
		return "asks the kernel what machine it runs on (uname)", nil
	}
	return b.names(name, o)
}

// lacks says what a program needs that is not there; "" when it has all. That is
// no reason to do without the others, unless it is one that pays.
func (b *farmBuild) lacks(name string) (string, error) {
	libs, err := b.shelf().closure([]string{name})
	for _, lib := range libs {
		if why := b.policy.LibraryWhy(path.Base(lib)); why != "" && !matches(b.policy.Allow, path.Base(name)) {
			return "needs " + path.Base(lib) + ", which " + why, nil
		}
	}
	if err != nil && fault.KindOf(err) == fault.NotFound && !b.policy.PaysOff(path.Base(name)) {
		return err.Error(), nil
	}
	return "", err
}

// shelf is where the loader will look for libraries.
func (b *farmBuild) shelf() *shelf {
	return &shelf{host: b.host, dirs: []string{libDir(b.host), "usr/lib64", "usr/lib"}, read: b.read}
}

// privateDir is a directory outside of the usual ones in which a program has its
// loader look first; "" when there is none. The root has its own libraries there,
// which are not to be covered: its other programs need them.
func (b *farmBuild) privateDir(o *object) string {
	for _, dir := range o.RunPath {
		usual := dir == "" || strings.HasPrefix(path.Clean(dir)+"/", "/"+libDir(b.host)+"/")
		if !usual && !slices.Contains([]string{"/lib", "/usr/lib", "/lib64", "/usr/lib64"}, path.Clean(dir)) {
			return dir
		}
	}
	return ""
}

// putLoader finds the loader that all programs ask for, and puts it there.
func (b *farmBuild) putLoader(names []string) error {
	for _, name := range names {
		o, err := b.read(name)
		if err != nil {
			return err
		}
		if o.Interp == "" {
			continue
		}
		if b.loader == "" {
			b.loader = o.Interp
		}
		if o.Interp != b.loader {
			return fault.New(fault.Unsupported, "", "/%s asks for the loader %s, others for %s", name, o.Interp, b.loader)
		}
	}
	if b.loader == "" {
		return nil
	}
	if !slices.Contains(b.host.Linkers["linux"], b.loader) {
		return fault.New(fault.Unsupported, "", "the programs ask for the loader %s, which is not one of %s", b.loader, b.host.Name)
	}
	text, err := b.text(mergedUsr(b.loader[1:]))
	if err != nil {
		return err
	}
	if err := fitLoader(text); err != nil {
		return fault.Wrap(fault.KindOf(err), err, b.loader, "")
	}
	b.farm.Interp = loaderPlace(b.host, b.loader)
	source := loaderSource(b.host, b.farm.Interp)
	for _, name := range []string{source, path.Join(libDir(b.host), path.Base(b.loader))} {
		if err := b.put(name, text, 0o755); err != nil {
			return err
		}
	}
	b.describe(source, b.stage.owner[b.stage.real(mergedUsr(b.loader[1:]))], text)
	return nil
}

// putProgram puts a program or a plug-in where it belongs, a compiler with the
// paths of the target's own.
func (b *farmBuild) putProgram(name string) error {
	text, err := b.text(name)
	if err != nil {
		return err
	}
	owner := b.stage.owner[name]
	edited, err := editStrings(text, compilerMarks, compilerPath(compilerTriplet(b.target), b.target.GNU, b.local))
	if err != nil {
		return err
	}
	if edited > 0 {
		nativeDriver(text)
	}
	setRevision(text, b.revisions[owner.Name])
	if matches(b.policy.Searches, path.Base(name)) {
		moveString(text, "/"+libDir(b.host), "/"+libDir(b.target)) // or it is rejected
	}
	if err := setLoader(text, b.farm.Interp); err != nil {
		return err
	}
	for _, c := range b.choices {
		if c.own.source == name {
			return b.putChooser(c, owner, text)
		}
	}
	b.describe(name, owner, text)
	return b.put(name, text, 0o755)
}

func (b *farmBuild) describe(name string, p Package, text []byte) {
	b.farm.Files[name] = FarmFile{Package: p.Name, Version: p.Version, SHA256: sumOf(text), Size: int64(len(text))}
}

func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// text is the content of a file of the stage.
func (b *farmBuild) text(name string) ([]byte, error) {
	real := b.stage.real(name)
	if real == "" {
		return nil, fault.New(fault.NotFound, "", "/%s is not to be found in the packages", name)
	}
	return b.stage.root.ReadFile(real)
}

func (b *farmBuild) put(name string, text []byte, mode fs.FileMode) error {
	name = path.Join(farmRoot, name)
	if err := b.dir.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	return b.dir.WriteFile(name, text, mode)
}

// putLibraries puts what the programs need, and no more.
func (b *farmBuild) putLibraries(names []string) error {
	more, err := b.extras()
	if err != nil {
		return err
	}
	libs, err := b.shelf().closure(append(slices.Clone(names), b.onlyELF(more)...))
	if err != nil {
		return err
	}
	tree := Tree{Path: "/" + libDir(b.host), Source: libDir(b.host), Files: b.perl.Files + b.beside.Files, Bytes: b.perl.Bytes + b.beside.Bytes}
	var known []string
	for _, name := range append(more, libs...) {
		if path.Base(name) == path.Base(b.loader) {
			continue // it is there already
		}
		n, err := b.putLibrary(name)
		if err != nil {
			return err
		}
		tree.Files, tree.Bytes = tree.Files+1, tree.Bytes+n
		if path.Dir(name) == libDir(b.host) {
			known = append(known, path.Base(name))
		}
	}
	if cache := ldCache(b.host.GoArch, "/"+libDir(b.host), known); cache != nil {
		if err := b.put(loaderCache, cache, 0o644); err != nil {
			return err
		}
	}
	if tree.Files > 0 {
		b.farm.Libraries = tree
	}
	return nil
}

// putLibrary puts a library by the name by which it is asked for. One from
// another directory goes where all are.
func (b *farmBuild) putLibrary(name string) (int64, error) {
	real := b.stage.real(name)
	st, err := b.stage.root.Lstat(real)
	if err != nil {
		return 0, err
	}
	to := name
	if !strings.HasPrefix(to, libDir(b.host)+"/") {
		to = path.Join(libDir(b.host), path.Base(name))
	}
	to = path.Join(farmRoot, to)
	if err := b.dir.MkdirAll(path.Dir(to), 0o755); err != nil {
		return 0, err
	}
	if path.Base(name) == libc && b.otherOrder() {
		text, err := b.stage.root.ReadFile(real)
		if err == nil {
			err = moveLocales(text, usualLocales, FarmLocales)
		}
		if err == nil {
			err = b.dir.WriteFile(to, text, 0o755)
		}
		return st.Size(), err
	}
	if err := b.dir.Link(path.Join(farmStage, real), to); err != nil {
		return 0, err
	}
	if dir := path.Dir(name); path.Base(dir) == "libfakeroot" {
		// LD_PRELOAD names it without a directory, and LD_LIBRARY_PATH has only
		// those of the root's own.
		return st.Size(), b.dir.Link(to, path.Join(farmRoot, libDir(b.host), path.Base(name)))
	}
	return st.Size(), nil
}

// extras are the files of the stage that programs load by themselves.
func (b *farmBuild) extras() ([]string, error) {
	var found []string
	for name := range b.stage.owner {
		rest, ok := strings.CutPrefix(name, libDir(b.host)+"/")
		if !ok || !matches(extras, rest) || b.stage.real(name) == "" || b.otherOrder() && path.Dir(rest) == "libfakeroot" {
			continue
		}
		found = append(found, name)
	}
	slices.Sort(found)
	return found, nil
}

// onlyELF leaves out what needs no libraries, such as the list of character
// sets.
func (b *farmBuild) onlyELF(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		o, err := b.read(name)
		return err == nil && o == nil
	})
}

// FarmRoot is where in the directory of a farm its files are.
const FarmRoot = "root"

// HasFarm tells whether a directory of the cache has a finished farm.
func HasFarm(dir string) bool { return readFarm(dir) != nil }

// Save describes a farm in its directory.
func (f *Farm) Save(dir string) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return os.WriteFile(path.Join(dir, farmAbout), append(text, '\n'), 0o644) //nolint:gosec // of public packages
}

// readFarm reads what a finished farm has; nil when there is none.
func readFarm(dir string) *Farm {
	text, err := os.ReadFile(path.Join(dir, farmAbout))
	if err != nil {
		return nil
	}
	f := &Farm{}
	if json.Unmarshal(text, f) != nil {
		return nil
	}
	return f
}

// CheckFile compares a file of a farm with what its manifest says of it.
func CheckFile(farm *os.Root, f File) error {
	file, err := farm.Open(f.Source)
	if err != nil {
		return fault.Wrap(fault.Damaged, err, "tool "+f.Path, "xjail cache prune --all, then xjail tools install makes it anew")
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != f.SHA256 {
		return fault.New(fault.Mismatch, "xjail cache prune --all, then xjail tools install makes it anew", "tool %s has SHA-256 %s, the manifest %s", f.Path, sum, f.SHA256)
	}
	return nil
}
