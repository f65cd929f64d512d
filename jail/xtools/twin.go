package xtools

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// Twin takes the tools of the same packages of the same release, built for the
// host, and a compiler of the distribution's cross compilers. It fetches them
// from the archives that the root's own packages come from.
type Twin struct {
	// Dir is the cache's directory, and Below the same below the state directory.
	Dir, Below string
	// Mirror is used for a root that names no archive.
	Mirror string
	Policy *Policy
}

// TwinName is what --tools and the manifest call this source.
const TwinName = "twin"

// Name is TwinName.
func (t *Twin) Name() string { return TwinName }

// formatOfFarms changes when the same packages give another farm.
const formatOfFarms = "12"

// Check refuses early what has no twin.
func (t *Twin) Check(s *Subject) (Release, error) {
	r, err := CheckSubject(s)
	if err == nil {
		err = findApt()
	}
	return r, err
}

// CheckSubject refuses roots that no tools of Debian are for, with the kinds
// Unsupported and NotFound, and tells of what release one is.
func CheckSubject(s *Subject) (Release, error) {
	r, err := ReadRelease(s.Root)
	if err != nil {
		return r, err
	}
	if s.Arch.Debian == "" || s.Host.Debian == "" || s.Host.GNU == "" {
		return r, fault.New(fault.Unsupported, "", "Debian has no name for %s or %s", s.Arch.Name, s.Host.Name)
	}
	if s.Arch.Name == s.Host.Name {
		return r, fault.New(fault.Unsupported, "the jail is as fast as it can be", "the root is of %s, as this machine is: it needs no other tools", s.Arch.Name)
	}
	return r, nil
}

// Collect finds or makes the farm.
func (t *Twin) Collect(ctx context.Context, s *Subject, n Notes) (*Manifest, error) {
	release, err := t.Check(s)
	if err != nil {
		return nil, err
	}
	in, err := readOwn(s)
	if err != nil {
		return nil, err
	}
	found, left, err := candidates(s, in, t.Policy)
	if err != nil {
		return nil, err
	}
	scripts, unfit, err := findScripts(s, in, t.Policy)
	if err != nil {
		return nil, err
	}
	left = append(left, unfit...)
	n.Step("read the index of " + release.String() + " " + s.Host.Debian)
	a, index, err := t.openArchive(ctx, s, release, n.Log)
	if err != nil {
		return nil, err
	}
	c := &chooser{
		subject: s, in: in, index: index, triplet: triplet(s.Arch),
		pairs: map[string]PackagePair{}, chosen: map[string]Package{}, scripts: scripts, policy: t.Policy,
	}
	programs, plugins, more := c.sort(found)
	if err := sameRelease(release, programs, more); err != nil {
		return nil, err
	}
	more = append(more, c.pickScripts(t.Policy)...)
	c.takeAlways()
	c.readRevisions(found)
	key := t.key(s, c, programs, plugins)
	farm := readFarm(filepath.Join(t.Dir, key))
	if farm == nil {
		if farm, err = t.make(ctx, s, release, a, c, key, programs, plugins, n); err != nil {
			return nil, err
		}
	}
	m := &Manifest{
		Version: ManifestVersion, Source: TwinName, Release: release.String(), Host: s.Host.Name, Target: s.Arch.Name,
		Made: t.touch(key), Farm: path.Join(t.Below, key, farmRoot), Left: append(left, more...),
	}
	t.describe(m, farm, found, c)
	return m, nil
}

// touch notes for the cache's list that a farm was used, and returns the time.
func (t *Twin) touch(key string) time.Time {
	now := time.Now()
	_ = os.Chtimes(filepath.Join(t.Dir, key), now, now)
	return now.UTC().Truncate(time.Second)
}

// readOwn reads what dpkg knows of a root, which must have nothing of the host's.
func readOwn(s *Subject) (*Installed, error) {
	in, err := ReadInstalled(s.Root, s.Arch.Debian)
	if err == nil && slices.Contains(in.Foreign, s.Host.Debian) {
		err = fault.New(fault.Unsupported, "remove the packages of "+s.Host.Debian+" from the root", "the root has packages of %s itself: the tools' libraries would hide theirs", s.Host.Debian)
	}
	return in, err
}

// takeAlways takes the libraries of what was picked, and those that every program
// may load.
func (c *chooser) takeAlways() {
	always := []string{"libc6", "libgcc-s1"}
	if c.has("libfakeroot") {
		always = append(always, "libfakeroot")
	}
	if c.subject.Host.Order != c.subject.Arch.Order {
		always = append(always, "libc-bin") // see putLocales
	}
	c.takeLibraries(always...)
}

