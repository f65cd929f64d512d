package xtools

import (
	"archive/tar"
	"bytes"
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
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
)

// packAbout is in a pack before the files of its farm, which are below FarmRoot.
const packAbout = "tools.json"

// packVersion is written into every pack; another one is not read.
const packVersion = 1

// packed describes a pack.
type packed struct {
	Version  int           `json:"version"`
	Farm     Farm          `json:"farm"`
	Packages []PackagePair `json:"packages"`
	// Contents are all files of the farm, by their path in it.
	Contents map[string]packedFile `json:"contents"`
}

type packedFile struct {
	SHA256     string `json:"sha256"`
	Size       int64  `json:"size"` // bytes
	Executable bool   `json:"executable,omitempty"`
}

// Bounds of a pack: more than any farm has.
const (
	packMaxFiles = 50000
	packMaxBytes = 8 << 30
	packMaxAbout = 32 << 20
)

// WritePack writes the farm of a manifest to w as a plain tar: what is said of
// it, and its files. The same farm gives the same bytes. dir is the directory of
// the farm in the cache.
func WritePack(ctx context.Context, dir string, m *Manifest, w io.Writer) error {
	farm := readFarm(dir)
	if farm == nil {
		return fault.New(fault.NotFound, "xjail tools install makes them anew", "the native tools of the jail are not in the cache any more")
	}
	root, err := os.OpenRoot(filepath.Join(dir, farmRoot))
	if err != nil {
		return err
	}
	defer root.Close()
	p := &packed{Version: packVersion, Farm: *farm, Packages: m.Packages, Contents: map[string]packedFile{}}
	var names []string
	err = eachFile(ctx, root, func(name string, st fs.FileInfo) error {
		sum, size, err := digestOf(root, name)
		names = append(names, name)
		p.Contents[name] = packedFile{SHA256: sum, Size: size, Executable: st.Mode()&0o111 != 0}
		return err
	})
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return err
	}
	return writePack(ctx, root, p, names, text, tar.NewWriter(w))
}

// writePack writes what was looked at before, and fails when it is not the same.
func writePack(ctx context.Context, root *os.Root, p *packed, names []string, about []byte, out *tar.Writer) error {
	if err := out.WriteHeader(packHeader(packAbout, int64(len(about)), 0o644)); err != nil {
		return err
	}
	if _, err := out.Write(about); err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return fault.Wrap(fault.Interrupted, err, "pack native tools", "")
		}
		c, mode := p.Contents[name], int64(0o644)
		if c.Executable {
			mode = 0o755
		}
		if err := out.WriteHeader(packHeader(path.Join(FarmRoot, name), c.Size, mode)); err != nil {
			return err
		}
		f, err := openPlain(root, name)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, io.LimitReader(f, c.Size))
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return out.Close()
}

func packHeader(name string, size, mode int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: mode, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
}

// eachFile calls each for all regular files below root, and fails when there is
// anything else but directories.
func eachFile(ctx context.Context, root *os.Root, each func(name string, st fs.FileInfo) error) error {
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || d.IsDir() {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		if !st.Mode().IsRegular() || st.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0 {
			return fault.New(fault.Unsafe, "", "%s is not a plain file: %v", name, st.Mode())
		}
		return each(name, st)
	})
}

func openPlain(root *os.Root, name string) (*os.File, error) {
	return root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
}

