package xtools

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// configFiles tell what perl was built for. Those of the root stand in for the
// native perl's: a script that asks gets the root's own answers. perl itself asks
// for nothing there in which the two differ.
var configFiles = []string{"Config.pm", "Config_heavy.pl", "Config_git.pl"}

// isConfig tells whether a file is one of them.
func (b *farmBuild) isConfig(name string) bool {
	dir, base := path.Dir(name), path.Dir(path.Dir(name))
	return slices.Contains(configFiles, path.Base(name)) && (dir == libDir(b.host)+"/perl-base" || base == libDir(b.host)+"/perl")
}

// modules are the files of the stage that are perl's modules, sorted.
func (b *farmBuild) modules() []string {
	var names []string
	for name := range b.stage.owner {
		_, link := b.stage.links[name]
		if wantsModule(b.host.GNU, name) && (link || b.stage.real(name) != "") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
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
	for _, name := range b.modules() {
		o, err := b.read(name)
		if err != nil {
			return nil, "perl cannot stand in: " + err.Error()
		}
		if o != nil {
			elves = append(elves, name)
		}
		if path.Base(name) == "Errno.pm" {
			text, err := b.text(name)
			if err != nil || strings.Contains(string(text), "osvers") {
				return nil, "the twin's perl compares what it was built for with its Config"
			}
		}
	}
	if _, err := b.shelf().closure(elves); err != nil {
		return nil, "perl cannot stand in: " + err.Error()
	}
	return elves, ""
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
		b.describe(c.source, Package{Name: c.original.Package, Version: c.original.Version}, text)
		if err := b.put(c.source, text, 0o755); err != nil {
			return err
		}
		put++
	}
	if put == 0 {
		return nil
	}
	text, err := b.text(perlPath)
	if err != nil {
		return err
	}
	b.describe(nativePerl(libDir(b.host)), b.stage.owner[perlPath], text)
	if err := b.put(nativePerl(libDir(b.host)), text, 0o755); err != nil {
		return err
	}
	for _, name := range b.modules() {
		if err := b.putModule(name); err != nil {
			return err
		}
	}
	return nil
}

// putModule puts a file of perl's modules. Links are those of the package, but
// those of the files that say what perl was built for lead to the root's own.
func (b *farmBuild) putModule(name string) error {
	to := path.Join(farmRoot, name)
	if err := b.dir.MkdirAll(path.Dir(to), 0o755); err != nil {
		return err
	}
	if b.isConfig(name) {
		return b.dir.Symlink("/"+libDir(b.target)+strings.TrimPrefix(name, libDir(b.host)), to)
	}
	target, ok := b.stage.links[name]
	if !ok {
		st, err := b.stage.root.Lstat(name)
		if err != nil {
			return err
		}
		b.perl.Files, b.perl.Bytes = b.perl.Files+1, b.perl.Bytes+st.Size()
		return b.dir.Link(path.Join(farmStage, name), to)
	}
	if rel, err := filepath.Rel(path.Dir(name), target); err == nil && strings.HasPrefix(target, libDir(b.host)+"/") {
		return b.dir.Symlink(rel, to)
	}
	return b.dir.Symlink("/"+target, to)
}

// describeScripts fills the manifest with the scripts that are run natively.
func (t *Twin) describeScripts(m *Manifest, farm *Farm, c *chooser, libs string) {
	used := false
	for _, s := range c.scripts.list {
		pays := t.Policy.PaysOff(path.Base(s.name))
		file, ok := farm.Files[s.source]
		if !ok {
			m.Left = append(m.Left, Left{Path: "/" + s.name, State: Excluded, Why: farm.Rejected[s.source], Package: s.original.Package, Pays: pays})
			continue
		}
		used = true
		m.Files = append(m.Files, File{
			Path: "/" + s.name, Source: s.source, Kind: Script, Package: file.Package, Version: file.Version,
			SHA256: file.SHA256, Size: file.Size, Original: &s.original, Pays: pays,
		})
	}
	if !used {
		return
	}
	perl := farm.Files[nativePerl(libs)]
	m.Interpreters = []File{{
		Path: "/" + perlPath, Source: nativePerl(libs), Kind: Interpreter, Package: perl.Package, Version: perl.Version,
		SHA256: perl.SHA256, Size: perl.Size, Original: &c.scripts.perl.original,
	}}
	m.Modules = c.scripts.modules
}
