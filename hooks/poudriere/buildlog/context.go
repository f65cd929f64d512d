package buildlog

import (
	"strings"
)

// facts are what a log says of its build besides why it failed.
type facts struct {
	origin, pkgname string
	arch            string // UNAME_p of the jail; "" when the log does not tell
	emulated        bool   // the build ran below an emulator
	native          bool   // it certainly did not
	phase           string // of the last header
	begin           int    // the index of the first line of that phase
	end             int    // of the first line after the failure that is only cleaning up
	guessed         int    // the index of a line where configure took the host for the build's system, -1
	skip            []bool // lines that are of the environment, or source text
}

var (
	phaseHeader = newForm(`^=+<phase: (\S+)\s*>=+`)
	blockBegin  = newForm(`^--(?:-Begin .+|[A-Z_]+|Resource limits)--(?:-)?$`)
	blockEnd    = newForm(`^--(?:-End .+|End .+)--(?:-)?$`)
	buildEnded  = newForm(`^(?:build of .* ended at |=>> Cleaning up wrkdir|!!! build failure encountered)`)
	buildSystem = newForm(`^checking (?:build|host|target) system type\.\.\. (\w+)-`)
	snippet     = newForm(`^\s+(?:\d+ )?\|`)
)

// learn reads the facts from the lines of a log.
func learn(lines []Line) *facts {
	f := &facts{end: len(lines), guessed: -1, skip: make([]bool, len(lines))}
	var open, environment bool
	for i, l := range lines {
		t := l.Text
		switch {
		case blockEnd.MatchString(t):
			environment = environment || t == "---End Environment---"
			open = false
			f.skip[i] = true
		case open || blockBegin.MatchString(t):
			open = true
			f.skip[i] = true
			f.learnEnv(t)
		case strings.HasPrefix(t, "===== env: "):
			f.skip[i] = true
		case snippet.MatchString(t):
			f.skip[i] = true
		default:
			f.learnLine(i, t)
		}
		if phaseHeader.MatchString(t) {
			open = false
		}
	}
	f.native = environment && !f.emulated && f.arch == ""
	if strings.HasPrefix(f.arch, "i386") || f.arch == "amd64" {
		f.native = environment && !f.emulated
	}
	return f
}

// learnEnv reads a line of what the build was given. ABI_FILE is only there when
// poudriere emulates, make.nxb.conf when there are native tools.
func (f *facts) learnEnv(t string) {
	switch {
	case strings.HasPrefix(t, "ABI_FILE="), strings.HasPrefix(t, "---Begin make.nxb.conf"):
		f.emulated = true
	case strings.HasPrefix(t, "UNAME_p="):
		f.arch = strings.TrimPrefix(t, "UNAME_p=")
	case strings.HasPrefix(t, "ARCH=") && f.arch == "":
		f.arch = strings.TrimPrefix(t, "ARCH=")
	}
}

func (f *facts) learnLine(i int, t string) {
	if m := phaseHeader.FindStringSubmatch(t); m != nil {
		f.phase, f.begin, f.end = m[1], i, len(f.skip)
		return
	}
	switch {
	case strings.HasPrefix(t, "port directory: ") && f.origin == "":
		f.origin = lastTwo(strings.TrimPrefix(t, "port directory: "))
	case strings.HasPrefix(t, "package name: ") && f.pkgname == "":
		f.pkgname = strings.TrimPrefix(t, "package name: ")
	case buildEnded.MatchString(t):
		if f.end == len(f.skip) && i > f.begin {
			f.end = i
		}
	}
	if m := buildSystem.FindStringSubmatch(t); m != nil && f.foreign(m[1]) && f.guessed < 0 {
		f.guessed = i
	}
	f.emulated = f.emulated || strings.Contains(t, "uncaught target signal") || strings.Contains(t, "QEMU internal SIG") ||
		strings.Contains(t, "qemu: ") || strings.Contains(t, "requires QEMU")
}

// foreign tells whether a machine that configure guessed is an x86, where the
// jail is not.
func (f *facts) foreign(machine string) bool {
	x86 := machine == "x86_64" || machine == "amd64" || machine == "i386" || machine == "i486" || machine == "i586" || machine == "i686"
	return x86 && f.arch != "" && f.arch != "amd64" && f.arch != "i386"
}

// lastTwo is the origin of a port's directory.
func lastTwo(dir string) string {
	parts := strings.Split(strings.TrimRight(dir, "/"), "/")
	return strings.Join(parts[max(len(parts)-2, 0):], "/")
}
