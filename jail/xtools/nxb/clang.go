package nxb

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/xjail/xjail/internal/fault"
)

// clangPath is the compiler of a base tree. drivers are its names, and the mode
// of clang's driver that each stands for: it decides by its name.
const clangPath = "usr/bin/clang"

var drivers = map[string]string{
	"usr/bin/cc":        "clang",
	"usr/bin/c++":       "clang++",
	"usr/bin/cpp":       "clang-cpp",
	"usr/bin/clang":     "clang",
	"usr/bin/clang++":   "clang++",
	"usr/bin/clang-cpp": "clang-cpp",
}

// modes are the names that clang's driver has configuration files for, whatever
// it was called by.
var modes = []string{"clang", "clang++", "clang-cpp"}

// readsConfig is the first version of clang that reads MODE.cfg beside itself
// without being asked.
const readsConfig = 16

// shell runs launchers, and so is a part of a layout that has some.
const shell = "bin/sh"

// launched begins the names of an older clang's programs, which launchers start.
const launched = "native-"

// clang is the compiler of a twin, and how it is told its target.
type clang struct {
	version  string // of its resource directory: 19, or 14.0.5 before 16
	triple   string
	resource string // -resource-dir; "" for the layout's own
	launcher bool
}

// triple is what the jail's own clang compiles for (lib/clang/llvm.build.mk).
func (b *builder) triple() string {
	triple := b.o.Target.Triples["freebsd"]
	if b.o.Target.Name == "armv6" && b.jail.major() < 11 {
		triple = strings.TrimSuffix(triple, "hf") // soft float until then
	}
	return strings.Replace(triple, "freebsd", "freebsd"+b.jail.Number(), 1)
}

var versionPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,3}){0,2}$`)
})

// clangVersions are the resource directories of a tree's clang.
func (t *tree) clangVersions() ([]string, error) {
	names, err := t.names(clangDir)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return !versionPattern().MatchString(name) || !t.has(clangDir+"/"+name+"/include")
	}), nil
}

// findClang looks at the twin's compiler, and whether it is the jail's.
func (b *builder) findClang() (*clang, error) {
	versions, err := b.source.clangVersions()
	if err != nil {
		return nil, b.failed(clangDir, err)
	}
	if len(versions) != 1 || !b.source.has(clangPath) {
		hint := "take base.txz of a release whose compiler is clang, 10.0 or newer"
		if len(versions) > 1 {
			hint = "make delete-old delete-old-dirs in /usr/src takes those of older releases away; or take base.txz"
		}
		return nil, fault.New(fault.NotFound, hint,
			"the base tree has no clang, or not one only: %s has %d versions %s", clangDir, len(versions), strings.Join(versions, " "))
	}
	c := &clang{version: versions[0], triple: b.triple()}
	first, _, _ := strings.Cut(c.version, ".")
	major, _ := strconv.Atoi(first)
	c.launcher = major < readsConfig
	return c, b.jailClang(c)
}

// jailClang sees to it that the jail's compiler is the same, and uses its
// headers. A jail without a compiler gets those of the twin.
func (b *builder) jailClang(c *clang) error {
	jail := &tree{root: b.o.Jail}
	versions, err := jail.clangVersions()
	if err != nil {
		return about(err, clangDir+" of the jail")
	}
	switch {
	case slices.Contains(versions, c.version):
		c.resource = "/" + clangDir + "/" + c.version
	case len(versions) > 0:
		return fault.New(fault.Mismatch, "", "the base tree's compiler is clang %s, the jail's clang %s", c.version, strings.Join(versions, " "))
	case jail.has("usr/bin/cc"):
		return fault.New(fault.Mismatch, "take native-xtools", "the base tree's compiler is clang %s, the jail's is none", c.version)
	}
	return nil
}

// isDriver tells whether name is the compiler under one of its names, and fails
// where such a name is another compiler.
func (b *builder) isDriver(name string) (bool, error) {
	if drivers[name] == "" {
		return false, nil
	}
	f, _, err := b.source.open(clangPath)
	if err != nil {
		return false, b.failed(clangPath, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	same, err := b.sameAs(name, info)
	if err == nil && !same && b.source.has(name) {
		err = b.failed(name, fault.New(fault.Unsupported, "take native-xtools", "it is not clang: it compiles for %s only", b.o.Host))
	}
	return same, err
}

// driver takes the compiler under one of its names. An older one goes by another
// name, and a launcher is in its place.
func (b *builder) driver(c *clang, name string) error {
	if !c.launcher {
		return b.take(name, name)
	}
	mode := launched + drivers[name]
	program := path.Dir(name) + "/" + mode
	if b.files[program] == nil {
		if err := b.take(name, program); err != nil {
			return err
		}
	}
	b.write(File{Path: name, Kind: Launcher, Mode: 0o555, Text: c.script(prefix + "/" + program)})
	return nil
}

// script is a launcher of program. clang starts itself by its own name with -cc1
// first, which must stay there.
func (c *clang) script(program string) string {
	return fmt.Sprintf(`#!%s
# The native compiler, told its target: this version of clang reads no
# configuration file for that.
case $1 in
-cc1*) exec %[2]s "$@" ;;
esac
exec %[2]s %[3]s "$@"
`, prefix+"/"+shell, program, strings.Join(c.options(), " "))
}

// options are what clang must be told.
func (c *clang) options() []string {
	options := []string{"--target=" + c.triple}
	if c.resource != "" {
		// Else the names of its headers below /nxb-bin would get into debug
		// information and dependency files.
		options = append(options, "-resource-dir="+c.resource)
	}
	return options
}

// configure writes clang's configuration files, where it reads them. The driver reads that of its
// mode; beside the program is the only place that FreeBSD's looks into.
func (b *builder) configure(c *clang) error {
	if c.launcher && b.files[shell] == nil {
		if err := b.take(shell, shell); err != nil {
			return b.failed(shell, err)
		}
	}
	if !c.launcher {
		text := "# The native compiler's target: the jail's.\n" + strings.Join(c.options(), "\n") + "\n"
		for _, mode := range modes {
			b.write(File{Path: "usr/bin/" + mode + ".cfg", Kind: Config, Mode: 0o444, Text: text})
		}
	}
	by := ByConfig
	if c.launcher {
		by = ByLauncher
	}
	b.plan.Compiler = &Compiler{Path: "usr/bin/cc", Version: c.version, Triple: c.triple, By: by}
	return nil
}

// Beside are the files below /nxb-bin that must be in the directory of a program
// wherever it is put, such as clang.cfg beside usr/bin/cc: a compiler under
// another path, by a hard link or with -no-canonical-prefixes, looks for them
// there, and without them compiles for the host. None for other programs.
func (m *Manifest) Beside(name string) []string {
	if drivers[name] == "" || m.Compiler == nil || m.Compiler.By != ByConfig {
		return nil
	}
	var all []string
	for _, mode := range modes {
		all = append(all, path.Join(path.Dir(name), mode+".cfg"))
	}
	return all
}

// write adds a file that xjail writes.
func (b *builder) write(f File) {
	f.Size = int64(len(f.Text))
	b.add(nil, f)
}
