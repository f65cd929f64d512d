package poudriere

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/jail"
)

// Build is what poudriere gives the programs of a build.
type Build struct {
	// Env is the environment, NAME=VALUE.
	Env []string
	// MakeConf is the text of make.conf.
	MakeConf string
}

// What the reference jail's paths are in a build.
const (
	buildHome = "/root"
	portsDir  = "/usr/ports"
)

// LikeBuild is the environment and the make.conf that poudriere would give a
// build in a jail, from its root and poudriere's configuration. r may be nil: then
// poudriere was not told of the jail, and would know what the root says.
//
// Poudriere changes login.conf and make.conf in a copy of the root; here nothing
// is changed.
func (p *Poudriere) LikeBuild(s Subject, r *Registration) (*Build, error) {
	j := Jail{Name: s.Name}
	asked := ""
	if r != nil {
		j, asked = r.Jail, r.Asked
	}
	facts, err := readRoot(s.Root, "", asked)
	if err != nil {
		return nil, err
	}
	if j.Arch, err = ArchName(s.Arch); err != nil {
		return nil, err
	}
	if j.Version == "" {
		j.Version = facts.Version
	}
	root, err := os.OpenRoot(s.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	login, err := readFile(root, loginConf)
	if err != nil {
		return nil, err
	}
	b := &Build{Env: []string{"HOME=" + buildHome, "LC_COLLATE=C", "PACKAGE_BUILDING=yes"}}
	b.Env = append(b.Env, loginEnv(string(login))...)
	b.Env = append(b.Env, versionEnv(s, &j, facts.OSVersion)...)
	b.MakeConf, err = p.makeConf(root, s, &j)
	return b, err
}

// versionEnv is what poudriere appends to setenv of login.conf.
func versionEnv(s Subject, j *Jail, osversion int) []string {
	release, _, _ := strings.Cut(j.Version, " ")
	env := []string{"UNAME_r=" + release, "UNAME_v=FreeBSD " + j.Version, "OSVERSION=" + strconv.Itoa(osversion)}
	if s.Emulated {
		env = append(env, "ABI_FILE=/usr/lib/crt1.o")
	}
	if s.cross() {
		target, targetArch := j.Target()
		env = append(env, "UNAME_m="+target, "UNAME_p="+targetArch)
	}
	return env
}

// cross tells whether programs of the jail must be told another machine than
// this one.
func (s Subject) cross() bool { return s.Emulated || s.Arch.Name != arch.Host().Name }

// classDefault is the class default of login.conf, to the line that does not go on.
var classDefault = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^default:((?:[^\n]*\\\n)*[^\n]*)`) })

// loginEnv is what the class default of login.conf has for PATH and setenv. A
// dollar is the user's name there, a tilde the home, \c a colon.
func loginEnv(text string) []string {
	m := classDefault().FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	expand := strings.NewReplacer(`\c`, ":", `\\`, `\`, "$", "root", "~", buildHome)
	var env []string
	for field := range strings.SplitSeq(strings.ReplaceAll(m[1], "\\\n", ""), ":") {
		name, value, ok := strings.Cut(strings.TrimSpace(field), "=")
		switch {
		case !ok:
		case name == "path":
			env = append(env, "PATH="+strings.Join(strings.Fields(expand.Replace(value)), ":"))
		case name == "setenv":
			for kv := range strings.SplitSeq(value, ",") {
				if strings.Contains(kv, "=") {
					env = append(env, expand.Replace(kv))
				}
			}
		}
	}
	return env
}

// makeConf is make.conf as poudriere puts it together: the root's, its own lines,
// the machine's name, and the files of poudriere.d and of the plugins.
func (p *Poudriere) makeConf(root *os.Root, s Subject, j *Jail) (string, error) {
	var b strings.Builder
	if own, err := readFile(root, "etc/make.conf"); err == nil {
		b.Write(own)
		b.WriteString("\n")
	}
	if s.Emulated {
		b.WriteString(nativeTools(root))
	}
	fmt.Fprintf(&b, "USE_PACKAGE_DEPENDS=yes\nBATCH=yes\nWRKDIRPREFIX=/wrkdirs\nPORTSDIR=%s\nPACKAGES=/packages\nDISTDIR=/distfiles\n"+
		"FORCE_PACKAGE=yes\nPACKAGE_BUILDING=yes\nPACKAGE_BUILDING_FLAVORS=yes\n", portsDir)
	if s.cross() {
		target, targetArch := j.Target()
		fmt.Fprintf(&b, "MACHINE=%s\nMACHINE_ARCH=%s\nARCH=${MACHINE_ARCH}\n", target, targetArch)
	}
	for _, file := range p.makeConfFiles(j.Name) {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // most of them are not there
		}
		fmt.Fprintf(&b, "#### %s ####\n%s\n", file, text)
	}
	return developer().ReplaceAllString(b.String(), ""), nil
}

// developer are the lines that poudriere takes out.
var developer = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^DEVELOPER=[^\n]*\n`) })

// makeConfFiles are those that poudriere appends for the tree default and no set.
func (p *Poudriere) makeConfFiles(name string) []string {
	var files []string
	for _, file := range []string{"make.conf", "default-make.conf", name + "-make.conf", name + "-default-make.conf"} {
		files = append(files, filepath.Join(p.Dir(), file))
	}
	plugins, _ := filepath.Glob(filepath.Join(p.Dir(), "hooks", "plugins", "*", "make.conf"))
	return once(append(files, plugins...))
}

// once leaves out files that are there already, by their own name or another.
func once(files []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(files, func(file string) bool {
		if real, err := filepath.EvalSymlinks(file); err == nil {
			file = real
		}
		known := seen[file]
		seen[file] = true
		return known
	})
}

// nativeVars are the variables of make.nxb.conf, in its order, with their
// programs in /nxb-bin.
var nativeVars = [][2]string{
	{"CC", "usr/bin/cc"}, {"CPP", "usr/bin/cpp"}, {"CXX", "usr/bin/c++"}, {"NM", "usr/bin/nm"}, {"LD", "usr/bin/ld"},
	{"OBJCOPY", "usr/bin/objcopy"}, {"SIZE", "usr/bin/size"}, {"STRIPBIN", "usr/bin/strip"}, {"SED", "usr/bin/sed"},
	{"RANLIB", "usr/bin/ranlib"}, {"YACC", "usr/bin/yacc"}, {"MAKE", "usr/bin/make"}, {"STRINGS", "usr/bin/strings"},
	{"AWK", "usr/bin/awk"}, {"FLEX", "usr/bin/flex"}, {"AS", "usr/bin/as"},
}

// nativeTools are the lines of make.nxb.conf for the programs that are there.
func nativeTools(root *os.Root) string {
	var b strings.Builder
	for _, v := range nativeVars {
		name := path.Join("nxb-bin", v[1])
		if _, err := root.Stat(name); err == nil {
			fmt.Fprintf(&b, "%s=/%s\n", v[0], name)
		}
	}
	return b.String()
}

// BuildMount is where a build's make.conf is seen in the jail: a directory that
// every root of FreeBSD has, and that no port uses.
const BuildMount = "/mnt"

// Write puts the build's make.conf into a directory, which is to be seen at
// BuildMount, and has make(1) read it there. It returns the directory.
func (b *Build) Write(s Subject) (string, error) {
	dir := filepath.Join(s.Dir, jail.BuildDirName)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", writeError(err)
	}
	b.Env = append(b.Env, "__MAKE_CONF="+path.Join(BuildMount, "make.conf"))
	name := filepath.Join(dir, "make.conf")
	return dir, replaceFile(name, name+newSuffix, b.MakeConf)
}