func digestOf(root *os.Root, name string) (sum string, size int64, err error) {
	f, err := openPlain(root, name)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// Pack takes the tools of a file that WritePack made.
type Pack struct {
	File string
	// Dir is the cache's directory, and Below the same below the state directory.
	Dir, Below string
	Policy     *Policy
}

// Name is PackName.
func (k *Pack) Name() string { return PackName }

// Collect unpacks the file into the cache, unless it is there, and finds what it
// has for the root: programs of packages of which the root has the version that
// the pack was made for. Errors have the kinds Mismatch (it is of another
// release, or for another machine), Unsafe and Damaged (it is not what WritePack
// wrote).
func (k *Pack) Collect(ctx context.Context, s *Subject, n Notes) (*Manifest, error) {
	release, err := CheckSubject(s)
	if err != nil {
		return nil, err
	}
	in, err := readOwn(s)
	if err != nil {
		return nil, err
	}
	n.Step("unpack the native tools of " + k.File)
	p, key, err := k.open(ctx, s, release)
	if err != nil {
		return nil, k.about(err)
	}
	found, left, err := candidates(s, in, k.Policy)
	if err != nil {
		return nil, err
	}
	scripts, unfit, err := findScripts(s, in, k.Policy)
	if err != nil {
		return nil, err
	}
	c := &chooser{subject: s, in: in, pairs: map[string]PackagePair{}, scripts: scripts, policy: k.Policy}
	left = slices.Concat(left, unfit, c.pickPacked(found, p.Packages))
	if err := k.fits(release, c, p, left); err != nil {
		return nil, err
	}
	left = append(left, c.packedPerl(p, k.Policy)...)
	m := &Manifest{
		Version: ManifestVersion, Source: PackName, Release: release.String(), Host: s.Host.Name, Target: s.Arch.Name,
		Made: time.Now().UTC().Truncate(time.Second), Farm: path.Join(k.Below, key, farmRoot), Left: left,
	}
	(&Twin{Policy: k.Policy}).describe(m, &p.Farm, found, c)
	return m, nil
}

// about names the file in an error that does not.
func (k *Pack) about(err error) error {
	if strings.Contains(err.Error(), k.File) {
		return err
	}
	return fault.Wrap(fault.KindOf(err), err, k.File, "")
}

// fits refuses a pack of which nothing is of the root's versions.
func (k *Pack) fits(release Release, c *chooser, p *packed, left []Left) error {
	if len(c.pairs) > 0 {
		return nil
	}
	why := "it has none of its packages"
	for _, l := range left {
		if l.State == Drifted {
			why = l.Why
			break
		}
	}
	return fault.New(fault.Mismatch, "make the pack anew from a jail with the same packages", "%s: the pack of %s has nothing for this root of %s: %s", k.File, p.Farm.Release, release, why)
}

// pickPacked pairs the root's packages with those of a pack, and says which
// programs have none.
func (c *chooser) pickPacked(found []candidate, packages []PackagePair) []Left {
	pairs := map[string]PackagePair{}
	for _, p := range packages {
		pairs[p.Name] = p
	}
	var left []Left
	for _, f := range found {
		name := f.original.Package
		own := c.in.Packages[name].Version
		pair, ok := pairs[name]
		l := Left{Path: "/" + f.name, State: Missing, Package: name}
		switch {
		case !ok:
			l.Why = "the pack has no package " + name
		case !SameVersion(pair.Version, own):
			l.State, l.Why = Drifted, fmt.Sprintf("%s is of version %s in the root, and the pack for %s", name, own, pair.Version)
		default:
			c.pairs[name] = pair
			if !f.plugin {
				left = append(left, c.consider(f)...)
			}
			continue
		}
		left = append(left, l)
	}
	return left
}

// packedPerl gives the scripts up where the perl of a pack has not the modules of
// the root's, to the version.
func (c *chooser) packedPerl(p *packed, policy *Policy) []Left {
	if len(c.scripts.list) == 0 {
		return nil
	}
	pairs := map[string]PackagePair{}
	for _, pair := range p.Packages {
		pairs[pair.Name] = pair
	}
	if len(p.Farm.Perl) == 0 {
		return c.scripts.drop(Missing, "the pack has no perl", policy)
	}
	for _, name := range p.Farm.Perl {
		if !slices.Contains(c.scripts.owners, name) {
			return c.scripts.drop(Drifted, "the pack has modules of perl of package "+name+", which the root has not", policy)
		}
	}
	for _, name := range c.scripts.owners {
		pair, own := pairs[name], c.in.Packages[name].Version
		switch {
		case !slices.Contains(p.Farm.Perl, name):
			return c.scripts.drop(Missing, "the pack has no modules of perl of package "+name, policy)
		case !SameVersion(pair.Version, own):
			return c.scripts.drop(Drifted, fmt.Sprintf("perl cannot stand in: %s is of version %s in the root, and the pack for %s", name, own, pair.Version), policy)
		}
		c.pairs[name] = pair
	}
	return nil
}

// open finds the pack in the cache, or puts it there. key is its directory.
func (k *Pack) open(ctx context.Context, s *Subject, release Release) (p *packed, key string, err error) {
	f, err := os.Open(k.File)
	if err != nil {
		return nil, "", fault.Wrap(fault.NotFound, err, "", "xjail tools pack makes one")
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, "", fault.New(fault.Usage, "xjail tools pack makes one", "it is no file")
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, "", err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, "", err
	}
	digest := hex.EncodeToString(h.Sum(nil))
	sum := sha256.Sum256([]byte("pack " + formatOfFarms + " " + digest))
	key = hex.EncodeToString(sum[:])
	dir := filepath.Join(k.Dir, key)
	if HasFarm(dir) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, "", err
		}
		defer root.Close()
		if p, err = readPacked(root); err == nil {
			now := time.Now()
			_ = os.Chtimes(dir, now, now) // for the cache's list
			return p, key, p.check(s, release)
		}
	}
	p, err = k.unpack(ctx, f, digest, dir, s, release)
	return p, key, err
}

