package hook

import "golang.org/x/sys/unix"

// supported are the kernel's own words for what it runs.
func supported() []string {
	var list []string
	for _, name := range []string{"hw.machine_arch", "kern.supported_archs"} {
		if text, err := unix.Sysctl(name); err == nil {
			list = append(list, text)
		}
	}
	return list
}
