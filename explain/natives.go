package explain

import (
	"slices"

	"github.com/xjail/xjail/arch"
)

// Natives are the architectures that the kernel of this machine runs by itself,
// its own first. supported are those that the kernel names, as FreeBSD's does;
// nil where it names none.
func Natives(supported []string) []*arch.Arch {
	var list []*arch.Arch
	if host := arch.Host(); host != nil {
		list = append(list, host)
	}
	for _, name := range append(compatible(), supported...) {
		if a, err := arch.Lookup(name); err == nil && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}
