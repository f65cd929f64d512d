package xtools

import (
	"path"
	"slices"
	"strings"
)

// configFiles tell what perl was built for. The native perl reads those of the
// root: a script that asks gets the root's own answers. perl itself asks for
// nothing there in which the two differ.
var configFiles = []string{"Config.pm", "Config_heavy.pl", "Config_git.pl"}

// isConfig tells whether a file of the farm is one of them.
func (b *farmBuild) isConfig(name string) bool {
	dir, base := path.Dir(name), path.Dir(path.Dir(name))
	return slices.Contains(configFiles, path.Base(name)) && (dir == libDir(b.host)+"/perl-base" || base == libDir(b.host)+"/perl")
}

// configText has perl read the root's own file where the twin has one. It is no
// symlink: a farm has plain files only, so that it can be packed and written into
// a root.
func (b *farmBuild) configText(name string) []byte {
	own := "/" + libDir(b.target) + strings.TrimPrefix(name, libDir(b.host))
	return []byte("require '" + own + "';\n1;\n")
}

// module is a file of perl's modules: its place in the farm, and in the stage.
type module struct{ to, from string }

// modules are the modules of the packages of which the root has such, sorted.
func (b *farmBuild) modules() []module {
	dirs := b.linkedDirs()
	var list []module
	for name, p := range b.stage.owner {
		real := b.stage.real(name)
		if real == "" || !wantsModule(b.host.GNU, name) || !slices.Contains(b.scripts.owners, p.Name) {
			continue
		}
		to := name
		for dir, link := range dirs {
			if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
				to = path.Join(link, rest)
			}
		}
		list = append(list, module{to: to, from: real})
	}
	slices.SortFunc(list, func(a, b module) int { return strings.Compare(a.to, b.to) })
	return list
}

// linkedDirs are directories with another name, by which perl knows them: perl/5.36
// leads to perl/5.36.0.
func (b *farmBuild) linkedDirs() map[string]string {
	dirs := map[string]string{}
	for link, target := range b.stage.links {
		if !wantsModule(b.host.GNU, link) {
			continue
		}
		if st, err := b.stage.root.Lstat(target); err == nil && st.IsDir() {
			dirs[target] = link
		}
	}
	return dirs
}

// readyScripts says what of native perl needs libraries: itself and its modules.
// why is what makes it unfit to run scripts.
func (b *farmBuild) readyScripts() (elves []string, why string) {
	if len(b.scripts.list) == 0 {
		return nil, ""
	}
	o, err := b.read(perlPath)
	if err != nil || o == nil || b.host.Accepts(o.id) != nil || !o.isProgram() {
		return nil, "the twin has no perl"
	}
	elves = append(elves, perlPath)
	there := map[string]bool{}
	for _, m := range b.modules() {
		there[m.to] = true
		o, err := b.read(m.from)
		if err != nil {
			return nil, "perl cannot stand in: " + err.Error()
		}
		if o != nil {
			elves = append(elves, m.from)
		}
		if path.Base(m.to) == "Errno.pm" {
			text, err := b.text(m.from)
			if err != nil || strings.Contains(string(text), "osvers") {
				return nil, "the twin's perl compares what it was built for with its Config"
			}
		}
	}
	if missing := b.missingModule(there); missing != "" {
		return nil, "the twin has no module of perl for /" + missing
	}
	if _, err := b.shelf().closure(elves); err != nil {
		return nil, "perl cannot stand in: " + err.Error()
	}
	return elves, ""
}

// missingModule is a module of the root that the twin has not; "" when it has all.
func (b *farmBuild) missingModule(there map[string]bool) string {
	dirs := b.linkedDirs()
	for _, own := range b.scripts.files {
		name := libDir(b.host) + strings.TrimPrefix(own, libDir(b.target))
		for dir, link := range dirs {
			if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
				name = path.Join(link, rest)
			}
		}
		if !there[name] {
			return own
		}
	}
	return ""
}