// unpack unpacks and checks a pack beside its place.
func (k *Pack) unpack(ctx context.Context, f *os.File, digest, dir string, s *Subject, release Release) (*packed, error) {
	partial := dir + ".partial"
	for _, old := range []string{partial, dir} {
		if err := os.RemoveAll(old); err != nil {
			return nil, err
		}
	}
	defer func() { _ = os.RemoveAll(partial) }() // cache prune knows what is left
	if err := os.MkdirAll(partial, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(partial)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	layer := extract.Layer{Source: f, SHA256: digest} // errors about archives name the file
	if _, err := extract.Archives(ctx, []extract.Layer{layer}, root, extract.Options{MaxEntries: packMaxFiles, MaxBytes: packMaxBytes}); err != nil {
		return nil, err
	}
	p, err := readPacked(root)
	if err != nil {
		return nil, err
	}
	if err := p.check(s, release); err != nil {
		return nil, err
	}
	if err := p.checkFiles(ctx, root, s); err != nil {
		return nil, err
	}
	if err := root.Chmod(".", 0o755); err != nil {
		return nil, err
	}
	if err := p.Farm.Save(partial); err != nil {
		return nil, err
	}
	return p, os.Rename(partial, dir)
}

// readPacked reads what a pack says of itself.
func readPacked(root *os.Root) (*packed, error) {
	hint := "xjail tools pack makes packs"
	f, err := openPlain(root, packAbout)
	if err != nil {
		return nil, fault.Wrap(fault.Damaged, err, "it is no pack of native tools", hint)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, packMaxAbout+1))
	if err != nil || len(text) > packMaxAbout {
		return nil, fault.New(fault.Damaged, hint, "it is no pack of native tools: %s has %d bytes, %w", packAbout, len(text), err)
	}
	return parsePacked(text)
}

func parsePacked(text []byte) (*packed, error) {
	p := &packed{}
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fault.Wrap(fault.Damaged, err, packAbout, "xjail tools pack makes packs")
	}
	if p.Version != packVersion {
		return nil, fault.New(fault.Damaged, "make it anew with this xjail", "%s: version %d, want %d", packAbout, p.Version, packVersion)
	}
	for name, f := range p.Farm.Files {
		if c, ok := p.Contents[name]; !ok || c.SHA256 != f.SHA256 || c.Size != f.Size {
			return nil, fault.New(fault.Damaged, "", "%s: %q is not among its files", packAbout, name)
		}
		if !printable(f.Package + f.Version) {
			return nil, fault.New(fault.Unsafe, "", "%s: %q cannot be a package", packAbout, f.Package)
		}
	}
	for name := range p.Contents {
		if !fs.ValidPath(name) || name == "." || !printable(name) {
			return nil, fault.New(fault.Unsafe, "", "%s: %q cannot be a path in it", packAbout, name)
		}
	}
	for _, name := range p.Farm.Perl {
		if !plainName(name) {
			return nil, fault.New(fault.Unsafe, "", "%s: %q cannot be a package", packAbout, name)
		}
	}
	for name, why := range p.Farm.Rejected {
		if !printable(name + why) {
			return nil, fault.New(fault.Unsafe, "", "%s: %q is not text", packAbout, why)
		}
	}
	for _, pair := range p.Packages {
		if !plainName(pair.Name) || !plainName(pair.Twin) || !printable(pair.Version+pair.TwinVer+pair.SHA256) {
			return nil, fault.New(fault.Unsafe, "", "%s: %q cannot be a package", packAbout, pair.Name)
		}
	}
	return p, nil
}

func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) })
}

