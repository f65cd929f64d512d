package explain

import (
	"slices"

	"github.com/xjail/xjail/arch"
)

// Natives are the architectures that the kernel of this machine runs by itself,
// its own first. others are those that it is known to run besides, by the
// catalog's names; those whose headers look the same count too.
func Natives(others []string) []*arch.Arch {
	var list []*arch.Arch
	add := func(a *arch.Arch) {
		if a != nil && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	add(arch.Host())
	for _, name := range others {
		a, err := arch.Lookup(name)
		if err != nil {
			continue
		}
		add(a)
		for _, same := range a.Same {
			if b, err := arch.Lookup(same); err == nil {
				add(b)
			}
		}
	}
	return list
}