// putScripts puts the scripts, and what runs them.
func (b *farmBuild) putScripts(why string) error {
	put := 0
	for _, c := range b.scripts.list {
		reason := why
		if twin, err := b.text(c.source); err == nil && reason == "" && !sameScript(c.text, b.target.GNU, twin, b.host.GNU) {
			reason = "the twin has another script there"
		}
		if reason != "" {
			b.farm.Rejected[c.source] = reason
			continue
		}
		text := nativeScript(c.text, libDir(b.host))
		b.farm.Files[c.source] = FarmFile{Package: c.original.Package, Version: c.original.Version, SHA256: sumOf(text), Size: int64(len(text)), Script: true}
		if err := b.put(c.source, text, 0o755); err != nil {
			return err
		}
		put++
	}
	if put == 0 {
		return nil
	}
	return b.putPerl()
}

// putPerl puts what runs the scripts.
func (b *farmBuild) putPerl() error {
	text, err := b.text(perlPath)
	if err != nil {
		return err
	}
	if err := setLoader(text, b.farm.Interp); err != nil {
		return err
	}
	libs := libDir(b.host)
	b.describe(perlProgram(libs), b.stage.owner[perlPath], text)
	if err := b.put(perlProgram(libs), text, 0o755); err != nil {
		return err
	}
	if err := b.put(nativePerl(libs), perlChooser(libs), 0o755); err != nil {
		return err
	}
	b.perl.Files, b.perl.Bytes = 2, int64(len(text)+len(perlChooser(libs)))
	b.farm.Perl = slices.Clone(b.scripts.owners)
	for _, m := range b.modules() {
		if err := b.putModule(m); err != nil {
			return err
		}
	}
	return nil
}

// putModule puts a file of perl's modules.
func (b *farmBuild) putModule(m module) error {
	b.perl.Files++
	if b.isConfig(m.to) {
		text := b.configText(m.to)
		b.perl.Bytes += int64(len(text))
		return b.put(m.to, text, 0o644)
	}
	st, err := b.stage.root.Lstat(m.from)
	if err != nil {
		return err
	}
	b.perl.Bytes += st.Size()
	to := path.Join(farmRoot, m.to)
	if err := b.dir.MkdirAll(path.Dir(to), 0o755); err != nil {
		return err
	}
	return b.dir.Link(path.Join(farmStage, m.from), to)
}

// describeScripts fills the manifest with the scripts that are run natively, and
// notes the packages that perl and its modules are of.
func (t *Twin) describeScripts(m *Manifest, farm *Farm, c *chooser, used map[string]bool) {
	perl, ok := farm.Files[perlProgram(libDir(c.subject.Host))]
	n := len(m.Files)
	for _, s := range c.scripts.list {
		file, why := c.scriptOf(farm, s)
		if why != "" || !ok {
			m.Left = append(m.Left, leftScript(s, Excluded, why, t.Policy))
			continue
		}
		m.Files = append(m.Files, File{
			Path: "/" + s.name, Source: s.source, Kind: Script, Package: file.Package, Version: file.Version,
			SHA256: file.SHA256, Size: file.Size, Original: &s.original, Pays: t.Policy.PaysOff(path.Base(s.name)), Why: s.why,
		})
	}
	if len(m.Files) == n {
		return
	}
	for _, owner := range c.scripts.owners {
		used[owner] = true
	}
	m.Interpreters = []File{{
		Path: "/" + perlPath, Source: perlProgram(libDir(c.subject.Host)), Kind: Interpreter, Package: perl.Package, Version: perl.Version,
		SHA256: perl.SHA256, Size: perl.Size, Original: &c.scripts.perl.original,
	}}
	m.Modules = c.scripts.modules
}

// scriptOf is what a farm has for a script of the root. It differs from the root's
// own in nothing but its first line: a farm of elsewhere could have anything.
func (c *chooser) scriptOf(farm *Farm, s candidate) (file FarmFile, why string) {
	file, ok := farm.Files[s.source]
	switch {
	case farm.Rejected[s.source] != "":
		return file, farm.Rejected[s.source]
	case !ok:
		return file, "there is no such script among the tools"
	case !file.Script || file.SHA256 != sumOf(nativeScript(s.text, libDir(c.subject.Host))):
		return file, "there is another script among the tools"
	}
	return file, ""
}
