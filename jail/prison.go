package jail

import (
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/vfsopt"
)

// Values of the parameters that a jail has of its own, shares, or lacks
// (JAIL_SYS_NEW, JAIL_SYS_INHERIT).
const (
	prisonNew     = 1
	prisonInherit = 2
)

// Limits of a jail's parameters in sys/sys/jail.h and kern_jail.c, in bytes
// without the NUL.
const (
	releaseMax = 30 // OSRELEASELEN is 32, and the kernel wants less with the NUL
	pathMax    = vfsopt.PathMax - 1
)

// enforceStatfs hides every mount but the jail's root from programs that list
// them (enforce_statfs in jail(8)).
const enforceStatfs = 2

// prisonName is the name of the jail(2) around one command. A dot in it would
// name a jail within a jail.
func prisonName(jail, id string) string {
	return "xjail-" + strings.ReplaceAll(jail, ".", "_") + "-" + id
}

// prisonOptions are the parameters of the jail(2) around one command. known
// tells whether this kernel has a parameter: those for IPv6 and System V IPC
// are not in every kernel, and one that the kernel does not know is an error.
//
// The jail persists until the command runs in it. What is not said here is off
// (JAIL_DEFAULT_ALLOW in kern_jail.c): raw sockets, mounting, jails in the jail.
func prisonOptions(e *entrance, root, id string, g guest, known func(string) bool) (vfsopt.Options, error) {
	if err := vfsopt.CheckText("the jail's path", root, pathMax+1); err != nil {
		return nil, fault.Wrap(fault.Usage, err, "", "choose a shorter place with --state DIR")
	}
	o := vfsopt.Options{
		vfsopt.String("name", prisonName(e.Name, id)),
		vfsopt.String("path", root),
		vfsopt.String("host.hostname", e.Name),
		vfsopt.Flag("persist"),
		vfsopt.Int("children.max", 0),
		vfsopt.Int("enforce_statfs", enforceStatfs),
		// Builds set file flags in their own files: install -f schg.
		vfsopt.Bool("allow.chflags", true),
	}
	for _, name := range e.Allow {
		if !known("allow." + name) {
			return nil, fault.New(fault.Unsupported, "jail(8) lists those of this release; make the jail again without it", "this kernel has no parameter allow.%s", name)
		}
		o = append(o, vfsopt.Bool("allow."+name, true))
	}
	for _, p := range []struct {
		name  string
		value int
	}{{"ip4", prisonInherit}, {"ip6", prisonInherit}, {"sysvmsg", prisonNew}, {"sysvsem", prisonNew}, {"sysvshm", prisonNew}} {
		if known(p.name) {
			o = append(o, vfsopt.Int(p.name, p.value))
		}
	}
	if g.Release != "" && len(g.Release) <= releaseMax {
		o = append(o, vfsopt.String("osrelease", g.Release))
	}
	if v := g.kernelVersion(); v != 0 {
		o = append(o, vfsopt.Int("osreldate", v))
	}
	return o, nil
}

// checkAllow refuses what no kernel has as a parameter allow.* of jail(8), and
// what would let a jail out: it is a name, and only FreeBSD has them.
func checkAllow(host string, names []string) ([]string, error) {
	var list []string
	for _, name := range names {
		name = strings.TrimPrefix(name, "allow.")
		switch {
		case host != "freebsd":
			return nil, fault.New(fault.Unsupported, "leave --allow out: a jail on Linux is a user namespace, whose root may all that does not reach the host", "--allow %s: parameters of jail(8) are FreeBSD's", name)
		case name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_0123456789.") != "":
			return nil, fault.New(fault.Usage, "jail(8) lists them: raw_sockets, mlock, ...", "--allow %q is no parameter of jail(8)", name)
		case !slices.Contains(list, name):
			list = append(list, name)
		}
	}
	return list, nil
}

// unpersist lets a jail(2) end with its last process.
func unpersist(jid int) vfsopt.Options {
	return vfsopt.Options{vfsopt.Int("jid", jid), vfsopt.Bool("persist", false)}
}

// nextPrison asks jail_get(2) for the jail after a number, with its path.
func nextPrison(after int) vfsopt.Options {
	return vfsopt.Options{vfsopt.Int("lastjid", after), vfsopt.Buffer("path", vfsopt.PathMax)}
}