// openArchive reads the index of the packages for the host.
func (t *Twin) openArchive(ctx context.Context, s *Subject, r Release, log io.Writer) (*apt, map[string][]Package, error) {
	sources := readSources(s.Root)
	if len(sources) == 0 {
		mirror := t.Mirror
		if mirror == "" {
			mirror = "http://deb.debian.org/debian"
		}
		sources = []string{mirror + " " + r.Codename + " main"}
	}
	sum := sha256.Sum256([]byte(strings.Join(sources, "\n")))
	a := &apt{dir: filepath.Join(t.Dir, "apt-"+r.Codename+"-"+s.Host.Debian+"-"+hex.EncodeToString(sum[:8])), arch: s.Host.Debian, log: log}
	if err := a.configure(ctx, sources); err != nil {
		return nil, nil, a.makeRoom(err)
	}
	updated := a.update(ctx)
	if ctx.Err() != nil {
		return nil, nil, updated
	}
	// An archive that cannot be reached is as good as its last index, as long as
	// the packages are there as well.
	index, err := a.index(ctx)
	if err != nil && updated != nil {
		err = updated
	}
	return a, index, a.makeRoom(err)
}

// sort picks the packages of the candidates, and says which stay emulated since
// the twin has none for them.
func (c *chooser) sort(found []candidate) (programs, plugins []string, left []Left) {
	for _, f := range found {
		_, state, why := c.pick(f.original.Package)
		switch {
		case state != Native:
			left = append(left, Left{Path: "/" + f.name, State: state, Why: why, Package: f.original.Package})
		case f.plugin:
			plugins = append(plugins, f.source)
		default:
			if own := c.consider(f); own != nil {
				left = append(left, own...)
				continue
			}
			programs = append(programs, f.source)
		}
	}
	return programs, plugins, left
}

// sameRelease refuses an archive of another release than the root: one that has
// most of the root's programs in other versions.
func sameRelease(release Release, programs []string, left []Left) error {
	var drifted []Left
	for _, l := range left {
		if l.State == Drifted {
			drifted = append(drifted, l)
		}
	}
	switch {
	case len(drifted) > len(programs):
		return fault.New(fault.Mismatch, "upgrade the root, or name the archive of "+release.String()+" in its /etc/apt/sources.list",
			"the archive is not of the root's release, %s: of %d programs %d are of other versions, as %s",
			release, len(programs)+len(drifted), len(drifted), drifted[0].Why)
	case len(programs) == 0:
		return fault.New(fault.NotFound, "xjail tools install again when packages are installed", "none of the root's programs is to be had natively in %s", release)
	}
	return nil
}

// key names a farm by all that decides what is in it.
func (t *Twin) key(s *Subject, c *chooser, programs, plugins []string) string {
	parts := []string{formatOfFarms, s.Host.Name, s.Arch.Name, s.Arch.GNU, fmt.Sprint(hasFixed(s))}
	for _, list := range [][]string{t.Policy.Asks, t.Policy.Searches, t.Policy.Names, t.Policy.Allow, slices.Sorted(maps.Keys(t.Policy.Libraries))} {
		parts = append(parts, strings.Join(list, " "))
	}
	for _, p := range c.chosen {
		parts = append(parts, p.Name+" "+p.Version+" "+p.SHA256)
	}
	for name, r := range c.revisions {
		parts = append(parts, name+" "+r)
	}
	for _, choice := range c.choices {
		parts = append(parts, "chooser "+choice.own.source+" "+strings.Join(choice.options, " ")+" "+choice.own.original.SHA256)
	}
	parts = slices.Concat(parts, programs, plugins, c.scripts.key())
	slices.Sort(parts)
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:])
}

// hasFixed tells whether the root's compiler has headers that it corrected.
func hasFixed(s *Subject) bool {
	found, _ := fs.Glob(s.Root.FS(), "usr/lib/gcc/"+compilerTriplet(s.Arch)+"/*/include-fixed")
	return len(found) > 0
}

// make fetches the packages and makes the farm of them, under another name until
// it is whole.
func (t *Twin) make(ctx context.Context, s *Subject, release Release, a *apt, c *chooser, key string, programs, plugins []string, n Notes) (*Farm, error) {
	packages := c.packages()
	n.Step(fmt.Sprintf("fetch %d packages of %s", len(packages), s.Host.Debian))
	if err := a.fetch(ctx, packages); err != nil {
		return nil, a.makeRoom(err)
	}
	n.Step("unpack them")
	return t.makeOf(ctx, s, release, c, key, programs, plugins, func(dir *os.Root) (*staged, error) {
		return t.stage(ctx, s, a, dir, packages, slices.Concat(programs, plugins, c.scripts.wanted()))
	})
}

