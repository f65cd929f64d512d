package hook

import (
	"runtime"
	"slices"
	"strings"
)

// ports are Go's names of the architectures that FreeBSD hosts have, with the
// TARGET_ARCH of each.
var ports = map[string]string{
	"386": "i386", "amd64": "amd64", "arm": "armv7", "arm64": "aarch64",
	"ppc64": "powerpc64", "ppc64le": "powerpc64le", "riscv64": "riscv64",
}

// Natives are the TARGET_ARCHs of which the kernel runs programs by itself: that
// for which this program was built, and those that the kernel names. Neither
// uname(1) nor the environment is asked, as poudriere has both tell of the jail.
func Natives() []string {
	list := []string{ports[runtime.GOARCH]}
	for _, text := range supported() {
		list = append(list, strings.Fields(text)...)
	}
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(s string) bool { return s == "" })
}
