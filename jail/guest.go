package jail

import (
	"os"
	"regexp"
	"strconv"
	"sync"

	"github.com/xjail/xjail/arch"
)

// guest is what a FreeBSD root says of itself. Every field is a claim of the
// root: checked for its form, and used for nothing but to tell programs in the
// root what they run on.
type guest struct {
	// FreeBSD: the root is one of FreeBSD.
	FreeBSD bool
	// Release is the version of the userland, 13.2-RELEASE-p1; "" when the root
	// does not say.
	Release string
	// OSReldate is __FreeBSD_version, 1302001; 0 when the root does not say.
	OSReldate int
	// CRT: the root has /usr/lib/crt1.o, which always is of its own
	// architecture, while programs of it may be replaced by native ones.
	CRT bool
}

// Where a root says it, and how much of the file is read, in bytes. param.h
// grew to 16 KiB in 30 years.
const (
	versionScript = "/bin/freebsd-version"
	paramHeader   = "/usr/include/sys/param.h"
	crtFile       = "/usr/lib/crt1.o"
	guestFileMax  = 256 << 10
)

var (
	// userlandVersion is the line that freebsd-version(1) -u prints.
	userlandVersion = lazily(`(?m)^USERLAND_VERSION="?([0-9]{1,3}\.[0-9]{1,3}-[A-Za-z0-9.-]{1,20})"?[ \t]*$`)
	// paramVersion is the definition in sys/param.h.
	paramVersion = lazily(`(?m)^#[ \t]*define[ \t]+__FreeBSD_version[ \t]+([0-9]{6,8})\b`)
)

// lazily is a pattern that is compiled when it is first used: most commands need
// none.
func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// readGuest looks what a root is.
func readGuest(root *os.Root) guest {
	open := openFileIn(root)
	g := guest{
		Release:   parseUserland(readHead(open, versionScript, guestFileMax)),
		OSReldate: parseParam(readHead(open, paramHeader, guestFileMax)),
	}
	system, noted := noteOf(root)
	if g.OSReldate == 0 {
		g.OSReldate = noted
	}
	g.FreeBSD = system == "freebsd" || system == "" && g.Release != "" && g.OSReldate != 0
	if !g.FreeBSD {
		return guest{}
	}
	st, err := statIn(root)(crtFile)
	g.CRT = err == nil && st.Mode().IsRegular()
	return g
}

func parseUserland(script []byte) string {
	if m := userlandVersion().FindSubmatch(script); m != nil {
		return string(m[1])
	}
	return ""
}

func parseParam(header []byte) int {
	m := paramVersion().FindSubmatch(header)
	if m == nil {
		return 0
	}
	return osreldate(string(m[1]))
}

// osreldate reads a __FreeBSD_version: six digits until 9, seven since 10.
func osreldate(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 100000 || n > 99999999 {
		return 0
	}
	return n
}

// noteOf takes the system and __FreeBSD_version from the first program that
// has them in its ABI note. A program that was replaced by a native one of
// another release is not asked: libraries come first.
func noteOf(root *os.Root) (system string, version int) {
	for _, name := range append([]string{"lib/libc.so.7"}, landmarks...) {
		id, err := identify(root, name)
		if err != nil {
			continue
		}
		if system == "" {
			system = id.OS
		}
		if id.OS == "freebsd" && id.OSVersion != "" {
			return id.OS, osreldate(id.OSVersion)
		}
	}
	return system, 0
}

// guestEnv is what programs of a FreeBSD root need to be told. uname(1) and
// uname(3) take UNAME_r, UNAME_v, UNAME_m and UNAME_p instead of the kernel's
// answer, which is the host's for native programs of a foreign root.
//
// pkg takes its ABI from ABI_FILE, a file that is always of the root's own
// architecture; pkg 2 complains when OSVERSION is set as well, so that is left
// to the jail's own osreldate.
func guestEnv(g guest, a, host *arch.Arch) []string {
	if !g.FreeBSD {
		return nil
	}
	var env []string
	if g.Release != "" {
		env = append(env, "UNAME_r="+g.Release, "UNAME_v=FreeBSD "+g.Release)
	}
	if a == nil || host == nil || a.Name == host.Name {
		return env
	}
	if a.Target != "" {
		env = append(env, "UNAME_m="+a.Target, "UNAME_p="+a.Name)
	}
	if g.CRT {
		env = append(env, "ABI_FILE="+crtFile)
	}
	return env
}

// inode64 is the first __FreeBSD_version with 64-bit inodes. The C library
// asks its kernel's version to choose between these system calls and the older
// ones, and the emulator's C library is the host's: it is not told less.
const inode64 = 1200031

// kernelVersion is the osreldate of a jail for this guest; 0 is the host's.
func (g guest) kernelVersion() int {
	if g.OSReldate < inode64 {
		return 0
	}
	return g.OSReldate
}
