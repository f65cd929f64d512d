package poudriere

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/rootpath"
	"github.com/xjail/xjail/jail"
)

// What poudriere reads of a root, and how much of a file is read, in bytes.
const (
	loginConf   = "etc/login.conf"
	paramHeader = "usr/include/sys/param.h"
	newVersion  = "usr/src/sys/conf/newvers.sh"
	fileMax     = 1 << 20
)

// rootFacts are what poudriere goes by.
type rootFacts struct {
	Version   string // as poudriere writes it
	OSVersion int    // __FreeBSD_version
}

// versionForm is what poudriere can put into login.conf by sed(1): a release, and
// what may be behind a blank.
var versionForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[0-9]{1,3}\.[0-9]{1,3}(\.[0-9]+)?-[A-Za-z0-9.+~-]{1,40}( [A-Za-z0-9.+~-]{1,40})?$`)
})

// readRoot looks whether poudriere will accept a root, and what it will say of
// it: version when that is given, what the root says, or else.
func readRoot(dir, version, otherwise string) (rootFacts, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return rootFacts{}, fault.Wrap(fault.NotFound, err, "the root", "")
	}
	defer root.Close()
	u, ok := jail.ReadUserland(root)
	if !ok {
		return rootFacts{}, fault.New(fault.Unsupported, "make one of FreeBSD: xjail create NAME --arch ARCH --from release:VERSION",
			"%s is no root of FreeBSD: poudriere builds FreeBSD's ports", dir)
	}
	f := rootFacts{Version: version}
	if err := checkLogin(root, dir); err != nil {
		return f, err
	}
	if f.OSVersion, err = readOSVersion(root, dir); err != nil {
		return f, err
	}
	if f.Version == "" {
		f.Version = cmp.Or(rootVersion(root, u), otherwise)
	}
	if !versionForm().MatchString(f.Version) {
		what := "the version of " + dir + " is not known: it has no bin/freebsd-version that says it"
		if f.Version != "" {
			what = "\"" + f.Version + "\" is no version as poudriere writes it"
		}
		return f, fault.New(fault.NotFound, "--version 14.3-RELEASE, or what it is", "%s", what)
	}
	return f, nil
}

// rootVersion is what poudriere would call the version: sources in the root come
// first, as in its jail -c -m null.
func rootVersion(root *os.Root, u jail.Userland) string {
	text, err := readFile(root, newVersion)
	if err != nil {
		return u.Release
	}
	if v := parseNewVersion(text); v != "" {
		return v
	}
	return u.Release
}

var newVersionLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^(REVISION|BRANCH)="?([A-Za-z0-9.-]+)"?[ \t]*$`) })

// parseNewVersion is REVISION-BRANCH of sys/conf/newvers.sh.
func parseNewVersion(text []byte) string {
	values := map[string]string{}
	for _, m := range newVersionLine().FindAllSubmatch(text, -1) {
		values[string(m[1])] = string(m[2])
	}
	if values["REVISION"] == "" || values["BRANCH"] == "" {
		return ""
	}
	return values["REVISION"] + "-" + values["BRANCH"]
}

// settable is a line of login.conf to which poudriere can append: it edits the
// text from :setenv to the last colon of the same line.
var settable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^[ \t]*:setenv=[^\n]*:`) })

// checkLogin looks for the line to which poudriere appends UNAME_r and the rest.
// Where there is none nothing fails, and the jail's programs are told the host's.
func checkLogin(root *os.Root, dir string) error {
	text, err := readFile(root, loginConf)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Damaged, "it comes with the set base; poudriere wants a root that was populated by installworld", "%s has no /etc/login.conf", dir)
	}
	if err != nil {
		return fault.Wrap(fault.Damaged, err, "etc/login.conf of "+dir, "")
	}
	if !settable().Match(text) {
		return fault.New(fault.Damaged, `put ":setenv=BLOCKSIZE=K:\" on a line of its own into the class default there`,
			"/etc/login.conf of %s has no line :setenv=...:, to which poudriere adds what programs are told of the jail", dir)
	}
	return nil
}

// readOSVersion is what poudriere's awk finds in sys/param.h: the third word of
// the line that has "#define __FreeBSD_version" in it.
func readOSVersion(root *os.Root, dir string) (int, error) {
	text, err := readFile(root, paramHeader)
	hint := "it comes with the set base; a root without headers cannot build"
	if err != nil {
		return 0, fault.New(fault.Damaged, hint, "%s has no /usr/include/sys/param.h, from which poudriere takes OSVERSION", dir)
	}
	n := parseOSVersion(text)
	if n == 0 {
		return 0, fault.New(fault.Damaged, hint, "/usr/include/sys/param.h of %s has no line \"#define __FreeBSD_version NUMBER\"", dir)
	}
	return n, nil
}

func parseOSVersion(text []byte) int {
	found := 0
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "#define __FreeBSD_version") {
			continue
		}
		words := strings.Fields(line)
		n := 0
		if len(words) >= 3 {
			n, _ = strconv.Atoi(words[2])
		}
		if n < 100000 || n > 99999999 || found != 0 {
			return 0 // awk prints all of them, and the shell counts with none
		}
		found = n
	}
	return found
}

// readFile reads a file of a root as a program in it would.
func readFile(root *os.Root, name string) ([]byte, error) {
	f, err := rootpath.Open(root, path.Join("/", name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, fileMax))
}