// check compares a pack with the root that it is to be used for.
func (p *packed) check(s *Subject, release Release) error {
	f := p.Farm
	for _, name := range []string{f.Release, f.Host, f.Target, f.Interp, f.Libraries.Path} {
		if !printable(name) {
			return fault.New(fault.Unsafe, "", "%s: %q is not text", packAbout, name)
		}
	}
	hint := "take the pack that was made for such a jail"
	switch {
	case f.Release != release.String():
		return fault.New(fault.Mismatch, hint, "the pack is of %s, and the root of %s", f.Release, release)
	case f.Target != s.Arch.Name:
		return fault.New(fault.Mismatch, hint, "the pack is for roots of %s, and this one is of %s", f.Target, s.Arch.Name)
	case f.Host != s.Host.Name:
		return fault.New(fault.Mismatch, hint, "the tools of the pack are of %s, and this machine is of %s", f.Host, s.Host.Name)
	case f.Interp != "" && !isLoader(s.Host, f.Interp):
		return fault.New(fault.Unsafe, "", "%s: %q is not the loader of %s", packAbout, f.Interp, s.Host.Name)
	case f.Libraries.Files > 0 && (f.Libraries.Path != "/"+libDir(s.Host) || f.Libraries.Source != libDir(s.Host)):
		return fault.New(fault.Unsafe, "", "%s: libraries cannot be in %q", packAbout, f.Libraries.Path)
	}
	return nil
}

// checkFiles compares what was unpacked with what the pack says of it.
func (p *packed) checkFiles(ctx context.Context, root *os.Root, s *Subject) error {
	seen := 0
	err := eachFile(ctx, root, func(name string, st fs.FileInfo) error {
		if name == packAbout {
			return nil
		}
		below, ok := strings.CutPrefix(name, FarmRoot+"/")
		c, known := p.Contents[below]
		if !ok || !known {
			return fault.New(fault.Unsafe, "", "%q is in the pack, and not in its list", name)
		}
		seen++
		sum, size, err := digestOf(root, name)
		if err != nil {
			return err
		}
		if sum != c.SHA256 || size != c.Size {
			return fault.New(fault.Mismatch, "copy the pack again", "%s has SHA-256 %s in the pack, and %s in its list", below, sum, c.SHA256)
		}
		mode := fs.FileMode(0o644)
		if c.Executable {
			mode = 0o755
		}
		if err := root.Chmod(name, mode); err != nil {
			return err
		}
		switch f, ok := p.Farm.Files[below]; {
		case below == nativePerl(libDir(s.Host)):
			return checkChooser(root, name, s)
		case ok && f.Options != nil:
			return checkCompilerChooser(root, name, below, f.Options, s)
		case ok && f.Own:
			return p.checkProgram(root, name, s.Arch)
		case ok && f.Script:
			return checkScript(root, name, s)
		case ok:
			return p.checkProgram(root, name, s.Host)
		}
		return nil
	})
	if err == nil && seen != len(p.Contents) {
		err = fault.New(fault.Damaged, "copy the pack again", "%d files of its list are not in the pack", len(p.Contents)-seen)
	}
	return err
}

// checkScript refuses what is not run by the native perl. Which script it is, is
// compared with the root's own when it is used.
func checkScript(root *os.Root, name string, s *Subject) error {
	f, err := openPlain(root, name)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, scriptMax))
	if err != nil {
		return err
	}
	if interpreter, _ := ScriptLine(text); interpreter != "/"+nativePerl(libDir(s.Host)) {
		return fault.New(fault.Unsafe, "", "%s of the pack is run by %q", name, interpreter)
	}
	return nil
}

// checkChooser refuses one that runs anything but perl.
func checkChooser(root *os.Root, name string, s *Subject) error {
	text, err := root.ReadFile(name)
	if err == nil && !bytes.Equal(text, perlChooser(libDir(s.Host))) {
		err = fault.New(fault.Unsafe, "", "%s of the pack is another one", name)
	}
	return err
}

// checkCompilerChooser refuses one that is not what this xjail makes.
func checkCompilerChooser(root *os.Root, name, source string, options []string, s *Subject) error {
	text, err := root.ReadFile(name)
	if err == nil && (!validOptions(options) || !bytes.Equal(text, compilerChooser(libDir(s.Host), source, options))) {
		err = fault.New(fault.Unsafe, "", "%s of the pack is no chooser of compilers", name)
	}
	return err
}

// checkProgram refuses what is no ELF file of an architecture.
func (p *packed) checkProgram(root *os.Root, name string, a *arch.Arch) error {
	f, err := openPlain(root, name)
	if err != nil {
		return err
	}
	defer f.Close()
	o, err := readObject(name, f)
	if err != nil {
		return err
	}
	if o == nil {
		return fault.New(fault.Unsafe, "", "%s of the pack is no program", name)
	}
	if err := a.Accepts(o.id); err != nil {
		return fault.New(fault.WrongArch, "", "%s of the pack is not of %s: %w", name, a.Name, err)
	}
	return nil
}
