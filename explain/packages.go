package explain

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
)

// names are the names in a directory of the root.
func (e *explainer) names(dir string) []string {
	p, d := e.w.lookup(dir)
	if d != nil {
		return nil
	}
	list, err := e.w.Files.ReadDir(p.path)
	if err != nil {
		return nil
	}
	return list
}

// rootIs tells whether os-release(5) of the root names one of these systems, or
// one like them.
func (e *explainer) rootIs(ids ...string) bool {
	l := &linker{e: e}
	text := l.read("/etc/os-release")
	if text == nil {
		text = l.read("/usr/lib/os-release")
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key != "ID" && key != "ID_LIKE" {
			continue
		}
		for _, word := range strings.Fields(strings.Trim(value, `"'`)) {
			if slices.Contains(ids, word) {
				return true
			}
		}
	}
	return false
}

// libraryRemedy is the command of the root's package manager that installs a
// library. Alpine's and Fedora's know packages by the library; for Debian its
// Policy 8.1 makes the name.
func (e *explainer) libraryRemedy(name string, f *elfFile) string {
	if f.img.role == asEmulator && len(e.taken) > 0 {
		return e.emulatorRemedy(e.taken[len(e.taken)-1].entry, asEmulator.cause(LibraryAbsent))
	}
	base := path.Base(name)
	a := f.archOf()
	switch {
	case a == nil || strings.Contains(name, "/"):
		return "put " + base + " to where it is looked for"
	case e.rootIs("alpine") && e.works("apk"):
		return e.inJail("apk add so:" + quote(base))
	case e.rootIs("fedora", "rhel", "centos", "suse", "opensuse") && e.works("dnf"):
		return e.inJail("dnf install " + quote(base+fedoraBits(a)))
	case e.rootIs("debian", "ubuntu") && e.works("apt-get"):
		if owner := e.owner(base); owner != "" {
			return e.inJail("apt-get install --reinstall " + owner)
		}
		return e.inJail("apt-get install " + debianPackage(base) + e.suffix(a))
	case e.w.Jail != nil && e.rootIs("debian", "ubuntu", "alpine", "fedora"):
		return e.remake()
	}
	return "put " + base + " of " + a.Name + " into a directory where it is looked for, " + e.onHost("/usr/lib") + " for one"
}

func fedoraBits(a *arch.Arch) string {
	if a.Class == 64 {
		return "()(64bit)"
	}
	return ""
}

// suffix is what apt wants behind the name of a package of another architecture
// than the root's own.
func (e *explainer) suffix(a *arch.Arch) string {
	own, listed := "", strings.Fields(string((&linker{e: e}).read("/var/lib/dpkg/arch")))
	switch {
	case e.w.Jail != nil:
		own = e.w.Jail.Arch
	case len(listed) > 0:
		own = listed[0]
	case len(e.w.Natives) > 0:
		own = e.w.Natives[0].Name
	}
	if a.Debian == "" || a.Name == own || a.Debian == own {
		return ""
	}
	return ":" + a.Debian
}

// works tells whether a package manager of the root runs, in a root that may lack
// the C library.
func (e *explainer) works(manager string) bool {
	if e.w.noRemedies {
		return false // that is being asked already
	}
	w := *e.w
	w.noRemedies = true
	x := explain(&w, manager, false)
	// One that is not there at all is not hindered by what is missing.
	return x.Verdict.Runs != No || x.Verdict.Cause == Missing
}

// Where dpkg has the lists of the files of its packages, and how many are read.
const (
	dpkgInfo  = "/var/lib/dpkg/info"
	dpkgLists = 10000
)

// owner is the installed package of Debian that a library belongs to, "" when
// none has it.
func (e *explainer) owner(base string) string {
	l := &linker{e: e}
	names := e.names(dpkgInfo)
	for _, name := range names[:min(len(names), dpkgLists)] {
		pkg, ok := strings.CutSuffix(name, ".list")
		if ok && strings.Contains(string(l.read(path.Join(dpkgInfo, name))), "/"+base+"\n") {
			return quote(pkg)
		}
	}
	return ""
}

// debianNames are libraries whose packages do not follow the rule.
var debianNames = map[string]string{
	"libz.so.1": "zlib1g", "libbz2.so.1.0": "libbz2-1.0", "libcrypto.so.3": "libssl3", "libcrypto.so.1.1": "libssl1.1",
	"libc.so.6": "libc6", "libm.so.6": "libc6", "libpthread.so.0": "libc6", "libdl.so.2": "libc6", "librt.so.1": "libc6",
	"libutil.so.1": "libc6", "libresolv.so.2": "libc6", "libform.so.6": "libncurses6", "libpam_misc.so.0": "libpam0g",
	"libpam.so.0": "libpam0g", "libsqlite3.so.0": "libsqlite3-0", "libexpat.so.1": "libexpat1",
}

// debianPackage makes the package of libNAME.so.VERSION: libNAMEVERSION, with a
// hyphen between two digits; underscores become hyphens (Debian Policy 8.1).
func debianPackage(soname string) string {
	if p := debianNames[soname]; p != "" {
		return p
	}
	name, version, _ := strings.Cut(soname, ".so")
	version = strings.TrimPrefix(version, ".")
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	if n := len(name); version != "" && n > 0 && name[n-1] >= '0' && name[n-1] <= '9' {
		name += "-"
	}
	return quote(name + version)
}

// oldRemedy is for libraries that lack a version.
func (e *explainer) oldRemedy(want version, f *elfFile) string {
	if f.img.role == asEmulator && len(e.taken) > 0 {
		return e.emulatorRemedy(e.taken[len(e.taken)-1].entry, asEmulator.cause(LibraryOld))
	}
	if e.rootIs("debian", "ubuntu") && strings.HasPrefix(want.name, "GLIBC_") {
		return "take a build of it for this release, or a root of a newer one: xjail create NAME --from debian:SUITE"
	}
	return fmt.Sprintf("take a build of it for this root, or bring %s up to date", want.library)
}

// installers are packages of interpreters by the name of the program.
var installers = map[string]string{"bash": "bash", "perl": "perl", "python3": "python3", "python": "python-is-python3", "zsh": "zsh", "ksh": "ksh", "ruby": "ruby", "awk": "gawk", "gawk": "gawk", "make": "make", "node": "nodejs", "php": "php-cli", "tclsh": "tcl", "expect": "expect", "sh": "dash", "dash": "dash", "env": "coreutils"}

// install is the command that installs a well-known program in the root; "" when
// it is not known.
func (e *explainer) install(program string) string {
	name := installers[program]
	switch {
	case name == "":
		return ""
	case e.rootIs("debian", "ubuntu"):
		return e.inJail("apt-get install " + name)
	case e.rootIs("alpine"):
		return e.inJail("apk add " + program)
	case e.w.freebsd():
		return e.inJail("pkg install " + program)
	}
	return ""
}