// makeOf makes the farm of what stage puts together.
func (t *Twin) makeOf(ctx context.Context, s *Subject, release Release, c *chooser, key string, programs, plugins []string, stage func(dir *os.Root) (*staged, error)) (*Farm, error) {
	partial := filepath.Join(t.Dir, key+".partial")
	if err := os.RemoveAll(partial); err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(partial) }() // cache prune knows what is left
	if err := os.MkdirAll(filepath.Join(partial, farmStage), 0o755); err != nil {
		return nil, err
	}
	dir, err := os.OpenRoot(partial)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	b := &farmBuild{
		dir: dir, scripts: c.scripts, local: !hasFixed(s), host: s.Host, target: s.Arch, policy: t.Policy, objects: map[string]*object{}, revisions: c.revisions,
		own: s.Root, choices: c.choices,
		farm: &Farm{Release: release.String(), Host: s.Host.Name, Target: s.Arch.Name, Files: map[string]FarmFile{}, Rejected: map[string]string{}},
	}
	if b.stage, err = stage(dir); err != nil {
		return nil, err
	}
	defer b.stage.root.Close()
	if err := b.build(ctx, programs, plugins); err != nil {
		return nil, err
	}
	if err := dir.RemoveAll(farmStage); err != nil {
		return nil, err
	}
	text, err := json.Marshal(b.farm)
	if err != nil {
		return nil, err
	}
	if err := dir.WriteFile(farmAbout, append(text, '\n'), 0o644); err != nil {
		return nil, err
	}
	return b.farm, os.Rename(partial, filepath.Join(t.Dir, key))
}

// stage unpacks of the packages what may be wanted of them.
func (t *Twin) stage(ctx context.Context, s *Subject, a *apt, dir *os.Root, packages []Package, wanted []string) (*staged, error) {
	root, err := dir.OpenRoot(farmStage)
	if err != nil {
		return nil, err
	}
	st := &staged{root: root, links: map[string]string{}, owner: map[string]Package{}, special: map[string]bool{}}
	want := map[string]bool{}
	for _, name := range wanted {
		want[name] = true
	}
	for _, p := range packages {
		err := st.unpack(ctx, a.file(p), p, func(name string) bool { return want[name] || wantsLibrary(s.Host, name) })
		if err != nil {
			root.Close()
			return nil, err
		}
	}
	return st, nil
}

// packages are those that were chosen, sorted by name.
func (c *chooser) packages() []Package {
	var list []Package
	for _, p := range c.chosen {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b Package) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// describe fills the manifest with what the farm has for the root's programs.
func (t *Twin) describe(m *Manifest, farm *Farm, found []candidate, c *chooser) {
	used := map[string]bool{}
	for _, f := range found {
		if _, ok := c.pairs[f.original.Package]; !ok || c.staysOwn(f.source) {
			continue // it is among those left
		}
		left := t.describeProgram(m, farm, f, c)
		if left != nil {
			m.Left = append(m.Left, *left)
			continue
		}
		used[f.original.Package] = true
	}
	source := loaderSource(c.subject.Host, farm.Interp)
	if l, ok := farm.Files[source]; ok && farm.Interp != "" {
		m.Files = append(m.Files, File{Path: farm.Interp, Source: source, Kind: Loader, Package: l.Package, Version: l.Version, SHA256: l.SHA256, Size: l.Size})
	}
	if farm.Libraries.Files > 0 {
		m.Trees = append(m.Trees, farm.Libraries)
	}
	t.describeScripts(m, farm, c, used)
	for name := range used {
		m.Packages = append(m.Packages, c.pairs[name])
	}
	t.finish(m)
	m.Notes = append(m.Notes, c.notesOf()...)
}

// describeProgram adds what the farm has for one program, or says why it is left.
func (t *Twin) describeProgram(m *Manifest, farm *Farm, f candidate, c *chooser) *Left {
	left := &Left{Path: "/" + f.name, State: Missing, Why: "package " + c.pairs[f.original.Package].Twin + " has no such file", Package: f.original.Package}
	has, ok := farm.Files[f.source]
	if !ok {
		if why := farm.Rejected[f.source]; why != "" {
			left.State, left.Why = Excluded, why
		}
		return left
	}
	original := f.original
	file := File{
		Path: "/" + f.name, Source: f.source, Kind: Program, Package: has.Package, Version: has.Version,
		SHA256: has.SHA256, Size: has.Size, Original: &original, Pays: t.Policy.PaysOff(path.Base(f.name)),
	}
	if f.plugin {
		file.Kind = Plugin
	}
	if why := c.describeCompiler(m, farm, f, &file); why != "" {
		left.State, left.Why = Excluded, why
		return left
	}
	m.Files = append(m.Files, file)
	return nil
}

// finish sorts the lists and says which versions are not the same to the letter.
func (t *Twin) finish(m *Manifest) {
	slices.SortFunc(m.Packages, func(a, b PackagePair) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(m.Beside, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(m.Left, func(a, b Left) int { return strings.Compare(a.Path, b.Path) })
	for i := range m.Left {
		m.Left[i].Pays = m.Left[i].Pays || t.Policy.PaysOff(path.Base(m.Left[i].Path))
	}
	for _, p := range m.Packages {
		if !SameVersion(p.Version, p.TwinVer) {
			m.Notes = append(m.Notes, fmt.Sprintf("%s %s stands in for %s %s", p.Twin, p.TwinVer, p.Name, p.Version))
		}
	}
}
