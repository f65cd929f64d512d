package jail

import (
	"slices"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// sameMachine are answers of uname -m that mean the same: qemu names its CPU,
// not the architecture.
var sameMachine = [][]string{
	{"arm", "armv5tel", "armv6l", "armv7l", "armv8l", "armv6", "armv7"},
	{"armeb", "armv5teb", "armv6b", "armv7b", "armeb7l", "armv7lb"},
	{"i386", "i486", "i586", "i686"},
	{"aarch64", "arm64"},
	{"amd64", "x86_64"},
	{"mips", "mipsel"},
	{"mips64", "mips64el"},
	{"powerpc", "ppc"},
	{"powerpc64", "ppc64"},
	{"powerpc64le", "ppc64le"},
	{"sh4", "sh4a", "sh4l"},
	{"parisc", "hppa"},
	{"sparc", "sparc32plus"},
	{"riscv64", "riscv"},
}

// otherwise is what to try when the probe of a jail failed.
func (r *Record) otherwise() string {
	if r.Emulator == nil {
		return "this machine runs the root's programs by itself; look into the root: xjail arch identify FILE"
	}
	return "xjail emulator verify tells more; try another emulator with --emulator"
}

// checkProbe compares what the probe said with what its architecture says.
func checkProbe(r *Record, p Probe) error {
	if len(p.Argv) > 2 {
		if p.Output == probeWord {
			return nil
		}
		return fault.New(fault.Failed, r.otherwise(), "the jail's shell said %q instead of %q", p.Output, probeWord)
	}
	a, err := arch.Lookup(r.Arch)
	if err != nil {
		return err
	}
	want := machines(a, r.Guest)
	for _, m := range want {
		if p.Output == m || equalMachines(p.Output, m) {
			return nil
		}
	}
	return fault.New(fault.WrongArch, r.otherwise(), "uname -m says %q in the jail, expected %q", p.Output, want[0])
}

// machines are the answers of uname -m. FreeBSD's is MACHINE, the TARGET of a
// build: arm64 for aarch64, mips for mips64. Some emulators name the
// architecture instead.
func machines(a *arch.Arch, os string) []string {
	switch {
	case os == "freebsd" && a.Target != "":
		return append([]string{a.Target, a.Name}, a.OtherTargets...)
	case a.Uname != "":
		return []string{a.Uname}
	}
	return []string{a.Name}
}

func equalMachines(a, b string) bool {
	return slices.ContainsFunc(sameMachine, func(set []string) bool {
		return slices.Contains(set, a) && slices.Contains(set, b)
	})
}
